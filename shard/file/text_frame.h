/* SPDX-License-Identifier: Apache-2.0
 * shard/file/text_frame.h - internal to shard/: the decompressed content of a text frame
 * as records.
 *
 * Takes any bytes: what is not as FORMAT.md says is refused with the reason. */
#ifndef SHARD_FILE_TEXT_FRAME_H
#define SHARD_FILE_TEXT_FRAME_H

#include <stddef.h>
#include <stdint.h>

#include "shard/file/column.h"
#include "shard/header.h"
#include "shard/record.h"

/* One tensor frame of a block: the tensors of a column from a row on. */
struct shard_tensor_frame {
    struct shard_column column;
    uint32_t first_row;
    uint64_t bytes; /* raw */
};

/* Where the bytes of a tensor are: frame (of the block's) and offset in it. */
struct shard_place {
    uint32_t frame;
    size_t offset;
};

struct shard_text_frame {
    size_t n_records;
    struct shard_record *records; /* data of tensors is NULL */
    size_t n_frames;
    struct shard_tensor_frame *frames;
    struct shard_part *parts; /* of all records, as all that follows */
    struct shard_alternative *alternatives;
    struct shard_rendition *renditions;
    struct shard_tensor *tensors;
    struct shard_place *places; /* beside each of tensors */
    size_t n_ids;
    uint32_t *ids; /* of all alternatives, in their order */
};

/* Fills *frame, whose strings point into raw: that must live as long. Gives its arrays,
 * also on failure; release with shard_text_frame_clear(). Returns SHARD_OK, SHARD_ENOMEM
 * or SHARD_EDAMAGED. */
int shard_text_frame_decode(struct shard_text_frame *frame, const unsigned char *raw,
                            size_t len, const struct shard_header *h, char *why,
                            size_t cap);
void shard_text_frame_clear(struct shard_text_frame *frame);

#endif
