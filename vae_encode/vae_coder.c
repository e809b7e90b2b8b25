/* SPDX-License-Identifier: Apache-2.0
 * Encoders and decoders: an open VAE at one size of image, on one thread. */
#include <stdlib.h>

#include "vae_encode/status.h"
#include "vae_encode/vae.h"
#include "vae_encode/vae_handle.h"

/* What both are. */
struct coder {
    const struct vae *vae;
    void *state;
    int width, height;
    struct vae_why why;
    const struct vae_cancel *cancel; /* NULL: never */
};

struct vae_encoder {
    struct coder coder;
};

struct vae_decoder {
    struct coder coder;
};

static const char *part_name(enum vae_part part)
{
    return part == VAE_DECODER ? "decoder" : "encoder";
}

static int open_coder(struct coder *c, enum vae_part part, const struct vae *vae,
                      int width, int height)
{
    int f = vae->info.downscale;
    int rc;

    c->vae = vae;
    c->width = width;
    c->height = height;
    if (vae->info.part != part)
        return vae_fail(&c->why, VAE_EINVAL, "%s was opened for its %s, not its %s",
                        vae->info.path, part_name(vae->info.part), part_name(part));
    if (width < 1 || height < 1 || width > VAE_MAX_SIDE || height > VAE_MAX_SIDE ||
        width % f != 0 || height % f != 0)
        return vae_fail(
            &c->why, VAE_EINVAL,
            "images of %d x %d do not fit %s: each side must be a multiple of "
            "%d, at most %d",
            width, height, vae->info.path, f, VAE_MAX_SIDE);
    rc = vae->backend->open(&c->state, vae->packed, width, height);
    if (rc < 0)
        vae_fail(&c->why, rc, "%s of %d x %d: %s", part_name(part), width, height,
                 vae_strerror(rc));
    return rc;
}

static void close_coder(struct coder *c)
{
    if (c->state)
        c->vae->backend->close(c->state);
}

static struct vae_layer layer_of(const struct coder *c, int i)
{
    struct vae_layer layer = vae_layers_at(&c->vae->layers, i, c->width, c->height);

    layer.algorithm = c->vae->backend->algorithm(c->state, i);
    return layer;
}

int vae_encoder_open(struct vae_encoder **out, const struct vae *vae, int width,
                     int height)
{
    *out = calloc(1, sizeof(**out));
    if (!*out)
        return VAE_ENOMEM;
    return open_coder(&(*out)->coder, VAE_ENCODER, vae, width, height);
}

int vae_encode(struct vae_encoder *e, const struct image_batch *in,
               struct latent_batch *out)
{
    struct coder *c = &e->coder;
    int rc;

    if (in->n < 1 || in->width != c->width || in->height != c->height)
        return vae_fail(&c->why, VAE_EINVAL,
                        "a batch of %d images of %d x %d for an encoder of %d x %d",
                        in->n, in->width, in->height, c->width, c->height);
    if (out->logvar && !c->vae->info.has_posterior)
        return vae_fail(&c->why, VAE_EINVAL, "%s is a %s: it has no log-variance",
                        c->vae->info.path, c->vae->info.family);
    rc = c->vae->backend->encode(c->state, in, out, c->cancel);
    if (rc < 0)
        vae_fail(&c->why, rc, "%s", vae_strerror(rc));
    return rc;
}

void vae_encoder_set_cancel(struct vae_encoder *e, const struct vae_cancel *cancel)
{
    e->coder.cancel = cancel;
}

int vae_encoder_n_layers(const struct vae_encoder *e)
{
    return e->coder.vae->layers.n;
}

struct vae_layer vae_encoder_layer(const struct vae_encoder *e, int i)
{
    return layer_of(&e->coder, i);
}

const char *vae_encoder_why(const struct vae_encoder *e)
{
    return e ? e->coder.why.text : vae_strerror(VAE_ENOMEM);
}

void vae_encoder_close(struct vae_encoder *e)
{
    if (!e)
        return;
    close_coder(&e->coder);
    free(e);
}

int vae_decoder_open(struct vae_decoder **out, const struct vae *vae, int width,
                     int height)
{
    *out = calloc(1, sizeof(**out));
    if (!*out)
        return VAE_ENOMEM;
    return open_coder(&(*out)->coder, VAE_DECODER, vae, width, height);
}

int vae_decode(struct vae_decoder *d, const float *latents, int n,
               const struct picture_batch *out)
{
    struct coder *c = &d->coder;
    int rc;

    if (n < 1)
        return vae_fail(&c->why, VAE_EINVAL, "a batch of %d latents", n);
    rc = c->vae->backend->decode(c->state, latents, n, out, c->cancel);
    if (rc < 0)
        vae_fail(&c->why, rc, "%s", vae_strerror(rc));
    return rc;
}

void vae_decoder_set_cancel(struct vae_decoder *d, const struct vae_cancel *cancel)
{
    d->coder.cancel = cancel;
}

int vae_decoder_n_layers(const struct vae_decoder *d)
{
    return d->coder.vae->layers.n;
}

struct vae_layer vae_decoder_layer(const struct vae_decoder *d, int i)
{
    return layer_of(&d->coder, i);
}

const char *vae_decoder_why(const struct vae_decoder *d)
{
    return d ? d->coder.why.text : vae_strerror(VAE_ENOMEM);
}

void vae_decoder_close(struct vae_decoder *d)
{
    if (!d)
        return;
    close_coder(&d->coder);
    free(d);
}
