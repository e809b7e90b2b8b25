/* SPDX-License-Identifier: Apache-2.0
 * tests/unit/decode_image.h - an image's header, and then its pixels. */
#ifndef TESTS_DECODE_IMAGE_H
#define TESTS_DECODE_IMAGE_H

#include "ingest/image/decode.h"
#include "ingest/status.h"

/* Returns as image_decoder_run() does; what is wrong with the header is in out->reject,
 * too. */
static inline int decode_image(struct image_decoder *d, const void *bytes, size_t len,
                               struct image_target *target, struct decoded *out)
{
    struct image_header header;

    *out = (struct decoded){0};
    if (image_header_read(bytes, len, &header, &out->reject) != REJECT_NONE)
        return INGEST_OK;
    return image_decoder_run(d, bytes, len, &header, target, 1, out);
}

#endif
