/* SPDX-License-Identifier: Apache-2.0
 * vae_encode/pixels/picture_file.h - RGB -> an image file in memory. Internal to
 * vae_encode/.
 *
 * The same bytes for the same pixels and the same version of the library, whatever the
 * machine; `webp:lossless` alone leans on libm, whose last bits are the CPU's. */
#ifndef VAE_ENCODE_PICTURE_FILE_H
#define VAE_ENCODE_PICTURE_FILE_H

#include <stdint.h>

#include "vae_encode/encoder.h"
#include "vae_encode/why.h"

enum { PICTURE_LOSSLESS = -1 };

/* rgb (height, width, 3) of at most 16383 pixels a side; quality 1 to 100 (PNG: ignored;
 * WebP: or PICTURE_LOSSLESS). Gives out->bytes on VAE_OK; else VAE_ENOMEM, or VAE_EINVAL
 * with words in *why. */
int picture_write_jpeg(const uint8_t *rgb, int width, int height, int quality,
                       struct encoder_file *out, struct vae_why *why);
int picture_write_png(const uint8_t *rgb, int width, int height, int quality,
                      struct encoder_file *out, struct vae_why *why);
int picture_write_webp(const uint8_t *rgb, int width, int height, int quality,
                       struct encoder_file *out, struct vae_why *why);

#endif
