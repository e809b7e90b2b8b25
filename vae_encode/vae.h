/* SPDX-License-Identifier: Apache-2.0
 * vae_encode/vae.h - public: RGB images -> posterior moments of a VAE, and latents ->
 * images.
 *
 *     struct vae *vae;
 *     struct vae_encoder *e;
 *     rc = vae_open(&vae, &(struct vae_options){.path = "sdxl-vae"});
 *     rc = vae_encoder_open(&e, vae, 256, 256);
 *     rc = vae_encode(e, &images, &latents);
 *
 * and with .part = VAE_DECODER
 *
 *     rc = vae_decoder_open(&d, vae, 256, 256);
 *     rc = vae_decode(d, latents, n, &pictures);
 *
 * A struct vae is immutable once open and may be shared by any number of threads; a
 * struct vae_encoder or vae_decoder belongs to one thread. An image's latent does not
 * depend on its neighbours in the batch, on the number of encoders or on the machine, and
 * no more does a picture. */
#ifndef VAE_ENCODE_VAE_H
#define VAE_ENCODE_VAE_H

#include <stdbool.h>
#include <stdint.h>

#include "ingest/image.h"

enum {
    VAE_MAX_LATENT_CHANNELS = 128,
    VAE_MAX_SIDE = 1 << 15 /* of an image: its pixels are counted in int */
};

/* One half of an autoencoder is open at a time: only its weights are read and packed. */
enum vae_part { VAE_ENCODER, VAE_DECODER };

struct vae_options {
    const char *path; /* NULL: the embedded default. Else a diffusers folder (config.json
                       * + diffusion_pytorch_model.safetensors, or a pipeline with vae/),
                       * or one .safetensors file */
    double scale;     /* 0 or NAN: from config.json; else instead of its scaling_factor */
    const char *backend; /* NULL: "cpu"; or "ref" */
    const char *isa;     /* NULL: the best; "portable", "avx2", "avx512" */
    enum vae_part part;  /* 0: the encoder. A TAESD's halves are two files */
};

/* Whether this machine runs the kernels of that name. */
bool vae_has_isa(const char *isa);

/* Lent by vae_info(); lives as long as the vae. */
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

struct vae;
struct vae_encoder;
struct vae_decoder;

/* Gives *out, even on failure, so that vae_why() can explain; close it either way.
 * *out is NULL only for VAE_ENOMEM. */
int vae_open(struct vae **out, const struct vae_options *options);
const struct vae_info *vae_info(const struct vae *vae);

/* Gives *e, even on failure, so that vae_encoder_why() can explain; close it either way.
 * *e is NULL only for VAE_ENOMEM. `vae` is kept until the encoder is closed. VAE_EINVAL
 * where width or height is not a positive multiple of the downscale, or where `vae` is a
 * decoder. */
int vae_encoder_open(struct vae_encoder **e, const struct vae *vae, int width,
                     int height);

/* asked() is called on the encoder's or decoder's thread before each step of the network,
 * for each image or group of images that goes through it together, and after the last;
 * `step` is the one that comes next, or the number of steps: a clock in there times them.
 */
struct vae_cancel {
    bool (*asked)(void *ctx, int step);
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

int vae_encoder_n_layers(const struct vae_encoder *e);
struct vae_layer vae_encoder_layer(const struct vae_encoder *e, int i);

const char *vae_encoder_why(const struct vae_encoder *e); /* lent; accepts NULL */
void vae_encoder_close(struct vae_encoder *e);            /* accepts NULL */

/* As vae_encoder_open(), for pictures of width x height pixels. */
int vae_decoder_open(struct vae_decoder **d, const struct vae *vae, int width,
                     int height);
void vae_decoder_set_cancel(struct vae_decoder *d, const struct vae_cancel *cancel);
int vae_decoder_n_layers(const struct vae_decoder *d);
struct vae_layer vae_decoder_layer(const struct vae_decoder *d, int i);

/* Decodes n >= 1 latents (n, C, H/f, W/f), raw as vae_encode() gives them and shards hold
 * them: neither scaled nor shifted. A value that is not finite becomes black or white.
 * Returns VAE_OK, VAE_CANCELLED (what is in *out is then worthless), or < 0. */
int vae_decode(struct vae_decoder *d, const float *latents, int n,
               const struct picture_batch *out);

const char *vae_decoder_why(const struct vae_decoder *d); /* lent; accepts NULL */
void vae_decoder_close(struct vae_decoder *d);            /* accepts NULL */

/* What went wrong last: file, tensor, byte. Lent; never NULL; accepts NULL. */
const char *vae_why(const struct vae *vae);
void vae_close(struct vae *vae); /* accepts NULL */

#endif
