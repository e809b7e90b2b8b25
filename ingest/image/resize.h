/* SPDX-License-Identifier: Apache-2.0
 * ingest/image/resize.h - crop, resize and orient while rows arrive. Internal to ingest/.
 *
 *     struct resizer *r;
 *     int rc = resizer_open(&r, tables, &geometry, rgb);
 *     for (each stored row, from the top) {
 *         fill(resizer_row(r));
 *         resizer_row_done(r);
 *     }
 *     resizer_close(r);
 *
 * Rows come in the order and orientation they are stored in; the result is oriented.
 * The image itself is never held: memory is a few rows of sums, more of them where it is
 * enlarged. Only what lies in the resizer's window is looked at; rows before it may be
 * skipped. */
#ifndef INGEST_IMAGE_RESIZE_H
#define INGEST_IMAGE_RESIZE_H

#include <stdint.h>

#include "ingest/image/resize_tables.h"

struct resizer;

struct resize_box {
    int left, top, width, height;
};

struct resize_geometry {
    int width, height;      /* as stored */
    int eighths;            /* rows come at so many eighths of this size: 8, 4, 2 or 1 */
    int orientation;        /* EXIF's: 1 to 8 */
    struct resize_box crop; /* in the oriented image of full size */
    int out_width, out_height;
    enum resize_filter filter;
};

/* True if the orientation swaps width and height. */
bool orientation_transposes(int orientation);

/* Gives *out. `tables` and `rgb` (out_height, out_width, 3) are kept until close, and no
 * other resizer uses the tables meanwhile. Returns INGEST_OK or INGEST_ENOMEM. */
int resizer_open(struct resizer **out, struct resize_tables *tables,
                 const struct resize_geometry *g, uint8_t *rgb);

/* The part of the stored image, as it comes, that the result depends on. */
struct resize_box resizer_window(const struct resizer *r);

/* Where the next stored row is to be written: `width` pixels of 4 bytes, the fourth
 * ignored. Lent until resizer_row_done(). */
uint8_t *resizer_row(struct resizer *r);

/* Takes the row. Rows behind the window are ignored. */
void resizer_row_done(struct resizer *r);

/* The same for a row that another resizer of this image was given: it is copied. */
void resizer_take_row(struct resizer *r, const uint8_t *row);

/* Passes over n rows that lie before the window, from the first row on. */
void resizer_skip(struct resizer *r, int n);

/* Accepts NULL. */
void resizer_close(struct resizer *r);

#endif
