/* SPDX-License-Identifier: Apache-2.0
 * shard/header.c - the header's two forms. A parsed header points into its JSON tree,
 * which lives as long. */
#include "shard/header.h"

#include <errno.h>
#include <float.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "shard/canonical_json.h"
#include "shard/format.h"
#include "shard/json_depth.h"
#include "shard/status.h"

static const char scale_formula[] = "latent = (raw - shift) * scale";

/* ---- to JSON ---- */

/* A JSON object's text -> its tree; NULL text -> null. NULL where it is no object. */
static json_t *parse_object(const char *text)
{
    if (text == NULL)
        return json_null();
    json_t *object = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
    if (!json_is_object(object)) {
        json_decref(object);
        return NULL;
    }
    return object;
}

static json_t *real_array(const double *values, size_t n)
{
    json_t *array = json_array();

    for (size_t i = 0; i < n; i++)
        if (json_array_append_new(array, json_real(values[i])) != 0) {
            json_decref(array);
            return NULL;
        }
    return array;
}

static json_t *encoder_to_json(const struct shard_encoder *e)
{
    json_t *config = parse_object(e->config);
    json_t *scale = real_array(e->scale, e->n_scale);
    json_t *shift = real_array(e->shift, e->n_scale);

    return json_pack("{s:s, s:s, s:s, s:o, s:I, s:o, s:o, s:s, s:s, s:s, s:b}", /* */
                     "kind", e->kind, "name", e->name, "weights_sha256",
                     e->weights_sha256, "config", config, "f", (json_int_t)e->downscale,
                     "scale", scale, "shift", shift, "formula", scale_formula, "moments",
                     e->moments, "numerics", e->numerics, "reproducible",
                     (int)e->reproducible);
}

static json_t *id_or_null(int64_t id)
{
    return id < 0 ? json_null() : json_integer(id);
}

static json_t *tokenizer_to_json(const struct shard_tokenizer *t)
{
    if (!t->present)
        return json_null();
    return json_pack("{s:s, s:s, s:I, s:o, s:o, s:I, s:I}", "sha256", t->sha256, "file",
                     t->file, "n_pieces", (json_int_t)t->n_pieces, "bos",
                     id_or_null(t->bos), "eos", id_or_null(t->eos), "boi",
                     (json_int_t)t->boi, "eoi", (json_int_t)t->eoi);
}

int shard_header_to_json(const struct shard_header *h, char **json)
{
    json_t *encoders = json_array();

    *json = NULL;
    for (size_t i = 0; i < h->n_encoders && encoders != NULL; i++)
        if (json_array_append_new(encoders, encoder_to_json(&h->encoders[i])) != 0) {
            json_decref(encoders);
            encoders = NULL;
        }
    json_t *root = NULL;
    if (h->seed <= INT64_MAX)
        root = json_pack("{s:s, s:I, s:s, s:b, s:I, s:f, s:I, s:o, s:o, s:o}", /* */
                         "name", h->name, "part", (json_int_t)h->part, "software",
                         h->software, "demo", (int)h->demo, "seed", (json_int_t)h->seed,
                         "caption_first", h->caption_first, "patch", (json_int_t)h->patch,
                         "tokenizer", tokenizer_to_json(&h->tokenizer), "encoders",
                         encoders, "config", parse_object(h->config));
    else
        json_decref(encoders);
    if (root == NULL)
        return SHARD_EINVAL;
    *json = shard_json_canonical(root);
    json_decref(root);
    return *json != NULL ? SHARD_OK : SHARD_ENOMEM;
}

/* ---- from JSON ---- */

struct parsed_header {
    struct shard_header header; /* first: what the caller holds */
    json_t *root;
    struct shard_encoder *encoders;
};

struct parser {
    const char *where; /* "the header", "an encoder" */
    char *why;
    size_t cap;
    int rc;
};

static void reject(struct parser *p, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

static void reject(struct parser *p, const char *fmt, ...)
{
    va_list ap;

    if (p->rc != SHARD_OK)
        return;
    va_start(ap, fmt);
    vsnprintf(p->why, p->cap, fmt, ap);
    va_end(ap);
    p->rc = SHARD_EFORMAT;
}

static const char *get_string(struct parser *p, const json_t *object, const char *key)
{
    const char *s = json_string_value(json_object_get(object, key));

    if (s == NULL)
        reject(p, "%s has no string \"%s\"", p->where, key);
    return s;
}

static int64_t get_integer(struct parser *p, const json_t *object, const char *key,
                           int64_t max)
{
    const json_t *value = json_object_get(object, key);

    if (!json_is_integer(value) || json_integer_value(value) < 0 ||
        json_integer_value(value) > max) {
        reject(p, "%s has no integer \"%s\" in 0 to %lld", p->where, key, (long long)max);
        return 0;
    }
    return json_integer_value(value);
}

static bool get_bool(struct parser *p, const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);

    if (!json_is_boolean(value))
        reject(p, "%s has no boolean \"%s\"", p->where, key);
    return json_is_true(value);
}

/* An id, or -1 for null. */
static int64_t get_id(struct parser *p, const json_t *object, const char *key)
{
    if (json_is_null(json_object_get(object, key)))
        return -1;
    return get_integer(p, object, key, SHARD_MAX_ID);
}

/* Gives the text of an object, NULL for null. */
static char *get_object_text(struct parser *p, const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);

    if (value == NULL || json_is_null(value))
        return NULL;
    if (!json_is_object(value)) {
        reject(p, "%s has \"%s\" that is not an object", p->where, key);
        return NULL;
    }
    char *text = shard_json_canonical(value);
    if (text == NULL && p->rc == SHARD_OK)
        p->rc = SHARD_ENOMEM;
    return text;
}

/* Gives n doubles. */
static double *get_reals(struct parser *p, const json_t *object, const char *key,
                         size_t n)
{
    const json_t *array = json_object_get(object, key);

    if (!json_is_array(array) || json_array_size(array) != n) {
        reject(p, "%s has no array \"%s\" as long as its scale", p->where, key);
        return NULL;
    }
    double *values = calloc(n + 1, sizeof(values[0]));
    if (values == NULL)
        p->rc = SHARD_ENOMEM;
    for (size_t i = 0; i < n && values != NULL; i++) {
        values[i] = json_number_value(json_array_get(array, i));
        if (!json_is_number(json_array_get(array, i)) || fabs(values[i]) > FLT_MAX)
            reject(p, "%s has \"%s\" with something that is no number of fp32", p->where,
                   key);
    }
    return values;
}

static void parse_encoder(struct parser *p, const json_t *object, struct shard_encoder *e)
{
    p->where = "an encoder of the header";
    e->kind = get_string(p, object, "kind");
    e->name = get_string(p, object, "name");
    e->weights_sha256 = get_string(p, object, "weights_sha256");
    e->config = get_object_text(p, object, "config");
    e->downscale = (uint32_t)get_integer(p, object, "f", UINT32_MAX);
    e->n_scale = json_array_size(json_object_get(object, "scale"));
    if (e->n_scale == 0)
        reject(p, "%s has no values in \"scale\"", p->where);
    e->scale = get_reals(p, object, "scale", e->n_scale);
    e->shift = get_reals(p, object, "shift", e->n_scale);
    e->moments = get_string(p, object, "moments");
    if (e->moments != NULL && strcmp(e->moments, "mean") != 0 &&
        strcmp(e->moments, "mean+logvar") != 0)
        reject(p, "%s has \"moments\" that are not mean or mean+logvar", p->where);
    e->numerics = get_string(p, object, "numerics");
    e->reproducible = get_bool(p, object, "reproducible");
}

static void parse_tokenizer(struct parser *p, const json_t *object,
                            struct shard_tokenizer *t)
{
    if (json_is_null(object))
        return;
    p->where = "the header's tokenizer";
    t->present = true;
    t->sha256 = get_string(p, object, "sha256");
    t->file = get_string(p, object, "file");
    t->n_pieces = (uint32_t)get_integer(p, object, "n_pieces", UINT32_MAX);
    t->bos = get_id(p, object, "bos");
    t->eos = get_id(p, object, "eos");
    t->boi = (uint32_t)get_integer(p, object, "boi", SHARD_MAX_ID);
    t->eoi = (uint32_t)get_integer(p, object, "eoi", SHARD_MAX_ID);
}

static void parse_encoders(struct parser *p, struct parsed_header *parsed)
{
    const json_t *array = json_object_get(parsed->root, "encoders");
    size_t n = json_array_size(array);

    if (!json_is_array(array)) {
        reject(p, "the header has no array \"encoders\"");
        return;
    }
    parsed->encoders = calloc(n + 1, sizeof(parsed->encoders[0]));
    if (parsed->encoders == NULL) {
        p->rc = SHARD_ENOMEM;
        return;
    }
    parsed->header.encoders = parsed->encoders;
    parsed->header.n_encoders = n;
    for (size_t i = 0; i < n && p->rc == SHARD_OK; i++)
        parse_encoder(p, json_array_get(array, i), &parsed->encoders[i]);
}

static void parse_fields(struct parser *p, struct parsed_header *parsed)
{
    struct shard_header *h = &parsed->header;
    const json_t *share = json_object_get(parsed->root, "caption_first");

    h->name = get_string(p, parsed->root, "name");
    h->part = (uint32_t)get_integer(p, parsed->root, "part", UINT32_MAX);
    h->software = get_string(p, parsed->root, "software");
    h->demo = get_bool(p, parsed->root, "demo");
    h->seed = (uint64_t)get_integer(p, parsed->root, "seed", INT64_MAX);
    h->caption_first = json_number_value(share);
    if (!json_is_number(share) || h->caption_first < 0 || h->caption_first > 1)
        reject(p, "the header has no number \"caption_first\" in 0 to 1");
    h->patch = (uint32_t)get_integer(p, parsed->root, "patch", 8);
    if (h->patch != 1 && h->patch != 2 && h->patch != 4 && h->patch != 8)
        reject(p, "the header's \"patch\" is not 1, 2, 4 or 8");
    h->config = get_object_text(p, parsed->root, "config");
    parse_encoders(p, parsed);
    parse_tokenizer(p, json_object_get(parsed->root, "tokenizer"), &h->tokenizer);
}

int shard_header_from_json(const char *json, size_t len, struct shard_header **out,
                           char *why, size_t cap)
{
    struct parser p = {.where = "the header", .why = why, .cap = cap};
    struct parsed_header *parsed = calloc(1, sizeof(*parsed));
    json_error_t error;

    *out = NULL;
    if (parsed == NULL)
        return SHARD_ENOMEM;
    errno = 0;
    bool deep = shard_json_depth(json, len) > SHARD_MAX_HEADER_DEPTH;
    if (!deep)
        parsed->root = json_loadb(json, len, JSON_REJECT_DUPLICATES, &error);
    if (deep)
        reject(&p, "the header is nested deeper than %d", SHARD_MAX_HEADER_DEPTH);
    else if (parsed->root == NULL && errno == ENOMEM) /* or a syntax error to jansson */
        p.rc = SHARD_ENOMEM;
    else if (!json_is_object(parsed->root))
        reject(&p, "the header is not a JSON object: %s at byte %d",
               parsed->root == NULL ? error.text : "another value", error.position);
    else
        parse_fields(&p, parsed);
    if (p.rc != SHARD_OK) {
        shard_header_free(&parsed->header);
        return p.rc;
    }
    *out = &parsed->header;
    return SHARD_OK;
}

void shard_header_free(struct shard_header *h)
{
    if (h == NULL)
        return;
    struct parsed_header *parsed = (struct parsed_header *)h;
    for (size_t i = 0; i < h->n_encoders; i++) {
        free((char *)h->encoders[i].config);
        free((double *)h->encoders[i].scale);
        free((double *)h->encoders[i].shift);
    }
    free((char *)h->config);
    free(parsed->encoders);
    json_decref(parsed->root);
    free(parsed);
}
