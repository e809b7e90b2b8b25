/* SPDX-License-Identifier: Apache-2.0
 * shard/header_read.c - a header comes from JSON. It points into its tree, which lives as
 * long. */
#include "shard/header.h"

#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "shard/canonical_json.h"
#include "shard/file/format.h"
#include "shard/json_array.h"
#include "shard/json_read.h"
#include "shard/kinds.h"
#include "shard/status.h"

struct parsed_header {
    struct shard_header header; /* first: what the caller holds */
    json_t *root;
    struct shard_encoder *encoders;
};

/* An id, or -1 for null. */
static int64_t get_id(struct shard_json *j, const json_t *object, const char *key)
{
    if (json_is_null(json_object_get(object, key)))
        return -1;
    return shard_json_integer(j, object, key, SHARD_MAX_ID);
}

/* 64 hex digits, or NULL for null. */
static const char *get_sha256(struct shard_json *j, const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);
    const char *s = json_string_value(value);

    if (json_is_null(value))
        return NULL;
    if (s == NULL || strlen(s) != 64 || strspn(s, "0123456789abcdef") != 64)
        shard_json_refuse(j, "%s has no \"%s\" that is null or 64 hex digits", j->where,
                          key);
    return s;
}

/* Gives the text of an object, NULL for null. */
static char *get_object_text(struct shard_json *j, const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);

    if (value == NULL || json_is_null(value))
        return NULL;
    if (!json_is_object(value)) {
        shard_json_refuse(j, "%s has \"%s\" that is not an object", j->where, key);
        return NULL;
    }
    char *text = shard_json_canonical(value);
    if (text == NULL && j->rc == SHARD_OK)
        j->rc = SHARD_ENOMEM;
    return text;
}

/* Gives the names of outputs, which the tree lends. */
static const char **get_names(struct shard_json *j, const json_t *object, const char *key,
                              size_t *n)
{
    const json_t *array = shard_json_array(j, object, key, SHARD_MAX_OUTPUTS, n);
    const char **names = shard_json_alloc(j, *n, sizeof(names[0]));

    *n = names != NULL ? *n : 0;
    for (size_t i = 0; i < *n; i++) {
        names[i] = json_string_value(json_array_get(array, i));
        if (names[i] == NULL)
            shard_json_refuse(j, "%s has \"%s\" with something that is no string",
                              j->where, key);
    }
    return names;
}

/* Gives scale or shift, and says its length and window in *e. */
static double *get_scale(struct shard_json *j, const json_t *object, const char *key,
                         struct shard_encoder *e)
{
    uint32_t d[SHARD_ARRAY_DIMS];
    size_t n_dims;
    double *values = shard_json_reals(j, object, key, SHARD_MAX_SCALE, d, &n_dims);

    e->scale_window = n_dims == 3 ? d[1] : 1;
    e->n_scale = n_dims == 3 ? (size_t)d[0] * d[1] * d[2] : d[0];
    if (n_dims == 3
            ? d[0] != e->channels || d[1] != d[2] || d[1] < 2 || d[1] > 8
            : n_dims != 1 || e->channels == 0 || (d[0] != 1 && d[0] != e->channels))
        shard_json_refuse(j, "%s has \"%s\" whose dims are not [1], [C] or [C,p,p]",
                          j->where, key);
    return values;
}

static void parse_latent(struct shard_json *j, const json_t *object,
                         struct shard_encoder *e)
{
    e->channels = (uint32_t)shard_json_integer(j, object, "channels", SHARD_MAX_SCALE);
    e->downscale = (uint32_t)shard_json_integer(j, object, "f", UINT32_MAX);
    e->moments = shard_json_string(j, object, "moments");
    if (e->moments != NULL && strcmp(e->moments, "mean") != 0 &&
        strcmp(e->moments, "mean+logvar") != 0)
        shard_json_refuse(j, "%s has \"moments\" that are not mean or mean+logvar",
                          j->where);
    e->scale = get_scale(j, object, "scale", e);
    const size_t n = e->n_scale;
    const uint32_t window = e->scale_window;
    e->shift = get_scale(j, object, "shift", e);
    if (e->n_scale != n || e->scale_window != window)
        shard_json_refuse(j, "%s has \"shift\" of other dims than \"scale\"", j->where);
}

/* Whether an array is there that may be null, but not missing. */
static bool has_array(struct shard_json *j, const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);
    const bool has = json_is_array(value) || json_is_object(value);

    if (!has && !json_is_null(value))
        shard_json_refuse(j, "%s has no \"%s\" that is an array or null", j->where, key);
    return has;
}

static void parse_codes(struct shard_json *j, const json_t *object,
                        struct shard_encoder *e)
{
    e->codebook = (uint32_t)shard_json_integer(j, object, "codebook", SHARD_MAX_ID);
    e->id_offset = (uint32_t)shard_json_integer(j, object, "id_offset", SHARD_MAX_ID);
    if (!has_array(j, object, "id_map")) {
        if ((uint64_t)e->id_offset + e->codebook > (uint64_t)SHARD_MAX_ID + 1)
            shard_json_refuse(j, "%s has ids above %d", j->where, SHARD_MAX_ID);
        return;
    }
    e->id_map = shard_json_ids(j, object, "id_map", SHARD_MAX_ID_MAP, &e->n_id_map);
    if (e->n_id_map != e->codebook)
        shard_json_refuse(j, "%s has \"id_map\" that is not as long as its codebook",
                          j->where);
}

/* One dim of features: null says 0, which the last cannot. */
static uint32_t get_dim(struct shard_json *j, const json_t *list, size_t i, bool last)
{
    const json_t *dim = json_array_get(list, i);
    const json_int_t n = json_integer_value(dim);

    if (n < 1 ? !json_is_null(dim) || last : n > SHARD_MAX_ROW)
        shard_json_refuse(
            j,
            "%s has \"features\" with \"dims\" that are not null or 1 to %d, "
            "the last a number",
            j->where, SHARD_MAX_ROW);
    return (uint32_t)n;
}

/* Gives as many values as the features are wide; NULL for null. */
static double *get_statistics(struct shard_json *j, const json_t *object, const char *key,
                              uint32_t width)
{
    uint32_t dims[SHARD_ARRAY_DIMS];
    size_t n_dims;

    if (!has_array(j, object, key))
        return NULL;
    double *values =
        shard_json_reals(j, object, key, SHARD_MAX_STATISTICS, dims, &n_dims);
    if (n_dims != 1 || dims[0] != width)
        shard_json_refuse(j,
                          "%s has \"features\" with \"%s\" that is not as long as the "
                          "last of their dims",
                          j->where, key);
    return values;
}

static void parse_features(struct shard_json *j, const json_t *object,
                           struct shard_features *f)
{
    size_t n;

    f->what = shard_json_string(j, object, "what");
    const json_t *list = shard_json_array(j, object, "dims", SHARD_MAX_DIMS, &n);
    for (size_t i = 0; i < n; i++)
        f->dims[i] = get_dim(j, list, i, i + 1 == n);
    f->n_dims = n;
    if (n == 0)
        shard_json_refuse(j, "%s has \"features\" without dims", j->where);
    const uint32_t width = n > 0 ? f->dims[n - 1] : 0;
    f->mean = get_statistics(j, object, "mean", width);
    f->std = get_statistics(j, object, "std", width);
}

static void parse_all_features(struct shard_json *j, const json_t *object,
                               struct shard_encoder *e)
{
    const size_t want = e->n_outputs > 0 ? e->n_outputs : 1;
    size_t n;

    if (!has_array(j, object, "features"))
        return;
    const json_t *list = shard_json_array(j, object, "features", want, &n);
    if (n != want)
        shard_json_refuse(j, "%s has \"features\" that are not one for each output",
                          j->where);
    struct shard_features *features = shard_json_alloc(j, n, sizeof(features[0]));
    e->features = features;
    e->n_features = features != NULL ? n : 0;
    for (size_t i = 0; i < e->n_features && j->rc == SHARD_OK; i++)
        parse_features(j, json_array_get(list, i), &features[i]);
}

static bool is_name(const char *name)
{
    const size_t len = strspn(name, SHARD_NAME_BYTES);

    return len > 0 && len <= SHARD_MAX_ROLE && name[len] == 0;
}

/* Members that every header of this version has: development versions before it, which
 * count as 1 as well, lack them, and their blocks cannot be read. */
static void refuse_earlier(struct shard_json *j, const json_t *object, const char *key)
{
    if (json_is_object(object) && json_object_get(object, key) == NULL)
        shard_json_refuse(j,
                          "%s has no \"%s\": the file was made by an earlier development "
                          "version of this format; prepare its input again",
                          j->where, key);
}

static void parse_encoder(struct shard_json *j, const json_t *object,
                          struct shard_encoder *e)
{
    const json_t *hash = json_object_get(object, "weights_sha256");
    const json_t *quality = json_object_get(object, "quality");

    j->where = "an encoder of the header";
    refuse_earlier(j, object, "encode");
    e->quality = -1;
    e->name = shard_json_string(j, object, "name");
    if (e->name != NULL && !is_name(e->name))
        shard_json_refuse(j, "%s has a \"name\" that is not 1 to %d bytes of [a-z0-9_.-]",
                          j->where, SHARD_MAX_ROLE);
    e->kind = shard_json_string(j, object, "kind");
    e->of = shard_json_string(j, object, "of");
    e->family = shard_json_string(j, object, "family");
    e->weights_sha256 =
        json_is_null(hash) ? NULL : shard_json_string(j, object, "weights_sha256");
    e->encode = get_sha256(j, object, "encode");
    e->config = get_object_text(j, object, "config");
    e->geometry = get_object_text(j, object, "geometry");
    e->input = get_object_text(j, object, "input");
    e->outputs = get_names(j, object, "outputs", &e->n_outputs);
    e->numerics = shard_json_string(j, object, "numerics");
    e->reproducible = shard_json_bool(j, object, "reproducible");
    switch (e->kind != NULL ? shard_kind_number(e->kind) : 0) {
    case SHARD_LATENT:
        parse_latent(j, object, e);
        break;
    case SHARD_CODES:
        parse_codes(j, object, e);
        break;
    case SHARD_FEATURES:
        parse_all_features(j, object, e);
        break;
    case SHARD_PIXELS:
        e->codec = shard_json_string(j, object, "codec");
        if (!json_is_null(quality))
            e->quality = shard_json_integer(j, object, "quality", 1000);
        break;
    default:
        break;
    }
}

static void check_names(struct shard_json *j, const struct shard_header *h)
{
    for (size_t i = 0; i < h->n_encoders && j->rc == SHARD_OK; i++)
        if (shard_find_encoder(h, h->encoders[i].name) != i)
            shard_json_refuse(j, "the header has two encoders \"%s\"",
                              h->encoders[i].name);
}

static void parse_tokenizer(struct shard_json *j, const json_t *object,
                            struct shard_tokenizer *t)
{
    if (json_is_null(object))
        return;
    j->where = "the header's tokenizer";
    refuse_earlier(j, object, "kind");
    t->present = true;
    t->kind = shard_json_string(j, object, "kind");
    t->special = shard_json_string(j, object, "special");
    t->tables = get_object_text(j, object, "tables");
    t->options = get_object_text(j, object, "options");
    t->sha256 = shard_json_string(j, object, "sha256");
    t->file = shard_json_string(j, object, "file");
    t->n_pieces = (uint32_t)shard_json_integer(j, object, "n_pieces", UINT32_MAX);
    t->bos = get_id(j, object, "bos");
    t->eos = get_id(j, object, "eos");
    t->boi = (uint32_t)shard_json_integer(j, object, "boi", SHARD_MAX_ID);
    t->eoi = (uint32_t)shard_json_integer(j, object, "eoi", SHARD_MAX_ID);
}

static void parse_encoders(struct shard_json *j, struct parsed_header *parsed)
{
    size_t n;
    const json_t *array =
        shard_json_array(j, parsed->root, "encoders", SHARD_MAX_ENCODERS, &n);

    parsed->encoders = shard_json_alloc(j, n, sizeof(parsed->encoders[0]));
    parsed->header.encoders = parsed->encoders;
    parsed->header.n_encoders = parsed->encoders != NULL ? n : 0;
    for (size_t i = 0; i < n && j->rc == SHARD_OK; i++)
        parse_encoder(j, json_array_get(array, i), &parsed->encoders[i]);
    check_names(j, &parsed->header);
}

static void parse_fields(struct shard_json *j, struct parsed_header *parsed)
{
    struct shard_header *h = &parsed->header;
    const json_t *share = json_object_get(parsed->root, "caption_first");

    h->name = shard_json_string(j, parsed->root, "name");
    h->part = (uint32_t)shard_json_integer(j, parsed->root, "part", UINT32_MAX);
    h->software = shard_json_string(j, parsed->root, "software");
    h->demo = shard_json_bool(j, parsed->root, "demo");
    h->seed = (uint64_t)shard_json_integer(j, parsed->root, "seed", INT64_MAX);
    h->caption_first = json_number_value(share);
    if (!json_is_number(share) || h->caption_first < 0 || h->caption_first > 1)
        shard_json_refuse(j, "the header has no number \"caption_first\" in 0 to 1");
    h->patch = (uint32_t)shard_json_integer(j, parsed->root, "patch", 8);
    if (h->patch != 1 && h->patch != 2 && h->patch != 4 && h->patch != 8)
        shard_json_refuse(j, "the header's \"patch\" is not 1, 2, 4 or 8");
    h->config = get_object_text(j, parsed->root, "config");
    parse_encoders(j, parsed);
    parse_tokenizer(j, json_object_get(parsed->root, "tokenizer"), &h->tokenizer);
}

int shard_header_from_json(const char *json, size_t len, struct shard_header **out,
                           char *why, size_t cap)
{
    struct shard_json j = {
        .where = "the header", .refused = SHARD_EFORMAT, .why = why, .cap = cap};
    struct parsed_header *parsed = calloc(1, sizeof(*parsed));

    *out = NULL;
    if (parsed == NULL)
        return SHARD_ENOMEM;
    parsed->root = shard_json_parse(&j, json, len, SHARD_MAX_HEADER_DEPTH);
    if (parsed->root != NULL)
        parse_fields(&j, parsed);
    if (j.rc != SHARD_OK) {
        shard_header_free(&parsed->header);
        return j.rc;
    }
    *out = &parsed->header;
    return SHARD_OK;
}

static void free_encoder(const struct shard_encoder *e)
{
    free((char *)e->config);
    free((char *)e->geometry);
    free((char *)e->input);
    free((void *)e->outputs);
    free((double *)e->scale);
    free((double *)e->shift);
    free((uint32_t *)e->id_map);
    for (size_t i = 0; i < e->n_features; i++) {
        free((double *)e->features[i].mean);
        free((double *)e->features[i].std);
    }
    free((struct shard_features *)e->features);
}

void shard_header_free(struct shard_header *h)
{
    if (h == NULL)
        return;
    struct parsed_header *parsed = (struct parsed_header *)h;
    for (size_t i = 0; i < h->n_encoders; i++)
        free_encoder(&h->encoders[i]);
    free((char *)h->config);
    free((char *)h->tokenizer.tables);
    free((char *)h->tokenizer.options);
    free(parsed->encoders);
    json_decref(parsed->root);
    free(parsed);
}
