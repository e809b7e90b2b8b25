/* SPDX-License-Identifier: Apache-2.0
 * vae_encode/model/vae_files.h - from what the user called a VAE to its two files.
 * Internal to vae_encode/. */
#ifndef VAE_ENCODE_MODEL_VAE_FILES_H
#define VAE_ENCODE_MODEL_VAE_FILES_H

#include <stdbool.h>
#include <stddef.h>

#include "vae_encode/model/safetensors.h"
#include "vae_encode/why.h"

struct vae_files {
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
int vae_files_open(struct vae_files *s, const char *path, struct vae_why *why);
void vae_files_close(struct vae_files *s);

#endif
