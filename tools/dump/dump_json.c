/* SPDX-License-Identifier: Apache-2.0
 * tools/dump/dump_json.c - one sample as one JSON object on one line.
 *
 * Written straight to the file: a full latent is thousands of numbers, of which nine
 * digits give back every fp32 value. */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "shard/parts.h"
#include "tools/dump/dump_sample.h"
#include "tools/view/metadata_json.h"
#include "tools/cli/print.h"
#include "tools/view/tensor.h"

static void put_string(FILE *out, const char *text)
{
    print_json_string(out, text, strlen(text));
}

/* The name of a kind or dtype; a number where this version has no name for it. */
static void put_kind(FILE *out, const char *name, uint32_t number)
{
    if (name != NULL)
        put_string(out, name);
    else
        fprintf(out, "%" PRIu32, number);
}

/* JSON has no NaN and no infinity. */
static void put_real(FILE *out, double value, int digits)
{
    if (isfinite(value))
        fprintf(out, "%.*g", digits, value);
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

static void put_text(FILE *out, const struct shard_alternative *a)
{
    if (a == NULL || a->kind != 0)
        fputs("null", out);
    else
        print_json_string(out, a->text, a->text_len);
}

static void put_captions(FILE *out, const struct shard_part *text)
{
    putc('[', out);
    for (size_t i = 0; text != NULL && i < text->n_alternatives; i++) {
        const struct shard_alternative *a = &text->alternatives[i];
        fputs(i > 0 ? ",{\"name\":" : "{\"name\":", out);
        put_string(out, a->name);
        if (a->kind != 0)
            fprintf(out, ",\"kind\":%" PRIu32, a->kind);
        fputs(",\"text\":", out);
        put_text(out, a);
        putc(',', out);
        put_n_tokens(out, a);
        putc('}', out);
    }
    putc(']', out);
}

static void put_shape(FILE *out, const struct shard_tensor *s)
{
    fputs("\"shape\":[", out);
    for (uint32_t i = 0; i < s->n_dims; i++)
        fprintf(out, "%s%" PRIu32, i > 0 ? "," : "", s->dims[i]);
    fputs("],\"dtype\":", out);
    put_kind(out, shard_dtype_name(s->dtype), s->dtype);
}

static void put_box(FILE *out, const char *name, const struct shard_box *box)
{
    fprintf(out, "\"%s\":[%" PRIu32 ",%" PRIu32 ",%" PRIu32 ",%" PRIu32 "]", name,
            box->left, box->top, box->width, box->height);
}

static void put_rendition(FILE *out, const struct shard_rendition *r)
{
    if (r->kind != 0) {
        fprintf(out, "{\"kind\":%" PRIu32 "}", r->kind);
        return;
    }
    fprintf(out, "{\"fit\":\"%s\",\"mirrored\":%s,", shard_fit_name(r->fit),
            r->mirrored ? "true" : "false");
    fprintf(out, "\"target_size\":[%" PRIu32 ",%" PRIu32 "],", r->target_width,
            r->target_height);
    put_box(out, "crop", &r->crop);
    putc(',', out);
    put_box(out, "content", &r->content);
    putc('}', out);
}

static void put_renditions(FILE *out, const struct dump_sample *s, size_t part)
{
    const struct shard_record *r = s->view.record;
    const size_t first = s->of_parts.rendition[part];

    fputs(",\"renditions\":[", out);
    for (size_t i = first; i < r->n_renditions && r->renditions[i].part == part; i++) {
        if (i > first)
            putc(',', out);
        put_rendition(out, &r->renditions[i]);
    }
    putc(']', out);
}

/* Position of a tensor's owner among those of its own part; null: it has none. */
static void put_owner(FILE *out, const struct dump_sample *s,
                      const struct shard_tensor *t)
{
    const bool image = s->view.record->parts[t->part].kind == SHARD_PART_IMAGE;

    if (t->owner == SHARD_NONE)
        fputs("null", out);
    else
        fprintf(out, "%zu", t->owner - (image ? s->of_parts.rendition[t->part] : 0));
}

/* "mean":... to "values":[...], without braces. */
static void put_values(FILE *out, const struct dump_values *v, int digits, bool all)
{
    const struct tensor_stats stats = tensor_stats(v->values, v->n);
    const struct {
        const char *name;
        double value;
    } fields[] = {{"\"mean\":", stats.mean},
                  {",\"std\":", stats.std},
                  {",\"min\":", stats.min},
                  {",\"max\":", stats.max}};

    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
        fputs(fields[i].name, out);
        put_real(out, fields[i].value, digits);
    }
    if (!all)
        return;
    fputs(",\"values\":[", out);
    for (size_t i = 0; i < v->n; i++) {
        if (i > 0)
            putc(',', out);
        put_real(out, v->values[i], digits);
    }
    putc(']', out);
}

/* Shape, dtype and what is known of the values, without braces. */
static void put_content(FILE *out, const struct dump_sample *s,
                        const struct shard_tensor *t)
{
    const struct dump_values *v = dump_values_of(s, t);

    put_shape(out, t);
    if (shard_dtype_width(t->dtype) == 0)
        fprintf(out, ",\"n_bytes\":%zu", t->n_bytes);
    if (v->values == NULL)
        return;
    putc(',', out);
    put_values(out, v, dump_digits(t->dtype), s->latents == DUMP_LATENTS_FULL);
}

static void put_tensors(FILE *out, const struct dump_sample *s, size_t part)
{
    const size_t first = s->of_parts.start[part], end = s->of_parts.start[part + 1];

    fputs(",\"tensors\":[", out);
    for (size_t i = first; i < end; i++) {
        const struct shard_tensor *t = &s->view.record->tensors[s->of_parts.tensor[i]];
        fputs(i == first ? "{\"encoder\":" : ",{\"encoder\":", out);
        put_string(out, s->view.header->encoders[t->encoder].name);
        fputs(",\"kind\":", out);
        put_kind(out, shard_kind_name(t->kind), t->kind);
        fputs(",\"owner\":", out);
        put_owner(out, s, t);
        fprintf(out, ",\"output\":%" PRIu32 ",\"mirrored\":%s,\"logvar\":%s,",
                shard_output_of(t), shard_is_mirrored(t) ? "true" : "false",
                shard_is_logvar(t) ? "true" : "false");
        put_content(out, s, t);
        putc('}', out);
    }
    putc(']', out);
}

static void put_sha256(FILE *out, const struct shard_part *image)
{
    putc('"', out);
    for (size_t i = 0; i < sizeof(image->sha256); i++)
        fprintf(out, "%02x", image->sha256[i]);
    putc('"', out);
}

/* Counts the texts in *n_texts. */
static void put_part(FILE *out, const struct dump_sample *s, size_t i, size_t *n_texts)
{
    const struct shard_part *part = &s->view.record->parts[i];

    fputs("{\"kind\":", out);
    put_kind(out, shard_part_name(part->kind), part->kind);
    fprintf(out, ",\"flag\":\"%s\",\"role\":",
            part->flags == SHARD_FLAG_LOSS ? "loss" : "context");
    if (part->role[0] != 0)
        put_string(out, part->role);
    else
        fputs("null", out);
    if (part->kind == SHARD_PART_TEXT) {
        const struct shard_alternative *a = record_view_drawn(&s->view, i, (*n_texts)++);
        fprintf(out, ",\"drawn\":%zu,\"alternatives\":",
                a != NULL ? (size_t)(a - part->alternatives) : 0);
        put_captions(out, part);
    } else if (part->kind == SHARD_PART_IMAGE) {
        fprintf(out,
                ",\"original_size\":[%" PRIu32 ",%" PRIu32 "],\"sha256\":", part->width,
                part->height);
        put_sha256(out, part);
        put_renditions(out, s, i);
    }
    put_tensors(out, s, i);
    putc('}', out);
}

static void put_parts(FILE *out, const struct dump_sample *s)
{
    size_t n_texts = 0;

    putc('[', out);
    for (size_t i = 0; i < s->view.record->n_parts; i++) {
        if (i > 0)
            putc(',', out);
        put_part(out, s, i, &n_texts);
    }
    putc(']', out);
}

static void put_latent(FILE *out, const struct dump_sample *s)
{
    const struct shard_tensor *logvar = s->view.logvar;
    const struct dump_values *v = logvar != NULL ? dump_values_of(s, logvar) : NULL;

    if (s->view.latent == NULL) {
        fputs("null", out);
        return;
    }
    putc('{', out);
    put_content(out, s, s->view.latent);
    if (v != NULL && v->values != NULL) {
        fputs(",\"logvar\":{", out);
        put_values(out, v, dump_digits(logvar->dtype), s->latents == DUMP_LATENTS_FULL);
        putc('}', out);
    }
    putc('}', out);
}

/* A segment, one of what a pair or a text is: its caption, its latent. */
static void put_flags(FILE *out, const struct shard_part *part)
{
    fprintf(out, ",\"flags\":[\"%s\"]}",
            part->flags == SHARD_FLAG_LOSS ? "loss" : "context");
}

static void put_segment_of_image(FILE *out, const struct shard_part *image,
                                 const struct shard_tensor *t)
{
    if (t == NULL)
        return;
    fputs("{\"kind\":\"latent\",", out);
    put_shape(out, t);
    put_flags(out, image);
}

static void put_segments(FILE *out, const struct record_view *v)
{
    const char *between = "";

    if (v->arrangement == SHARD_OTHER) {
        fputs("null", out);
        return;
    }
    putc('[', out);
    for (size_t i = 0; i < v->record->n_parts; i++) {
        const struct shard_part *part = &v->record->parts[i];
        if (part->kind == SHARD_PART_TEXT) {
            fprintf(out, "%s{\"kind\":\"text\",", between);
            put_n_tokens(out, v->caption);
            fputs(",\"dtype\":null", out);
            put_flags(out, part);
        } else if (part == v->image && v->latent != NULL) {
            fputs(between, out);
            put_segment_of_image(out, part, v->latent);
            fputs(v->logvar != NULL ? "," : "", out);
            put_segment_of_image(out, part, v->logvar);
        } else {
            continue;
        }
        between = ",";
    }
    putc(']', out);
}

static void put_geometry(FILE *out, const struct record_view *v)
{
    if (v->image == NULL || v->rendition == NULL) {
        fputs("\"original_size\":null,\"crop\":null", out);
        return;
    }
    fprintf(out, "\"original_size\":[%" PRIu32 ",%" PRIu32 "],", v->image->width,
            v->image->height);
    put_box(out, "crop", &v->rendition->crop);
}

static void put_source(FILE *out, const struct dump_sample *s)
{
    fputs("{\"name\":", out);
    put_string(out, s->view.record->name);
    fprintf(out, ",\"index\":%" PRIu64 ",\"sha256\":", s->view.record->index);
    if (s->view.image != NULL)
        put_sha256(out, s->view.image);
    else
        fputs("null", out);
    putc('}', out);
}

int dump_json_sample(FILE *out, const struct dump_sample *s)
{
    const bool caption_first = s->view.record->order == SHARD_CAPTION_FIRST;

    fputs("{\"name\":", out);
    put_string(out, s->view.record->name);
    fputs(",\"key\":", out);
    put_string(out, s->view.record->key);
    fprintf(out, ",\"kind\":\"%s\",\"order\":%s,\"caption\":",
            shard_arrangement_name(s->view.arrangement),
            s->view.arrangement != SHARD_PAIR ? "null"
            : caption_first                   ? "\"caption_first\""
                                              : "\"image_first\"");
    put_text(out, s->view.caption);
    fputs(",\"captions\":", out);
    put_captions(out, s->view.text);
    fputs(",\"tokens\":", out);
    put_ids(out, s->view.caption);
    fputs(",\"segments\":", out);
    put_segments(out, &s->view);
    fputs(",\"parts\":", out);
    put_parts(out, s);
    fputs(",\"latent\":", out);
    put_latent(out, s);
    putc(',', out);
    put_geometry(out, &s->view);
    fputs(",\"source\":", out);
    put_source(out, s);
    fputs(",\"metadata\":", out);
    const int rc =
        metadata_print_json(out, s->view.record->metadata, s->view.record->metadata_len);
    fputs(rc == 0 ? "}\n" : "\n", out);
    return rc;
}
