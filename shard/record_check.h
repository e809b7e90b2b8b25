/* SPDX-License-Identifier: Apache-2.0
 * shard/record_check.h - internal to shard/: what FORMAT.md asks of a record, said once
 * for both directions. */
#ifndef SHARD_RECORD_CHECK_H
#define SHARD_RECORD_CHECK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shard/header.h"
#include "shard/record.h"
#include "shard/file/row.h"

/* Checks what FORMAT.md asks of a record, be it just read or about to be written. Fills
 * *size. Returns SHARD_OK or SHARD_EINVAL, with the reason in why. */
int shard_record_check(const struct shard_record *rec, const struct shard_header *h,
                       struct shard_row_size *size, char *why, size_t cap);

/* Checks what only a record to be written can be asked for: its strings are UTF-8 (its
 * metadata may be anything), none but a pair has an order, its tensors' bytes are there,
 * floats are finite, codes and ids within their bounds. With `kept` a tensor without
 * bytes is one whose frame is copied. Of a record that shard_record_check() has passed.
 */
int shard_record_check_values(const struct shard_record *rec,
                              const struct shard_header *h, bool kept, char *why,
                              size_t cap);

/* Rules of shard_record_check() that hold for an outline as well: */

/* At most SHARD_MAX_ROLE bytes of [a-z0-9_.-]. */
bool shard_role_fits(const char *role);

/* Reserved bits of a part's flags or a tensor's slot are set: SHARD_LATER. */
bool shard_flags_are_later(uint32_t flags);
bool shard_slot_is_later(uint32_t slot);

/* Kind and slot are what the tensor's encoder may give of a part of that kind. */
bool shard_tensor_is_of(const struct shard_tensor *t, const struct shard_encoder *e,
                        uint32_t part_kind);

/* dtype and dims are what tensors of that kind have. */
bool shard_tensor_shape_fits(const struct shard_tensor *t, const struct shard_encoder *e);

#endif
