/* SPDX-License-Identifier: Apache-2.0
 * vae_encode/model/config.h - a diffusers config.json -> network and scaling. Internal to
 * vae_encode/.
 *
 * A key that is absent means what diffusers means by it: sd-vae-ft-mse, for one, has no
 * scaling_factor, and is 0.18215. */
#ifndef VAE_ENCODE_MODEL_CONFIG_H
#define VAE_ENCODE_MODEL_CONFIG_H

#include <stddef.h>

#include "vae_encode/model/network.h"

/* net->part says of which half, and stays. A TAESD's blocks are not in its config: only
 * family, latent_channels and scaling are set. VAE_EFORMAT: not JSON; VAE_EMODEL: a
 * network we don't know, or a value that makes no sense. `what` names the text in
 * messages. A `scale` above 0 takes the place of the scaling_factor: shift_factor,
 * latents_mean and latents_std stay as they are. */
int vae_config_parse(const char *text, size_t len, const char *what, double scale,
                     struct vae_network *net, struct vae_scaling *scaling,
                     struct vae_why *why);

#endif
