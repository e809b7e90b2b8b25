/* SPDX-License-Identifier: Apache-2.0
 * ingest/image/decode_codec.h - what one codec is given and must do. Internal to ingest/.
 *
 * A codec hands the rows of the stored image to the resizers, from the top, as 8-bit RGB
 * on white, or at least what lies in their window. It returns INGEST_OK, also for
 * a bad image, which job->reject names, or INGEST_ENOMEM. */
#ifndef INGEST_IMAGE_DECODE_CODEC_H
#define INGEST_IMAGE_DECODE_CODEC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ingest/image/colour_profile.h"
#include "ingest/image/image_header.h"
#include "ingest/image/resize_set.h"

struct decode_job {
    const uint8_t *bytes;
    size_t len;
    const struct image_header *header;
    bool keep_truncated;
    int eighths;                         /* of a JPEG's size, at which it is decoded */
    bool whole;                          /* of a JPEG, decode all pixels */
    const struct colour_transform *cmyk; /* JPEG only; NULL: without a profile */
    struct resize_set *resizers;
    struct reject *reject;
};

int decode_jpeg(const struct decode_job *job);
int decode_png(const struct decode_job *job);
int decode_webp(const struct decode_job *job);

/* A value of opacity alpha / 255 before white. */
static inline uint8_t decode_on_white(unsigned value, unsigned alpha)
{
    return (uint8_t)((alpha * value + (255 - alpha) * 255 + 127) / 255);
}

/* rgba (n, 4) -> rgbx (n, 4), which may be the same. */
static inline void decode_row_on_white(uint8_t *rgbx, const uint8_t *rgba, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        unsigned alpha = rgba[4 * i + 3];
        for (int c = 0; c < 3; c++)
            rgbx[4 * i + c] = decode_on_white(rgba[4 * i + c], alpha);
    }
}

/* rgb (n, 3) -> rgbx (n, 4). */
static inline void decode_row_from_rgb(uint8_t *rgbx, const uint8_t *rgb, size_t n)
{
    for (size_t i = 0; i < n; i++)
        for (int c = 0; c < 3; c++)
            rgbx[4 * i + c] = rgb[3 * i + c];
}

/* The truncation of an image: a reject, unless it is to be kept. Returns true if
 * decoding goes on. */
static inline bool decode_keeps_truncated(const struct decode_job *job, const char *what)
{
    if (!job->keep_truncated)
        reject_set(job->reject, REJECT_TRUNCATED_IMAGE, "%s", what);
    return job->keep_truncated;
}

#endif
