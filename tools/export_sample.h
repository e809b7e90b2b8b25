/* SPDX-License-Identifier: Apache-2.0
 * tools/export_sample.h - a record as what other loaders can hold.
 *
 * They know no bf16, which becomes fp32: the same values. With --scaled, latents are
 * (raw - shift) * scale in fp32, rounded to fp16 where that is stored: as the Python
 * package scales them. */
#ifndef TOOLS_EXPORT_SAMPLE_H
#define TOOLS_EXPORT_SAMPLE_H

#include <stdbool.h>
#include <stdio.h>

#include "shard/buffer.h"
#include "shard/header.h"
#include "shard/record.h"
#include "tools/record_view.h"

/* What all samples of one unit have. */
struct export_shape {
    bool known;       /* false: no sample could be looked at */
    bool tokens;      /* ids of the text */
    bool latent;      /* pairs; else documents of text alone */
    bool logvar;      /* of the latent */
    uint32_t dtype;   /* of latents as they are exported: SHARD_FP16 or SHARD_FP32 */
    uint32_t encoder; /* theirs: position in the header's encoders */
    bool weight;      /* a view's */
};

struct export_tensor {
    uint32_t dtype;
    uint32_t n_dims;
    uint32_t dims[SHARD_MAX_DIMS];
    const void *data;
    size_t n_bytes;
};

struct export_sample {
    struct record_view view;                     /* a pair or a text */
    struct export_tensor latent, logvar, tokens; /* those that the unit's shape has */
    struct shard_buffer converted[2];            /* owned */
    double weight; /* how often it occurs in a pass; set by who has a view */
};

/* The shape of a record; *why (static) says where it is none. */
bool export_shape_of(struct export_shape *shape, const struct record_view *view,
                     const char **why);

enum { EXPORT_SAMPLE_OK = 0, EXPORT_SAMPLE_UNFIT = 1, EXPORT_SAMPLE_NO_MEMORY = -1 };

/* Fills in all but the buffers, which are used again. What it points to is lent, by the
 * view's record or by *s. EXPORT_SAMPLE_UNFIT, with *why (static), where the record has
 * not this shape or a value that the export cannot hold. */
int export_sample_make(struct export_sample *s, const struct record_view *view,
                       const struct export_shape *shape, bool scaled, const char **why);
void export_sample_clear(struct export_sample *s);

/* NumPy's names of an exported dtype: "float16", "<f2". Static. */
const char *export_dtype_name(uint32_t dtype);
const char *export_dtype_descr(uint32_t dtype);

/* All alternatives of a text with their ids, as a JSON array. */
void export_print_captions(FILE *out, const struct shard_segment *text);

#endif
