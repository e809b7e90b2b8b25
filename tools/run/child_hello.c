/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/run/child_hello.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shard/status.h"
#include "vae_encode/child/child_frames.h"

enum { MOST_OF_DIM = 1 << 24 };

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

/* `why` is about the header that would have it: the encoder is all of that but itself. */
static void refuse_encoder(struct reading *r, const char *why)
{
    static const char subject[] = "an encoder of the header";
    const bool about = strncmp(why, subject, sizeof(subject) - 1) == 0;

    refuse(r, "the \"encoder\" of its hello%s%s", about ? "" : ": ",
           about ? why + sizeof(subject) - 1 : why);
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
        refuse_encoder(r, why);
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

static int compare_ids(const void *a, const void *b)
{
    const uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

    return (x > y) - (x < y);
}

/* Two codes of one id could not be told apart again. */
static void check_id_map(struct reading *r, const struct shard_encoder *e)
{
    uint32_t *ids = malloc(e->n_id_map * sizeof(*ids) + 1);

    if (!ids) {
        out_of_memory(r);
        return;
    }
    if (e->n_id_map > 0)
        memcpy(ids, e->id_map, e->n_id_map * sizeof(*ids));
    qsort(ids, e->n_id_map, sizeof(*ids), compare_ids);
    for (size_t i = 1; i < e->n_id_map; i++)
        if (ids[i] == ids[i - 1])
            refuse(r, "the \"id_map\" of its hello gives two codes the id %u", ids[i]);
    free(ids);
}

/* Those that tell one encoder from another. */
static void check_texts(struct reading *r, const struct shard_encoder *e)
{
    const char *hash = e->weights_sha256;

    if (hash && (strlen(hash) != 64 || strspn(hash, "0123456789abcdef") != 64))
        refuse(r, "the \"weights_sha256\" of its hello is not 64 hex digits (a-f)");
    if (*e->family == '\0')
        refuse(r, "the \"family\" of its hello is empty");
    if (*e->numerics == '\0')
        refuse(r, "the \"numerics\" of its hello is empty");
}

/* What a header may say, but no encoder can mean. */
static void check_numbers(struct reading *r, const struct shard_encoder *e)
{
    if (strcmp(e->kind, "codes") == 0 && e->codebook == 0)
        refuse(r, "the \"codebook\" of its hello is 0");
    if (strcmp(e->kind, "latent") == 0 && e->downscale == 0)
        refuse(r, "the \"f\" of its hello is 0");
    for (size_t i = 0; i < e->n_scale; i++)
        if (e->scale[i] == 0)
            refuse(r, "the \"scale\" of its hello has a 0");
    check_id_map(r, e);
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
    if (h->encoder) {
        check_kind(r, h->encoder);
        check_texts(r, h->encoder);
        check_numbers(r, h->encoder);
    }
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

        if (n < 1 || n > MOST_OF_DIM)
            refuse(r, "a tensor of its hello has \"dims\" that are not 1 to %d",
                   MOST_OF_DIM);
        t->dims[i] = (uint32_t)n;
    }
}

static void check_grid(struct reading *r, const struct child_hello *h,
                       const struct child_hello_tensor *t)
{
    const uint32_t f = h->encoder->downscale;

    if (t->n_dims != 3 || t->dims[0] != h->encoder->channels)
        refuse(r, "a latent of its hello is not (channels, rows, columns)");
    else if ((uint64_t)t->dims[1] * f != h->height ||
             (uint64_t)t->dims[2] * f != h->width)
        refuse(r,
               "a latent of its hello has \"dims\" of %u x %u cells, but its \"f\" says "
               "that each is of %u x %u pixels, and images are %u x %u",
               t->dims[1], t->dims[2], f, f, h->height, h->width);
}

/* Where dims are said of an output's features they are these; 0: any. */
static void check_features(struct reading *r, const struct child_hello *h,
                           const struct child_hello_tensor *t)
{
    const struct shard_features *said = &h->encoder->features[t->output];
    bool same = said->n_dims == t->n_dims;

    for (uint32_t i = 0; same && i < t->n_dims; i++)
        same = said->dims[i] == 0 || said->dims[i] == t->dims[i];
    if (!same)
        refuse(r,
               "the \"features\" of its hello have other \"dims\" of output %u than its "
               "\"tensors\"",
               t->output);
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
    if (latent)
        check_grid(r, h, t);
    if (t->output < h->encoder->n_features)
        check_features(r, h, t);
}

/* In the order of outputs, each once, a log-variance behind its mean. */
static void check_order(struct reading *r, const struct child_hello *h, size_t i)
{
    const struct child_hello_tensor *t = &h->tensors[i], *before = t - 1;
    const bool behind_mean = i > 0 && before->output == t->output && !before->logvar;

    if (t->logvar ? !behind_mean : i > 0 && t->output <= before->output)
        refuse(r,
               "the \"tensors\" of its hello are not in the order of their outputs, each "
               "once and a log-variance behind its mean");
}

static void check_bytes(struct reading *r, const struct child_hello *h)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < h->n_tensors; i++) {
        uint64_t n = sizeof(float);

        for (uint32_t k = 0; k < h->tensors[i].n_dims; k++)
            n = n > CHILD_MAX_IMAGE ? n : n * h->tensors[i].dims[k]; /* 27 + 24 bits */
        sum += n;
    }
    if (sum > CHILD_MAX_IMAGE)
        refuse(r,
               "the \"tensors\" of its hello have more than %d bytes an image, of four a "
               "value",
               CHILD_MAX_IMAGE);
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
        check_order(r, h, i);
    }
    check_bytes(r, h);
    check_moments(r, h);
}

static void check_protocol(struct reading *r, const json_t *hello)
{
    const json_t *version = json_object_get(hello, "protocol");

    if (!json_is_integer(version))
        refuse(r, "its hello has no number \"protocol\"");
    else if (json_integer_value(version) != CHILD_PROTOCOL)
        refuse(r,
               "it speaks version %lld of the protocol, and this latentmill version %d "
               "(ENCODER.md)",
               (long long)json_integer_value(version), CHILD_PROTOCOL);
}

int child_hello_read(struct child_hello *h, json_t *json, uint32_t width, uint32_t height,
                     const char *moments, char *why, size_t cap)
{
    struct reading r = {.why = why, .cap = cap};

    *h =
        (struct child_hello){.json = json_incref(json), .width = width, .height = height};
    check_protocol(&r, json);
    if (!r.bad)
        read_encoder(&r, h, moments);
    if (!r.bad)
        read_tensors(&r, h);
    h->batch = (uint32_t)get_integer(&r, json, "batch", 1, CHILD_MAX_BATCH);
    h->wait_ms = (int)get_integer(&r, json, "wait_ms", 0, CHILD_MAX_WAIT_MS);
    (void)get_flag(&r, json, "decode", false);
    h->memory = get_flag(&r, json, "memory", false);
    if (r.no_memory)
        return ENOMEM;
    return r.bad ? EINVAL : 0;
}

void child_hello_free(struct child_hello *h)
{
    shard_header_free(h->parsed);
    json_decref(h->json);
}

/* The first member that differs; NULL: none does. Lent by a or b. */
static const char *different_member(json_t *a, json_t *b)
{
    const char *key;
    json_t *value;

    json_object_foreach(
        a, key, value) if (!json_equal(value, json_object_get(b, key))) return key;
    json_object_foreach(b, key, value) if (!json_object_get(a, key)) return key;
    return NULL;
}

const char *child_hello_difference(const json_t *a, const json_t *b)
{
    static const char *const same[] = {"protocol", "encoder", "tensors"};

    for (size_t i = 0; i < sizeof(same) / sizeof(*same); i++) {
        json_t *mine = json_object_get(a, same[i]);
        json_t *other = json_object_get(b, same[i]);
        const char *member;

        if ((!mine && !other) || json_equal(mine, other))
            continue;
        member = different_member(mine, other);
        return member ? member : same[i];
    }
    return NULL;
}
