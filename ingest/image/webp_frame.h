/* SPDX-License-Identifier: Apache-2.0
 * ingest/image/webp_frame.h - the frame of a WebP that is decoded. Internal to ingest/.
 */
#ifndef INGEST_IMAGE_WEBP_FRAME_H
#define INGEST_IMAGE_WEBP_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ingest/reject.h"

/* A still image, or an animation's first frame, which may cover a part of its canvas. */
struct webp_frame {
    const uint8_t *data; /* what libwebp decodes; lies in the file's bytes */
    size_t len;
    uint32_t canvas_width, canvas_height;
    uint32_t x, y, width, height;
    bool animated, has_alpha, lossless;
};

enum reject_reason webp_frame_find(const uint8_t *bytes, size_t len,
                                   struct webp_frame *frame, struct reject *reject);

#endif
