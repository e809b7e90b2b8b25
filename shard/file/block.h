/* SPDX-License-Identifier: Apache-2.0
 * shard/file/block.h - internal to shard/: records gathered until a block is full.
 *
 * A block is closed before the record that would take its raw tensors, or its rows, above
 * the limit. Token ids do not count, so that another tokenizer gives the same blocks. All
 * zeros is an empty block. */
#ifndef SHARD_FILE_BLOCK_H
#define SHARD_FILE_BLOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shard/buffer.h"
#include "shard/file/format.h"
#include "shard/record.h"
#include "shard/file/row.h"
#include "shard/file/text_frame.h"

struct shard_block_column {
    struct shard_column column;
    struct shard_buffer raw;    /* values as they came */
    struct shard_buffer frames; /* struct shard_tensor_frame each */
    size_t row_bytes;           /* of the row that is being added */
    bool kept;                  /* its frames are there, compressed: no values come */
};

struct shard_block {
    uint32_t n_records;
    uint32_t n_columns;
    size_t n_frames; /* of all columns */
    size_t tensor_bytes;
    struct shard_buffer rows;
    struct shard_buffer ids;
    struct shard_block_column columns[SHARD_MAX_COLUMNS]; /* in their order */
};

/* Whether a record of that size may join the block under the limit. */
bool shard_block_fits(const struct shard_block *b, const struct shard_row_size *size,
                      uint64_t max_bytes);

/* Announces a tensor frame of an empty block that is there already, in order of column
 * and first row. SHARD_OK, SHARD_ENOMEM or SHARD_EINVAL: too many. */
int shard_block_keep(struct shard_block *b, const struct shard_tensor_frame *frame);
/* Whether the tensor stands in a frame that was announced so. */
bool shard_block_keeps(const struct shard_block *b, const struct shard_tensor *t);

/* Copies a checked record. A column gets another frame before the row that would take the
 * one in hand above max_bytes. SHARD_OK, SHARD_ENOMEM, or SHARD_EINVAL: the block would
 * have too many columns, or frames; it is as before, and the record may go into an empty
 * one. */
int shard_block_add(struct shard_block *b, const struct shard_header *h,
                    const struct shard_record *rec, const struct shard_row_size *size,
                    uint64_t max_bytes);

/* The content of the text frame into *out. SHARD_OK, SHARD_ENOMEM, or SHARD_EINVAL: it
 * would be above SHARD_MAX_FRAME, where nobody asked shard_block_fits(). */
int shard_block_text(const struct shard_block *b, struct shard_buffer *out);

/* The frames of a column that came with values: their number, what the text frame says of
 * one of them (lent), and its content into *out: SHARD_OK or SHARD_ENOMEM. */
size_t shard_block_n_frames(const struct shard_block_column *c);
const struct shard_tensor_frame *shard_block_frame(const struct shard_block_column *c,
                                                   size_t i);
int shard_block_tensors(const struct shard_block_column *c, size_t i,
                        struct shard_buffer *out);

void shard_block_empty(struct shard_block *b); /* keeps the memory for the next block */
void shard_block_clear(struct shard_block *b);

#endif
