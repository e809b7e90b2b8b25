/* SPDX-License-Identifier: Apache-2.0
 * shard/tokenizer/json/token_trie.h - internal to shard/: strings to be found in a text,
 * of all that begin at its first place the longest. */
#ifndef SHARD_TOKENIZER_JSON_TOKEN_TRIE_H
#define SHARD_TOKENIZER_JSON_TOKEN_TRIE_H

#include <stddef.h>
#include <stdint.h>

struct token_trie_node {
    uint32_t child, sibling; /* 0: none */
    uint32_t value;          /* of the string that ends here; 0: none does */
    unsigned char byte;
};

/* All zero is empty. Release with token_trie_free(). */
struct token_trie {
    struct token_trie_node *nodes; /* the first is no node */
    size_t n, cap;
    uint32_t roots[256];
    int only_root; /* the one byte that all strings begin with; -1: there are several */
    size_t n_roots;
};

/* Adds a string of len >= 1 bytes with value >= 1. *before: the value that it has and
 * keeps, 0: it is new. SHARD_OK or SHARD_ENOMEM. */
int token_trie_add(struct token_trie *t, const char *string, size_t len, uint32_t value,
                   uint32_t *before);
void token_trie_free(struct token_trie *t);

/* The first string at or behind `from`: its value, and [*start, *end); 0: there is none,
 * or *steps, from which each byte that is compared is taken, has come to 0. */
uint32_t token_trie_find(const struct token_trie *t, const char *text, size_t len,
                         size_t from, size_t *steps, size_t *start, size_t *end);

#endif
