/* SPDX-License-Identifier: Apache-2.0
 * ingest/image/resize_set.h - several resizers that take the same rows: an image is
 * decoded once for all of its targets. Internal to ingest/. */
#ifndef INGEST_IMAGE_RESIZE_SET_H
#define INGEST_IMAGE_RESIZE_SET_H

#include <stddef.h>

#include "ingest/image/resize.h"

enum { RESIZE_SET_MOST = 16 };

/* The resizers, of one image at one scale, are lent. */
struct resize_set {
    size_t n; /* 1 or more */
    struct resizer *resizers[RESIZE_SET_MOST];
};

/* As resizer_window() and so on: the window is the smallest that holds all of theirs. */
struct resize_box resize_set_window(const struct resize_set *s);
uint8_t *resize_set_row(struct resize_set *s);
void resize_set_row_done(struct resize_set *s);
void resize_set_skip(struct resize_set *s, int n);

#endif
