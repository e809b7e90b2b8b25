/* SPDX-License-Identifier: Apache-2.0
 * vae_encode/backend.h - one entry a batch, not one a layer. Internal to vae_encode/.
 *
 * pack() runs once per model: it lays the weights out as the back end wants them and
 * keeps nothing of the graph's weight pointers afterwards, so the raw file can be
 * unmapped. The packed model is immutable and shared; a state belongs to one thread. */
#ifndef VAE_ENCODE_BACKEND_H
#define VAE_ENCODE_BACKEND_H

#include <math.h>

#include "ingest/image.h"
#include "vae_encode/model/graph.h"
#include "vae_encode/vae_types.h"

static inline bool vae_cancelled(const struct vae_cancel *cancel, int step)
{
    return cancel && cancel->asked(cancel->ctx, step);
}

/* As torch.clamp: NaN stays NaN. */
static inline float vae_clamp_logvar(float v)
{
    return v < -30.0f ? -30.0f : v > 20.0f ? 20.0f : v;
}

/* A value that the decoder gives -> a byte, rounded to the nearest, to even at a half.
 * NaN is black. */
static inline uint8_t vae_byte_of(float v)
{
    float level = (v * 0.5f + 0.5f) * 255.0f;

    return level > 0.0f ? level < 255.0f ? (uint8_t)nearbyintf(level) : 255 : 0;
}

struct vae_backend {
    const char *name;     /* "ref", "cpu" */
    const char *numerics; /* "winograd-1": raised when this back end's bits change */
    /* Gives *packed. `isa`: NULL for the best this machine has. VAE_EINVAL where it has
     * not the one asked for. */
    int (*pack)(void **packed, const struct vae_graph *g, const char *isa);
    const char *(*isa)(const void *packed); /* the one in use; static */
    uint64_t (*packed_bytes)(const void *packed);
    /* Gives *state; `packed` is kept. width and height are the images' size in pixels. */
    int (*open)(void **state, const void *packed, int width, int height);
    /* How step `i` of the graph is computed at this size; static. */
    const char *(*algorithm)(const void *state, int i);
    /* `cancel` may be NULL. VAE_CANCELLED where it has been asked for. */
    int (*encode)(void *state, const struct image_batch *in, struct latent_batch *out,
                  const struct vae_cancel *cancel);
    /* Of a graph whose part is VAE_DECODER, as encode() of the others. */
    int (*decode)(void *state, const float *latents, int n,
                  const struct picture_batch *out, const struct vae_cancel *cancel);
    void (*close)(void *state);
    void (*free_packed)(void *packed);
};

extern const struct vae_backend vae_backend_ref;
extern const struct vae_backend vae_backend_cpu;

#endif
