/* SPDX-License-Identifier: Apache-2.0
 * shard/tokenizer/merge_symbols.h - internal to shard/: the symbols of one word, merged. */
#ifndef SHARD_TOKENIZER_MERGE_SYMBOLS_H
#define SHARD_TOKENIZER_MERGE_SYMBOLS_H

#include <stddef.h>
#include <stdint.h>

#include "shard/tokenizer/merge_table.h"

/* As long as neighbours have a merge, the pair of the lowest rank (of several, the
 * leftmost) becomes one symbol. In place: *n becomes their number. O(n log n). A symbol
 * MERGE_NONE merges with none. SHARD_OK or SHARD_ENOMEM. */
int merge_symbols(const struct merge_table *t, uint32_t *symbols, size_t *n);

#endif
