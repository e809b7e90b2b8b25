/* SPDX-License-Identifier: Apache-2.0
 * shard/tokenizer/bpe/word_cache.h - internal to shard/: what words have become before,
 * of one thread, in memory of fixed size.
 *
 * A table of cache lines of 64 bytes that hold a word and its ids, and one of 128 bytes
 * for longer words; in pairs, of which one that was not found again is overwritten. It
 * changes how long a text takes, never its ids: a word is compared byte for byte. */
#ifndef SHARD_TOKENIZER_BPE_WORD_CACHE_H
#define SHARD_TOKENIZER_BPE_WORD_CACHE_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Longer ones, and words of more ids, are not kept. */
enum { WORD_CACHE_MAX_WORD = 62, WORD_CACHE_MAX_IDS = 16 };
/* Those up to here have a table of their own, unless they have many ids. */
enum { WORD_CACHE_SHORT_WORD = 26 };

struct word_cache;

/* NULL: no memory. */
struct word_cache *word_cache_new(void);
void word_cache_free(struct word_cache *c); /* accepts NULL */

/* Any word of at least 1 byte. How many ids it has, with *ids lent until the next
 * word_cache_put(); 0: it is not there. */
size_t word_cache_find(struct word_cache *c, const char *word, size_t len,
                       const uint32_t **ids);
/* A word without ids, or too long, is not kept. */
void word_cache_put(struct word_cache *c, const char *word, size_t len,
                    const uint32_t *ids, size_t n_ids);

#ifdef __cplusplus
}
#endif

#endif
