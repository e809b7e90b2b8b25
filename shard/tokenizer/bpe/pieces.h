/* SPDX-License-Identifier: Apache-2.0
 * shard/tokenizer/bpe/pieces.h - internal to shard/: a vocabulary, ids <-> strings of
 * bytes.
 *
 * Filled by one thread, then immutable and shared. Ids need not be dense. */
#ifndef SHARD_TOKENIZER_BPE_PIECES_H
#define SHARD_TOKENIZER_BPE_PIECES_H

#include <stddef.h>
#include <stdint.h>

struct pieces;

/* More ids than any vocabulary in use has: 16 million. */
enum { PIECES_MAX_ID = (1 << 24) - 1 };

/* The highest id that a file of so many pieces may have: each takes memory, also those
 * that have none. */
uint32_t pieces_highest_id(size_t n_pieces);

/* NULL: no memory. */
struct pieces *pieces_new(void);
void pieces_free(struct pieces *p); /* accepts NULL */

/* Adds a piece, which may contain NUL, and is copied. Returns SHARD_OK, SHARD_ENOMEM, or
 * SHARD_EINVAL: an id above PIECES_MAX_ID, one that has a piece already, or a piece that
 * has an id already. */
int pieces_add(struct pieces *p, uint32_t id, const char *bytes, size_t len);

/* Above the highest id. */
uint32_t pieces_end(const struct pieces *p);
/* Lent until the next pieces_add(), with a NUL behind its *len bytes; NULL: the id has
 * none. */
const char *pieces_get(const struct pieces *p, uint32_t id, size_t *len);
/* -1: no such piece. */
int64_t pieces_find(const struct pieces *p, const char *bytes, size_t len);

#endif
