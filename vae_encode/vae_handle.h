/* SPDX-License-Identifier: Apache-2.0
 * vae_encode/vae_handle.h - what a struct vae holds. Internal to vae_encode/. */
#ifndef VAE_ENCODE_VAE_HANDLE_H
#define VAE_ENCODE_VAE_HANDLE_H

#include "vae_encode/backend.h"
#include "vae_encode/model/layers.h"
#include "vae_encode/vae_types.h"
#include "vae_encode/why.h"

struct vae {
    struct vae_info info;
    char *path;
    char *config;
    const struct vae_backend *backend;
    void *packed;
    struct vae_layers layers;
    struct vae_why why;
};

#endif
