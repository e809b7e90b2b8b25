/* SPDX-License-Identifier: Apache-2.0
 * tools/prepare/fittings.h - what is made of each image's pixels: once, however many
 * encoders want it.
 *
 * A fitting is a geometry and a resampling filter. Fittings of one geometry are one
 * rendition of the record: it says where pixels come from, not how they were made. */
#ifndef TOOLS_PREPARE_FITTINGS_H
#define TOOLS_PREPARE_FITTINGS_H

#include <stddef.h>
#include <stdint.h>

#include "tools/run/encoding.h"

struct fitting {
    struct shard_rendition rendition; /* all but part and crop */
    enum resize_filter filter;
    size_t number;  /* of its rendition among those of one image */
    size_t at, len; /* where its pixels (height, width, 3) stand in those of one image */
};

/* In the order in which a record has renditions. */
struct fittings {
    size_t n, n_renditions;
    size_t n_bytes; /* pixels of one image, all fittings together */
    struct fitting fittings[ENCODERS_MAX];
    size_t of[ENCODERS_MAX]; /* the fitting of each encoder */
};

/* Of n encoders, ENCODERS_MAX at most. */
void fittings_plan(struct fittings *f, const struct encoding *encodings, size_t n);

/* Fills `targets` with what image_decoder_run() is to make, at `pixels`. */
void fittings_target(const struct fittings *f, uint8_t *pixels,
                     struct image_target targets[ENCODERS_MAX]);

#endif
