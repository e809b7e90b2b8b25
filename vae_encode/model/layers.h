/* SPDX-License-Identifier: Apache-2.0
 * vae_encode/model/layers.h - what a network's steps are called and cost, kept when its
 * graph is gone. Internal to vae_encode/. */
#ifndef VAE_ENCODE_MODEL_LAYERS_H
#define VAE_ENCODE_MODEL_LAYERS_H

#include "vae_encode/model/graph.h"
#include "vae_encode/vae_types.h"

struct layer_kept;

struct vae_layers {
    int n;
    struct layer_kept *kept; /* n */
};

/* VAE_OK or VAE_ENOMEM. Release with vae_layers_free() in either case. */
int vae_layers_init(struct vae_layers *layers, const struct vae_graph *g);

/* Step `i` for images of width x height; all but `algorithm`. The name is lent until
 * vae_layers_free(). */
struct vae_layer vae_layers_at(const struct vae_layers *layers, int i, int width,
                               int height);
void vae_layers_free(struct vae_layers *layers);

#endif
