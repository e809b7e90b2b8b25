/* SPDX-License-Identifier: Apache-2.0
 * tools/export/export_sample.h - a record as what other loaders can hold.
 *
 * They know no bf16, which becomes fp32: the same values. With --scaled, latents are
 * (raw - shift) * scale in fp32, rounded to fp16 where that is stored: as the Python
 * package scales them. */
#ifndef TOOLS_EXPORT_EXPORT_SAMPLE_H
#define TOOLS_EXPORT_EXPORT_SAMPLE_H

#include "tools/export/export_shape.h"

struct export_tensor {
    uint32_t dtype;
    uint32_t n_dims;
    uint32_t dims[SHARD_MAX_DIMS];
    const void *data;
    size_t n_bytes;
};

struct export_sample {
    struct record_view view;
    struct export_contents contents;
    struct export_tensor *tensors; /* contents.shape.n_tensors; owned */
    struct shard_buffer tensor_buffer, converted;
    double weight; /* how often it occurs in a pass; set by who has a view */
};

/* Fills in all but the weight; memory is used again. What it points to is lent, by the
 * view's record or by *s. EXPORT_SAMPLE_UNFIT, with *why (static), where the record has
 * not this shape or a value that the export cannot hold. */
int export_sample_make(struct export_sample *s, const struct record_view *view,
                       const struct export_shape *shape, bool scaled, const char **why);
void export_sample_clear(struct export_sample *s);

/* The ids of a text that has them. */
struct export_tensor export_tokens(const struct export_text *text);

/* Of the rendition that an image's tensor was made of. */
const struct shard_box *export_crop(const struct export_sample *s, size_t tensor);

/* NumPy's names of an exported dtype: "float16", "<f2". Static; of a file "bytes" and
 * NULL. */
const char *export_dtype_name(uint32_t dtype);
const char *export_dtype_descr(uint32_t dtype);

#endif
