/* SPDX-License-Identifier: Apache-2.0
 * ingest/image/resize_filter.h - public: the filters that an image is resized with.
 *
 * `area` is the box filter, Pillow's Image.Resampling.BOX. */
#ifndef INGEST_IMAGE_RESIZE_FILTER_H
#define INGEST_IMAGE_RESIZE_FILTER_H

enum resize_filter { RESIZE_BICUBIC, RESIZE_LANCZOS, RESIZE_BILINEAR, RESIZE_AREA };

struct resize_shape {
    const char *name;           /* "bicubic" */
    double (*weight)(double x); /* x from the centre, in pixels of the smaller image */
    double support;             /* weight() is 0 beyond it */
};

/* Static; NULL for no filter's number. */
const struct resize_shape *resize_filter_shape(enum resize_filter filter);

/* "bicubic", ... for the configuration; "unknown" for no filter's number. */
const char *resize_filter_name(enum resize_filter filter);

#endif
