/* SPDX-License-Identifier: Apache-2.0 */
#include "shard/index/table.h"

#include <stdlib.h>
#include <string.h>

#include <xxhash.h>

#include "shard/status.h"
#include "shard/file/wire.h"

int shard_table_split(struct shard_table *t, const unsigned char *data, size_t len)
{
    struct wire_cursor c = {.p = data, .left = len};
    uint32_t n = wire_take_u32(&c);
    const unsigned char *lengths = wire_take(&c, 4 * (uint64_t)n);

    *t = (struct shard_table){0};
    if (lengths == NULL)
        return SHARD_EFORMAT;
    t->start = calloc((size_t)n + 1, sizeof(t->start[0]));
    if (t->start == NULL)
        return SHARD_ENOMEM;
    t->n = n;
    t->bytes = c.p;
    for (size_t i = 0; i < n; i++) {
        uint32_t bytes = wire_load_u32(lengths + 4 * i);
        wire_take(&c, bytes);
        t->start[i + 1] = t->start[i] + bytes;
    }
    return c.bad || c.left != 0 ? SHARD_EFORMAT : SHARD_OK;
}

void shard_table_clear(struct shard_table *t)
{
    free(t->start);
    *t = (struct shard_table){0};
}

static const unsigned char *string_at(const struct shard_intern *t, uint32_t position,
                                      size_t *len)
{
    *len = wire_load_u32(t->lengths.data + 4 * (size_t)position);
    return t->bytes.data + wire_load_u64(t->starts.data + 8 * (size_t)position);
}

/* The slot of that string, or the free one where it belongs. */
static uint32_t *slot_of(const struct shard_intern *t, const void *data, size_t len)
{
    size_t mask = t->n_slots - 1;
    size_t i = (size_t)XXH3_64bits(data, len) & mask;

    for (; t->slots[i] != 0; i = (i + 1) & mask) {
        size_t other_len;
        const unsigned char *other = string_at(t, t->slots[i] - 1, &other_len);
        if (other_len == len && memcmp(other, data, len) == 0)
            break;
    }
    return &t->slots[i];
}

static int grow(struct shard_intern *t)
{
    size_t n_slots = t->n_slots == 0 ? 64 : 2 * t->n_slots;
    uint32_t *slots = calloc(n_slots, sizeof(slots[0]));

    if (slots == NULL)
        return SHARD_ENOMEM;
    free(t->slots);
    t->slots = slots;
    t->n_slots = n_slots;
    for (uint32_t i = 0; i < t->n; i++) {
        size_t len;
        const unsigned char *data = string_at(t, i, &len);
        *slot_of(t, data, len) = i + 1;
    }
    return SHARD_OK;
}

int shard_intern(struct shard_intern *t, const void *data, size_t len, uint32_t *position)
{
    if (2 * ((size_t)t->n + 1) > t->n_slots && grow(t) < 0)
        return SHARD_ENOMEM;

    uint32_t *slot = slot_of(t, data, len);
    if (*slot == 0) {
        if (shard_buffer_add_u64(&t->starts, t->bytes.len) < 0 ||
            shard_buffer_add_u32(&t->lengths, (uint32_t)len) < 0 ||
            shard_buffer_add(&t->bytes, data, len) < 0)
            return SHARD_ENOMEM;
        *slot = ++t->n;
    }
    *position = *slot - 1;
    return SHARD_OK;
}

int shard_intern_encode(const struct shard_intern *t, struct shard_buffer *out)
{
    out->len = 0;
    if (shard_buffer_add_u32(out, t->n) < 0 ||
        shard_buffer_add(out, t->lengths.data, t->lengths.len) < 0)
        return SHARD_ENOMEM;
    return shard_buffer_add(out, t->bytes.data, t->bytes.len);
}

void shard_intern_empty(struct shard_intern *t)
{
    t->n = 0;
    t->lengths.len = t->bytes.len = t->starts.len = 0;
    if (t->slots != NULL)
        memset(t->slots, 0, t->n_slots * sizeof(t->slots[0]));
}

void shard_intern_clear(struct shard_intern *t)
{
    shard_buffer_free(&t->lengths);
    shard_buffer_free(&t->bytes);
    shard_buffer_free(&t->starts);
    free(t->slots);
    *t = (struct shard_intern){0};
}
