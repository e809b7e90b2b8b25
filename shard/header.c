/* SPDX-License-Identifier: Apache-2.0
 * shard/header.c - a header becomes JSON. */
#include "shard/header.h"

#include <errno.h>
#include <float.h>
#include <math.h>
#include <string.h>

#include <jansson.h>

#include "shard/canonical_json.h"
#include "shard/json_array.h"
#include "shard/kinds.h"
#include "shard/status.h"

static const char scale_formula[] = "latent = (raw - shift) * scale";

/* What cannot be said is found before anything is made: from there on NULL is a lack of
 * memory. Each returns SHARD_OK, SHARD_EINVAL or SHARD_ENOMEM. */
static int check_strings(const char *const *strings, size_t n)
{
    int rc = SHARD_OK;

    for (size_t i = 0; i < n && rc == SHARD_OK; i++)
        rc = shard_json_check_string(strings[i]);
    return rc;
}

/* All that fp32 can hold. */
static int check_reals(const double *values, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!(fabs(values[i]) <= FLT_MAX))
            return SHARD_EINVAL;
    return SHARD_OK;
}

/* A JSON object's text, or NULL. */
static int check_object(const char *text)
{
    errno = 0;
    json_t *object = text != NULL ? json_loads(text, JSON_REJECT_DUPLICATES, NULL) : NULL;
    const bool fits = text == NULL || json_is_object(object);
    const bool no_memory = object == NULL && errno == ENOMEM;

    json_decref(object);
    return fits ? SHARD_OK : no_memory ? SHARD_ENOMEM : SHARD_EINVAL;
}

static int check_features(const struct shard_encoder *e)
{
    int rc = SHARD_OK;

    if (e->n_features != 0 && e->n_features != (e->n_outputs > 0 ? e->n_outputs : 1))
        return SHARD_EINVAL;
    for (size_t i = 0; i < e->n_features && rc == SHARD_OK; i++) {
        const struct shard_features *f = &e->features[i];
        if (f->n_dims < 1 || f->n_dims > SHARD_MAX_DIMS)
            return SHARD_EINVAL;
        const size_t width = f->dims[f->n_dims - 1];
        rc = shard_json_check_string(f->what);
        if (rc == SHARD_OK && f->mean != NULL)
            rc = check_reals(f->mean, width);
        if (rc == SHARD_OK && f->std != NULL)
            rc = check_reals(f->std, width);
    }
    return rc;
}

static int check_encoder(const struct shard_encoder *e)
{
    const char *const strings[] = {e->name,
                                   e->kind,
                                   e->of,
                                   e->family,
                                   e->numerics,
                                   e->weights_sha256 != NULL ? e->weights_sha256 : "",
                                   e->encode != NULL ? e->encode : ""};
    int rc = check_strings(strings, sizeof(strings) / sizeof(strings[0]));

    if (rc == SHARD_OK)
        rc = check_strings(e->outputs, e->n_outputs);
    if (rc == SHARD_OK)
        rc = check_object(e->config);
    if (rc == SHARD_OK)
        rc = check_object(e->geometry);
    if (rc == SHARD_OK)
        rc = check_object(e->input);
    if (rc < 0)
        return rc;
    switch (shard_kind_number(e->kind)) {
    case SHARD_LATENT:
        if (e->scale_window > 1 &&
            e->n_scale != (uint64_t)e->channels * e->scale_window * e->scale_window)
            return SHARD_EINVAL;
        rc = check_reals(e->scale, e->n_scale);
        if (rc == SHARD_OK)
            rc = check_reals(e->shift, e->n_scale);
        return rc == SHARD_OK ? shard_json_check_string(e->moments) : rc;
    case SHARD_FEATURES:
        return check_features(e);
    case SHARD_PIXELS:
        return shard_json_check_string(e->codec);
    default:
        return SHARD_OK;
    }
}

static int check_header(const struct shard_header *h)
{
    const struct shard_tokenizer *t = &h->tokenizer;
    const char *const strings[] = {h->name,
                                   h->software,
                                   t->present ? t->sha256 : "",
                                   t->present ? t->file : "",
                                   t->present ? t->kind : "",
                                   t->present ? t->special : ""};

    if (h->seed > INT64_MAX || !isfinite(h->caption_first))
        return SHARD_EINVAL;
    int rc = check_strings(strings, sizeof(strings) / sizeof(strings[0]));
    if (rc == SHARD_OK)
        rc = check_object(h->config);
    if (rc == SHARD_OK && t->present)
        rc = check_object(t->tables);
    for (size_t i = 0; i < h->n_encoders && rc == SHARD_OK; i++)
        rc = check_encoder(&h->encoders[i]);
    return rc;
}

/* A JSON object's text -> its tree; NULL text -> null. */
static json_t *parse_object(const char *text)
{
    return text != NULL ? json_loads(text, JSON_REJECT_DUPLICATES, NULL) : json_null();
}

/* [n], or [C, p, p] with a window. */
static json_t *scale_array(const struct shard_encoder *e, const double *values)
{
    const uint32_t p = e->scale_window;
    const uint32_t dims[3] = {p > 1 ? e->channels : (uint32_t)e->n_scale, p, p};

    return shard_json_from_reals(values, dims, p > 1 ? 3 : 1);
}

static json_t *string_array(const char *const *strings, size_t n)
{
    json_t *array = json_array();

    for (size_t i = 0; i < n; i++)
        if (json_array_append_new(array, json_string(strings[i])) != 0) {
            json_decref(array);
            return NULL;
        }
    return array;
}

/* A dim, or null for 0. */
static json_t *dims_array(const uint32_t *dims, size_t n)
{
    json_t *array = json_array();

    for (size_t i = 0; i < n; i++)
        if (json_array_append_new(array, dims[i] > 0 ? json_integer(dims[i])
                                                     : json_null()) != 0) {
            json_decref(array);
            return NULL;
        }
    return array;
}

static json_t *statistics(const struct shard_features *f, const double *values)
{
    return values != NULL ? shard_json_from_reals(values, &f->dims[f->n_dims - 1], 1)
                          : json_null();
}

static json_t *features_array(const struct shard_encoder *e)
{
    json_t *array = e->n_features > 0 ? json_array() : json_null();

    for (size_t i = 0; i < e->n_features; i++) {
        const struct shard_features *f = &e->features[i];
        json_t *one = json_pack("{s:s, s:o, s:o, s:o}", "what", f->what, "dims",
                                dims_array(f->dims, f->n_dims), "mean",
                                statistics(f, f->mean), "std", statistics(f, f->std));
        if (json_array_append_new(array, one) != 0) {
            json_decref(array);
            return NULL;
        }
    }
    return array;
}

/* What encoders of one kind have beside all others; {} of an unknown kind. */
static json_t *kind_to_json(const struct shard_encoder *e)
{
    switch (shard_kind_number(e->kind)) {
    case SHARD_LATENT:
        return json_pack("{s:I, s:I, s:s, s:o, s:o, s:s}", "channels",
                         (json_int_t)e->channels, "f", (json_int_t)e->downscale,
                         "moments", e->moments, "scale", scale_array(e, e->scale),
                         "shift", scale_array(e, e->shift), "formula", scale_formula);
    case SHARD_CODES:
        return json_pack("{s:I, s:I, s:o}", "codebook", (json_int_t)e->codebook,
                         "id_offset", (json_int_t)e->id_offset, "id_map",
                         e->id_map != NULL
                             ? shard_json_from_ids(e->id_map, (uint32_t)e->n_id_map)
                             : json_null());
    case SHARD_FEATURES:
        return json_pack("{s:o}", "features", features_array(e));
    case SHARD_PIXELS:
        return json_pack("{s:s, s:o}", "codec", e->codec, "quality",
                         e->quality < 0 ? json_null() : json_integer(e->quality));
    default:
        return json_object();
    }
}

/* What of everything else in the file need not be so of its tensors. Returns 0, or -1: no
 * memory. */
static int add_not_promised(json_t *encoder, const struct shard_encoder *e)
{
    if (e->reproducible)
        return 0;
    return json_object_set_new(encoder, "not_promised",
                               json_pack("[s, s]", "same_bytes", "batch_invariance"));
}

static json_t *encoder_to_json(const struct shard_encoder *e)
{
    json_t *encoder = json_pack(
        "{s:s, s:s, s:s, s:s, s:s?, s:s?, s:o, s:o, s:o, s:o, s:s, s:b}", "name", e->name,
        "kind", e->kind, "of", e->of, "family", e->family, "weights_sha256",
        e->weights_sha256, "encode", e->encode, "config", parse_object(e->config),
        "geometry", parse_object(e->geometry), "input", parse_object(e->input), "outputs",
        string_array(e->outputs, e->n_outputs), "numerics", e->numerics, "reproducible",
        (int)e->reproducible);
    json_t *of_kind = kind_to_json(e);

    if (encoder == NULL || of_kind == NULL || json_object_update(encoder, of_kind) != 0 ||
        add_not_promised(encoder, e) != 0) {
        json_decref(encoder);
        encoder = NULL;
    }
    json_decref(of_kind);
    return encoder;
}

static json_t *id_or_null(int64_t id)
{
    return id < 0 ? json_null() : json_integer(id);
}

static json_t *tokenizer_to_json(const struct shard_tokenizer *t)
{
    if (!t->present)
        return json_null();
    return json_pack(
        "{s:s, s:s, s:o, s:s, s:s, s:I, s:o, s:o, s:I, s:I}", "kind", t->kind, "special",
        t->special, "tables", parse_object(t->tables), "sha256", t->sha256, "file",
        t->file, "n_pieces", (json_int_t)t->n_pieces, "bos", id_or_null(t->bos), "eos",
        id_or_null(t->eos), "boi", (json_int_t)t->boi, "eoi", (json_int_t)t->eoi);
}

int shard_header_to_json(const struct shard_header *h, char **json)
{
    int rc = check_header(h);

    *json = NULL;
    if (rc < 0)
        return rc;
    json_t *encoders = json_array();
    for (size_t i = 0; i < h->n_encoders && encoders != NULL; i++)
        if (json_array_append_new(encoders, encoder_to_json(&h->encoders[i])) != 0) {
            json_decref(encoders);
            encoders = NULL;
        }
    json_t *root = json_pack(
        "{s:s, s:I, s:s, s:b, s:I, s:f, s:I, s:o, s:o, s:o}", "name", h->name, "part",
        (json_int_t)h->part, "software", h->software, "demo", (int)h->demo, "seed",
        (json_int_t)h->seed, "caption_first", h->caption_first, "patch",
        (json_int_t)h->patch, "tokenizer", tokenizer_to_json(&h->tokenizer), "encoders",
        encoders, "config", parse_object(h->config));
    *json = root != NULL ? shard_json_canonical(root) : NULL;
    json_decref(root);
    return *json != NULL ? SHARD_OK : SHARD_ENOMEM;
}

uint32_t shard_find_encoder(const struct shard_header *h, const char *name)
{
    for (size_t i = 0; i < h->n_encoders; i++)
        if (strcmp(h->encoders[i].name, name) == 0)
            return (uint32_t)i;
    return SHARD_NONE;
}
