/* SPDX-License-Identifier: Apache-2.0
 * shard/row.h - internal to shard/: one record as a row of a text frame.
 *
 * A row holds everything of a record but the tensors' bytes and the token ids; those are
 * hashed into its checksums. */
#ifndef SHARD_ROW_H
#define SHARD_ROW_H

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

/* Checks what FORMAT.md asks of a record, be it just read or about to be written. Fills
 * *size. Returns SHARD_OK or SHARD_EINVAL, with the reason in why. */
int shard_record_check(const struct shard_record *rec, const struct shard_header *h,
                       struct shard_row_size *size, char *why, size_t cap);

/* Checks what only a record to be written can be asked for: none but a pair has an order,
 * its tensors' bytes are there, floats are finite, codes and ids within their bounds. With
 * `kept` a tensor without bytes is one whose frame is copied. Of a record that
 * shard_record_check() has passed. */
int shard_record_check_values(const struct shard_record *rec,
                              const struct shard_header *h, bool kept, char *why,
                              size_t cap);

/* Rules of shard_record_check() that hold for an outline as well: */

/* At most SHARD_MAX_ROLE bytes of [a-z0-9_.-]. */
bool shard_role_fits(const char *role);

/* Kind and slot are what the tensor's encoder may give of a part of that kind. */
bool shard_tensor_is_of(const struct shard_tensor *t, const struct shard_encoder *e,
                        uint32_t part_kind);

/* dtype and dims are what tensors of that kind have. */
bool shard_tensor_shape_fits(const struct shard_tensor *t, const struct shard_encoder *e);

/* Writes the row (size->bytes at `row`), its checksums included. A tensor's own is made of
 * its data, or taken for right where it has none in memory. */
void shard_row_write(const struct shard_record *rec, const struct shard_header *h,
                     const struct shard_row_size *size, unsigned char *row);

/* A rendition's geometry as its entry has it: SHARD_GEOMETRY numbers. */
void shard_geometry(const struct shard_rendition *r, uint32_t *numbers);

#endif
