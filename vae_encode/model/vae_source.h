/* SPDX-License-Identifier: Apache-2.0
 * vae_encode/model/vae_source.h - from what the user called a VAE to its two files.
 * Internal to vae_encode/. */
#ifndef VAE_ENCODE_MODEL_VAE_SOURCE_H
#define VAE_ENCODE_MODEL_VAE_SOURCE_H

#include <stdbool.h>
#include <stddef.h>

#include "vae_encode/model/safetensors.h"
#include "vae_encode/why.h"

struct vae_source {
    struct safetensors *weights;
    char *weights_path; /* names the weights in messages */
    char *config;       /* the text of config.json; NULL: there is none */
    size_t config_len;
    char *config_path;
    bool config_is_sure;       /* false: it only lies beside a file that the user named */
    struct vae_why config_why; /* why one that lies there could not be read */
};

/* `path` is a diffusers folder, a pipeline folder with vae/ in it, or a file; NULL: the
 * embedded default. Close it either way. */
int vae_source_open(struct vae_source *s, const char *path, struct vae_why *why);
void vae_source_close(struct vae_source *s);

#endif
