/* SPDX-License-Identifier: Apache-2.0
 * vae_encode/vae_types.h - public: what vae.h and the network behind it both speak of:
 * halves, facts, batches, steps. */
#ifndef VAE_ENCODE_VAE_TYPES_H
#define VAE_ENCODE_VAE_TYPES_H

#include <stdbool.h>
#include <stdint.h>

enum {
    VAE_MAX_LATENT_CHANNELS = 128,
    VAE_MAX_SIDE = 1 << 15 /* of an image: its pixels are counted in int */
};

/* One half of an autoencoder is open at a time: only its weights are read and packed. */
enum vae_part { VAE_ENCODER, VAE_DECODER };

/* What is known of a VAE once it is open. */
struct vae_info {
    const char *family; /* "AutoencoderKL" or "TAESD" */
    const char *path;   /* as given, or "builtin" */
    bool builtin;
    enum vae_part part;
    int latent_channels; /* C */
    int downscale;       /* f: latents are (C, H/f, W/f) */
    bool has_posterior;  /* false: the encoder gives the latent itself, no log-variance;
                          * false for a decoder */
    int n_scale;         /* length of scale and shift: 1 or C */
    double scale[VAE_MAX_LATENT_CHANNELS]; /* trainer's latent = (raw - shift) * scale */
    double shift[VAE_MAX_LATENT_CHANNELS];
    double replaced_scale; /* config.json's factor, where options.scale took its place */
    char sha256[65];       /* hex, of the safetensors file */
    const char *config;    /* the configuration of this half, as canonical JSON */
    const char *numerics;  /* "winograd-1": raised when bits change */
    const char *backend;   /* "cpu" */
    const char *isa;       /* "avx512" */
    uint64_t n_parameters; /* of this half */
    uint64_t packed_bytes; /* memory of the packed weights */
};

/* Whether this machine runs the kernels of that name. */
bool vae_has_isa(const char *isa);

/* Moments of n images. mean and logvar are (n, C, H/f, W/f) fp32, caller's memory;
 * logvar may be NULL, and must be where !has_posterior. logvar is clamped to [-30, 20]
 * as diffusers does it. */
struct latent_batch {
    float *mean;
    float *logvar;
};

/* Pictures of n latents, caller's memory. rgb[i] is (H, W, 3), black to white rounded to
 * 0 to 255. values, (n, 3, H, W), may be NULL: what the bytes were rounded from, -1
 * black, 1 white, neither cut off. */
struct picture_batch {
    uint8_t *const *rgb;
    float *values;
};

/* asked() is called on the encoder's or decoder's thread before each step of the network,
 * for each image or group of images that goes through it together, and after the last;
 * `step` is the one that comes next, or the number of steps: a clock in there times them.
 */
struct vae_cancel {
    bool (*asked)(void *ctx, int step);
    void *ctx;
};

/* A step of the network at the encoder's or decoder's size. */
struct vae_layer {
    const char *name;      /* the tensors' prefix; lent until vae_close() */
    const char *algorithm; /* "direct", "attention", ...; static */
    int c_in, c_out;
    int kernel; /* 1 or 3; 0: attention */
    int stride;
    int upscale;       /* 2: its input's pixels are read as 2 x 2 */
    int width, height; /* of its output */
    double flops; /* of one image by direct convolution, a multiply-add counted as two */
};

#endif
