/* SPDX-License-Identifier: Apache-2.0
 * tools/dump_json.c - one sample as one JSON object on one line.
 *
 * Written straight to the file: a full latent is thousands of numbers, of which nine
 * digits give back every fp32 value. */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tools/dump_sample.h"
#include "tools/metadata_json.h"
#include "tools/print.h"
#include "tools/tensor.h"

static void put_string(FILE *out, const char *text)
{
    print_json_string(out, text, strlen(text));
}

/* JSON has no NaN and no infinity. */
static void put_real(FILE *out, double value)
{
    if (isfinite(value))
        fprintf(out, "%.9g", value);
    else
        fputs("null", out);
}

static void put_ids(FILE *out, const struct shard_alternative *a)
{
    if (a == NULL || a->n_ids == SHARD_NO_IDS) {
        fputs("null", out);
        return;
    }
    putc('[', out);
    for (uint32_t i = 0; i < a->n_ids; i++)
        fprintf(out, "%s%" PRIu32, i > 0 ? "," : "", a->ids[i]);
    putc(']', out);
}

static void put_n_tokens(FILE *out, const struct shard_alternative *a)
{
    if (a == NULL || a->n_ids == SHARD_NO_IDS)
        fputs("\"n_tokens\":null", out);
    else
        fprintf(out, "\"n_tokens\":%" PRIu32, a->n_ids);
}

static void put_captions(FILE *out, const struct shard_segment *text)
{
    putc('[', out);
    for (size_t i = 0; text != NULL && i < text->n_alternatives; i++) {
        const struct shard_alternative *a = &text->alternatives[i];
        fputs(i > 0 ? ",{\"name\":" : "{\"name\":", out);
        put_string(out, a->name);
        fputs(",\"text\":", out);
        print_json_string(out, a->text, a->text_len);
        putc(',', out);
        put_n_tokens(out, a);
        putc('}', out);
    }
    putc(']', out);
}

static void put_shape(FILE *out, const struct shard_segment *s)
{
    char number[16];

    fputs("\"shape\":[", out);
    for (uint32_t i = 0; i < s->n_dims; i++)
        fprintf(out, "%s%" PRIu32, i > 0 ? "," : "", s->dims[i]);
    fputs("],\"dtype\":", out);
    put_string(out, dump_dtype_name(s->dtype, number));
}

static void put_flags(FILE *out, uint32_t flags)
{
    const bool loss = flags & SHARD_FLAG_LOSS, context = flags & SHARD_FLAG_CONTEXT;

    fprintf(out, "[%s%s%s]", loss ? "\"loss\"" : "", loss && context ? "," : "",
            context ? "\"context\"" : "");
}

static void put_segments(FILE *out, const struct dump_sample *s)
{
    char number[16];

    putc('[', out);
    for (size_t i = 0; i < s->view.record->n_segments; i++) {
        const struct shard_segment *segment = &s->view.record->segments[i];
        fputs(i > 0 ? ",{\"kind\":" : "{\"kind\":", out);
        put_string(out, dump_kind_name(segment->kind, number));
        putc(',', out);
        if (segment->kind == SHARD_TEXT) {
            put_n_tokens(out, record_view_drawn(&s->view, segment));
            fputs(",\"dtype\":null", out);
        } else {
            put_shape(out, segment);
        }
        fputs(",\"flags\":", out);
        put_flags(out, segment->flags);
        putc('}', out);
    }
    putc(']', out);
}

/* "mean":... to "values":[...], without braces. */
static void put_values(FILE *out, const double *values, size_t n, bool all)
{
    const struct tensor_stats stats = tensor_stats(values, n);
    const struct {
        const char *name;
        double value;
    } fields[] = {{"\"mean\":", stats.mean},
                  {",\"std\":", stats.std},
                  {",\"min\":", stats.min},
                  {",\"max\":", stats.max}};

    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
        fputs(fields[i].name, out);
        put_real(out, fields[i].value);
    }
    if (!all)
        return;
    fputs(",\"values\":[", out);
    for (size_t i = 0; i < n; i++) {
        if (i > 0)
            putc(',', out);
        put_real(out, values[i]);
    }
    putc(']', out);
}

static void put_latent(FILE *out, const struct dump_sample *s)
{
    if (s->view.latent == NULL) {
        fputs("null", out);
        return;
    }
    const bool all = s->latents == DUMP_LATENTS_FULL;
    putc('{', out);
    put_shape(out, s->view.latent);
    if (s->values != NULL) {
        putc(',', out);
        put_values(out, s->values, s->n_values, all);
    }
    if (s->logvar_values != NULL) {
        fputs(",\"logvar\":{", out);
        put_values(out, s->logvar_values, s->n_logvar_values, all);
        putc('}', out);
    }
    putc('}', out);
}

static void put_geometry(FILE *out, const struct shard_image *image)
{
    if (image == NULL) {
        fputs("\"original_size\":null,\"crop\":null", out);
        return;
    }
    fprintf(out,
            "\"original_size\":[%" PRIu32 ",%" PRIu32 "],\"crop\":[%" PRIu32 ",%" PRIu32
            ",%" PRIu32 ",%" PRIu32 "]",
            image->original_width, image->original_height, image->crop_left,
            image->crop_top, image->crop_width, image->crop_height);
}

static void put_source(FILE *out, const struct dump_sample *s)
{
    fputs("{\"name\":", out);
    put_string(out, s->view.record->name);
    fprintf(out, ",\"index\":%" PRIu64 ",\"sha256\":", s->view.record->index);
    if (s->view.image == NULL) {
        fputs("null}", out);
        return;
    }
    putc('"', out);
    for (size_t i = 0; i < sizeof(s->view.image->sha256); i++)
        fprintf(out, "%02x", s->view.image->sha256[i]);
    fputs("\"}", out);
}

int dump_json_sample(FILE *out, const struct dump_sample *s)
{
    static const char *const kinds[] = {
        [RECORD_PAIR] = "pair", [RECORD_TEXT] = "text", [RECORD_OTHER] = "other"};
    const bool caption_first = s->view.record->order == SHARD_CAPTION_FIRST;

    fputs("{\"name\":", out);
    put_string(out, s->view.record->name);
    fputs(",\"key\":", out);
    put_string(out, s->view.record->key);
    fprintf(out, ",\"kind\":\"%s\",\"order\":%s,\"caption\":", kinds[s->view.kind],
            s->view.kind != RECORD_PAIR ? "null"
            : caption_first             ? "\"caption_first\""
                                        : "\"image_first\"");
    if (s->view.caption != NULL)
        print_json_string(out, s->view.caption->text, s->view.caption->text_len);
    else
        fputs("null", out);
    fputs(",\"captions\":", out);
    put_captions(out, s->view.text);
    fputs(",\"tokens\":", out);
    put_ids(out, s->view.caption);
    fputs(",\"segments\":", out);
    put_segments(out, s);
    fputs(",\"latent\":", out);
    put_latent(out, s);
    putc(',', out);
    put_geometry(out, s->view.image);
    fputs(",\"source\":", out);
    put_source(out, s);
    fputs(",\"metadata\":", out);
    const int rc =
        metadata_print_json(out, s->view.record->metadata, s->view.record->metadata_len);
    fputs(rc == 0 ? "}\n" : "\n", out);
    return rc;
}
