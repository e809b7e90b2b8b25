/* SPDX-License-Identifier: Apache-2.0
 * shard/block.h - internal to shard/: records gathered until a block is full.
 *
 * A block is closed before the record that would take its raw tensors, or its rows, above
 * the limit. Token ids do not count, so that another tokenizer gives the same blocks. All
 * zeros is an empty block. */
#ifndef SHARD_BLOCK_H
#define SHARD_BLOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shard/buffer.h"
#include "shard/format.h"
#include "shard/record.h"
#include "shard/row.h"

struct shard_block_column {
    uint32_t kind, encoder, dtype;
    struct shard_buffer raw; /* values as they came */
};

struct shard_block {
    uint32_t n_records;
    uint32_t n_columns;
    size_t tensor_bytes;
    struct shard_buffer rows;
    struct shard_buffer ids;
    struct shard_block_column columns[SHARD_MAX_COLUMNS];
};

/* Whether a record of that size may join the block under the limit. */
bool shard_block_fits(const struct shard_block *b, const struct shard_row_size *size,
                      uint64_t max_bytes);

/* Copies a checked record. SHARD_OK, SHARD_ENOMEM, or SHARD_EINVAL: the block would have
 * too many columns; it is as before, and the record may go into an empty one. */
int shard_block_add(struct shard_block *b, const struct shard_record *rec,
                    const struct shard_row_size *size);

/* The content of the text frame, and of the frame of one column, into *out. SHARD_OK or
 * SHARD_ENOMEM. */
int shard_block_text(const struct shard_block *b, struct shard_buffer *out);
int shard_block_tensor(const struct shard_block *b, uint32_t column,
                       struct shard_buffer *out);

void shard_block_empty(struct shard_block *b); /* keeps the memory for the next block */
void shard_block_clear(struct shard_block *b);

#endif
