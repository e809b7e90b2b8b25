/* SPDX-License-Identifier: Apache-2.0
 * shard/tokenizer/bpe/bpe.h - internal to shard/: one word -> ids by byte-pair encoding.
 *
 * A word begins as symbols, one a byte or one a character; then, of all pairs of
 * neighbours that have a merge, the one of the lowest rank (of several, the leftmost)
 * becomes one symbol, until no pair has a merge.
 *
 * A struct bpe is immutable once made and shared; a struct bpe_worker is one thread's:
 * scratch memory, and a cache of words. */
#ifndef SHARD_TOKENIZER_BPE_BPE_H
#define SHARD_TOKENIZER_BPE_BPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shard/tokenizer/bpe/pieces.h"
#include "shard/tokenizer/token_ids.h"

struct bpe;
struct bpe_worker;

/* Its rank is its place in the list, or what it makes (`by_id`). Of merges of the same
 * pair the last one counts. */
struct bpe_merge {
    uint32_t left, right, made;
};

/* What bpe_new() is told. Strings and pieces are lent to it until bpe_free(), merges for
 * the call. */
struct bpe_spec {
    const struct bpe_merge *merges;
    size_t n_merges;
    bool by_id;

    /* A symbol a byte: the ids of bytes that begin a word and do not end it, stand within
     * it, end it and do not begin it, are all of it. (Without continuing prefix and end
     * suffix the four are the same.) NULL: a symbol a character, by `pieces`. */
    const uint32_t (*byte_ids)[256]; /* [4][256] */

    /* The vocabulary, spelled as words are. NULL where symbols are bytes whose pieces
     * have a prefix or a suffix: words are slower without, and `whole` is not possible.
     */
    const struct pieces *pieces;
    /* A word that is a piece is that piece, without merges (`ignore_merges`; tiktoken).
     */
    bool whole;

    /* Symbols of characters: a character that does not begin its word has the prefix, one
     * that ends it the suffix. "" is none; not NULL. */
    const char *prefix, *suffix;
    bool byte_fallback; /* one that is no piece: <0xE3><0x81><0x82>, if all are pieces */
    bool fuse_unk;      /* unknown neighbours are one symbol */
    int64_t unk;        /* -1: an unknown character is left out */
};

/* Gives *out (release with bpe_free()). SHARD_OK or SHARD_ENOMEM. */
int bpe_new(struct bpe **out, const struct bpe_spec *spec);
void bpe_free(struct bpe *b); /* accepts NULL */

/* The worker (release with bpe_worker_free() before the bpe), NULL: no memory. */
struct bpe_worker *bpe_worker_new(const struct bpe *b);
void bpe_worker_free(struct bpe_worker *w); /* accepts NULL */

/* Adds the ids of a word: len bytes, of UTF-8 where symbols are characters; none for
 * len 0. O(len log len). SHARD_OK or SHARD_ENOMEM. */
int bpe_encode(struct bpe_worker *w, const char *word, size_t len, struct token_ids *ids);

#endif
