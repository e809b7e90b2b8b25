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
 * no more does a picture. What goes in and comes out is in vae_types.h. */
#ifndef VAE_ENCODE_VAE_H
#define VAE_ENCODE_VAE_H

#include <stdbool.h>
#include <stdint.h>

#include "ingest/image.h"
#include "vae_encode/vae_types.h"

struct vae_options {
    const char *path; /* NULL: the embedded default. Else a diffusers folder (config.json
                       * + diffusion_pytorch_model.safetensors, or a pipeline with vae/),
                       * or one .safetensors file */
    double scale;     /* 0 or NAN: from config.json; else instead of its scaling_factor */
    const char *backend; /* NULL: "cpu"; or "ref" */
    const char *isa;     /* NULL: the best; "portable", "avx2", "avx512" */
    enum vae_part part;  /* 0: the encoder. A TAESD's halves are two files */
};

struct vae;
struct vae_encoder;
struct vae_decoder;

/* Gives *out, even on failure, so that vae_why() can explain; close it either way.
 * *out is NULL only for VAE_ENOMEM. */
int vae_open(struct vae **out, const struct vae_options *options);
/* Lent until vae_close(). */
const struct vae_info *vae_info(const struct vae *vae);

/* Gives *e, even on failure, so that vae_encoder_why() can explain; close it either way.
 * *e is NULL only for VAE_ENOMEM. `vae` is kept until the encoder is closed. VAE_EINVAL
 * where width or height is not a positive multiple of the downscale, or where `vae` is a
 * decoder. */
int vae_encoder_open(struct vae_encoder **e, const struct vae *vae, int width,
                     int height);

/* From now on vae_encode() ends early where *cancel says so. `cancel` is kept until the
 * encoder is closed. */
void vae_encoder_set_cancel(struct vae_encoder *e, const struct vae_cancel *cancel);

/* Encodes in->n >= 1 images of the encoder's size. A latent that is not finite is left in
 * place for the caller to find. Returns VAE_OK, VAE_CANCELLED (what is in *out is then
 * worthless), or < 0. */
int vae_encode(struct vae_encoder *e, const struct image_batch *in,
               struct latent_batch *out);

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
