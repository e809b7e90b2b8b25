/* SPDX-License-Identifier: Apache-2.0
 * shard/text_frame.h - internal to shard/: the decompressed content of a text frame as
 * records.
 *
 * Takes any bytes: what is not as FORMAT.md says is refused with the reason. */
#ifndef SHARD_TEXT_FRAME_H
#define SHARD_TEXT_FRAME_H

#include <stddef.h>
#include <stdint.h>

#include "shard/record.h"

struct shard_column {
    uint32_t kind, encoder, dtype;
    uint64_t bytes; /* raw, of the tensor frame */
};

/* Where the bytes of a tensor segment are: column (of the block's) and offset in it. */
struct shard_place {
    uint32_t column;
    size_t offset;
};

struct shard_text_frame {
    size_t n_records;
    struct shard_record *records; /* data of tensor segments is NULL */
    size_t n_columns;
    struct shard_column *columns;
    struct shard_segment *segments; /* of all records */
    struct shard_place *places;     /* beside each of segments */
    struct shard_alternative *alternatives;
    struct shard_image *images;
    size_t n_ids;
    uint32_t *ids; /* of all alternatives, in their order */
};

/* Fills *frame, whose strings point into raw: that must live as long. Gives its arrays,
 * also on failure; release with shard_text_frame_clear(). Returns SHARD_OK, SHARD_ENOMEM
 * or SHARD_EDAMAGED. */
int shard_text_frame_decode(struct shard_text_frame *frame, const unsigned char *raw,
                            size_t len, size_t n_encoders, char *why, size_t cap);
void shard_text_frame_clear(struct shard_text_frame *frame);

#endif
