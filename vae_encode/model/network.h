/* SPDX-License-Identifier: Apache-2.0
 * vae_encode/model/network.h - what defines an encoder or a decoder network, without its
 * weights. Internal to vae_encode/.
 *
 * Filled from a diffusers config.json (config.c) or from the tensors' names and shapes
 * (build_kl.c, build_taesd.c); the graph is built from it and its JSON is recorded in
 * shards. */
#ifndef VAE_ENCODE_MODEL_NETWORK_H
#define VAE_ENCODE_MODEL_NETWORK_H

#include <stdbool.h>

#include "vae_encode/vae_types.h"
#include "vae_encode/why.h"

enum {
    VAE_MAX_BLOCKS = 8, /* f <= 128 */
    VAE_MAX_LAYERS = 32,
    VAE_MAX_CHANNELS = 16384
};

enum vae_family { VAE_FAMILY_KL, VAE_FAMILY_TAESD };

/* A block is what lies between two halvings or doublings of the resolution. They are in
 * diffusers' order: from the finest on, but of a TAESD's decoder from the coarsest on. */
struct vae_network {
    enum vae_family family;
    enum vae_part part;
    int latent_channels;
    int n_blocks;
    int block_channels[VAE_MAX_BLOCKS];
    /* AutoencoderKL: */
    int layers_per_block; /* a decoder's blocks have one more */
    bool block_attention[VAE_MAX_BLOCKS];
    bool mid_attention;
    bool quant_conv; /* of a decoder: post_quant_conv */
    int norm_groups;
    int moment_channels; /* encoder: of conv_out; 2 * latent_channels wherever diffusers
                          * wrote it */
    int z_channels;      /* decoder: into conv_in; latent_channels likewise */
    /* TAESD: */
    int block_layers[VAE_MAX_BLOCKS];
};

/* trainer's latent = (raw - shift) * scale */
struct vae_scaling {
    int n; /* 1 or latent_channels */
    double scale[VAE_MAX_LATENT_CHANNELS];
    double shift[VAE_MAX_LATENT_CHANNELS];
    double replaced; /* the config's own factor where another was asked for; 0: none */
};

#define VAE_NORM_EPS 1e-6 /* of every AutoencoderKL; no config names it */

const char *vae_family_name(enum vae_family family); /* static */

/* Are the numbers possible? VAE_EMODEL says which is not; `what` names the source. */
int vae_network_check(const struct vae_network *net, const char *what,
                      struct vae_why *why);

/* Gives canonical JSON (sorted keys, compact; release with free()), NULL: no memory. */
char *vae_network_to_json(const struct vae_network *net);

#endif
