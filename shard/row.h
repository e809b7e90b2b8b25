/* SPDX-License-Identifier: Apache-2.0
 * shard/row.h - internal to shard/: one record as a row of a text frame.
 *
 * A row holds everything of a record but the tensors' bytes and the token ids; those are
 * hashed into the row's two checksums. */
#ifndef SHARD_ROW_H
#define SHARD_ROW_H

#include <stddef.h>

#include "shard/record.h"

/* Sums over a record that every stage needs. */
struct shard_row_size {
    size_t bytes;          /* of the row */
    size_t n_alternatives; /* over all text segments */
    size_t n_ids;
    size_t tensor_bytes;
};

/* Checks what FORMAT.md asks of a record, be it just read or about to be written. Fills
 * *size. Returns SHARD_OK or SHARD_EINVAL, with the reason in why. */
int shard_record_check(const struct shard_record *rec, size_t n_encoders,
                       struct shard_row_size *size, char *why, size_t cap);

/* Checks what only a record to be written can be asked for: its tensors' bytes are there,
 * and floats are finite. Of a record that shard_record_check() has passed. */
int shard_record_check_values(const struct shard_record *rec, char *why, size_t cap);

/* Writes the row (size->bytes at `row`), its checksums included. */
void shard_row_write(const struct shard_record *rec, const struct shard_row_size *size,
                     unsigned char *row);

#endif
