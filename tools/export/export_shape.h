/* SPDX-License-Identifier: Apache-2.0
 * tools/export/export_shape.h - which texts, images and tensors a record has, as far as
 * an export cares: all samples of one unit have the same.
 *
 * Tensors are those of images and of data. Tensors of texts, and kinds and types of later
 * versions, are left out. */
#ifndef TOOLS_EXPORT_EXPORT_SHAPE_H
#define TOOLS_EXPORT_EXPORT_SHAPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shard/buffer.h"
#include "shard/header.h"
#include "shard/parts.h"
#include "shard/record.h"
#include "tools/view/record_view.h"

/* A tensor that every sample has. Numbers alone, so that bytes tell two apart. */
struct export_slot {
    uint32_t part_kind; /* SHARD_PART_IMAGE or SHARD_PART_DATA */
    uint32_t image;     /* which of the record's images, from 0; data: 0 */
    uint32_t kind;      /* enum shard_tensor_kind */
    uint32_t encoder;   /* position in the header's encoders */
    uint32_t slot;
    uint32_t dtype; /* as it is exported: no bf16 */
};

struct export_shape {
    bool known;  /* false: no sample could be looked at */
    bool tokens; /* ids of the texts */
    bool weight; /* a view's */
    uint32_t n_texts, n_images;
    size_t n_tensors;
    struct export_slot *tensors; /* in the order of the record's */
};

enum shard_arrangement export_shape_arrangement(const struct export_shape *shape);

/* Of one image with one tensor, not mirrored, and its log-variance perhaps, by an encoder
 * with one output: that tensor. Its columns need no numbers. Else NULL. */
const struct export_slot *export_shape_single(const struct export_shape *shape,
                                              const struct shard_header *h);

/* Why a sample does not belong to a unit. Static; NULL: it does. */
const char *export_shape_difference(const struct export_shape *want,
                                    const struct export_shape *have);

/* Gives *copy; release with export_shape_clear(). 0, or -1: no memory. */
int export_shape_copy(struct export_shape *copy, const struct export_shape *shape);
void export_shape_clear(struct export_shape *shape);

struct export_text {
    const struct shard_part *part;
    const struct shard_alternative *drawn; /* for epoch 0 */
};

/* What one record has. The arrays are its own and are used again for the next record;
 * what they point to is lent by the record. */
struct export_contents {
    struct export_shape shape;
    struct export_text *texts;           /* shape.n_texts */
    const struct shard_part **images;    /* shape.n_images */
    const struct shard_tensor **tensors; /* shape.n_tensors */
    struct shard_buffer buffers[5];
};

enum { EXPORT_SAMPLE_OK = 0, EXPORT_SAMPLE_UNFIT = 1, EXPORT_SAMPLE_NO_MEMORY = -1 };

/* EXPORT_SAMPLE_UNFIT, with *why (static), where it cannot be exported. */
int export_contents_read(struct export_contents *c, const struct record_view *view,
                         const char **why);
void export_contents_clear(struct export_contents *c);

#endif
