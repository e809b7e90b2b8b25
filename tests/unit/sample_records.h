/* SPDX-License-Identifier: Apache-2.0
 * tests/unit/sample_records.h - records of every shape, made from their number alone. */
#ifndef TESTS_UNIT_SAMPLE_RECORDS_H
#define TESTS_UNIT_SAMPLE_RECORDS_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shard/float16.h"
#include "shard/header.h"
#include "shard/record.h"

enum { SAMPLE_KINDS = 10, SAMPLE_IDS = 700, SAMPLE_BIG = 600 << 10 };

struct sample {
    struct shard_record rec;
    char key[64];
    struct shard_image images[2];
    struct shard_segment segments[4];
    struct shard_alternative alternatives[3];
    char text[3][800];
    uint32_t ids[3][SAMPLE_IDS];
    size_t n_alternatives;
    void *data[4];
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

static inline struct shard_segment *sample_segment(struct sample *s, uint32_t kind,
                                                   uint32_t flags)
{
    struct shard_segment *segment = &s->segments[s->rec.n_segments++];

    segment->kind = kind;
    segment->flags = flags;
    segment->image = segment->encoder = SHARD_NONE;
    return segment;
}

static inline void sample_text(struct sample *s, uint32_t flags, size_t n, bool with_ids)
{
    struct shard_segment *segment = sample_segment(s, SHARD_TEXT, flags);

    segment->n_alternatives = n;
    segment->alternatives = &s->alternatives[s->n_alternatives];
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
}

static inline uint32_t sample_image(struct sample *s)
{
    struct shard_image *image = &s->images[s->rec.n_images];

    image->original_width = 640;
    image->original_height = 480 + (uint32_t)(sample_random(s) % 9);
    image->crop_left = 80;
    image->crop_width = 480;
    image->crop_height = 479;
    image->target_width = image->target_height = 64;
    for (size_t i = 0; i < sizeof(image->sha256); i++)
        image->sha256[i] = (unsigned char)sample_random(s);
    return (uint32_t)s->rec.n_images++;
}

static inline void sample_tensor(struct sample *s, struct shard_segment *segment,
                                 uint32_t dtype, uint32_t n_dims, const uint32_t *dims)
{
    size_t n = 1, position = (size_t)(segment - s->segments);
    float *values;

    segment->dtype = dtype;
    segment->n_dims = n_dims;
    for (uint32_t i = 0; i < n_dims; i++)
        n *= segment->dims[i] = dims[i];
    values = malloc(4 * n + 4);
    for (size_t i = 0; i < n; i++)
        values[i] = sample_value(s);
    segment->n_bytes = 2 * n;
    if (dtype == SHARD_FP16)
        shard_fp32_to_fp16(values, (uint16_t *)values, n);
    else if (dtype == SHARD_BF16)
        shard_fp32_to_bf16(values, (uint16_t *)values, n);
    else if (dtype == SHARD_FP32)
        segment->n_bytes = 4 * n;
    else if (dtype == SHARD_U8)
        segment->n_bytes = n;
    s->data[position] = values;
    segment->data = values;
}

static inline void sample_latent(struct sample *s, uint32_t flags, uint32_t image,
                                 uint32_t encoder, uint32_t dtype)
{
    static const uint32_t small[3] = {4, 8, 8}, wide[3] = {4, 8, 16};
    struct shard_segment *segment = sample_segment(s, SHARD_LATENT, flags);

    segment->image = image;
    segment->encoder = encoder;
    sample_tensor(s, segment, dtype, 3, s->rec.index % 20 < 10 ? small : wide);
}

static inline void sample_opaque(struct sample *s, uint32_t kind, uint32_t dtype,
                                 size_t n_bytes)
{
    struct shard_segment *segment = sample_segment(s, kind, SHARD_FLAG_CONTEXT);
    unsigned char *data = malloc(n_bytes + 1);

    for (size_t i = 0; i < n_bytes; i++)
        data[i] = (unsigned char)sample_random(s);
    segment->dtype = dtype;
    segment->n_dims = 1;
    segment->dims[0] = (uint32_t)n_bytes;
    segment->n_bytes = n_bytes;
    segment->data = s->data[segment - s->segments] = data;
}

static inline void sample_fill(struct sample *s, uint64_t number)
{
    static const uint32_t code_dims[2] = {3, 5}, feature_dims[1] = {33};

    switch (number % SAMPLE_KINDS) {
    case 1: /* no metadata, no ids, bf16 */
        sample_text(s, SHARD_FLAG_LOSS, 1, false);
        sample_latent(s, SHARD_FLAG_LOSS, sample_image(s), 1, SHARD_BF16);
        s->rec.metadata_len = 0;
        break;
    case 2: /* a document with a NUL in it */
        sample_text(s, SHARD_FLAG_LOSS, 1, true);
        s->text[0][3] = 0;
        break;
    case 3: /* an edit example */
        sample_latent(s, SHARD_FLAG_CONTEXT, sample_image(s), 0, SHARD_FP16);
        sample_text(s, SHARD_FLAG_CONTEXT, 1, true);
        sample_latent(s, SHARD_FLAG_LOSS, sample_image(s), 0, SHARD_FP16);
        break;
    case 4: /* mean and log-variance */
        sample_text(s, SHARD_FLAG_LOSS, 3, true);
        sample_image(s);
        sample_latent(s, SHARD_FLAG_LOSS, 0, 2, SHARD_FP32);
        sample_latent(s, SHARD_FLAG_LOSS, 0, 2, SHARD_FP32);
        s->rec.caption_drawn = 2;
        break;
    case 5: /* kinds and dtypes of later versions, codes */
        sample_opaque(s, 77, 99, 13);
        sample_tensor(s, sample_segment(s, SHARD_CODES, SHARD_FLAG_LOSS), SHARD_U16, 2,
                      code_dims);
        sample_opaque(s, 78, SHARD_U8, 0);
        break;
    case 6: /* empty text, no ids at all in it, empty name */
        sample_text(s, SHARD_FLAG_LOSS, 1, true);
        s->alternatives[0].name = "";
        s->alternatives[0].text_len = 0;
        s->alternatives[0].n_ids = 0;
        break;
    case 7: /* larger than a block, now and then */
        sample_text(s, SHARD_FLAG_LOSS, 2, true);
        sample_opaque(s, SHARD_ENCODED_IMAGE, SHARD_U8,
                      number % 100 == 7 ? SAMPLE_BIG : 100);
        break;
    case 8: /* nothing in it */
        break;
    case 9:
        sample_tensor(s, sample_segment(s, SHARD_FEATURES, SHARD_FLAG_CONTEXT),
                      SHARD_FP32, 1, feature_dims);
        s->segments[0].encoder = 1;
        break;
    default:
        sample_text(s, SHARD_FLAG_LOSS, 2, true);
        sample_latent(s, SHARD_FLAG_LOSS, sample_image(s), 0, SHARD_FP16);
        s->rec.caption_drawn = 1;
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
    s->rec.order = number % 5 == 0 ? SHARD_IMAGE_FIRST : SHARD_CAPTION_FIRST;
    s->rec.metadata = "{\"url\": \"https://example.org/\", \"nan\": NaN}";
    s->rec.metadata_len = strlen(s->rec.metadata);
    s->rec.images = s->images;
    s->rec.segments = s->segments;
    sample_fill(s, number);
    return s;
}

static inline void sample_free(struct sample *s)
{
    for (size_t i = 0; i < 4; i++)
        free(s->data[i]);
    free(s);
}

static inline const struct shard_header *sample_header(void)
{
    static const double scale[1] = {0.18215}, shift[1] = {0};
    static const double scales[2] = {1.5305, 1.0 / 3}, shifts[2] = {0.0609, -2};
    static const struct shard_encoder encoders[3] = {
        {"vae", "small", "00ff", "{\"b\":1,\"a\":[0.5]}", 8, 1, scale, shift, "mean",
         "direct-1", true},
        {"vae", "other", "", NULL, 8, 2, scales, shifts, "mean", "direct-1", false},
        {"vae", "moments", "", NULL, 8, 1, scale, shift, "mean+logvar", "direct-1",
         true}};
    static const struct shard_header header = {
        .name = "unit",
        .software = "latentmill test",
        .demo = true,
        .seed = 7,
        .caption_first = 0.8,
        .patch = 2,
        .tokenizer = {true, "abcd", "tokenizer-abcd.model", 4096, 1, -1, 4096, 4097},
        .n_encoders = 3,
        .encoders = encoders,
        .config = "{\"encode\":{\"size\":256},\"text\":{\"caption_first\":0.8}}"};
    return &header;
}

#endif
