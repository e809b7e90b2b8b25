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
#include "shard/parts.h"
#include "shard/status.h"

static const char scale_formula[] = "latent = (raw - shift) * scale";

/* ---- to JSON ---- */

/* What cannot be said is found before anything is made: from there on NULL is a lack of
 * memory. Each returns SHARD_OK, SHARD_EINVAL or SHARD_ENOMEM. */
static int check_strings(const char *const *strings, size_t n)
{
    int rc = SHARD_OK;

    for (size_t i = 0; i < n && rc == SHARD_OK; i++)
        rc = shard_json_check_string(strings[i]);
    return rc;
}

static int check_reals(const double *values, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!isfinite(values[i]))
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
        rc = check_reals(e->scale, e->n_scale);
        if (rc == SHARD_OK)
            rc = check_reals(e->shift, e->n_scale);
        return rc == SHARD_OK ? shard_json_check_string(e->moments) : rc;
    case SHARD_PIXELS:
        return shard_json_check_string(e->codec);
    default:
        return SHARD_OK;
    }
}

static int check_header(const struct shard_header *h)
{
    const struct shard_tokenizer *t = &h->tokenizer;
    const char *const strings[] = {h->name, h->software, t->present ? t->sha256 : "",
                                   t->present ? t->file : ""};

    if (h->seed > INT64_MAX || !isfinite(h->caption_first))
        return SHARD_EINVAL;
    int rc = check_strings(strings, sizeof(strings) / sizeof(strings[0]));
    if (rc == SHARD_OK)
        rc = check_object(h->config);
    for (size_t i = 0; i < h->n_encoders && rc == SHARD_OK; i++)
        rc = check_encoder(&h->encoders[i]);
    return rc;
}

/* A JSON object's text -> its tree; NULL text -> null. */
static json_t *parse_object(const char *text)
{
    return text != NULL ? json_loads(text, JSON_REJECT_DUPLICATES, NULL) : json_null();
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

static json_t *id_array(const uint32_t *ids, size_t n)
{
    json_t *array = ids != NULL ? json_array() : json_null();

    for (size_t i = 0; i < n; i++)
        if (json_array_append_new(array, json_integer(ids[i])) != 0) {
            json_decref(array);
            return NULL;
        }
    return array;
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

/* What encoders of one kind have beside all others; {} of an unknown kind. */
static json_t *kind_to_json(const struct shard_encoder *e)
{
    switch (shard_kind_number(e->kind)) {
    case SHARD_LATENT:
        return json_pack("{s:I, s:I, s:s, s:o, s:o, s:I, s:s}", /* */
                         "channels", (json_int_t)e->channels, "f",
                         (json_int_t)e->downscale, "moments", e->moments, "scale",
                         real_array(e->scale, e->n_scale), "shift",
                         real_array(e->shift, e->n_scale), "scale_window",
                         (json_int_t)e->scale_window, "formula", scale_formula);
    case SHARD_CODES:
        return json_pack("{s:I, s:I, s:o}", "codebook", (json_int_t)e->codebook,
                         "id_offset", (json_int_t)e->id_offset, "id_map",
                         id_array(e->id_map, e->n_id_map));
    case SHARD_PIXELS:
        return json_pack("{s:s, s:o}", "codec", e->codec, "quality",
                         e->quality < 0 ? json_null() : json_integer(e->quality));
    default:
        return json_object();
    }
}

static json_t *encoder_to_json(const struct shard_encoder *e)
{
    json_t *encoder = json_pack(
        "{s:s, s:s, s:s, s:s, s:s?, s:s?, s:o, s:o, s:o, s:o, s:s, s:b}", /* */
        "name", e->name, "kind", e->kind, "of", e->of, "family", e->family,
        "weights_sha256", e->weights_sha256, "encode", e->encode, "config",
        parse_object(e->config), "geometry", parse_object(e->geometry), "input",
        parse_object(e->input), "outputs", string_array(e->outputs, e->n_outputs),
        "numerics", e->numerics, "reproducible", (int)e->reproducible);
    json_t *of_kind = kind_to_json(e);

    if (encoder == NULL || of_kind == NULL || json_object_update(encoder, of_kind) != 0) {
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
    return json_pack("{s:s, s:s, s:I, s:o, s:o, s:I, s:I}", "sha256", t->sha256, "file",
                     t->file, "n_pieces", (json_int_t)t->n_pieces, "bos",
                     id_or_null(t->bos), "eos", id_or_null(t->eos), "boi",
                     (json_int_t)t->boi, "eoi", (json_int_t)t->eoi);
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
        "{s:s, s:I, s:s, s:b, s:I, s:f, s:I, s:o, s:o, s:o}", /* */
        "name", h->name, "part", (json_int_t)h->part, "software", h->software, "demo",
        (int)h->demo, "seed", (json_int_t)h->seed, "caption_first", h->caption_first,
        "patch", (json_int_t)h->patch, "tokenizer", tokenizer_to_json(&h->tokenizer),
        "encoders", encoders, "config", parse_object(h->config));
    *json = root != NULL ? shard_json_canonical(root) : NULL;
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

/* 64 hex digits, or NULL for null. */
static const char *get_sha256(struct parser *p, const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);
    const char *s = json_string_value(value);

    if (json_is_null(value))
        return NULL;
    if (s == NULL || strlen(s) != 64 || strspn(s, "0123456789abcdef") != 64)
        reject(p, "%s has no \"%s\" that is null or 64 hex digits", p->where, key);
    return s;
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

/* Gives n ids; NULL for null. */
static uint32_t *get_ids(struct parser *p, const json_t *object, const char *key,
                         size_t n)
{
    const json_t *array = json_object_get(object, key);

    if (json_is_null(array))
        return NULL;
    if (!json_is_array(array) || json_array_size(array) != n || n > SHARD_MAX_ID_MAP) {
        reject(p, "%s has \"%s\" that is not null or as long as its codebook", p->where,
               key);
        return NULL;
    }
    uint32_t *ids = calloc(n + 1, sizeof(ids[0]));
    if (ids == NULL)
        p->rc = SHARD_ENOMEM;
    for (size_t i = 0; i < n && ids != NULL; i++) {
        const json_t *id = json_array_get(array, i);
        if (!json_is_integer(id) || json_integer_value(id) < 0 ||
            json_integer_value(id) > SHARD_MAX_ID)
            reject(p, "%s has \"%s\" with something that is no id", p->where, key);
        ids[i] = (uint32_t)json_integer_value(id);
    }
    return ids;
}

/* Gives the names of outputs, which the tree lends. */
static const char **get_names(struct parser *p, const json_t *object, const char *key,
                              size_t *n)
{
    const json_t *array = json_object_get(object, key);
    const size_t len = json_array_size(array);

    if (!json_is_array(array) || len > SHARD_MAX_OUTPUTS) {
        reject(p, "%s has no array \"%s\" of at most %d names", p->where, key,
               SHARD_MAX_OUTPUTS);
        return NULL;
    }
    const char **names = calloc(len + 1, sizeof(names[0]));
    if (names == NULL)
        p->rc = SHARD_ENOMEM;
    for (size_t i = 0; i < len && names != NULL; i++) {
        names[i] = json_string_value(json_array_get(array, i));
        if (names[i] == NULL)
            reject(p, "%s has \"%s\" with something that is no string", p->where, key);
    }
    *n = names != NULL ? len : 0;
    return names;
}

static void parse_latent(struct parser *p, const json_t *object, struct shard_encoder *e)
{
    e->channels = (uint32_t)get_integer(p, object, "channels", SHARD_MAX_SCALE);
    e->downscale = (uint32_t)get_integer(p, object, "f", UINT32_MAX);
    e->moments = get_string(p, object, "moments");
    if (e->moments != NULL && strcmp(e->moments, "mean") != 0 &&
        strcmp(e->moments, "mean+logvar") != 0)
        reject(p, "%s has \"moments\" that are not mean or mean+logvar", p->where);
    e->scale_window = (uint32_t)get_integer(p, object, "scale_window", 8);
    const size_t window = e->scale_window;
    e->n_scale = json_array_size(json_object_get(object, "scale"));
    if (e->channels == 0 || window == 0 || e->n_scale > SHARD_MAX_SCALE ||
        (window > 1 ? e->n_scale != e->channels * window * window
                    : e->n_scale != 1 && e->n_scale != e->channels))
        reject(p, "%s has \"scale\" that is not 1, C or C p p values long", p->where);
    e->scale = get_reals(p, object, "scale", e->n_scale);
    e->shift = get_reals(p, object, "shift", e->n_scale);
}

static void parse_codes(struct parser *p, const json_t *object, struct shard_encoder *e)
{
    e->codebook = (uint32_t)get_integer(p, object, "codebook", SHARD_MAX_ID);
    e->id_offset = (uint32_t)get_integer(p, object, "id_offset", SHARD_MAX_ID);
    e->id_map = get_ids(p, object, "id_map", e->codebook);
    e->n_id_map = e->id_map != NULL ? e->codebook : 0;
    if (e->id_map == NULL &&
        (uint64_t)e->id_offset + e->codebook > (uint64_t)SHARD_MAX_ID + 1)
        reject(p, "%s has ids above %d", p->where, SHARD_MAX_ID);
}

static bool is_name(const char *name)
{
    const size_t len = strspn(name, SHARD_NAME_BYTES);

    return len > 0 && len <= SHARD_MAX_ROLE && name[len] == 0;
}

static void parse_encoder(struct parser *p, const json_t *object, struct shard_encoder *e)
{
    const json_t *hash = json_object_get(object, "weights_sha256");
    const json_t *quality = json_object_get(object, "quality");

    p->where = "an encoder of the header";
    e->quality = -1;
    e->name = get_string(p, object, "name");
    if (e->name != NULL && !is_name(e->name))
        reject(p, "%s has a \"name\" that is not 1 to %d bytes of [a-z0-9_.-]", p->where,
               SHARD_MAX_ROLE);
    e->kind = get_string(p, object, "kind");
    e->of = get_string(p, object, "of");
    e->family = get_string(p, object, "family");
    e->weights_sha256 =
        json_is_null(hash) ? NULL : get_string(p, object, "weights_sha256");
    e->encode = get_sha256(p, object, "encode");
    e->config = get_object_text(p, object, "config");
    e->geometry = get_object_text(p, object, "geometry");
    e->input = get_object_text(p, object, "input");
    e->outputs = get_names(p, object, "outputs", &e->n_outputs);
    e->numerics = get_string(p, object, "numerics");
    e->reproducible = get_bool(p, object, "reproducible");
    switch (e->kind != NULL ? shard_kind_number(e->kind) : 0) {
    case SHARD_LATENT:
        parse_latent(p, object, e);
        break;
    case SHARD_CODES:
        parse_codes(p, object, e);
        break;
    case SHARD_PIXELS:
        e->codec = get_string(p, object, "codec");
        if (!json_is_null(quality))
            e->quality = get_integer(p, object, "quality", 1000);
        break;
    default:
        break;
    }
}

static void check_names(struct parser *p, const struct shard_header *h)
{
    for (size_t i = 0; i < h->n_encoders && p->rc == SHARD_OK; i++)
        if (shard_find_encoder(h, h->encoders[i].name) != i)
            reject(p, "the header has two encoders \"%s\"", h->encoders[i].name);
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

    if (!json_is_array(array) || n > SHARD_MAX_ENCODERS) {
        reject(p, "the header has no array \"encoders\" of at most %d",
               SHARD_MAX_ENCODERS);
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
    check_names(p, &parsed->header);
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
        const struct shard_encoder *e = &h->encoders[i];
        free((char *)e->config);
        free((char *)e->geometry);
        free((char *)e->input);
        free((void *)e->outputs);
        free((double *)e->scale);
        free((double *)e->shift);
        free((uint32_t *)e->id_map);
    }
    free((char *)h->config);
    free(parsed->encoders);
    json_decref(parsed->root);
    free(parsed);
}
