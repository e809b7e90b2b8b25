/* SPDX-License-Identifier: Apache-2.0
 * tests/unit/sample_records.h - records of every shape, made from their number alone. */
#ifndef TESTS_UNIT_SAMPLE_RECORDS_H
#define TESTS_UNIT_SAMPLE_RECORDS_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shard/float16.h"
#include "shard/header.h"
#include "shard/parts.h"
#include "shard/record.h"

enum { SAMPLE_KINDS = 10, SAMPLE_IDS = 700, SAMPLE_BIG = 600 << 10 };
enum { SAMPLE_PARTS = 4, SAMPLE_ALTERNATIVES = 4, SAMPLE_TENSORS = 6 };

/* Positions in sample_header()'s encoders. */
enum {
    SAMPLE_SMALL,
    SAMPLE_OTHER,
    SAMPLE_MOMENTS,
    SAMPLE_CODES,
    SAMPLE_FEATURES,
    SAMPLE_JPEG,
    SAMPLE_STATES,
    SAMPLE_WORDS,
    SAMPLE_VECTOR,
    SAMPLE_LATER,
    SAMPLE_ENCODERS
};

struct sample {
    struct shard_record rec;
    char key[64];
    struct shard_part parts[SAMPLE_PARTS];
    struct shard_rendition renditions[SAMPLE_PARTS];
    struct shard_tensor tensors[SAMPLE_TENSORS];
    struct shard_alternative alternatives[SAMPLE_ALTERNATIVES];
    char text[SAMPLE_ALTERNATIVES][800];
    uint32_t ids[SAMPLE_ALTERNATIVES][SAMPLE_IDS];
    size_t n_alternatives;
    void *data[SAMPLE_TENSORS];
    uint64_t state;
};

static inline uint64_t sample_random(struct sample *s)
{
    uint64_t z = s->state += UINT64_C(0x9E3779B97F4A7C15);
    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return z ^ (z >> 31);
}

/* In (-4, 4), on a grid that fp16 and bf16 hold nearly. */
static inline float sample_value(struct sample *s)
{
    return (float)((int64_t)(sample_random(s) % 2001) - 1000) / 250.0f;
}

static inline struct shard_part *sample_part(struct sample *s, uint32_t kind,
                                             uint32_t flags)
{
    struct shard_part *part = &s->parts[s->rec.n_parts++];

    part->kind = kind;
    part->flags = flags;
    part->role = "";
    return part;
}

static inline struct shard_part *sample_text(struct sample *s, uint32_t flags, size_t n,
                                             bool with_ids)
{
    struct shard_part *part = sample_part(s, SHARD_PART_TEXT, flags);

    part->n_alternatives = n;
    part->alternatives = &s->alternatives[s->n_alternatives];
    for (size_t i = 0; i < n; i++) {
        size_t j = s->n_alternatives++;
        struct shard_alternative *a = &s->alternatives[j];
        size_t words = sample_random(s) % 20;
        a->name = i == 0 ? "txt" : i == 1 ? "json.captions[0]" : "json.captions[1]";
        a->text = s->text[j];
        a->text_len = (size_t)snprintf(s->text[j], sizeof(s->text[j]),
                                       "Ein gr\xC3\xBC"
                                       "ner Ball %u",
                                       (unsigned)(sample_random(s) % 1000));
        for (size_t w = 0; w < words; w++)
            a->text_len += (size_t)snprintf(s->text[j] + a->text_len,
                                            sizeof(s->text[j]) - a->text_len, " w%u",
                                            (unsigned)(sample_random(s) % 5000));
        a->n_ids = with_ids ? (uint32_t)(2 + words) : SHARD_NO_IDS;
        a->ids = s->ids[j];
        for (uint32_t w = 0; with_ids && w < a->n_ids; w++)
            s->ids[j][w] = (uint32_t)(sample_random(s) % 4096);
    }
    return part;
}

static inline struct shard_part *sample_image(struct sample *s, uint32_t flags)
{
    struct shard_part *part = sample_part(s, SHARD_PART_IMAGE, flags);

    part->width = 640;
    part->height = 480 + (uint32_t)(sample_random(s) % 9);
    for (size_t i = 0; i < sizeof(part->sha256); i++)
        part->sha256[i] = (unsigned char)sample_random(s);
    return part;
}

/* Of the last part, an image. Gives its position. */
static inline uint32_t sample_rendition(struct sample *s, enum shard_fit fit,
                                        bool mirrored)
{
    struct shard_rendition *r = &s->renditions[s->rec.n_renditions];

    *r = (struct shard_rendition){.part = (uint32_t)s->rec.n_parts - 1,
                                  .mirrored = mirrored,
                                  .fit = fit,
                                  .target_width = 64,
                                  .target_height = 64,
                                  .crop = {80, 0, 480, 479},
                                  .content = {0, 0, 64, 64}};
    if (fit == SHARD_PAD) {
        r->crop = (struct shard_box){0, 0, 640, 480};
        r->content = (struct shard_box){0, 8, 64, 48};
    }
    return (uint32_t)s->rec.n_renditions++;
}

/* Of the last part. `data` becomes the sample's. */
static inline void sample_tensor(struct sample *s, uint32_t owner, uint32_t encoder,
                                 uint32_t kind, struct shard_tensor t, void *data)
{
    t.kind = kind;
    t.part = (uint32_t)s->rec.n_parts - 1;
    t.owner = owner;
    t.encoder = encoder;
    t.data = s->data[s->rec.n_tensors] = data;
    s->tensors[s->rec.n_tensors++] = t;
}

/* Random values of floats. */
static inline void sample_floats(struct sample *s, uint32_t owner, uint32_t encoder,
                                 uint32_t kind, struct shard_tensor t)
{
    size_t n = 1;

    for (uint32_t i = 0; i < t.n_dims; i++)
        n *= t.dims[i];
    float *values = malloc(4 * n + 4);
    for (size_t i = 0; i < n; i++)
        values[i] = sample_value(s);
    if (t.dtype == SHARD_FP16)
        shard_fp32_to_fp16(values, (uint16_t *)values, n);
    else if (t.dtype == SHARD_BF16)
        shard_fp32_to_bf16(values, (uint16_t *)values, n);
    t.n_bytes = n * shard_dtype_width(t.dtype);
    sample_tensor(s, owner, encoder, kind, t, values);
}

static inline void sample_latent(struct sample *s, uint32_t owner, uint32_t encoder,
                                 uint32_t slot, uint32_t dtype)
{
    const struct shard_tensor t = {.slot = slot,
                                   .dtype = dtype,
                                   .n_dims = 3,
                                   .dims = {4, 8, s->rec.index % 20 < 10 ? 8 : 16}};

    sample_floats(s, owner, encoder, SHARD_LATENT, t);
}

/* Values of 16 bits below `bound`. */
static inline void sample_codes(struct sample *s, uint32_t owner, uint32_t slot)
{
    uint16_t *codes = malloc(15 * sizeof(codes[0]));

    for (size_t i = 0; i < 15; i++)
        codes[i] = (uint16_t)(sample_random(s) % 1000);
    sample_tensor(
        s, owner, SAMPLE_CODES, SHARD_CODES,
        (struct shard_tensor){
            .slot = slot, .dtype = SHARD_U16, .n_dims = 2, .dims = {3, 5}, .n_bytes = 30},
        codes);
}

/* Any bytes. */
static inline void sample_opaque(struct sample *s, uint32_t owner, uint32_t encoder,
                                 uint32_t kind, struct shard_tensor t)
{
    unsigned char *data = malloc(t.n_bytes + 1);

    for (size_t i = 0; i < t.n_bytes; i++)
        data[i] = (unsigned char)sample_random(s);
    sample_tensor(s, owner, encoder, kind, t, data);
}

static inline void sample_ids(struct sample *s, uint32_t owner)
{
    int32_t *ids = malloc(3 * sizeof(ids[0]));

    for (size_t i = 0; i < 3; i++)
        ids[i] = (int32_t)(sample_random(s) >> 33);
    sample_tensor(s, owner, SAMPLE_WORDS, SHARD_IDS,
                  (struct shard_tensor){
                      .dtype = SHARD_I32, .n_dims = 1, .dims = {3}, .n_bytes = 12},
                  ids);
}

/* A pair of one text and one latent. */
static inline void sample_pair(struct sample *s, size_t n_texts, uint32_t encoder,
                               uint32_t dtype)
{
    sample_text(s, SHARD_FLAG_LOSS, n_texts, dtype != SHARD_BF16);
    sample_image(s, SHARD_FLAG_LOSS);
    sample_latent(s, sample_rendition(s, dtype == SHARD_BF16 ? SHARD_PAD : SHARD_CROP, 0),
                  encoder, 0, dtype);
}

static inline void sample_edit(struct sample *s)
{
    sample_image(s, SHARD_FLAG_CONTEXT)->role = "source";
    sample_latent(s, sample_rendition(s, SHARD_CROP, false), SAMPLE_SMALL, 0, SHARD_FP16);
    sample_text(s, SHARD_FLAG_CONTEXT, 1, true);
    sample_image(s, SHARD_FLAG_LOSS)->role = "target";
    sample_latent(s, sample_rendition(s, SHARD_CROP, false), SAMPLE_SMALL, 0, SHARD_FP16);
}

/* Kinds and dtypes of later versions beside codes of an image and of its mirror image. */
static inline void sample_later(struct sample *s)
{
    struct shard_part *part = sample_part(s, 77, SHARD_FLAG_CONTEXT);
    struct shard_part *text;
    uint32_t owner;

    part->role = "sound";
    part->unknown = (struct shard_unknown){"\0\1wave", 6};
    sample_opaque(
        s, 3, SAMPLE_LATER, 99,
        (struct shard_tensor){.dtype = 99, .n_dims = 2, .dims = {2, 3}, .n_bytes = 13});
    text = sample_text(s, SHARD_FLAG_LOSS, 2, true);
    s->alternatives[1].kind = 4;
    s->alternatives[1].text_len = 0;
    s->alternatives[1].text = "";
    s->alternatives[1].unknown = (struct shard_unknown){"later", 5};
    text->role = "user";
    sample_image(s, SHARD_FLAG_LOSS);
    sample_codes(s, sample_rendition(s, SHARD_STRETCH, false), 0);
    sample_codes(s, sample_rendition(s, SHARD_STRETCH, true), SHARD_SLOT_MIRRORED);
    owner = sample_rendition(s, SHARD_CROP, false);
    s->renditions[owner].kind = 5;
    s->renditions[owner].unknown = (struct shard_unknown){"deep", 4};
    sample_floats(
        s, owner, SAMPLE_FEATURES, SHARD_FEATURES,
        (struct shard_tensor){.dtype = SHARD_FP32, .n_dims = 2, .dims = {0, 8}});
}

/* Pixels, states of a text encoder, ids of another tokenizer. */
static inline void sample_encoded(struct sample *s, bool big)
{
    sample_text(s, SHARD_FLAG_LOSS, 2, true);
    sample_floats(
        s, 0, SAMPLE_STATES, SHARD_FEATURES,
        (struct shard_tensor){.dtype = SHARD_FP16, .n_dims = 2, .dims = {5, 7}});
    sample_ids(s, 1);
    sample_image(s, SHARD_FLAG_LOSS);
    sample_opaque(s, sample_rendition(s, SHARD_CROP, false), SAMPLE_JPEG, SHARD_PIXELS,
                  (struct shard_tensor){.dtype = SHARD_FILE,
                                        .n_dims = 3,
                                        .dims = {64, 64, 3},
                                        .n_bytes = big ? SAMPLE_BIG : 100});
}

/* A vector of the record's own, and two outputs of one network. */
static inline void sample_features(struct sample *s)
{
    sample_part(s, SHARD_PART_DATA, SHARD_FLAG_CONTEXT)->role = "clip";
    sample_floats(s, SHARD_NONE, SAMPLE_VECTOR, SHARD_FEATURES,
                  (struct shard_tensor){.dtype = SHARD_FP32, .n_dims = 1, .dims = {33}});
    sample_image(s, SHARD_FLAG_CONTEXT);
    const uint32_t owner = sample_rendition(s, SHARD_PAD, false);
    sample_floats(
        s, owner, SAMPLE_FEATURES, SHARD_FEATURES,
        (struct shard_tensor){.dtype = SHARD_FP16, .n_dims = 2, .dims = {6, 8}});
    sample_floats(s, owner, SAMPLE_FEATURES, SHARD_FEATURES,
                  (struct shard_tensor){.slot = 1 << SHARD_SLOT_OUTPUT_SHIFT,
                                        .dtype = SHARD_FP32,
                                        .n_dims = 1,
                                        .dims = {8}});
}

static inline void sample_fill(struct sample *s, uint64_t number)
{
    switch (number % SAMPLE_KINDS) {
    case 1: /* no metadata, no ids, bf16 */
        sample_pair(s, 1, SAMPLE_OTHER, SHARD_BF16);
        s->rec.metadata_len = 0;
        break;
    case 2: /* a document with a NUL in it */
        sample_text(s, SHARD_FLAG_LOSS, 1, true);
        s->text[0][3] = 0;
        break;
    case 3:
        sample_edit(s);
        break;
    case 4: /* mean and log-variance */
        sample_pair(s, 3, SAMPLE_MOMENTS, SHARD_FP32);
        sample_latent(s, 0, SAMPLE_MOMENTS, SHARD_SLOT_LOGVAR, SHARD_FP32);
        s->rec.caption_drawn = 2;
        break;
    case 5:
        sample_later(s);
        break;
    case 6: /* empty text, no ids at all in it, empty name */
        sample_text(s, SHARD_FLAG_LOSS, 1, true);
        s->alternatives[0].name = "";
        s->alternatives[0].text_len = 0;
        s->text[0][0] = 0;
        s->alternatives[0].n_ids = 0;
        break;
    case 7: /* larger than a block, now and then */
        sample_encoded(s, number % 100 == 7);
        break;
    case 8: /* nothing in it */
        break;
    case 9:
        sample_features(s);
        break;
    default:
        sample_pair(s, 2, SAMPLE_SMALL, SHARD_FP16);
        s->rec.caption_drawn = 1;
        s->rec.order = SHARD_IMAGE_FIRST;
    }
}

/* Gives record `number`; release with sample_free(). */
static inline struct sample *sample_make(uint64_t number)
{
    struct sample *s = calloc(1, sizeof(*s));

    s->state = number * 77 + 5;
    snprintf(s->key, sizeof(s->key), "dir/%06llu", (unsigned long long)number);
    s->rec.key = s->key;
    s->rec.name = number % 7 == 6 ? "other/unit" : "unit";
    s->rec.index = 3 * number;
    s->rec.metadata = "{\"url\": \"https://example.org/\", \"nan\": NaN}";
    s->rec.metadata_len = strlen(s->rec.metadata);
    s->rec.parts = s->parts;
    s->rec.renditions = s->renditions;
    s->rec.tensors = s->tensors;
    sample_fill(s, number);
    qsort(s->tensors, s->rec.n_tensors, sizeof(s->tensors[0]), shard_tensor_compare);
    return s;
}

static inline void sample_free(struct sample *s)
{
    for (size_t i = 0; i < SAMPLE_TENSORS; i++)
        free(s->data[i]);
    free(s);
}

#define SAMPLE_ENCODER(the_name, the_kind, the_of)                                       \
    .name = the_name, .kind = the_kind, .of = the_of, .family = "Net",                   \
    .numerics = "direct-1", .quality = -1

static inline const struct shard_header *sample_header(void)
{
    static const double one[1] = {0.18215}, zero[1] = {0};
    static const double scales[4] = {1.5305, 1.0 / 3, 2, 0.25}, shifts[4] = {0.0609, -2};
    static const double windows[16] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
    static const char *const outputs[2] = {"states", "pooled"};
    static const struct shard_features features[2] = {
        {.what = "patches", .n_dims = 2, .dims = {0, 8}, .mean = windows, .std = windows},
        {.what = "pooled", .n_dims = 1, .dims = {8}}};
    static const struct shard_encoder encoders[SAMPLE_ENCODERS] = {
        {SAMPLE_ENCODER("small", "latent", "image"), .weights_sha256 = "00ff",
         .encode = "0123456789abcdef0123456789abcdef"
                   "0123456789abcdef0123456789abcdef",
         .config = "{\"b\":1,\"a\":[0.5]}", .geometry = "{\"size\":64}",
         .input = "{\"range\":[-1,1]}", .channels = 4, .downscale = 8, .n_scale = 1,
         .scale = one, .shift = zero, .scale_window = 1, .moments = "mean",
         .reproducible = true},
        {SAMPLE_ENCODER("other", "latent", "image"), .channels = 4, .downscale = 8,
         .n_scale = 4, .scale = scales, .shift = shifts, .scale_window = 1,
         .moments = "mean"},
        {SAMPLE_ENCODER("moments", "latent", "image"), .channels = 4, .downscale = 8,
         .n_scale = 16, .scale = windows, .shift = windows, .scale_window = 2,
         .moments = "mean+logvar", .reproducible = true},
        {SAMPLE_ENCODER("codes", "codes", "image"), .codebook = 1000, .id_offset = 5000},
        {SAMPLE_ENCODER("features", "features", "image"), .n_outputs = 2,
         .outputs = outputs, .n_features = 2, .features = features},
        {SAMPLE_ENCODER("jpeg", "pixels", "image"), .codec = "jpeg"},
        {SAMPLE_ENCODER("states", "features", "text")},
        {SAMPLE_ENCODER("words", "ids", "text")},
        {SAMPLE_ENCODER("vector", "features", "data")},
        {SAMPLE_ENCODER("later", "waves", "sound")}};
    static const struct shard_header header = {
        .name = "unit",
        .software = "latentmill test",
        .demo = true,
        .seed = 7,
        .caption_first = 0.8,
        .patch = 2,
        .tokenizer = {true, "abcd", "tokenizer-abcd.model", 4096, 1, -1, 4096, 4097,
                      "sentencepiece", "user_defined", "{\"normalizer\":\"nfkc\"}", NULL},
        .n_encoders = SAMPLE_ENCODERS,
        .encoders = encoders,
        .config = "{\"encode\":{\"size\":256},\"text\":{\"caption_first\":0.8}}"};
    return &header;
}

#endif
