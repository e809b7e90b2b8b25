/* SPDX-License-Identifier: Apache-2.0
 * shard/layout.h - internal to shard/: what records of one shape have in common, as one
 * string: their segments without texts and bytes. FORMAT.md, section 4. */
#ifndef SHARD_LAYOUT_H
#define SHARD_LAYOUT_H

#include <stddef.h>

#include "shard/buffer.h"
#include "shard/record.h"

/* The layout of a record, instead of what *out held. SHARD_OK or SHARD_ENOMEM. */
int shard_layout_encode(struct shard_buffer *out, const struct shard_record *rec);

struct shard_layout {
    size_t n_segments;
    size_t n_alternatives;          /* of all text segments */
    struct shard_segment *segments; /* without alternatives, image and data */
};

/* Takes foreign bytes. Gives *out (release with shard_layout_clear()). n_encoders: of the
 * header; SHARD_NONE: not known. SHARD_OK, SHARD_ENOMEM, or SHARD_EFORMAT where they are
 * no layout. */
int shard_layout_decode(struct shard_layout *out, const unsigned char *data, size_t len,
                        size_t n_encoders);
/* The same for all entries of a table of layouts. */
int shard_layouts_check(const unsigned char *table, size_t len, size_t n_encoders);
void shard_layout_clear(struct shard_layout *layout);

#endif
