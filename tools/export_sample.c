/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/export_sample.h"

#include <inttypes.h>
#include <string.h>

#include "ingest/utf8.h"
#include "shard/float16.h"
#include "shard/status.h"
#include "tools/print.h"
#include "tools/tensor.h"

static uint32_t exported_dtype(uint32_t dtype)
{
    return dtype == SHARD_BF16 ? (uint32_t)SHARD_FP32 : dtype;
}

static bool is_float(uint32_t dtype)
{
    return dtype == SHARD_FP16 || dtype == SHARD_BF16 || dtype == SHARD_FP32;
}

bool export_shape_of(struct export_shape *shape, const struct record_view *view,
                     const char **why)
{
    *shape = (struct export_shape){0};
    if (view->kind == RECORD_OTHER) {
        *why = "it is neither an image with its captions nor a text";
    } else if (view->caption == NULL) {
        *why = "it has no text";
    } else if (view->kind == RECORD_PAIR && !is_float(view->latent->dtype)) {
        *why = "its latent is not of floats";
    } else if (view->logvar != NULL && view->logvar->dtype != view->latent->dtype) {
        *why = "its latent and its log-variance have different types";
    } else {
        shape->known = true;
        shape->tokens = view->caption->n_ids != SHARD_NO_IDS;
        shape->latent = view->kind == RECORD_PAIR;
        shape->logvar = shape->latent && view->logvar != NULL;
        shape->dtype = shape->latent ? exported_dtype(view->latent->dtype) : 0;
        shape->encoder = shape->latent ? view->latent->encoder : 0;
        return true;
    }
    return false;
}

static const char *difference(const struct export_shape *want,
                              const struct export_shape *have)
{
    if (have->latent != want->latent)
        return want->latent ? "it has no latent, unlike the shard's first sample"
                            : "it has a latent, unlike the shard's first sample";
    if (have->tokens != want->tokens)
        return want->tokens ? "it has no ids, unlike the shard's first sample"
                            : "it has ids, unlike the shard's first sample";
    if (have->logvar != want->logvar)
        return "of it and the shard's first sample only one has a log-variance";
    if (have->encoder != want->encoder)
        return "its latent has another encoder than the shard's first sample's";
    return have->dtype != want->dtype
               ? "its latent has another type than the shard's first sample's"
               : NULL;
}

/* ---- values ---- */

/* (raw - shift) * scale of n values, which start at value `at` of a (C, H, W) latent; in
 * fp32, as shard/FORMAT.md says. */
static void scale_values(float *values, size_t n, size_t at, size_t plane,
                         const struct shard_encoder *e)
{
    for (size_t i = 0; i < n; i++) {
        const size_t c = e->n_scale > 1 ? (at + i) / plane : 0;
        values[i] = (values[i] - (float)e->shift[c]) * (float)e->scale[c];
    }
}

/* Converts a latent in pieces. Returns how many values were not finite. */
static size_t convert(const struct shard_segment *s, const struct shard_encoder *scale,
                      uint32_t dtype, unsigned char *out)
{
    enum { PIECE = 1024 };
    double values[PIECE];
    float floats[PIECE];
    uint16_t halves[PIECE];
    const size_t width = shard_dtype_width(s->dtype),
                 plane = (size_t)s->dims[1] * s->dims[2];
    const size_t total = s->n_bytes / width;
    size_t n_bad = 0;

    for (size_t at = 0; at < total;) {
        const size_t n = total - at < PIECE ? total - at : PIECE;
        tensor_values(s->dtype, (const unsigned char *)s->data + at * width, n, values);
        for (size_t i = 0; i < n; i++)
            floats[i] = (float)values[i]; /* exact */
        if (scale != NULL)
            scale_values(floats, n, at, plane, scale);
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

static int take_latent(struct export_tensor *t, const struct shard_segment *s,
                       const struct shard_encoder *scale, struct shard_buffer *buffer,
                       const char **why)
{
    *t = (struct export_tensor){.dtype = exported_dtype(s->dtype), .n_dims = s->n_dims};
    memcpy(t->dims, s->dims, sizeof(t->dims));
    t->data = s->data;
    t->n_bytes = s->n_bytes;
    if (scale == NULL && s->dtype == t->dtype)
        return EXPORT_SAMPLE_OK;
    t->n_bytes = s->n_bytes / shard_dtype_width(s->dtype) * shard_dtype_width(t->dtype);
    if (shard_buffer_resize(buffer, t->n_bytes) < 0)
        return EXPORT_SAMPLE_NO_MEMORY;
    t->data = buffer->data;
    if (convert(s, scale, t->dtype, buffer->data) == 0)
        return EXPORT_SAMPLE_OK;
    *why = scale != NULL ? "its latent is not finite when scaled"
                         : "its latent has a value that is not finite";
    return EXPORT_SAMPLE_UNFIT;
}

static int take_tokens(struct export_tensor *t, const struct shard_alternative *a,
                       const char **why)
{
    for (uint32_t i = 0; i < a->n_ids; i++) {
        if (a->ids[i] > INT32_MAX) {
            *why = "a token id is above 2^31 - 1";
            return EXPORT_SAMPLE_UNFIT;
        }
    }
    *t = (struct export_tensor){.dtype = SHARD_I32,
                                .n_dims = 1,
                                .dims = {a->n_ids},
                                .data = a->ids,
                                .n_bytes = (size_t)a->n_ids * sizeof(uint32_t)};
    return EXPORT_SAMPLE_OK;
}

/* Loaders take keys and texts for UTF-8, and fail where they are not. */
static const char *problem(const struct record_view *view, bool scaled)
{
    if (!utf8_valid(view->record->key, strlen(view->record->key)))
        return "its key is not UTF-8";
    if (!utf8_valid(view->caption->text, view->caption->text_len))
        return "its text is not UTF-8";
    if (scaled && view->latent != NULL) {
        const struct shard_encoder *e = &view->header->encoders[view->latent->encoder];
        if (e->n_scale != 1 && e->n_scale != view->latent->dims[0])
            return "its encoder has a scale of another number of channels";
    }
    return NULL;
}

int export_sample_make(struct export_sample *s, const struct record_view *view,
                       const struct export_shape *shape, bool scaled, const char **why)
{
    struct export_shape have;
    int rc = EXPORT_SAMPLE_OK;

    if (!export_shape_of(&have, view, why))
        return EXPORT_SAMPLE_UNFIT;
    *why = difference(shape, &have);
    if (*why == NULL)
        *why = problem(view, scaled);
    if (*why != NULL)
        return EXPORT_SAMPLE_UNFIT;
    s->view = *view;
    if (shape->tokens)
        rc = take_tokens(&s->tokens, view->caption, why);
    if (shape->latent && rc == EXPORT_SAMPLE_OK)
        rc = take_latent(&s->latent, view->latent,
                         scaled ? &view->header->encoders[view->latent->encoder] : NULL,
                         &s->converted[0], why);
    if (shape->logvar && rc == EXPORT_SAMPLE_OK)
        rc = take_latent(&s->logvar, view->logvar, NULL, &s->converted[1], why);
    return rc;
}

void export_sample_clear(struct export_sample *s)
{
    shard_buffer_free(&s->converted[0]);
    shard_buffer_free(&s->converted[1]);
}

const char *export_dtype_name(uint32_t dtype)
{
    return dtype == SHARD_I32 ? "int32" : dtype == SHARD_FP16 ? "float16" : "float32";
}

const char *export_dtype_descr(uint32_t dtype)
{
    return dtype == SHARD_I32 ? "<i4" : dtype == SHARD_FP16 ? "<f2" : "<f4";
}

/* ---- JSON ---- */

static void print_ids(FILE *out, const struct shard_alternative *a)
{
    if (a->n_ids == SHARD_NO_IDS) {
        fputs("null", out);
        return;
    }
    putc('[', out);
    for (uint32_t i = 0; i < a->n_ids; i++)
        fprintf(out, "%s%" PRIu32, i > 0 ? ", " : "", a->ids[i]);
    putc(']', out);
}

void export_print_captions(FILE *out, const struct shard_segment *text)
{
    putc('[', out);
    for (size_t i = 0; i < text->n_alternatives; i++) {
        const struct shard_alternative *a = &text->alternatives[i];
        fputs(i > 0 ? ", {\"name\": " : "{\"name\": ", out);
        print_json_string(out, a->name, strlen(a->name));
        fputs(", \"text\": ", out);
        print_json_string(out, a->text, a->text_len);
        fputs(", \"tokens\": ", out);
        print_ids(out, a);
        putc('}', out);
    }
    putc(']', out);
}
