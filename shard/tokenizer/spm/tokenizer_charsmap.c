/* SPDX-License-Identifier: Apache-2.0
 * shard/tokenizer/spm/tokenizer_charsmap.c - check a normalization map before the library
 * uses it.
 *
 * The map is the size of a trie in bytes (u32), the trie, then NUL-terminated strings.
 * The trie is a double array (darts-clone) of u32 units, and the library follows it
 * without a check of bounds. A unit's bits:
 *
 *     0-7 the byte that leads here, 31 set in a value   (both compared: the label)
 *     8 a value stands at the node's base    9 the offset counts in 256   10-31 offset
 *
 * From a node at position p its base is p ^ offset; byte c leads to base ^ c if the label
 * there is c; the value at the base (31 bits) is where the replacement starts in the
 * strings. So: each base that can be reached, with any byte, must lie within the trie,
 * and each value within the strings. */
#include "shard/tokenizer/spm/tokenizer_charsmap.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "shard/valid_utf8.h"

struct trie {
    const unsigned char *units; /* at any address */
    size_t n_units;
    const char *strings;
    size_t strings_len;
    size_t *stack; /* nodes still to visit, at most n_units */
    size_t n_stack;
    unsigned char *seen; /* n_units: pushed once already */
};

static uint32_t unit_at(const struct trie *t, size_t i)
{
    uint32_t unit;

    memcpy(&unit, t->units + 4 * i, sizeof(unit));
    return unit;
}

static uint32_t label(uint32_t unit)
{
    return unit & (UINT32_C(1) << 31 | 0xff);
}

static size_t offset(uint32_t unit)
{
    return (size_t)(unit >> 10) << ((unit & 1U << 9) != 0 ? 8 : 0);
}

static void push(struct trie *t, size_t node)
{
    if (t->seen[node])
        return;
    t->seen[node] = 1;
    t->stack[t->n_stack++] = node;
}

static bool has_value(uint32_t unit)
{
    return (unit & 1U << 8) != 0;
}

static size_t value_at(const struct trie *t, size_t base)
{
    return unit_at(t, base) & INT32_MAX;
}

static bool leads(const struct trie *t, size_t base, uint32_t byte)
{
    return label(unit_at(t, base ^ byte)) == byte;
}

static bool visit(struct trie *t, size_t node)
{
    const uint32_t unit = unit_at(t, node);
    const size_t base = node ^ offset(unit);

    if ((base | 0xff) >= t->n_units)
        return false;
    if (has_value(unit) && value_at(t, base) >= t->strings_len)
        return false;
    for (uint32_t c = 0; c < 256; c++)
        if (leads(t, base, c))
            push(t, base ^ c);
    return true;
}

static const char *walk(struct trie *t)
{
    /* The root is a base like any other, only that no byte leads to it. */
    push(t, 0);
    while (t->n_stack > 0)
        if (!visit(t, t->stack[--t->n_stack]))
            return "its normalization map leads outside of itself";
    return NULL;
}

/* Of a map that is long enough. */
static struct trie trie_of(const void *map, size_t len)
{
    const char *bytes = map;
    uint32_t trie_len;

    memcpy(&trie_len, map, sizeof(trie_len));
    return (struct trie){.units = (const unsigned char *)map + sizeof(trie_len),
                         .n_units = trie_len / 4,
                         .strings = bytes + sizeof(trie_len) + trie_len,
                         .strings_len = len - sizeof(trie_len) - trie_len};
}

const char *tokenizer_charsmap_fault(const void *map, size_t len)
{
    uint32_t trie_len;

    if (len <= sizeof(trie_len))
        return "its normalization map is cut short";
    memcpy(&trie_len, map, sizeof(trie_len));
    if (trie_len == 0 || trie_len % 4 != 0 || trie_len >= len - sizeof(trie_len))
        return "its normalization map is cut short";
    struct trie t = trie_of(map, len);
    t.stack = calloc(t.n_units, sizeof(*t.stack));
    t.seen = calloc(t.n_units, 1);
    const char *fault = t.stack != NULL && t.seen != NULL
                            ? walk(&t)
                            : "out of memory for its normalization map";
    free(t.stack);
    free(t.seen);
    return fault;
}

/* A value may point to the middle of a string: each that a node has is looked at, whether
 * a text can lead there or not. */
bool tokenizer_charsmap_is_utf8(const void *map, size_t len)
{
    if (len == 0)
        return true;
    const struct trie t = trie_of(map, len);
    if (t.strings[t.strings_len - 1] != '\0' ||
        !shard_utf8_valid(t.strings, t.strings_len))
        return false;
    for (size_t i = 0; i < t.n_units; i++) {
        const uint32_t unit = unit_at(&t, i);
        const size_t base = i ^ offset(unit);

        if (unit >> 31 == 0 && has_value(unit) && base < t.n_units &&
            value_at(&t, base) < t.strings_len &&
            ((unsigned char)t.strings[value_at(&t, base)] & 0xc0) == 0x80)
            return false;
    }
    return true;
}

size_t tokenizer_charsmap_find(const void *map, size_t len, const char *text,
                               size_t text_len, const char **to)
{
    size_t found = 0;

    if (len == 0)
        return 0;
    const struct trie t = trie_of(map, len);
    size_t base = offset(unit_at(&t, 0));
    for (size_t i = 0; i < text_len; i++) {
        const size_t node = base ^ (unsigned char)text[i];
        const uint32_t unit = unit_at(&t, node);

        if (label(unit) != (unsigned char)text[i])
            break;
        base = node ^ offset(unit);
        if (has_value(unit)) {
            found = i + 1;
            *to = t.strings + value_at(&t, base);
        }
    }
    return found;
}

bool tokenizer_charsmap_keeps(const void *map, size_t len, unsigned char byte)
{
    if (len == 0)
        return true;
    const struct trie t = trie_of(map, len);
    const size_t root = offset(unit_at(&t, 0));
    if (!leads(&t, root, byte))
        return true;
    const uint32_t unit = unit_at(&t, root ^ byte);
    const size_t base = root ^ byte ^ offset(unit);
    for (uint32_t c = 0; c < 0x80; c++)
        if (leads(&t, base, c))
            return false;
    return !has_value(unit);
}
