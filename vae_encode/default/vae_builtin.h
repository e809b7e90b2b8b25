/* SPDX-License-Identifier: Apache-2.0
 * vae_encode/default/vae_builtin.h - the embedded default VAE: the files of default/,
 * byte for byte. Internal to vae_encode/. */
#ifndef VAE_ENCODE_DEFAULT_VAE_BUILTIN_H
#define VAE_ENCODE_DEFAULT_VAE_BUILTIN_H

#include <stddef.h>

/* Static; not NUL-terminated. */
const void *vae_builtin_weights(size_t *len);
const char *vae_builtin_config(size_t *len);

#endif
