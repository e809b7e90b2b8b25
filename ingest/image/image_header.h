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

enum image_format { IMAGE_JPEG = 1, IMAGE_PNG, IMAGE_WEBP };

struct image_header {
    enum image_format format;
    uint32_t width, height; /* as stored, before orientation */
    int channels;           /* components as stored: 1 to 4 */
    int bit_depth;          /* 8 or 16 (less counts as 8) */
    bool progressive;       /* progressive JPEG, interlaced PNG, animated WebP */
    int orientation;        /* EXIF's, 1 to 8 */
    size_t profile_len;     /* bytes an ICC profile may take; 0: there is none */
    uint64_t need; /* most bytes decoding holds at once, by the table in decode.h */
};

/* Reads the header of the `len` bytes of a whole file. Returns REJECT_NONE and fills *h,
 * or the reason, also in *reject. Allocates nothing. */
enum reject_reason image_header_read(const void *bytes, size_t len,
                                     struct image_header *h, struct reject *reject);

#endif
