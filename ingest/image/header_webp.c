/* SPDX-License-Identifier: Apache-2.0
 *
 * Walks a WebP's RIFF chunks for its first frame, EXIF and ICC profile:
 *
 *     RIFF size WEBP   VP8 | VP8L
 *     RIFF size WEBP   VP8X [ICCP] [ALPH] VP8 | VP8L [EXIF] [XMP]
 *     RIFF size WEBP   VP8X [ICCP] ANIM (ANMF: place, [ALPH] VP8 | VP8L)+ [EXIF] [XMP]
 *
 * A frame's own chunks are libwebp's business. Bytes behind the RIFF, unknown chunks and
 * flags of VP8X for what is not there do no harm. A RIFF or an image chunk longer than
 * the file is truncated (EXIF comes last), a RIFF too short for its image is corrupt. */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <webp/decode.h>

#include "ingest/image/exif.h"
#include "ingest/image/header_format.h"
#include "ingest/image/image_header.h"
#include "ingest/status.h"
#include "ingest/image/webp_frame.h"

enum { RIFF_HEADER = 12, CHUNK_HEADER = 8, ANMF_HEADER = 16, LOSSLESS = 2 };
enum { FLAG_EXIF = 0x08, FLAG_ICCP = 0x20 }; /* of VP8X */

struct chunk {
    const uint8_t *data;
    size_t len; /* what there is of it */
};

static uint32_t read_24(const uint8_t *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16;
}

static size_t read_32(const uint8_t *p)
{
    return (size_t)read_24(p) | (size_t)p[3] << 24;
}

/* The first chunk of this type at the file's top level; what follows the RIFF is not the
 * file's. */
static bool find_chunk(const uint8_t *bytes, size_t len, const char *type,
                       struct chunk *chunk)
{
    size_t at = RIFF_HEADER;
    size_t end = read_32(bytes + 4) + CHUNK_HEADER;

    len = end < len ? end : len;
    while (at < len && len - at >= CHUNK_HEADER) {
        const uint8_t *p = bytes + at;
        size_t size = read_32(p + 4);
        size_t have = len - at - CHUNK_HEADER;
        if (memcmp(p, type, 4) == 0) {
            *chunk = (struct chunk){p + CHUNK_HEADER, size < have ? size : have};
            return true;
        }
        at += CHUNK_HEADER + size + (size & 1);
    }
    return false;
}

/* EXIF and ICC profile are there if VP8X says so, as for libwebp's demuxer. */
static bool find_metadata(const uint8_t *bytes, size_t len, const char *type, int flag,
                          struct chunk *chunk)
{
    const uint8_t *vp8x = bytes + RIFF_HEADER;

    return len > RIFF_HEADER + CHUNK_HEADER && memcmp(vp8x, "VP8X", 4) == 0 &&
           (vp8x[CHUNK_HEADER] & flag) != 0 && find_chunk(bytes, len, type, chunk);
}

static enum reject_reason features_of(const uint8_t *bytes, size_t len,
                                      WebPBitstreamFeatures *f, struct reject *reject)
{
    VP8StatusCode status = WebPGetFeatures(bytes, len, f);

    if (status == VP8_STATUS_OK)
        return REJECT_NONE;
    if (status == VP8_STATUS_NOT_ENOUGH_DATA)
        return reject_set(reject, REJECT_TRUNCATED_IMAGE, "WebP ends in its header");
    return reject_set(reject, REJECT_CORRUPT_IMAGE, "WebP header is damaged");
}

static enum reject_reason find_animation_frame(const uint8_t *bytes, size_t len,
                                               struct webp_frame *frame,
                                               WebPBitstreamFeatures *f,
                                               struct reject *reject)
{
    struct chunk anmf;

    if (!find_chunk(bytes, len, "ANMF", &anmf) || anmf.len < ANMF_HEADER)
        return reject_set(reject, REJECT_TRUNCATED_IMAGE,
                          "animated WebP without a whole frame header");
    frame->animated = true;
    frame->x = 2 * read_24(anmf.data);
    frame->y = 2 * read_24(anmf.data + 3);
    frame->data = anmf.data + ANMF_HEADER;
    frame->len = anmf.len - ANMF_HEADER;
    if (features_of(frame->data, frame->len, f, reject) != REJECT_NONE)
        return reject->reason;
    if ((uint32_t)f->width != read_24(anmf.data + 6) + 1 ||
        (uint32_t)f->height != read_24(anmf.data + 9) + 1 ||
        (uint64_t)frame->x + (uint32_t)f->width > frame->canvas_width ||
        (uint64_t)frame->y + (uint32_t)f->height > frame->canvas_height)
        return reject_set(reject, REJECT_CORRUPT_IMAGE,
                          "WebP frame does not fit its canvas");
    return REJECT_NONE;
}

enum reject_reason webp_frame_find(const uint8_t *bytes, size_t len,
                                   struct webp_frame *frame, struct reject *reject)
{
    WebPBitstreamFeatures f;

    memset(frame, 0, sizeof(*frame));
    if (features_of(bytes, len, &f, reject) != REJECT_NONE)
        return reject->reason;
    frame->data = bytes;
    frame->len = len;
    frame->canvas_width = (uint32_t)f.width;
    frame->canvas_height = (uint32_t)f.height;
    if (f.has_animation &&
        find_animation_frame(bytes, len, frame, &f, reject) != REJECT_NONE)
        return reject->reason;
    frame->width = (uint32_t)f.width;
    frame->height = (uint32_t)f.height;
    frame->has_alpha = f.has_alpha != 0;
    frame->lossless = f.format == LOSSLESS;
    return REJECT_NONE;
}

enum reject_reason webp_header_read(const uint8_t *bytes, size_t len,
                                    struct image_header *h, struct reject *reject)
{
    struct webp_frame frame;
    struct chunk chunk;

    h->format = IMAGE_WEBP;
    if (webp_frame_find(bytes, len, &frame, reject) != REJECT_NONE)
        return reject->reason;
    uint64_t held = frame.lossless ? 8 : frame.has_alpha ? 9 : 3;
    h->width = frame.canvas_width;
    h->height = frame.canvas_height;
    h->channels = frame.has_alpha ? 4 : 3;
    h->bit_depth = 8;
    h->progressive = frame.animated;
    h->need = held * frame.width * frame.height;
    if (find_metadata(bytes, len, "EXIF", FLAG_EXIF, &chunk))
        h->orientation = exif_orientation(chunk.data, chunk.len);
    if (find_metadata(bytes, len, "ICCP", FLAG_ICCP, &chunk))
        h->profile_len = chunk.len;
    return REJECT_NONE;
}

int webp_header_profile(const uint8_t *bytes, size_t len, uint8_t **profile,
                        size_t *profile_len)
{
    struct chunk iccp;

    *profile = NULL;
    *profile_len = 0;
    if (!find_metadata(bytes, len, "ICCP", FLAG_ICCP, &iccp) || iccp.len == 0 ||
        iccp.len > PROFILE_MAX)
        return INGEST_OK;
    *profile = malloc(iccp.len);
    if (!*profile)
        return INGEST_ENOMEM;
    memcpy(*profile, iccp.data, iccp.len);
    *profile_len = iccp.len;
    return INGEST_OK;
}
