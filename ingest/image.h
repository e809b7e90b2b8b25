/* SPDX-License-Identifier: Apache-2.0
 * ingest/image.h - public: the pixels that pass from ingest/ to vae_encode/.
 *
 * This is the only header of ingest/ that vae_encode/ includes. */
#ifndef INGEST_IMAGE_H
#define INGEST_IMAGE_H

#include <stdint.h>

/* n images of one size. rgb[i] is (height, width, 3), 8 bits a channel, rows tight;
 * lent by the caller. */
struct image_batch {
    int n;
    int width;
    int height;
    const uint8_t *const *rgb;
};

#endif
