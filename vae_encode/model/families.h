/* SPDX-License-Identifier: Apache-2.0
 * vae_encode/model/families.h - the two families of encoders and decoders: build_kl.c and
 * build_taesd.c. Internal to vae_encode/. */
#ifndef VAE_ENCODE_MODEL_FAMILIES_H
#define VAE_ENCODE_MODEL_FAMILIES_H

#include "vae_encode/model/graph_build.h"
#include "vae_encode/model/names.h"
#include "vae_encode/model/network.h"

/* Describes the network by the tensors alone: for files without a config. What cannot be
 * seen in them is assumed: 32 norm groups. */
int kl_infer(const struct safetensors *file, const struct vae_names *names,
             const char *what, struct vae_network *net, struct vae_why *why);
/* Sets the blocks of `net`. latent_channels, where not 0, is what the config says. */
int taesd_infer(const struct safetensors *file, const struct vae_names *names,
                const char *what, struct vae_network *net, struct vae_why *why);

/* Sets what of the graph is the same in both, then builds all steps by the family's own
 * function. Failures stick in b->status. */
void family_build(struct graph_builder *b, const struct vae_names *names,
                  const struct vae_network *net);
void kl_build(struct graph_builder *b, const struct vae_names *names,
              const struct vae_network *net);
void taesd_build(struct graph_builder *b, const struct vae_names *names,
                 const struct vae_network *net);

#endif
