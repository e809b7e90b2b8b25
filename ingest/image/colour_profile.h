/* SPDX-License-Identifier: Apache-2.0
 * ingest/image/colour_profile.h - ICC profile -> transform to sRGB. Internal to ingest/.
 *
 * Transforms are cached by the hash of their profile, a bounded number of them. One
 * cache belongs to one thread. */
#ifndef INGEST_IMAGE_COLOUR_PROFILE_H
#define INGEST_IMAGE_COLOUR_PROFILE_H

#include <stddef.h>
#include <stdint.h>

enum colour_space { COLOUR_GREY, COLOUR_RGB, COLOUR_CMYK };

enum colour_verdict {
    COLOUR_CONVERT, /* *transform is to be applied */
    COLOUR_SRGB,    /* the profile is sRGB: nothing to do */
    COLOUR_BROKEN,  /* not a usable profile of this colour space */
    COLOUR_NO_MEMORY
};

struct colour_cache;
struct colour_transform;

/* Gives the cache, or NULL where memory ran out. */
struct colour_cache *colour_cache_open(void);

/* Looks up, or makes, the transform of `profile` for images of `space`. *transform is
 * lent until the next call. */
enum colour_verdict colour_cache_get(struct colour_cache *cache, const uint8_t *profile,
                                     size_t len, enum colour_space space,
                                     const struct colour_transform **transform);

/* RGB (3 bytes a pixel) in place; a grey profile reads the first channel. */
void colour_transform_rgb(const struct colour_transform *t, uint8_t *rgb, size_t n);

/* Ink amounts (4 bytes, 255: full) -> RGBX in place. */
void colour_transform_cmyk(const struct colour_transform *t, uint8_t *pixels, size_t n);

/* Accepts NULL. */
void colour_cache_close(struct colour_cache *cache);

#endif
