/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "ingest/image_header.h"
#include "ingest/status.h"

enum reject_reason webp_header_read(const uint8_t *bytes, size_t len,
                                    struct image_header *h, struct reject *reject)
{
    (void)bytes;
    (void)len;
    (void)h;
    return reject_set(reject, REJECT_UNSUPPORTED_FORMAT, "WebP");
}

int webp_header_profile(const uint8_t *bytes, size_t len, uint8_t **profile,
                        size_t *profile_len)
{
    (void)bytes;
    (void)len;
    *profile = NULL;
    *profile_len = 0;
    return INGEST_OK;
}
