/* SPDX-License-Identifier: Apache-2.0
 * vae_encode/status.h - public: what the functions of vae_encode/ return. */
#ifndef VAE_STATUS_H
#define VAE_STATUS_H

enum vae_status {
    VAE_OK = 0,
    VAE_CANCELLED = 1, /* the caller wanted no more: not an error */
    VAE_ENOMEM = -1,
    VAE_EIO = -2,     /* a file could not be read */
    VAE_EFORMAT = -3, /* a file is not what it should be: safetensors, config.json */
    VAE_EMODEL = -4,  /* a model of a kind we don't know, or with missing tensors */
    VAE_EINVAL = -5   /* the request does not fit the model: size, moments, scale */
};

/* A short English name of `status`. Static; never NULL. */
const char *vae_strerror(int status);

#endif
