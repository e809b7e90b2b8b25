/* SPDX-License-Identifier: Apache-2.0
 * shard/file/row.h - internal to shard/: one record as a row of a text frame.
 *
 * A row holds everything of a record but the tensors' bytes and the token ids; those are
 * hashed into its checksums. */
#ifndef SHARD_FILE_ROW_H
#define SHARD_FILE_ROW_H

#include <stddef.h>

#include "shard/header.h"
#include "shard/record.h"

/* Sums over a record that every stage needs. */
struct shard_row_size {
    size_t bytes;          /* of the row */
    size_t content;        /* of those, of what the sample is */
    size_t n_alternatives; /* over all text parts */
    size_t n_ids;
    size_t tensor_bytes;
};

/* Writes the row (size->bytes at `row`), its checksums included. A tensor's own is made
 * of its data, or taken for right where it has none in memory. */
void shard_row_write(const struct shard_record *rec, const struct shard_header *h,
                     const struct shard_row_size *size, unsigned char *row);

/* A rendition's geometry as its entry has it: SHARD_GEOMETRY numbers. */
void shard_geometry(const struct shard_rendition *r, uint32_t *numbers);

#endif
