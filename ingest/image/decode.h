/* SPDX-License-Identifier: Apache-2.0
 * ingest/image/decode.h - public: encoded image bytes -> RGB of training sizes.
 *
 * image_decoder_run() decodes, orients by EXIF (not by XMP), converts CMYK, 16 bit and
 * alpha, and for each target crops the centred square (or the centred box of the target's
 * aspect), resizes with antialiasing and applies the colour profile. The result equals
 * Pillow's exif_transpose(im).resize((W, H), filter, box=crop) within 1 level, with the
 * order of passes that Pillow has since version 13 (older ones differ by a few levels on
 * tall images), and is the same on every machine. One decoder belongs to one thread. */
#ifndef INGEST_IMAGE_DECODE_H
#define INGEST_IMAGE_DECODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ingest/image/image_header.h"
#include "ingest/image/resize_filter.h"
#include "ingest/reject.h"

enum icc_mode { ICC_SRGB, ICC_IGNORE };

struct decode_options {
    enum icc_mode icc;
    bool keep_truncated; /* --truncated keep: missing rows are what the codec leaves */
    uint32_t min_size;   /* shorter side, oriented; 0: no limit */
    int jpeg_scale; /* F > 0: decode JPEGs at 1/2, 1/4 or 1/8 of their size, the smallest
                     * whose crop is F times the target's size or more; 0: in full */
    bool whole; /* decode what the crop does not need too: slower, the tests' referee */
    const char *isa; /* "portable", "avx2", "avx512": use none better; NULL: the best.
                      * The result is the same. Lent until open has returned. */
};

enum { IMAGE_MAX_TARGETS = 16 };

/* One of the results of an image, each of which is what it is alone. */
struct image_target {
    int width, height; /* pixels, 1 to 8192 */
    enum resize_filter filter;
    uint8_t *rgb; /* (height, width, 3), lent: written to */
    /* filled by image_decoder_run(): */
    uint32_t crop_left, crop_top, crop_width, crop_height; /* of the oriented image */
    bool upscaled; /* the crop is smaller than the target */
};

struct decoded {
    uint32_t original_width, original_height; /* oriented */
    bool broken_profile; /* an ICC profile that was ignored because it is broken */
    struct reject reject;
};

struct image_decoder;

/* Returns INGEST_OK, INGEST_ENOMEM or INGEST_EINVAL. Gives *out on success. */
int image_decoder_open(struct image_decoder **out, const struct decode_options *options);

/* The instruction set that resizes: "portable", "avx2", "avx512". */
const char *image_decoder_isa(const struct image_decoder *d);

/* Makes 1 to IMAGE_MAX_TARGETS results of one image, which is decoded once, or once for
 * each scale where options.jpeg_scale asks for several. `header` is what
 * image_header_read() has found good in these bytes. Returns INGEST_OK, also for a bad
 * image, which out->reject names; INGEST_ENOMEM; or INGEST_EINVAL: there is no such
 * target. Allocates up to header->need at a time, and a few rows for each target. */
int image_decoder_run(struct image_decoder *d, const void *bytes, size_t len,
                      const struct image_header *header, struct image_target *targets,
                      size_t n_targets, struct decoded *out);

/* Accepts NULL. */
void image_decoder_close(struct image_decoder *d);

#endif
