/* SPDX-License-Identifier: Apache-2.0
 * tests/unit/random_records.h - legal records of everything the format has, drawn from a
 * seed: any number of texts, images, data and unknown parts, renditions, mirrored ones,
 * tensors of all kinds, slots, flags, roles. The same seed, the same record. */
#ifndef TESTS_UNIT_RANDOM_RECORDS_H
#define TESTS_UNIT_RANDOM_RECORDS_H

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shard/file/format.h"
#include "shard/header.h"
#include "shard/parts.h"
#include "shard/record_check.h"

enum {
    RANDOM_PARTS = 6,
    RANDOM_RENDITIONS = 5 * RANDOM_PARTS,
    RANDOM_TENSORS = 40 * RANDOM_PARTS,
    RANDOM_BYTES = 2 << 20
};

/* Positions in random_header()'s encoders. */
enum {
    RANDOM_FEATURES,
    RANDOM_VAE,
    RANDOM_MOMENTS,
    RANDOM_CODES,
    RANDOM_MAPPED,
    RANDOM_PIXELS,
    RANDOM_STATES,
    RANDOM_WORDS,
    RANDOM_VECTOR,
    RANDOM_NUMBERS,
    RANDOM_WAVES,    /* of images, a kind of a later version */
    RANDOM_ANYTHING, /* of what a later version has: any part */
    RANDOM_ENCODERS
};

struct random_record {
    struct shard_record rec;
    char key[64];
    struct shard_part parts[RANDOM_PARTS];
    struct shard_rendition renditions[RANDOM_RENDITIONS];
    struct shard_tensor tensors[RANDOM_TENSORS];
    uint64_t state;
    size_t used; /* of: */
    unsigned char *bytes;
};

static inline uint64_t random_next(struct random_record *r)
{
    uint64_t z = r->state += UINT64_C(0x9E3779B97F4A7C15);

    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return z ^ (z >> 31);
}

static inline uint32_t random_below(struct random_record *r, uint32_t n)
{
    return (uint32_t)((random_next(r) >> 32) * n >> 32);
}

/* One time in n. */
static inline bool random_once_in(struct random_record *r, uint32_t n)
{
    return random_below(r, n) == 0;
}

static inline void *random_memory(struct random_record *r, size_t n)
{
    void *p = r->bytes + r->used;

    r->used += (n + 7) & ~(size_t)7;
    assert(r->used <= RANDOM_BYTES);
    return p;
}

static inline struct shard_unknown random_unknown(struct random_record *r)
{
    const size_t n = random_below(r, 12);
    unsigned char *p = random_memory(r, n);

    for (size_t i = 0; i < n; i++)
        p[i] = (unsigned char)random_next(r);
    return (struct shard_unknown){p, n};
}

/* ---- parts ---- */

static inline void random_ids(struct random_record *r, struct shard_alternative *a)
{
    const uint32_t n = random_below(r, 12);
    uint32_t *ids = random_memory(r, 4 * (size_t)n);

    for (uint32_t i = 0; i < n; i++)
        ids[i] = (uint32_t)(random_next(r) >> 33 >> random_below(r, 31));
    a->ids = ids;
    a->n_ids = random_once_in(r, 8) ? SHARD_NO_IDS : n;
}

static inline void random_alternative(struct random_record *r,
                                      struct shard_alternative *a)
{
    static const char *const names[] = {"", "txt", "json.captions[0]", "na\xC3\xAFve"};
    static const char *const words[] = {"dog ", "\xE7\x8A\xAC", "\n", "tree ", "\0"};
    const size_t n = random_below(r, 9);
    char *text = random_memory(r, 5 * n + 1);

    *a = (struct shard_alternative){.name = names[random_below(r, 4)], .text = text};
    if (random_once_in(r, 10)) {
        a->kind = 1 + random_below(r, 5);
        a->unknown = random_unknown(r);
        a->text = "";
    }
    for (size_t i = 0; i < n && a->kind == 0; i++) {
        const char *word = words[random_below(r, 5)];
        const size_t len = *word != 0 ? strlen(word) : 1;
        memcpy(text + a->text_len, word, len);
        a->text_len += len;
    }
    random_ids(r, a);
}

static inline void random_text(struct random_record *r, struct shard_part *part)
{
    const size_t n = 1 + random_below(r, 4);
    struct shard_alternative *a = random_memory(r, n * sizeof(a[0]));

    for (size_t i = 0; i < n; i++)
        random_alternative(r, &a[i]);
    part->n_alternatives = n;
    part->alternatives = a;
}

static inline void random_part(struct random_record *r, struct shard_part *part)
{
    static const uint32_t kinds[] = {SHARD_PART_TEXT,  SHARD_PART_TEXT,  SHARD_PART_TEXT,
                                     SHARD_PART_IMAGE, SHARD_PART_IMAGE, SHARD_PART_IMAGE,
                                     SHARD_PART_DATA};
    static const char *const roles[] = {"", "", "user", "assistant", "source.1_-x"};

    *part = (struct shard_part){.kind = kinds[random_below(r, 7)],
                                .flags = random_once_in(r, 3) ? SHARD_FLAG_CONTEXT
                                                              : SHARD_FLAG_LOSS,
                                .role = roles[random_below(r, 5)]};
    if (random_once_in(r, 12)) {
        part->kind = random_once_in(r, 2) ? 3 : UINT32_MAX - random_below(r, 3);
        part->unknown = random_unknown(r);
    } else if (part->kind == SHARD_PART_TEXT) {
        random_text(r, part);
    } else if (part->kind == SHARD_PART_IMAGE) {
        part->width = 1 + random_below(r, 500);
        part->height = 1 + random_below(r, 500);
        for (size_t i = 0; i < sizeof(part->sha256); i++)
            part->sha256[i] = (unsigned char)random_next(r);
    }
}

/* ---- renditions ---- */

static inline struct shard_box random_box(struct random_record *r, uint32_t width,
                                          uint32_t height)
{
    const uint32_t left = random_below(r, width), top = random_below(r, height);

    return (struct shard_box){left, top, 1 + random_below(r, width - left),
                              1 + random_below(r, height - top)};
}

static inline struct shard_rendition random_rendition(struct random_record *r,
                                                      uint32_t part)
{
    const struct shard_part *image = &r->parts[part];
    struct shard_rendition rendition = {.part = part};

    if (random_once_in(r, 8)) {
        rendition.kind = 1 + random_below(r, 3);
        rendition.unknown = random_unknown(r);
        return rendition;
    }
    rendition.mirrored = random_once_in(r, 2);
    rendition.fit = (enum shard_fit)random_below(r, 3);
    rendition.target_width = 8 * (1 + random_below(r, 9));
    rendition.target_height = 8 * (1 + random_below(r, 9));
    rendition.crop = random_box(r, image->width, image->height);
    rendition.content =
        (struct shard_box){0, 0, rendition.target_width, rendition.target_height};
    if (rendition.fit == SHARD_PAD)
        rendition.content =
            random_box(r, rendition.target_width, rendition.target_height);
    return rendition;
}

/* By part, kind, and what stands behind them. */
static inline int random_compare_renditions(const void *left, const void *right)
{
    const struct shard_rendition *a = left, *b = right;
    uint32_t x[SHARD_GEOMETRY], y[SHARD_GEOMETRY];

    if (a->part != b->part || a->kind != b->kind)
        return (a->part != b->part ? a->part < b->part : a->kind < b->kind) ? -1 : 1;
    if (a->kind == 0) {
        shard_geometry(a, x);
        shard_geometry(b, y);
        for (size_t i = 0; i < SHARD_GEOMETRY; i++)
            if (x[i] != y[i])
                return x[i] < y[i] ? -1 : 1;
        return 0;
    }
    const size_t n = a->unknown.len < b->unknown.len ? a->unknown.len : b->unknown.len;
    const int order = n > 0 ? memcmp(a->unknown.bytes, b->unknown.bytes, n) : 0;
    return order != 0
               ? order
               : (a->unknown.len > b->unknown.len) - (a->unknown.len < b->unknown.len);
}

/* Some of each image, in their order, none twice. */
static inline void random_renditions(struct random_record *r)
{
    size_t n = 0, kept = 0;

    for (uint32_t i = 0; i < r->rec.n_parts; i++)
        for (uint32_t j = random_below(r, 6); j > 1; j--)
            if (r->parts[i].kind == SHARD_PART_IMAGE)
                r->renditions[n++] = random_rendition(r, i);
    qsort(r->renditions, n, sizeof(r->renditions[0]), random_compare_renditions);
    for (size_t i = 0; i < n; i++)
        if (kept == 0 ||
            random_compare_renditions(&r->renditions[kept - 1], &r->renditions[i]) != 0)
            r->renditions[kept++] = r->renditions[i];
    r->rec.n_renditions = kept;
}

/* ---- tensors ---- */

static inline uint32_t random_side(struct random_record *r)
{
    static const uint32_t sides[] = {2, 4, 8, 8, 16, 6, 3};

    return sides[random_below(r, 7)];
}

static inline uint32_t random_of(struct random_record *r, const uint32_t *values,
                                 uint32_t n)
{
    return values[random_below(r, n)];
}

/* Dtype and dims. */
static inline void random_shape(struct random_record *r, struct shard_tensor *t,
                                const struct shard_encoder *e)
{
    static const uint32_t floats[] = {SHARD_FP16, SHARD_BF16, SHARD_FP32};
    static const uint32_t codes[] = {SHARD_U16, SHARD_U32, SHARD_I32};
    static const uint32_t all[] = {SHARD_U8,   SHARD_U16,  SHARD_U32,
                                   SHARD_I32,  SHARD_FP16, SHARD_BF16,
                                   SHARD_FP32, SHARD_FILE, 99};

    switch (t->kind) {
    case SHARD_LATENT:
        t->dtype = random_of(r, floats, 3);
        t->n_dims = 3;
        t->dims[0] = e->channels;
        t->dims[1] = random_side(r);
        t->dims[2] = random_side(r);
        break;
    case SHARD_CODES:
        t->dtype = random_of(r, codes, 3);
        t->n_dims = 1 + random_below(r, 2);
        t->dims[0] = random_below(r, 6);
        t->dims[1] = random_below(r, 6);
        break;
    case SHARD_PIXELS:
        t->dtype = SHARD_FILE;
        t->n_dims = 3;
        t->dims[0] = 8 * random_side(r);
        t->dims[1] = 8 * random_side(r);
        t->dims[2] = 3;
        break;
    case SHARD_IDS:
        t->dtype = random_of(r, codes + 1, 2);
        t->n_dims = 1;
        t->dims[0] = random_below(r, 10);
        break;
    default: /* of later kinds as well */
        t->dtype = random_of(r, all, t->kind == SHARD_FEATURES ? 7 : 9);
        t->n_dims = 1 + random_below(r, 4);
        for (uint32_t i = 0; i < t->n_dims; i++)
            t->dims[i] = random_below(r, 4);
    }
}

/* Bits -> a finite number. */
static inline void random_finite(unsigned char *p, size_t n_bytes, uint32_t dtype)
{
    const uint32_t mask = dtype == SHARD_FP16   ? 0xBBFF
                          : dtype == SHARD_BF16 ? 0xBF7F
                                                : 0xBF7FFFFF;

    for (size_t i = 0; dtype == SHARD_FP32 && i < n_bytes / 4; i++)
        ((uint32_t *)(void *)p)[i] &= mask;
    for (size_t i = 0; dtype != SHARD_FP32 && i < n_bytes / 2; i++)
        ((uint16_t *)(void *)p)[i] &= (uint16_t)mask;
}

static inline void random_bound(unsigned char *p, size_t n_bytes, uint32_t dtype,
                                uint32_t bound)
{
    for (size_t i = 0; dtype == SHARD_U16 && i < n_bytes / 2; i++)
        ((uint16_t *)(void *)p)[i] %= (uint16_t)bound;
    for (size_t i = 0; dtype != SHARD_U16 && i < n_bytes / 4; i++)
        ((uint32_t *)(void *)p)[i] %= bound;
}

static inline void random_values(struct random_record *r, struct shard_tensor *t,
                                 const struct shard_encoder *e)
{
    size_t n = shard_dtype_width(t->dtype);

    for (uint32_t i = 0; i < t->n_dims; i++)
        n *= t->dims[i];
    t->n_bytes = shard_dtype_width(t->dtype) > 0 ? n : random_below(r, 50);
    unsigned char *p = random_memory(r, t->n_bytes);
    for (size_t i = 0; i < t->n_bytes; i++)
        p[i] = (unsigned char)random_next(r);
    if (t->kind == SHARD_CODES)
        random_bound(p, t->n_bytes, t->dtype, e->codebook);
    else if (t->kind == SHARD_IDS)
        random_bound(p, t->n_bytes, t->dtype, UINT32_C(1) << 31);
    else if (t->dtype == SHARD_FP16 || t->dtype == SHARD_BF16 || t->dtype == SHARD_FP32)
        random_finite(p, t->n_bytes, t->dtype);
    t->data = p;
}

/* An image's has the shape of the one that it mirrors. */
static inline void random_mirror_shape(const struct random_record *r,
                                       struct shard_tensor *t)
{
    for (size_t i = 0; i < r->rec.n_tensors; i++) {
        const struct shard_tensor *other = &r->tensors[i];
        if (other->encoder == t->encoder && other->part == t->part &&
            r->parts[t->part].kind == SHARD_PART_IMAGE &&
            (other->slot ^ t->slot) == SHARD_SLOT_MIRRORED) {
            t->dtype = other->dtype;
            t->n_dims = other->n_dims;
            memcpy(t->dims, other->dims, sizeof(t->dims));
        }
    }
}

static inline void random_tensor(struct random_record *r, const struct shard_header *h,
                                 uint32_t encoder, uint32_t part, uint32_t owner,
                                 uint32_t slot)
{
    const struct shard_encoder *e = &h->encoders[encoder];
    struct shard_tensor *t = &r->tensors[r->rec.n_tensors];

    assert(r->rec.n_tensors + 2 <= RANDOM_TENSORS);
    *t = (struct shard_tensor){.kind = shard_kind_number(e->kind),
                               .part = part,
                               .owner = owner,
                               .encoder = encoder,
                               .slot = slot};
    if (t->kind == 0)
        t->kind = encoder == RANDOM_WAVES ? 77 : UINT32_MAX - part;
    random_shape(r, t, e);
    random_mirror_shape(r, t);
    random_values(r, t, e);
    r->rec.n_tensors++;
    if (encoder == RANDOM_MOMENTS && !random_once_in(r, 3)) {
        t[1] = t[0];
        t[1].slot |= SHARD_SLOT_LOGVAR;
        random_values(r, &t[1], e);
        r->rec.n_tensors++;
    }
}

/* One encoder's of an image: each of its slots at most once, of a rendition that is
 * mirrored or not as the slot says. */
static inline void random_of_image(struct random_record *r, const struct shard_header *h,
                                   uint32_t encoder, uint32_t part)
{
    for (uint32_t slot = 0; slot < 4; slot++) {
        const bool mirrored = slot % 2 == 1;
        uint32_t owner = random_below(r, (uint32_t)r->rec.n_renditions + 1);
        if (owner == r->rec.n_renditions || r->renditions[owner].part != part ||
            (r->renditions[owner].kind == 0 &&
             r->renditions[owner].mirrored != mirrored) ||
            (slot > 1 && encoder != RANDOM_FEATURES))
            continue;
        random_tensor(r, h, encoder, part, owner,
                      (mirrored ? SHARD_SLOT_MIRRORED : 0) |
                          (slot / 2 * 2) << SHARD_SLOT_OUTPUT_SHIFT);
    }
}

/* Every rendition has a tensor: those without one go. */
static inline void random_drop_renditions(struct random_record *r)
{
    uint32_t position[RANDOM_RENDITIONS];
    bool owned[RANDOM_RENDITIONS] = {false};
    size_t kept = 0;

    for (size_t i = 0; i < r->rec.n_tensors; i++)
        if (r->parts[r->tensors[i].part].kind == SHARD_PART_IMAGE)
            owned[r->tensors[i].owner] = true;
    for (size_t i = 0; i < r->rec.n_renditions; i++) {
        position[i] = (uint32_t)kept;
        if (owned[i])
            r->renditions[kept++] = r->renditions[i];
    }
    for (size_t i = 0; i < r->rec.n_tensors; i++)
        if (r->parts[r->tensors[i].part].kind == SHARD_PART_IMAGE)
            r->tensors[i].owner = position[r->tensors[i].owner];
    r->rec.n_renditions = kept;
}

static inline void random_of_text(struct random_record *r, const struct shard_header *h,
                                  uint32_t encoder, uint32_t part)
{
    for (uint32_t owner = 0; owner < r->parts[part].n_alternatives; owner++)
        for (uint32_t output = 0; output < 2; output++)
            if (random_once_in(r, 3))
                random_tensor(r, h, encoder, part, owner,
                              output << SHARD_SLOT_OUTPUT_SHIFT);
}

static inline void random_of_part(struct random_record *r, const struct shard_header *h,
                                  uint32_t encoder, uint32_t part)
{
    switch (r->parts[part].kind) {
    case SHARD_PART_TEXT:
        random_of_text(r, h, encoder, part);
        break;
    case SHARD_PART_IMAGE:
        random_of_image(r, h, encoder, part);
        break;
    case SHARD_PART_DATA:
        random_tensor(r, h, encoder, part, SHARD_NONE, 0);
        break;
    default:
        random_tensor(r, h, encoder, part, random_below(r, 9), 0);
    }
}

static inline int random_compare_tensors(const void *left, const void *right)
{
    const struct shard_tensor *a = left, *b = right;
    const uint32_t x[] = {a->encoder, a->part, a->owner, a->slot};
    const uint32_t y[] = {b->encoder, b->part, b->owner, b->slot};

    for (int i = 0; i < 4; i++)
        if (x[i] != y[i])
            return x[i] < y[i] ? -1 : 1;
    return 0;
}

static inline bool random_is_of(const struct shard_encoder *e, uint32_t kind)
{
    static const char *const of[] = {"text", "image", "data"};

    return strcmp(e->of, "anything") == 0 || (kind < 3 && strcmp(e->of, of[kind]) == 0);
}

static inline void random_tensors(struct random_record *r, const struct shard_header *h)
{
    const uint32_t rarity = 1 + random_below(r, 4);

    for (uint32_t encoder = 0; encoder < h->n_encoders; encoder++)
        for (uint32_t part = 0; part < r->rec.n_parts; part++)
            if (random_is_of(&h->encoders[encoder], r->parts[part].kind) &&
                random_once_in(r, rarity))
                random_of_part(r, h, encoder, part);
    random_drop_renditions(r);
    qsort(r->tensors, r->rec.n_tensors, sizeof(r->tensors[0]), random_compare_tensors);
}

/* ---- the whole ---- */

/* Gives the record of a seed; release with random_record_free(). */
static inline struct random_record *random_record_make(uint64_t seed,
                                                       const struct shard_header *h)
{
    static const char *const names[] = {"unit", "unit", "deep/unit", "\xC3\xA4"};
    struct random_record *r = calloc(1, sizeof(*r));
    size_t text, image;

    r->bytes = malloc(RANDOM_BYTES);
    r->state = seed * UINT64_C(0xD1342543DE82EF95);
    snprintf(r->key, sizeof(r->key), "%06llu/k\xC3\xA9y", (unsigned long long)seed);
    r->rec = (struct shard_record){.key = r->key,
                                   .name = names[random_below(r, 4)],
                                   .index = random_next(r) >> random_below(r, 64),
                                   .parts = r->parts,
                                   .renditions = r->renditions,
                                   .tensors = r->tensors};
    r->rec.n_parts = random_once_in(r, 3) ? 2 : random_below(r, RANDOM_PARTS + 1);
    for (size_t i = 0; i < r->rec.n_parts; i++)
        random_part(r, &r->parts[i]);
    random_renditions(r);
    random_tensors(r, h);
    if (shard_is_pair(&r->rec, &text, &image) && random_once_in(r, 2))
        r->rec.order = SHARD_IMAGE_FIRST;
    text = shard_first_text(&r->rec);
    if (text < r->rec.n_parts)
        r->rec.caption_drawn = random_below(r, (uint32_t)r->parts[text].n_alternatives);
    const struct shard_unknown metadata = random_unknown(r);
    r->rec.metadata_len = metadata.len;
    r->rec.metadata = metadata.bytes;
    return r;
}

static inline void random_record_free(struct random_record *r)
{
    free(r->bytes);
    free(r);
}

#define RANDOM_ENCODER(the_name, the_kind, the_of)                                       \
    .name = the_name, .kind = the_kind, .of = the_of, .family = "Net",                   \
    .numerics = "direct-1", .quality = -1

static inline const struct shard_header *random_header(void)
{
    static const double one[12] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1}, zero[12];
    static const char *const outputs[] = {"patches", "pooled", "last"};
    static const uint32_t id_map[7] = {70, 60, 50, 40, 30, 20, 10};
    static const struct shard_encoder encoders[RANDOM_ENCODERS] = {
        {RANDOM_ENCODER("features", "features", "image"), .n_outputs = 3,
         .outputs = outputs},
        {RANDOM_ENCODER("vae", "latent", "image"), .channels = 2, .downscale = 8,
         .moments = "mean", .n_scale = 1, .scale_window = 1, .scale = one, .shift = zero},
        {RANDOM_ENCODER("moments", "latent", "image"), .channels = 3, .downscale = 8,
         .moments = "mean+logvar", .n_scale = 12, .scale_window = 2, .scale = one,
         .shift = zero},
        {RANDOM_ENCODER("codes", "codes", "image"), .codebook = 100, .id_offset = 1000},
        {RANDOM_ENCODER("mapped", "codes", "image"), .codebook = 7, .n_id_map = 7,
         .id_map = id_map},
        {RANDOM_ENCODER("pixels", "pixels", "image"), .codec = "png"},
        {RANDOM_ENCODER("states", "features", "text"), .n_outputs = 2,
         .outputs = outputs},
        {RANDOM_ENCODER("words", "ids", "text"), .n_outputs = 2, .outputs = outputs},
        {RANDOM_ENCODER("vector", "features", "data")},
        {RANDOM_ENCODER("numbers", "codes", "data"), .codebook = 60000},
        {RANDOM_ENCODER("waves", "waves", "image")},
        {RANDOM_ENCODER("later", "strings", "anything"), .n_outputs = 2,
         .outputs = outputs}};
    static const struct shard_header header = {
        .name = "unit",
        .software = "latentmill test",
        .seed = 7,
        .caption_first = 0.8,
        .patch = 2,
        .tokenizer = {true, "abcd", "tokenizer-abcd.model", 4096, 1, 2, 4096, 4097,
                      "sentencepiece", "user_defined", NULL, NULL},
        .n_encoders = RANDOM_ENCODERS,
        .encoders = encoders};
    return &header;
}

#endif
