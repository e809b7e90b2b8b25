/* SPDX-License-Identifier: Apache-2.0
 * vae_encode/model/names.h - what the tensors of each family are called. Internal to
 * vae_encode/. */
#ifndef VAE_ENCODE_MODEL_NAMES_H
#define VAE_ENCODE_MODEL_NAMES_H

#include "vae_encode/model/network.h"
#include "vae_encode/model/safetensors.h"
#include "vae_encode/why.h"

/* Names of AutoencoderKL's layers, as parts to be put together: root, half, part. */
struct kl_names {
    const char *down, *up;             /* "down_blocks." N, the finest first */
    bool finest_up_first;              /* else "up_blocks." N counts from the coarsest */
    const char *resnet;                /* ".resnets." M */
    const char *attention;             /* ".attentions." M */
    const char *downsample, *upsample; /* ".downsamplers.0.conv" */
    const char *mid_resnet[2];         /* "mid_block.resnets.0" */
    const char *mid_attention;         /* "mid_block.attentions.0" */
    const char *shortcut;              /* ".conv_shortcut" */
    const char *norm_out;              /* "conv_norm_out" */
    const char *norm, *q, *k, *v, *proj; /* within an attention */
};

struct vae_names {
    enum vae_family family;
    enum vae_part part;
    const char *root;          /* before every name: "", "first_stage_model.", ... */
    const char *half;          /* AutoencoderKL: behind it, "encoder." or "decoder." */
    const struct kl_names *kl; /* NULL for TAESD */
};

/* Tells the families and namings apart. VAE_EMODEL where it is none we know, or where the
 * file does not hold that part. */
int vae_names_detect(const struct safetensors *file, enum vae_part part, const char *what,
                     struct vae_names *names, struct vae_why *why);

#endif
