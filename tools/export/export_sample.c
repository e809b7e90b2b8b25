/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/export/export_sample.h"

#include <string.h>

#include "ingest/text/utf8.h"
#include "shard/float16.h"
#include "shard/parts.h"
#include "shard/status.h"
#include "tools/view/tensor.h"

/* ---- values ---- */

/* (raw - shift) * scale of n values, which start at value `at` of a (C, H, W) latent; in
 * fp32, as shard/FORMAT.md says. */
static void scale_values(float *values, size_t n, size_t at, const uint32_t *dims,
                         const struct shard_encoder *e)
{
    const size_t width = dims[2], plane = (size_t)dims[1] * width;

    for (size_t i = 0; i < n; i++) {
        const size_t cell = (at + i) % plane;
        const size_t c = shard_scale_of(e->n_scale, e->scale_window, (at + i) / plane,
                                        cell / width, cell % width);
        values[i] = (values[i] - (float)e->shift[c]) * (float)e->scale[c];
    }
}

/* Converts floats in pieces. Returns how many values were not finite. */
static size_t convert(const struct shard_tensor *s, const struct shard_encoder *scale,
                      uint32_t dtype, unsigned char *out)
{
    enum { PIECE = 1024 };
    double values[PIECE];
    float floats[PIECE];
    uint16_t halves[PIECE];
    const size_t width = shard_dtype_width(s->dtype);
    const size_t total = s->n_bytes / width;
    size_t n_bad = 0;

    for (size_t at = 0; at < total;) {
        const size_t n = total - at < PIECE ? total - at : PIECE;
        tensor_values(s->dtype, (const unsigned char *)s->data + at * width, n, values);
        for (size_t i = 0; i < n; i++)
            floats[i] = (float)values[i]; /* exact */
        if (scale != NULL)
            scale_values(floats, n, at, s->dims, scale);
        for (size_t i = 0; i < n; i++)
            n_bad += !(floats[i] - floats[i] == 0);
        if (dtype == SHARD_FP16) {
            n_bad += shard_fp32_to_fp16(floats, halves, n);
            memcpy(out + at * sizeof(*halves), halves, n * sizeof(*halves));
        } else {
            memcpy(out + at * sizeof(*floats), floats, n * sizeof(*floats));
        }
        at += n;
    }
    return n_bad;
}

/* Which scale a tensor needs; NULL: none. */
static const struct shard_encoder *scale_of(const struct export_sample *s,
                                            const struct shard_tensor *t, bool scaled)
{
    return scaled && t->kind == SHARD_LATENT && !shard_is_logvar(t)
               ? &s->view.header->encoders[t->encoder]
               : NULL;
}

static bool is_converted(const struct export_sample *s, size_t i, bool scaled)
{
    const struct shard_tensor *t = s->contents.tensors[i];

    return t->dtype != s->contents.shape.tensors[i].dtype ||
           scale_of(s, t, scaled) != NULL;
}

/* Describes tensor i. What is to be converted gets its place in s->converted, from *at.
 */
static void place_tensor(struct export_sample *s, size_t i, bool scaled, size_t *at)
{
    const struct shard_tensor *t = s->contents.tensors[i];
    struct export_tensor *out = &s->tensors[i];

    *out = (struct export_tensor){.dtype = s->contents.shape.tensors[i].dtype,
                                  .n_dims = t->n_dims,
                                  .data = t->data,
                                  .n_bytes = t->n_bytes};
    memcpy(out->dims, t->dims, sizeof(out->dims));
    if (!is_converted(s, i, scaled))
        return;
    out->n_bytes =
        t->n_bytes / shard_dtype_width(t->dtype) * shard_dtype_width(out->dtype);
    *at += out->n_bytes;
}

static int convert_tensors(struct export_sample *s, bool scaled, const char **why)
{
    size_t at = 0;

    for (size_t i = 0; i < s->contents.shape.n_tensors; i++) {
        if (!is_converted(s, i, scaled))
            continue;
        const struct shard_tensor *t = s->contents.tensors[i];
        const struct shard_encoder *scale = scale_of(s, t, scaled);
        unsigned char *data = s->converted.data + at;
        if (convert(t, scale, s->tensors[i].dtype, data) > 0) {
            *why = scale != NULL             ? "its latent is not finite when scaled"
                   : t->kind == SHARD_LATENT ? "its latent has a value that is not finite"
                                             : "a tensor has a value that is not finite";
            return EXPORT_SAMPLE_UNFIT;
        }
        s->tensors[i].data = data;
        at += s->tensors[i].n_bytes;
    }
    return EXPORT_SAMPLE_OK;
}

static int take_tensors(struct export_sample *s, bool scaled, const char **why)
{
    const size_t n = s->contents.shape.n_tensors;
    size_t bytes = 0;

    if (shard_buffer_resize(&s->tensor_buffer, n * sizeof(*s->tensors) + 1) < 0)
        return EXPORT_SAMPLE_NO_MEMORY;
    s->tensors = (struct export_tensor *)(void *)s->tensor_buffer.data;
    for (size_t i = 0; i < n; i++)
        place_tensor(s, i, scaled, &bytes);
    if (shard_buffer_resize(&s->converted, bytes + 1) < 0)
        return EXPORT_SAMPLE_NO_MEMORY;
    return convert_tensors(s, scaled, why);
}

struct export_tensor export_tokens(const struct export_text *text)
{
    return (struct export_tensor){.dtype = SHARD_I32,
                                  .n_dims = 1,
                                  .dims = {text->drawn->n_ids},
                                  .data = text->drawn->ids,
                                  .n_bytes =
                                      (size_t)text->drawn->n_ids * sizeof(uint32_t)};
}

/* Loaders take keys and texts for UTF-8, and fail where they are not; they want ids
 * signed. */
static const char *problem_of_text(const struct shard_alternative *a)
{
    if (!utf8_valid(a->text, a->text_len))
        return "its text is not UTF-8";
    for (uint32_t i = 0; a->n_ids != SHARD_NO_IDS && i < a->n_ids; i++)
        if (a->ids[i] > INT32_MAX)
            return "a token id is above 2^31 - 1";
    return NULL;
}

static const char *problem(const struct export_sample *s)
{
    const char *key = s->view.record->key, *why = NULL;

    if (!utf8_valid(key, strlen(key)))
        return "its key is not UTF-8";
    for (uint32_t t = 0; t < s->contents.shape.n_texts && why == NULL; t++)
        why = problem_of_text(s->contents.texts[t].drawn);
    return why;
}

int export_sample_make(struct export_sample *s, const struct record_view *view,
                       const struct export_shape *shape, bool scaled, const char **why)
{
    const int rc = export_contents_read(&s->contents, view, why);

    if (rc != EXPORT_SAMPLE_OK)
        return rc;
    s->view = *view;
    *why = export_shape_difference(shape, &s->contents.shape);
    if (*why == NULL)
        *why = problem(s);
    return *why != NULL ? EXPORT_SAMPLE_UNFIT : take_tensors(s, scaled, why);
}

void export_sample_clear(struct export_sample *s)
{
    export_contents_clear(&s->contents);
    shard_buffer_free(&s->tensor_buffer);
    shard_buffer_free(&s->converted);
}

const struct shard_box *export_crop(const struct export_sample *s, size_t tensor)
{
    return &s->view.record->renditions[s->contents.tensors[tensor]->owner].crop;
}

static const struct {
    const char *name, *descr;
} dtypes[] = {[SHARD_U8] = {"uint8", "|u1"},     [SHARD_U16] = {"uint16", "<u2"},
              [SHARD_U32] = {"uint32", "<u4"},   [SHARD_I32] = {"int32", "<i4"},
              [SHARD_FP16] = {"float16", "<f2"}, [SHARD_FP32] = {"float32", "<f4"},
              [SHARD_FILE] = {"bytes", NULL}};

const char *export_dtype_name(uint32_t dtype)
{
    return dtypes[dtype].name;
}

const char *export_dtype_descr(uint32_t dtype)
{
    return dtypes[dtype].descr;
}
