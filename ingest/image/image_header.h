/* SPDX-License-Identifier: Apache-2.0
 * ingest/image/image_header.h - public: what an image file says before its pixels.
 *
 * Read once for each image: it says what decoding will hold in memory, so that the caller
 * can take that much from its budget, and image_decoder_run() goes on from it. The format
 * is told by magic bytes, never by an extension. */
#ifndef INGEST_IMAGE_IMAGE_HEADER_H
#define INGEST_IMAGE_IMAGE_HEADER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ingest/reject.h"

/* The table of bytes held at once while one image is decoded, the codec's library and the
 * resizer included, the input's bytes and the result not:
 *
 *     always                    DECODE_HELD_FIXED
 *                               + DECODE_HELD_PER_LINE * (width + height)
 *     ICC profile of p bytes    DECODE_HELD_PER_PROFILE_BYTE * p
 *     JPEG of several scans     2 for each coefficient: 64 a block, blocks of each
 *                               component as its sampling says
 *     PNG, interlaced           width * height * 3; with alpha 4; of 16 bits 8
 *     WebP, lossy               width * height * 3
 *     WebP, lossy with alpha    width * height * 9
 *     WebP, lossless            width * height * 8
 *
 * Larger sides or more pixels than the limits here are too_many_pixels whatever they
 * need. Not in the table is what does not come from the image: where the image is smaller
 * than the target, the resizer's sums may take 16 bytes a pixel of the target; and a
 * decoder keeps a bounded number of colour transforms and tap tables between images.
 *
 * DECODE_TABLE_NUMBER is raised when the table or a limit changes: which images are
 * too_many_pixels depends on it, so it is part of a data set's configuration. */
enum { DECODE_TABLE_NUMBER = 1 };
enum {
    DECODE_HELD_FIXED = 1 << 20,
    DECODE_HELD_PER_LINE = 256,
    DECODE_HELD_PER_PROFILE_BYTE = 8
};
enum { DECODE_MAX_SIDE = 65535, DECODE_MAX_PIXELS = 1 << 29 };

enum image_format { IMAGE_JPEG = 1, IMAGE_PNG, IMAGE_WEBP };

struct image_header {
    enum image_format format;
    uint32_t width, height; /* as stored, before orientation */
    int channels;           /* components as stored: 1 to 4 */
    int bit_depth;          /* 8 or 16 (less counts as 8) */
    bool progressive;       /* progressive JPEG, interlaced PNG, animated WebP */
    int orientation;        /* EXIF's, 1 to 8 */
    size_t profile_len;     /* bytes an ICC profile may take; 0: there is none */
    uint64_t need;          /* most bytes decoding holds at once, by the table above */
};

/* Reads the header of the `len` bytes of a whole file. Returns REJECT_NONE and fills *h,
 * or the reason, also in *reject. Allocates nothing. */
enum reject_reason image_header_read(const void *bytes, size_t len,
                                     struct image_header *h, struct reject *reject);

#endif
