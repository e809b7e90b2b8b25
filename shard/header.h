/* SPDX-License-Identifier: Apache-2.0
 * shard/header.h - public: what a shard says once about all its records.
 *
 * Stored as JSON with sorted keys. `config` is the data set's whole configuration as
 * tools/ wrote it to dataset.json; the fields beside it are what a reader needs to use
 * the records without knowing the program's options. */
#ifndef SHARD_HEADER_H
#define SHARD_HEADER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shard/record.h"

/* What one output of an encoder of features gives. */
struct shard_features {
    const char *what; /* "patches", "tokens", "pooled": FORMAT.md, section 2 */
    size_t n_dims;
    uint32_t dims[SHARD_MAX_DIMS]; /* 0: not always the same; never the last, the width */
    const double *mean;            /* along the width, over a data set; NULL: not known */
    const double *std;
};

/* One network at one geometry, or where arrays came from. Texts of JSON objects are NULL
 * for null. What is another kind's is 0 or NULL. */
struct shard_encoder {
    const char *name;           /* unique in the header: 1 to 64 bytes of [a-z0-9_.-] */
    const char *kind;           /* of its tensors: "latent", ...; shard_kind_number() */
    const char *of;             /* "image", "text", "data" */
    const char *family;         /* "AutoencoderKL", "TAESD" */
    const char *weights_sha256; /* NULL: it has none */
    const char *encode;         /* 64 hex digits, see FORMAT.md; NULL: not known */
    const char *config;         /* of the network, JSON object */
    const char *geometry;       /* as its images were fitted, JSON object */
    const char *input;          /* range, or mean and std, of pixels; JSON object */
    size_t n_outputs;
    const char *const *outputs; /* their names, by the number in slots */
    const char *numerics;       /* "direct-1" */
    bool reproducible;          /* the same bits on every machine */

    /* latent: */
    uint32_t channels;     /* C */
    uint32_t downscale;    /* f */
    const char *moments;   /* "mean" or "mean+logvar" */
    size_t n_scale;        /* length of scale and shift: 1, C or C p p */
    uint32_t scale_window; /* p */
    const double *scale;   /* trainer's latent = (raw - shift) * scale */
    const double *shift;

    /* codes: the token of code i is id_map[i], or else id_offset + i */
    uint32_t codebook;
    uint32_t id_offset;
    size_t n_id_map; /* codebook, or 0: none */
    const uint32_t *id_map;

    /* features: */
    size_t n_features; /* one for each output, or 0: not said */
    const struct shard_features *features;

    /* pixels: */
    const char *codec; /* "jpeg", "png", "webp" */
    int64_t quality;   /* -1: none */
};

struct shard_tokenizer {
    bool present;       /* false: --tokenizer none; the rest is then unset */
    const char *sha256; /* of the model file */
    const char *file;   /* beside the shards: "tokenizer-0123456789ab.json" */
    uint32_t n_pieces;
    int64_t bos, eos; /* -1: there is none (null in JSON) */
    uint32_t boi, eoi;
    const char *kind;    /* tokenizer_kind() */
    const char *special; /* what text like a special token becomes: tokenizer_special() */
    const char *tables;  /* what it was built with, JSON object; NULL: not known */
    const char *options; /* what its file does not say, JSON object; NULL: nothing */
};

struct shard_header {
    const char *name;     /* NAME of the unit */
    uint32_t part;        /* 0 for NAME.lms, 1 for NAME+00001.lms */
    const char *software; /* "latentmill 0.1.0" */
    bool demo;            /* made with an embedded model */
    uint64_t seed;
    double caption_first; /* 0 to 1 */
    uint32_t patch;       /* default patch window of readers, 1 | 2 | 4 | 8 */
    struct shard_tokenizer tokenizer;
    size_t n_encoders;
    const struct shard_encoder *encoders;
    const char *config; /* the whole configuration, JSON object text, or NULL */
};

/* Gives *json (release with free()), sorted keys, NUL-terminated. SHARD_OK, SHARD_ENOMEM,
 * or SHARD_EINVAL: the seed is above 2^63 - 1, a number is not finite, a string is not
 * UTF-8, or the text of an object is none. */
int shard_header_to_json(const struct shard_header *h, char **json);

/* Gives *out (release with shard_header_free()). `why` (cap bytes) says what is wrong. */
int shard_header_from_json(const char *json, size_t len, struct shard_header **out,
                           char *why, size_t cap);
void shard_header_free(struct shard_header *h);

/* The encoder of that name, or SHARD_NONE. */
uint32_t shard_find_encoder(const struct shard_header *h, const char *name);

#endif
