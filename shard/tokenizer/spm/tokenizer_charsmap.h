/* SPDX-License-Identifier: Apache-2.0
 * shard/tokenizer/spm/tokenizer_charsmap.h - internal to shard/: can SentencePiece walk
 * this normalization map without leaving it? And what does the map make of a text? */
#ifndef SHARD_TOKENIZER_SPM_TOKENIZER_CHARSMAP_H
#define SHARD_TOKENIZER_SPM_TOKENIZER_CHARSMAP_H

#include <stdbool.h>
#include <stddef.h>

/* NULL where no text leads outside of the NormalizerSpec.precompiled_charsmap at `map`
 * (len >= 1 bytes), else what is wrong. Static. */
const char *tokenizer_charsmap_fault(const void *map, size_t len);

/* The rest is for maps without a fault; an empty one (len 0) replaces nothing. */

/* Whether all that it puts into a text is UTF-8. */
bool tokenizer_charsmap_is_utf8(const void *map, size_t len);

/* How many bytes of text (the longest row of them that the map knows) it replaces at the
 * beginning, with *to the NUL-terminated replacement, lent by the map; 0: none. */
size_t tokenizer_charsmap_find(const void *map, size_t len, const char *text,
                               size_t text_len, const char **to);

/* Whether an ASCII byte stays as it is before any other ASCII byte, and at the end. */
bool tokenizer_charsmap_keeps(const void *map, size_t len, unsigned char byte);

#endif
