/* SPDX-License-Identifier: Apache-2.0
 *
 * Format by magic bytes, limits, and the table of bytes held, whose one home in code this
 * is. */
#include "ingest/image/image_header.h"

#include <string.h>

#include "ingest/image/header_format.h"

static bool is_jpeg(const uint8_t *p, size_t len)
{
    return len >= 3 && memcmp(p, "\xFF\xD8\xFF", 3) == 0;
}

static bool is_png(const uint8_t *p, size_t len)
{
    return len >= 8 && memcmp(p, "\x89PNG\r\n\x1A\n", 8) == 0;
}

static bool is_webp(const uint8_t *p, size_t len)
{
    return len >= 12 && memcmp(p, "RIFF", 4) == 0 && memcmp(p + 8, "WEBP", 4) == 0;
}

static enum reject_reason read_by_magic(const uint8_t *p, size_t len,
                                        struct image_header *h, struct reject *reject)
{
    if (is_jpeg(p, len))
        return jpeg_header_read(p, len, h, reject);
    if (is_png(p, len))
        return png_header_read(p, len, h, reject);
    if (is_webp(p, len))
        return webp_header_read(p, len, h, reject);
    if (len == 0)
        return reject_set(reject, REJECT_TRUNCATED_IMAGE, "image of 0 bytes");
    return reject_set(reject, REJECT_UNSUPPORTED_FORMAT,
                      "neither JPEG nor PNG nor WebP by its first bytes");
}

enum reject_reason image_header_read(const void *bytes, size_t len,
                                     struct image_header *h, struct reject *reject)
{
    memset(h, 0, sizeof(*h));
    h->orientation = 1;
    reject->reason = REJECT_NONE;
    reject->detail[0] = '\0';
    if (read_by_magic(bytes, len, h, reject) != REJECT_NONE)
        return reject->reason;

    uint64_t pixels = (uint64_t)h->width * h->height;
    if (h->width > DECODE_MAX_SIDE || h->height > DECODE_MAX_SIDE ||
        pixels > DECODE_MAX_PIXELS)
        return reject_set(reject, REJECT_TOO_MANY_PIXELS, "image of %u x %u pixels",
                          h->width, h->height);
    h->need += DECODE_HELD_FIXED +
               DECODE_HELD_PER_LINE * ((uint64_t)h->width + h->height) +
               DECODE_HELD_PER_PROFILE_BYTE * (uint64_t)h->profile_len;
    return REJECT_NONE;
}
