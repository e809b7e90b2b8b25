/* SPDX-License-Identifier: Apache-2.0
 * vae_encode/names.h - what the tensors of each family are called. Internal to
 * vae_encode/. */
#ifndef VAE_ENCODE_NAMES_H
#define VAE_ENCODE_NAMES_H

#include "vae_encode/network.h"
#include "vae_encode/safetensors.h"
#include "vae_encode/why.h"

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

#endif
