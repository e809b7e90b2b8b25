/* SPDX-License-Identifier: Apache-2.0
 * tools/run/encode_hash.h - one hash of all that the bits of an encoder's tensors depend
 * on but the image: of two encoders with the same hash one may stand in for the other.
 *
 * Covered are how pixels are decoded, geometry, mirroring, weights and network,
 * numerics, the libraries that touch pixels, the stored type where tensors are of floats,
 * and moments where they are latents. Not covered are names,
 * and a latent's scale and shift, which are not baked in. */
#ifndef TOOLS_RUN_ENCODE_HASH_H
#define TOOLS_RUN_ENCODE_HASH_H

#include <jansson.h>

#include "shard/record.h"
#include "tools/cli/image_options.h"
#include "tools/cli/latent_options.h"
#include "tools/store/sha256.h"
#include "vae_encode/encoder.h"

/* Of `rendition` fit and size count. `libraries` is lent: {"libjpeg-turbo": "2.1.5",
 * ...}. Returns 0, or -1: no memory. */
int encode_hash(const struct encoder_description *about,
                const struct shard_rendition *rendition,
                const struct image_options *image, const struct latent_options *latent,
                const json_t *libraries, char hex[SHA256_HEX_CAP]);

#endif
