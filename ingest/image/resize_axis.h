/* SPDX-License-Identifier: Apache-2.0
 * ingest/image/resize_axis.h - the filter taps of one axis of a resize. Internal to
 * ingest/.
 *
 * A table says, for every output position, which input positions it sums with which
 * integer weights. Weights are fixed point with RESIZE_BITS bits behind the point, as
 * precise as Pillow's, so that sums over 8-bit pixels fit an int32_t and are the same in
 * any order. */
#ifndef INGEST_IMAGE_RESIZE_AXIS_H
#define INGEST_IMAGE_RESIZE_AXIS_H

#include <stdbool.h>
#include <stdint.h>

#include "ingest/image/resize_filter.h"
#include "ingest/image/resize_kernel.h"

struct resize_axis {
    int n_out;
    int max_taps;
    int *first;    /* (n_out): first input position; never decreases */
    int *n_taps;   /* (n_out): 1 to max_taps; first + n_taps never decreases */
    int32_t *taps; /* (n_out, max_taps) */
};

/* Which part of an axis becomes how many output positions. The box lies in [0, in_size)
 * and is told in eighths of an input position, since a JPEG may be decoded at a few
 * eighths of its size; taps may lie outside of it, but not outside of the image.
 * `mirrored`: box and output are counted from the far end. */
struct resize_span {
    int in_size;
    int box_start; /* eighths */
    int box_size;  /* eighths */
    int out_size;
    bool mirrored;
};

/* Fills *a, which the caller clears with resize_axis_clear(), also after a failure.
 * Returns INGEST_OK or INGEST_ENOMEM. */
int resize_axis_build(struct resize_axis *a, const struct resize_span *span,
                      enum resize_filter filter);

void resize_axis_clear(struct resize_axis *a);

#endif
