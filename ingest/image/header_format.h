/* SPDX-License-Identifier: Apache-2.0
 * ingest/image/header_format.h - internal to ingest/: the header of one image format.
 *
 * One reader a format, each over the bytes of the whole file and bounded by them; none
 * allocates. Where a reader of ours and the codec's library disagree about size or
 * channels, decoding rejects the image as corrupt: what was promised to the budget holds.
 */
#ifndef INGEST_IMAGE_HEADER_FORMAT_H
#define INGEST_IMAGE_HEADER_FORMAT_H

#include <stddef.h>
#include <stdint.h>

#include "ingest/reject.h"

struct image_header;

/* Longer ICC profiles are broken. */
enum { PROFILE_MAX = 4 << 20 };

/* Fill *h; of `need` only what depends on the format. */
enum reject_reason jpeg_header_read(const uint8_t *bytes, size_t len,
                                    struct image_header *h, struct reject *reject);
enum reject_reason png_header_read(const uint8_t *bytes, size_t len,
                                   struct image_header *h, struct reject *reject);
enum reject_reason webp_header_read(const uint8_t *bytes, size_t len,
                                    struct image_header *h, struct reject *reject);

/* Gives the ICC profile in *profile (release with free()), or NULL with
 * *profile_len 0 where it is broken. Called only where the header's profile_len is not
 * 0. Returns INGEST_OK or INGEST_ENOMEM. */
int jpeg_header_profile(const uint8_t *bytes, size_t len, uint8_t **profile,
                        size_t *profile_len);
int png_header_profile(const uint8_t *bytes, size_t len, uint8_t **profile,
                       size_t *profile_len);
int webp_header_profile(const uint8_t *bytes, size_t len, uint8_t **profile,
                        size_t *profile_len);

/* Bytes of a pixel as decode_png() has libspng write it: RGB, RGBA or RGBA of 16 bits. */
int png_pixel_bytes(const struct image_header *h);

#endif
