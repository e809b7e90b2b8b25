/* SPDX-License-Identifier: Apache-2.0
 * vae_encode/vae.h - RGB images -> posterior moments of a VAE.
 *
 *     struct vae *vae;
 *     struct vae_encoder *e;
 *     rc = vae_open(&vae, &(struct vae_options){.path = "sdxl-vae"});
 *     rc = vae_encoder_open(&e, vae, 256, 256);
 *     rc = vae_encode(e, &images, &latents);
 *
 * A struct vae is immutable once open and may be shared by any number of threads; a
 * struct vae_encoder belongs to one thread. An image's latent does not depend on its
 * neighbours in the batch, on the number of encoders or on the machine. */
#ifndef VAE_ENCODE_VAE_H
#define VAE_ENCODE_VAE_H

#include <stdbool.h>
#include <stdint.h>

#include "ingest/image.h"

enum { VAE_MAX_LATENT_CHANNELS = 128 };

struct vae_options {
    const char *path; /* NULL: the embedded default. Else a diffusers folder (config.json
                       * + diffusion_pytorch_model.safetensors, or a pipeline with vae/),
                       * or one .safetensors file */
    double scale;     /* 0 or NAN: from config.json; else instead of its scaling_factor */
    const char *backend; /* NULL: "cpu"; or "ref" */
    const char *isa;     /* NULL: the best; "portable", "avx2", "avx512" */
};

/* Lent by vae_info(); lives as long as the vae. */
struct vae_info {
    const char *family; /* "AutoencoderKL" or "TAESD" */
    const char *path;   /* as given, or "builtin" */
    bool builtin;
    int latent_channels; /* C */
    int downscale;       /* f: latents are (C, H/f, W/f) */
    bool has_posterior;  /* false: the encoder gives the latent itself, no log-variance */
    int n_scale;         /* length of scale and shift: 1 or C */
    double scale[VAE_MAX_LATENT_CHANNELS]; /* trainer's latent = (raw - shift) * scale */
    double shift[VAE_MAX_LATENT_CHANNELS];
    double replaced_scale; /* config.json's factor, where options.scale took its place */
    char sha256[65];       /* hex, of the safetensors file */
    const char *config;    /* the network's configuration as canonical JSON */
    const char *numerics;  /* "direct-1": raised when bits change */
    const char *backend;   /* "cpu" */
    const char *isa;       /* "avx512" */
    uint64_t n_parameters; /* of the encoder */
    uint64_t packed_bytes; /* memory of the packed weights */
};

/* Moments of n images. mean and logvar are (n, C, H/f, W/f) fp32, caller's memory;
 * logvar may be NULL, and must be where !has_posterior. logvar is clamped to [-30, 20]
 * as diffusers does it. */
struct latent_batch {
    float *mean;
    float *logvar;
};

struct vae;
struct vae_encoder;

/* Gives *out, even on failure, so that vae_why() can explain; close it either way.
 * *out is NULL only for VAE_ENOMEM. */
int vae_open(struct vae **out, const struct vae_options *options);
const struct vae_info *vae_info(const struct vae *vae);

/* Gives *e, even on failure, so that vae_encoder_why() can explain; close it either way.
 * *e is NULL only for VAE_ENOMEM. `vae` is kept until the encoder is closed. VAE_EINVAL
 * where width or height is not a positive multiple of the downscale. */
int vae_encoder_open(struct vae_encoder **e, const struct vae *vae, int width,
                     int height);

/* asked(ctx) is called on the encoder's thread before each step of the network and once
 * after the last, for each group of images that goes through it together: a clock in
 * there times the steps. */
struct vae_cancel {
    bool (*asked)(void *ctx);
    void *ctx;
};

/* From now on vae_encode() ends early where *cancel says so. `cancel` is kept until the
 * encoder is closed. */
void vae_encoder_set_cancel(struct vae_encoder *e, const struct vae_cancel *cancel);

/* Encodes in->n >= 1 images of the encoder's size. A latent that is not finite is left in
 * place for the caller to find. Returns VAE_OK, VAE_CANCELLED (what is in *out is then
 * worthless), or < 0. */
int vae_encode(struct vae_encoder *e, const struct image_batch *in,
               struct latent_batch *out);

/* A step of the network at the encoder's size. */
struct vae_layer {
    const char *name;      /* the tensors' prefix; lent until vae_close() */
    const char *algorithm; /* "direct", "attention", ...; static */
    int c_in, c_out;
    int kernel; /* 1 or 3; 0: attention */
    int stride;
    int width, height; /* of its output */
    double flops; /* of one image by direct convolution, a multiply-add counted as two */
};

int vae_encoder_n_layers(const struct vae_encoder *e);
struct vae_layer vae_encoder_layer(const struct vae_encoder *e, int i);

const char *vae_encoder_why(const struct vae_encoder *e); /* lent; accepts NULL */
void vae_encoder_close(struct vae_encoder *e);            /* accepts NULL */

/* What went wrong last: file, tensor, byte. Lent; never NULL; accepts NULL. */
const char *vae_why(const struct vae *vae);
void vae_close(struct vae *vae); /* accepts NULL */

#endif
