/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/run/child_hello.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shard/status.h"
#include "vae_encode/child/child_frames.h"

/* The first fault's words stay. */
struct reading {
    char *why;
    size_t cap;
    bool bad;
    bool no_memory;
};

__attribute__((format(printf, 2, 3))) static void refuse(struct reading *r,
                                                         const char *fmt, ...)
{
    va_list ap;

    if (r->bad)
        return;
    r->bad = true;
    va_start(ap, fmt);
    vsnprintf(r->why, r->cap, fmt, ap);
    va_end(ap);
}

static void out_of_memory(struct reading *r)
{
    r->no_memory = r->bad = true;
}

static int64_t get_integer(struct reading *r, const json_t *object, const char *key,
                           int64_t min, int64_t max)
{
    const json_t *value = json_object_get(object, key);
    const int64_t n = json_integer_value(value);

    if (json_is_integer(value) && n >= min && n <= max)
        return n;
    refuse(r, "its hello has no \"%s\" of %lld to %lld", key, (long long)min,
           (long long)max);
    return min;
}

static bool get_flag(struct reading *r, const json_t *object, const char *key,
                     bool missing)
{
    const json_t *value = json_object_get(object, key);

    if (value && !json_is_boolean(value))
        refuse(r, "its hello has \"%s\" that is not true or false", key);
    return value ? json_is_true(value) : missing;
}

/* What a header has besides, where the hello leaves it out. Returns 0, or -1: no memory.
 */
static int complete(json_t *encoder, const char *moments)
{
    json_t *missing =
        json_pack("{s:n, s:n, s:n, s:[], s:s}", "weights_sha256", "config", "input",
                  "outputs", "formula", "latent = (raw - shift) * scale");
    json_t *ours = json_pack("{s:s, s:s, s:n, s:n}", "name", "child", "moments", moments,
                             "encode", "geometry");
    const char *kind = json_string_value(json_object_get(encoder, "kind"));
    int rc = missing && ours ? 0 : -1;

    if (rc == 0 && kind && strcmp(kind, "codes") == 0) {
        rc = json_object_set_new(missing, "id_offset", json_integer(0));
        rc |= json_object_set_new(missing, "id_map", json_null());
    }
    if (rc == 0)
        rc = json_object_update_missing(encoder, missing);
    if (rc == 0)
        rc = json_object_update(encoder, ours);
    json_decref(missing);
    json_decref(ours);
    return rc;
}

static void parse_header(struct reading *r, struct child_hello *h, const json_t *encoder)
{
    char why[400] = "";
    json_t *header =
        json_pack("{s:s, s:i, s:s, s:b, s:i, s:f, s:i, s:n, s:n, s:[O]}", "name", "child",
                  "part", 0, "software", "", "demo", 0, "seed", 0, "caption_first", 0.0,
                  "patch", 1, "tokenizer", "config", "encoders", encoder);
    char *text = header ? json_dumps(header, JSON_COMPACT) : NULL;

    const int rc =
        text ? shard_header_from_json(text, strlen(text), &h->parsed, why, sizeof(why))
             : SHARD_ENOMEM;
    json_decref(header);
    if (rc == SHARD_ENOMEM)
        out_of_memory(r);
    else if (rc != SHARD_OK)
        refuse(r, "the \"encoder\" of its hello cannot stand in a shard's header: %s",
               why);
    else
        h->encoder = &h->parsed->encoders[0];
    free(text);
}

static void check_kind(struct reading *r, const struct shard_encoder *e)
{
    static const char *const known[] = {"latent", "codes", "features"};

    if (strcmp(e->of, "image") != 0)
        refuse(r, "the \"encoder\" of its hello is of \"%s\", not of \"image\"", e->of);
    for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++)
        if (strcmp(e->kind, known[i]) == 0)
            return;
    refuse(r,
           "the \"encoder\" of its hello has kind \"%s\", which is none of latent, "
           "codes, features",
           e->kind);
}

static void read_encoder(struct reading *r, struct child_hello *h, const char *moments)
{
    const json_t *said = json_object_get(h->json, "encoder");
    json_t *encoder = json_is_object(said) ? json_deep_copy(said) : NULL;
    const json_t *input = json_object_get(encoder, "input");

    if (!json_is_object(said))
        refuse(r, "its hello has no object \"encoder\"");
    else if (!encoder || complete(encoder, moments) != 0)
        out_of_memory(r);
    else
        parse_header(r, h, encoder);
    h->places_codes = json_is_integer(json_object_get(said, "id_offset")) ||
                      json_is_object(json_object_get(said, "id_map")) ||
                      json_is_array(json_object_get(said, "id_map"));
    h->multiple = json_object_get(input, "multiple")
                      ? (uint32_t)get_integer(r, input, "multiple", 1, 65536)
                      : 1;
    if (h->encoder)
        check_kind(r, h->encoder);
    json_decref(encoder);
}

static void read_tensor(struct reading *r, const json_t *said,
                        struct child_hello_tensor *t)
{
    /* one for each size that OPEN named: one */
    const json_t *dims = json_array_get(json_object_get(said, "dims"), 0);

    t->output = (uint32_t)get_integer(r, said, "output", 0, 255);
    t->logvar = get_flag(r, said, "logvar", false);
    t->n_dims = (uint32_t)json_array_size(dims);
    if (t->n_dims < 1 || t->n_dims > ENCODER_MAX_DIMS)
        refuse(r, "a tensor of its hello has no \"dims\" with an array of 1 to %d sizes",
               ENCODER_MAX_DIMS);
    for (uint32_t i = 0; i < t->n_dims && !r->bad; i++) {
        const json_int_t n = json_integer_value(json_array_get(dims, i));

        if (n < 1 || n > 1 << 24)
            refuse(r, "a tensor of its hello has \"dims\" that are not above 0");
        t->dims[i] = (uint32_t)n;
    }
}

/* Whether it fits what is said of the encoder. */
static void check_tensor(struct reading *r, const struct child_hello *h,
                         const struct child_hello_tensor *t)
{
    const bool latent = strcmp(h->encoder->kind, "latent") == 0;
    const size_t n_outputs = h->encoder->n_outputs > 0 ? h->encoder->n_outputs : 1;

    if (t->output >= n_outputs)
        refuse(r, "a tensor of its hello is of output %u, but it has %zu", t->output,
               n_outputs);
    if (t->logvar && (!latent || strcmp(h->encoder->moments, "mean+logvar") != 0))
        refuse(r, "its hello has a log-variance, which nobody has asked for");
    if (latent && (t->n_dims != 3 || t->dims[0] != h->encoder->channels))
        refuse(r, "a latent of its hello is not (channels, rows, columns)");
}

static void check_moments(struct reading *r, const struct child_hello *h)
{
    bool has_logvar = false;

    for (size_t i = 0; i < h->n_tensors; i++)
        has_logvar |= h->tensors[i].logvar;
    if (!r->bad && strcmp(h->encoder->kind, "latent") == 0 && !has_logvar &&
        strcmp(h->encoder->moments, "mean+logvar") == 0)
        refuse(r, "its hello has no log-variance, but --moments is mean+logvar");
}

static void read_tensors(struct reading *r, struct child_hello *h)
{
    const json_t *list = json_object_get(h->json, "tensors");

    h->n_tensors = json_array_size(list);
    if (h->n_tensors < 1 || h->n_tensors > ENCODER_MAX_TENSORS) {
        refuse(r, "its hello has no array \"tensors\" with 1 to %d of them",
               ENCODER_MAX_TENSORS);
        h->n_tensors = 0;
    }
    for (size_t i = 0; i < h->n_tensors && !r->bad; i++) {
        read_tensor(r, json_array_get(list, i), &h->tensors[i]);
        check_tensor(r, h, &h->tensors[i]);
    }
    check_moments(r, h);
}

int child_hello_read(struct child_hello *h, json_t *json, const char *moments, char *why,
                     size_t cap)
{
    struct reading r = {.why = why, .cap = cap};

    *h = (struct child_hello){.json = json_incref(json)};
    get_integer(&r, json, "protocol", CHILD_PROTOCOL, CHILD_PROTOCOL);
    if (!r.bad)
        read_encoder(&r, h, moments);
    if (!r.bad)
        read_tensors(&r, h);
    h->batch = (uint32_t)get_integer(&r, json, "batch", 1, CHILD_MAX_BATCH);
    h->wait_ms = (int)get_integer(&r, json, "wait_ms", 0, CHILD_MAX_WAIT_MS);
    (void)get_flag(&r, json, "decode", false);
    if (get_flag(&r, json, "memory", false))
        refuse(&r, "its hello asks for shared memory, which OPEN has not offered");
    if (r.no_memory)
        return ENOMEM;
    return r.bad ? EINVAL : 0;
}

void child_hello_free(struct child_hello *h)
{
    shard_header_free(h->parsed);
    json_decref(h->json);
}

const char *child_hello_difference(const json_t *a, const json_t *b)
{
    static const char *const same[] = {"protocol", "encoder", "tensors"};

    for (size_t i = 0; i < sizeof(same) / sizeof(*same); i++)
        if (!json_equal(json_object_get(a, same[i]), json_object_get(b, same[i])))
            return same[i];
    return NULL;
}
