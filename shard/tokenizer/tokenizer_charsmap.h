/* SPDX-License-Identifier: Apache-2.0
 * shard/tokenizer/tokenizer_charsmap.h - internal to shard/: can SentencePiece walk this
 * normalization map without leaving it? */
#ifndef SHARD_TOKENIZER_TOKENIZER_CHARSMAP_H
#define SHARD_TOKENIZER_TOKENIZER_CHARSMAP_H

#include <stddef.h>

/* NULL where no text leads outside of the NormalizerSpec.precompiled_charsmap at `map`
 * (len >= 1 bytes), else what is wrong. Static. */
const char *tokenizer_charsmap_fault(const void *map, size_t len);

#endif
