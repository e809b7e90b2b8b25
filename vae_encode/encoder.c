/* SPDX-License-Identifier: Apache-2.0
 * The table of encoders, and the VAE as its first entry. */
#include "vae_encode/encoder.h"

#include <stdlib.h>
#include <string.h>

#include "vae_encode/status.h"
#include "vae_encode/vae.h"

struct vae_worker {
    const struct vae *vae;
    struct vae_encoder *encoder;
    struct vae_cancel asked; /* the caller's, as the VAE asks it */
};

static int load_vae(void **model, const char *path, const struct encoder_options *o)
{
    const struct vae_options options = {.path = path, .scale = o->scale, .isa = o->isa};
    struct vae *vae;
    int rc = vae_open(&vae, &options);

    *model = vae;
    return rc;
}

static const char *load_why(const void *model)
{
    return vae_why(model);
}

static void unload_vae(void *model)
{
    vae_close(model);
}

static void describe_latent(const struct vae_info *vae, int width, int height,
                            struct encoder_description *out)
{
    struct encoder_tensor latent = {.kind = ENCODER_LATENT,
                                    .element = ENCODER_FP32,
                                    .n_dims = 3,
                                    .dims = {(uint32_t)vae->latent_channels,
                                             (uint32_t)(height / vae->downscale),
                                             (uint32_t)(width / vae->downscale)}};

    out->tensors[out->n_tensors++] = latent;
    latent.logvar = true;
    if (vae->has_posterior)
        out->tensors[out->n_tensors++] = latent;
}

static void describe_vae(const void *model, int width, int height,
                         struct encoder_description *out)
{
    const struct vae_info *vae = vae_info(model);

    *out = (struct encoder_description){.input = ENCODER_OF_IMAGE,
                                        .family = vae->family,
                                        .weights_sha256 = vae->sha256,
                                        .config = vae->config,
                                        .pixels = "{\"range\":[-1,1]}",
                                        .numerics = vae->numerics,
                                        .reproducible = true,
                                        .demo = vae->builtin,
                                        .isa = vae->isa,
                                        .multiple = vae->downscale,
                                        .channels = (uint32_t)vae->latent_channels,
                                        .downscale = (uint32_t)vae->downscale,
                                        .n_scale = (size_t)vae->n_scale,
                                        .scale = vae->scale,
                                        .shift = vae->shift,
                                        .replaced_scale = vae->replaced_scale};
    describe_latent(vae, width, height, out);
}

static bool is_cancelled(void *ctx, int step)
{
    const struct encoder_cancel *cancel = ctx;

    (void)step;
    return cancel->asked(cancel->ctx);
}

static int open_vae(void **worker, const void *model, int width, int height,
                    const struct encoder_cancel *cancel)
{
    struct vae_worker *w = *worker = calloc(1, sizeof(*w));
    int rc;

    if (!w)
        return VAE_ENOMEM;
    w->vae = model;
    w->asked = (struct vae_cancel){is_cancelled, (void *)cancel};
    rc = vae_encoder_open(&w->encoder, model, width, height);
    if (rc == VAE_OK && cancel)
        vae_encoder_set_cancel(w->encoder, &w->asked);
    return rc;
}

static int encode_vae(void *worker, const struct image_batch *in, void *const *out)
{
    struct vae_worker *w = worker;
    const struct vae_info *vae = vae_info(w->vae);
    struct latent_batch latents = {.mean = out[0],
                                   .logvar = vae->has_posterior ? out[1] : NULL};

    return vae_encode(w->encoder, in, &latents);
}

static const char *vae_worker_why(const void *worker)
{
    const struct vae_worker *w = worker;

    return vae_encoder_why(w ? w->encoder : NULL);
}

static void close_vae(void *worker)
{
    struct vae_worker *w = worker;

    if (w)
        vae_encoder_close(w->encoder);
    free(w);
}

static const struct encoder encoder_vae = {.scheme = "vae",
                                           .load = load_vae,
                                           .load_why = load_why,
                                           .unload = unload_vae,
                                           .describe = describe_vae,
                                           .open = open_vae,
                                           .encode = encode_vae,
                                           .why = vae_worker_why,
                                           .close = close_vae};

static const struct encoder *const encoders[] = {&encoder_vae, &encoder_pixels};

const struct encoder *encoder_find(const char *scheme)
{
    for (size_t i = 0; i < sizeof(encoders) / sizeof(*encoders); i++)
        if (strcmp(encoders[i]->scheme, scheme) == 0)
            return encoders[i];
    return NULL;
}

size_t encoder_tensor_values(const struct encoder_tensor *tensor)
{
    size_t n = 1;

    for (int i = 0; tensor->element != ENCODER_FILE && i < tensor->n_dims; i++)
        n *= tensor->dims[i];
    return n;
}

size_t encoder_tensor_bytes(const struct encoder_tensor *tensor)
{
    const size_t width =
        tensor->element == ENCODER_FILE ? sizeof(struct encoder_file) : 4;

    return encoder_tensor_values(tensor) * width;
}

bool encoder_has_floats(const struct encoder_description *about)
{
    for (size_t i = 0; i < about->n_tensors; i++)
        if (about->tensors[i].element == ENCODER_FP32)
            return true;
    return false;
}

bool encoder_has_latents(const struct encoder_description *about)
{
    for (size_t i = 0; i < about->n_tensors; i++)
        if (about->tensors[i].kind == ENCODER_LATENT)
            return true;
    return false;
}
