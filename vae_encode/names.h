/* SPDX-License-Identifier: Apache-2.0
 * vae_encode/names.h - what the tensors of each family are called. Internal to
 * vae_encode/. */
#ifndef VAE_ENCODE_NAMES_H
#define VAE_ENCODE_NAMES_H

#include "vae_encode/graph_build.h"
#include "vae_encode/network.h"
#include "vae_encode/safetensors.h"

/* Names of AutoencoderKL's layers, as parts to be put together. */
struct kl_names {
    const char *block;                   /* "encoder.down_blocks." N */
    const char *resnet;                  /* ".resnets." M */
    const char *attention;               /* ".attentions." M */
    const char *downsample;              /* ".downsamplers.0.conv" */
    const char *mid_resnet[2];           /* "encoder.mid_block.resnets.0" */
    const char *mid_attention;           /* "encoder.mid_block.attentions.0" */
    const char *shortcut;                /* ".conv_shortcut" */
    const char *norm_out;                /* "encoder.conv_norm_out" */
    const char *norm, *q, *k, *v, *proj; /* within an attention */
};

struct vae_names {
    enum vae_family family;
    const char *root;          /* before every name: "", "first_stage_model.", ... */
    const struct kl_names *kl; /* NULL for TAESD */
};

/* Tells the families and namings apart. VAE_EMODEL where it is none we know. */
int vae_names_detect(const struct safetensors *file, const char *what,
                     struct vae_names *names, struct vae_why *why);

/* Describes the network by the tensors alone: for files without a config. What cannot be
 * seen in them is assumed: 32 norm groups. */
int kl_infer(const struct safetensors *file, const struct vae_names *names,
             const char *what, struct vae_network *net, struct vae_why *why);
/* Sets the blocks of `net`. latent_channels, where not 0, is what the config says. */
int taesd_infer(const struct safetensors *file, const struct vae_names *names,
                const char *what, struct vae_network *net, struct vae_why *why);

/* Build all steps. Failures stick in b->status. */
void kl_build(struct graph_builder *b, const struct vae_names *names,
              const struct vae_network *net);
void taesd_build(struct graph_builder *b, const struct vae_names *names,
                 const struct vae_network *net);

#endif
