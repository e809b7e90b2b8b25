/* SPDX-License-Identifier: Apache-2.0
 * shard/tokenizer/bpe/merge_long.h - internal to shard/: merges of long words in
 * O(n log n), for merge_word.c. */
#ifndef SHARD_TOKENIZER_BPE_MERGE_LONG_H
#define SHARD_TOKENIZER_BPE_MERGE_LONG_H

#include <stddef.h>
#include <stdint.h>

#include "shard/tokenizer/bpe/merge_table.h"

/* Merges n symbols in place; *n becomes their number. SHARD_OK or SHARD_ENOMEM. */
int merge_long(const struct merge_table *t, uint32_t *symbols, size_t *n);

#endif
