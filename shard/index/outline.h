/* SPDX-License-Identifier: Apache-2.0
 * shard/index/outline.h - internal to shard/: what the index says of all records, and of
 * each a record without what only its row has: enough to plan sequences and batches
 * without reading a block. */
#ifndef SHARD_INDEX_OUTLINE_H
#define SHARD_INDEX_OUTLINE_H

#include <stddef.h>
#include <stdint.h>

#include "shard/buffer.h"
#include "shard/header.h"
#include "shard/index/index_read.h"
#include "shard/index/part_type.h"
#include "shard/record.h"

struct shard_shape {
    uint32_t n_dims, dims[SHARD_MAX_DIMS];
};

struct shard_outline {
    size_t n_records, n_parts, n_alternatives, n_tensors;
    size_t n_types, n_shapes;
    struct shard_part_type *types;
    struct shard_shape *shapes;
    size_t *part_start;        /* n_records + 1: a record's first part */
    uint32_t *type;            /* n_parts, position in types */
    size_t *alternative_start; /* n_parts + 1 */
    size_t *tensor_start;      /* n_parts + 1 */
    uint32_t *n_ids;           /* n_alternatives; SHARD_NO_IDS: not tokenized */
    uint32_t *shape;           /* n_tensors, position in shapes; in order of parts */
};

/* Gives *o (release with shard_outline_clear(), also on failure). SHARD_OK, SHARD_ENOMEM,
 * SHARD_EIO, or SHARD_EFORMAT with the reason in the file's why. */
int shard_outline_load(struct shard_outline *o, const struct shard_index_file *x,
                       const struct shard_header *h);
void shard_outline_clear(struct shard_outline *o);

/* Memory for one record after another. All zeros is empty. */
struct shard_outline_room {
    struct shard_buffer parts, alternatives, tensors;
};

/* Fills *rec with parts (no texts, sources), numbers of ids and tensors (no renditions,
 * data): what shard/parts.h and shard/sequence.h's lengths need. Lent until the next call
 * with *room. SHARD_OK or SHARD_ENOMEM. */
int shard_outline_record(const struct shard_outline *o, size_t i,
                         struct shard_outline_room *room, struct shard_record *rec);
void shard_outline_room_clear(struct shard_outline_room *room);

#endif
