/* SPDX-License-Identifier: Apache-2.0 */
#include "shard/tokenizer/json/token_trie.h"

#include <stdlib.h>
#include <string.h>

#include "shard/status.h"

/* Gives a new node's place; 0: no memory. */
static uint32_t new_node(struct token_trie *t, unsigned char byte)
{
    if (t->n >= UINT32_MAX / 2)
        return 0;
    if (t->n == t->cap) {
        const size_t cap = t->cap < 64 ? 64 : t->cap * 2;
        struct token_trie_node *nodes = realloc(t->nodes, cap * sizeof(*nodes));
        if (nodes == NULL)
            return 0;
        t->nodes = nodes;
        t->cap = cap;
    }
    t->n += t->n == 0;
    t->nodes[t->n] = (struct token_trie_node){.byte = byte};
    return (uint32_t)t->n++;
}

static uint32_t find_child(const struct token_trie *t, uint32_t node, unsigned char byte)
{
    uint32_t child = t->nodes[node].child;

    while (child != 0 && t->nodes[child].byte != byte)
        child = t->nodes[child].sibling;
    return child;
}

static uint32_t add_child(struct token_trie *t, uint32_t node, unsigned char byte)
{
    const uint32_t child = new_node(t, byte);

    if (child != 0) {
        t->nodes[child].sibling = t->nodes[node].child;
        t->nodes[node].child = child;
    }
    return child;
}

static uint32_t add_root(struct token_trie *t, unsigned char byte)
{
    const uint32_t root = new_node(t, byte);

    if (root != 0) {
        t->roots[byte] = root;
        t->only_root = t->n_roots++ == 0 ? byte : -1;
    }
    return root;
}

int token_trie_add(struct token_trie *t, const char *string, size_t len, uint32_t value,
                   uint32_t *before)
{
    const unsigned char *s = (const unsigned char *)string;
    uint32_t node = t->roots[s[0]];

    if (node == 0)
        node = add_root(t, s[0]);
    for (size_t i = 1; node != 0 && i < len; i++) {
        const uint32_t child = find_child(t, node, s[i]);
        node = child != 0 ? child : add_child(t, node, s[i]);
    }
    if (node == 0)
        return SHARD_ENOMEM;
    *before = t->nodes[node].value;
    if (*before == 0)
        t->nodes[node].value = value;
    return SHARD_OK;
}

void token_trie_free(struct token_trie *t)
{
    free(t->nodes);
    *t = (struct token_trie){.nodes = NULL};
}

/* The longest string at `at`, which ends at *end; 0: none. *reached: behind what was
 * looked at. */
static uint32_t match(const struct token_trie *t, const unsigned char *text, size_t len,
                      size_t at, size_t *reached, size_t *end)
{
    uint32_t node = t->roots[text[at++]], found = 0;

    while (node != 0) {
        if (t->nodes[node].value != 0) {
            found = t->nodes[node].value;
            *end = at;
        }
        node = at < len ? find_child(t, node, text[at++]) : 0;
    }
    *reached = at;
    return found;
}

/* Where a string may begin, at or behind `at`; or len. */
static size_t candidate(const struct token_trie *t, const unsigned char *text, size_t len,
                        size_t at)
{
    if (t->only_root >= 0) {
        const unsigned char *found =
            at < len ? memchr(text + at, t->only_root, len - at) : NULL;
        return found != NULL ? (size_t)(found - text) : len;
    }
    while (at < len && t->roots[text[at]] == 0)
        at++;
    return at;
}

uint32_t token_trie_find(const struct token_trie *t, const char *text, size_t len,
                         size_t from, size_t *steps, size_t *start, size_t *end)
{
    const unsigned char *s = (const unsigned char *)text;

    if (t->n_roots == 0)
        return 0;
    for (size_t at = candidate(t, s, len, from); at < len;
         at = candidate(t, s, len, at + 1)) {
        size_t reached;
        const uint32_t value = match(t, s, len, at, &reached, end);
        *steps -= reached - at < *steps ? reached - at : *steps;
        if (*steps == 0)
            return 0;
        if (value != 0) {
            *start = at;
            return value;
        }
    }
    return 0;
}
