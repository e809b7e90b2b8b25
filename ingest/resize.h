/* SPDX-License-Identifier: Apache-2.0
 * ingest/resize.h - crop, resize and orient while rows arrive. Internal to ingest/.
 *
 *     struct resizer *r;
 *     int rc = resizer_open(&r, &geometry, rgb);
 *     for (each stored row, from the top)
 *         resizer_row(r, rgbx);
 *     resizer_close(r);
 *
 * Rows come in the order and orientation they are stored in; the result is oriented.
 * The image itself is never held: memory is a few rows of sums. */
#ifndef INGEST_RESIZE_H
#define INGEST_RESIZE_H

#include <stdint.h>

#include "ingest/decode.h"

struct resizer;

struct resize_box {
    int left, top, width, height;
};

struct resize_geometry {
    int width, height;      /* as stored */
    int orientation;        /* EXIF's: 1 to 8 */
    struct resize_box crop; /* in the oriented image */
    int out_width, out_height;
    enum resize_filter filter;
};

/* True if the orientation swaps width and height. */
bool orientation_transposes(int orientation);

/* Gives *out. `rgb` (out_height, out_width, 3) is kept until close.
 * Returns INGEST_OK or INGEST_ENOMEM. */
int resizer_open(struct resizer **out, const struct resize_geometry *g, uint8_t *rgb);

/* Takes the next stored row: `width` pixels of 4 bytes, the fourth ignored. Rows after
 * the last are ignored. */
void resizer_row(struct resizer *r, const uint8_t *rgbx);

/* Accepts NULL. */
void resizer_close(struct resizer *r);

#endif
