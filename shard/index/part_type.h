/* SPDX-License-Identifier: Apache-2.0
 * shard/index/part_type.h - internal to shard/: what the index says of a part besides
 * numbers: its kind, flag, role, and what its tensors are. FORMAT.md, section 4. */
#ifndef SHARD_INDEX_PART_TYPE_H
#define SHARD_INDEX_PART_TYPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shard/buffer.h"
#include "shard/header.h"
#include "shard/parts.h"
#include "shard/record.h"

/* The type of part i, instead of what *out held. SHARD_OK or SHARD_ENOMEM. */
int shard_part_type_encode(struct shard_buffer *out, const struct shard_record *rec,
                           const struct shard_parts_tensors *of, size_t i);

struct shard_part_type {
    uint32_t kind, flags;
    uint32_t n_alternatives;
    char *role;
    uint32_t n_tensors;
    struct shard_tensor *tensors; /* kind, encoder, slot, dtype, owner in the part */
};

/* Takes foreign bytes. Gives *out (release with shard_part_type_clear(), also on
 * failure). SHARD_OK, SHARD_ENOMEM, or SHARD_EFORMAT where they are no type of that
 * header's. */
int shard_part_type_decode(struct shard_part_type *out, const unsigned char *data,
                           size_t len, const struct shard_header *h);
/* Of one that could not be decoded: because of reserved bits. */
bool shard_part_type_is_later(const struct shard_part_type *type);
void shard_part_type_clear(struct shard_part_type *type);

#endif
