/* SPDX-License-Identifier: Apache-2.0
 * vae_encode/encoder.h - public: what makes tensors of images.
 *
 *     const struct encoder *e = encoder_find("vae");
 *     rc = e->load(&model, "sdxl-vae", &(struct encoder_options){.scale = 0.13025});
 *     e->describe(model, 256, 256, &about);
 *     rc = e->open(&worker, model, 256, 256, &cancel);
 *     rc = e->encode(worker, &images, tensors);
 *
 * The table has one entry for each scheme of `SCHEME:REST` whose encoders work in this
 * process. A model is immutable once
 * loaded and may be shared by any number of threads; a worker belongs to one thread, and
 * is for images of one size. An image's tensors depend neither on its neighbours in the
 * batch nor on the number of workers. What a shard calls them, and the type it stores
 * them in, is the caller's business. Functions return enum vae_status. */
#ifndef VAE_ENCODE_ENCODER_H
#define VAE_ENCODE_ENCODER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ingest/image.h"

enum { ENCODER_MAX_TENSORS = 8, ENCODER_MAX_DIMS = 8 };

enum encoder_input { ENCODER_OF_IMAGE, ENCODER_OF_TEXT }; /* encode() is of images */
enum encoder_kind { ENCODER_LATENT, ENCODER_CODES, ENCODER_FEATURES, ENCODER_PIXELS };
enum encoder_element { ENCODER_FP32, ENCODER_U32, ENCODER_FILE }; /* as computed */

/* An image file, as long as what is in the image makes it. */
struct encoder_file {
    void *bytes; /* to be released with free() */
    size_t len;
};

/* One of the tensors that an encoder can give of each image. Each image's has these dims,
 * a file's (H, W, 3) are those of its picture. */
struct encoder_tensor {
    enum encoder_kind kind;
    unsigned output; /* number of the network's output */
    bool logvar;     /* the log-variance of that output's posterior */
    enum encoder_element element;
    int n_dims;
    uint32_t dims[ENCODER_MAX_DIMS]; /* a latent's: (C, H/f, W/f) */
};

/* What one output of an encoder of features gives. */
struct encoder_features {
    const char *what; /* "patches", "tokens", "pooled" */
    size_t n_dims;
    uint32_t
        dims[ENCODER_MAX_DIMS]; /* 0: not always the same; never the last, the width */
    const double *mean, *std;   /* along the width, over a data set; NULL: not known */
};

/* A model at one size of image. Texts are lent, and live as long as the model. */
struct encoder_description {
    enum encoder_input input;
    const char *family;         /* "AutoencoderKL", "TAESD"; never NULL */
    const char *weights_sha256; /* hex; NULL: it has none */
    const char *config;         /* of the network, canonical JSON object; or NULL */
    const char *pixels;         /* what 0 to 255 becomes before that: JSON, or NULL */
    const char *numerics;       /* "winograd-1": raised when bits change; never NULL */
    bool reproducible;          /* the same bits on every machine */
    bool demo;                  /* an embedded model */
    const char *isa;            /* instruction set in use: "avx512" */

    int multiple; /* an image's sides must be multiples of it */

    size_t n_tensors;
    struct encoder_tensor tensors[ENCODER_MAX_TENSORS];
    size_t n_outputs; /* that have names, from output 0 on */
    const char *const *outputs;

    /* of latents: */
    uint32_t channels, downscale; /* C, f */
    size_t n_scale;               /* length of scale and shift: 1, C or C p p */
    uint32_t scale_window;        /* p; 0 is 1 */
    const double *scale, *shift;  /* trainer's latent = (raw - shift) * scale */
    double replaced_scale; /* the model's own, where options.scale took its place, or 0 */

    /* of codes, which are below the codebook: */
    uint32_t codebook;
    bool has_id_offset; /* the model's own: code i is the token id_offset + i */
    uint32_t id_offset;
    size_t n_id_map;        /* codebook, or 0: none */
    const uint32_t *id_map; /* code i is the token id_map[i] */

    /* of features: one for each output, or none */
    size_t n_features;
    const struct encoder_features *features;

    /* of pixels: */
    const char *codec; /* "jpeg", "png", "webp" */
    int quality;       /* -1: none */
};

struct encoder_options {
    double scale;    /* of latents; 0 or NAN: the model's own */
    const char *isa; /* NULL: the best; "portable", "avx2", "avx512" */
};

/* asked() is called on the worker's thread while it encodes. */
struct encoder_cancel {
    bool (*asked)(void *ctx);
    void *ctx;
};

struct encoder {
    const char *scheme;

    /* Gives *model, even on failure, so that load_why() can explain; unload it either
     * way. *model is NULL only for VAE_ENOMEM. `rest` is what stands behind the scheme's
     * colon; NULL: the embedded model, where there is one. */
    int (*load)(void **model, const char *rest, const struct encoder_options *options);
    const char *(*load_why)(const void *model); /* lent; accepts NULL */
    void (*unload)(void *model);                /* accepts NULL */

    /* For images of width x height pixels, which need not fit the model. */
    void (*describe)(const void *model, int width, int height,
                     struct encoder_description *out);

    /* Gives *worker, even on failure, so that why() can explain; close it either way.
     * *worker is NULL only for VAE_ENOMEM. `model` and `cancel` are kept until then. */
    int (*open)(void **worker, const void *model, int width, int height,
                const struct encoder_cancel *cancel);

    /* Encodes in->n >= 1 images of the worker's size. out[i] is memory of the caller's
     * for the description's tensor i of all images, (n, dims); NULL leaves out a
     * log-variance. Of files it is n struct encoder_file, all zeros: gives their bytes,
     * those that were made also where it fails.
     * Values that are not finite are left in place for the caller to find: they reject
     * the image's sample, as codes do that are not below the codebook, and are the only
     * way to say that one image cannot be encoded. Returns VAE_OK, VAE_CANCELLED (what is
     * in out is then worthless), or < 0, which fails the run. */
    int (*encode)(void *worker, const struct image_batch *in, void *const *out);
    const char *(*why)(const void *worker); /* lent; accepts NULL */
    void (*close)(void *worker);            /* accepts NULL */
};

extern const struct encoder encoder_pixels; /* files of the images themselves */

/* NULL: there is no such scheme. */
const struct encoder *encoder_find(const char *scheme);

/* Of one image, as computed; a file is one value, of the size of its struct. */
size_t encoder_tensor_values(const struct encoder_tensor *tensor);
size_t encoder_tensor_bytes(const struct encoder_tensor *tensor);

/* Whether it has a tensor of floats, or a latent. */
bool encoder_has_floats(const struct encoder_description *about);
bool encoder_has_latents(const struct encoder_description *about);

#endif
