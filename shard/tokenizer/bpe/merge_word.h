/* SPDX-License-Identifier: Apache-2.0
 * shard/tokenizer/bpe/merge_word.h - internal to shard/: the merges of one word. */
#ifndef SHARD_TOKENIZER_BPE_MERGE_WORD_H
#define SHARD_TOKENIZER_BPE_MERGE_WORD_H

#include <stddef.h>
#include <stdint.h>

#include "shard/tokenizer/bpe/merge_table.h"

/* Merges n symbols in place, the pair of the lowest rank first, of several the leftmost;
 * *n becomes their number. SHARD_OK or SHARD_ENOMEM. */
int merge_word(const struct merge_table *t, uint32_t *symbols, size_t *n);

#endif
