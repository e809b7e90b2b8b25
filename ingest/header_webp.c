/* SPDX-License-Identifier: Apache-2.0
 *
 * Walks a WebP's RIFF chunks for its first frame, EXIF and ICC profile:
 *
 *     RIFF size WEBP   VP8 | VP8L
 *     RIFF size WEBP   VP8X [ICCP] [ALPH] VP8 | VP8L [EXIF] [XMP]
 *     RIFF size WEBP   VP8X [ICCP] ANIM (ANMF: place, [ALPH] VP8 | VP8L)+ [EXIF] [XMP]
 *
 * A frame's own chunks are libwebp's business. */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <webp/decode.h>

#include "ingest/exif.h"
#include "ingest/image_header.h"
#include "ingest/status.h"
#include "ingest/webp_frame.h"

enum { RIFF_HEADER = 12, CHUNK_HEADER = 8, ANMF_HEADER = 16, LOSSLESS = 2 };

struct chunk {
    const uint8_t *data;
    size_t len; /* what there is of it */
};

static uint32_t read_24(const uint8_t *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16;
}

/* The first chunk of this type at the file's top level. */
static bool find_chunk(const uint8_t *bytes, size_t len, const char *type,
                       struct chunk *chunk)
{
    size_t at = RIFF_HEADER;

    while (at < len && len - at >= CHUNK_HEADER) {
        const uint8_t *p = bytes + at;
        size_t size = (size_t)read_24(p + 4) | (size_t)p[7] << 24;
        size_t have = len - at - CHUNK_HEADER;
        if (memcmp(p, type, 4) == 0) {
            *chunk = (struct chunk){p + CHUNK_HEADER, size < have ? size : have};
            return true;
        }
        at += CHUNK_HEADER + size + (size & 1);
    }
    return false;
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

/* The block is a TIFF stream; some writers put JPEG's tag before it. */
static int orientation_of(const struct chunk *exif)
{
    static const char tag[6] = "Exif\0";
    size_t skip = 0;

    if (exif->len >= sizeof(tag) && memcmp(exif->data, tag, sizeof(tag)) == 0)
        skip = sizeof(tag);
    return exif_orientation(exif->data + skip, exif->len - skip);
}

enum reject_reason webp_header_read(const uint8_t *bytes, size_t len,
                                    struct image_header *h, struct reject *reject)
{
    struct webp_frame frame;
    struct chunk chunk;

    h->info.format = IMAGE_WEBP;
    if (webp_frame_find(bytes, len, &frame, reject) != REJECT_NONE)
        return reject->reason;
    uint64_t held = frame.lossless ? 8 : frame.has_alpha ? 9 : 3;
    h->info.width = frame.canvas_width;
    h->info.height = frame.canvas_height;
    h->info.channels = frame.has_alpha ? 4 : 3;
    h->info.bit_depth = 8;
    h->info.progressive = frame.animated;
    h->info.need = held * frame.width * frame.height;
    if (find_chunk(bytes, len, "EXIF", &chunk))
        h->orientation = orientation_of(&chunk);
    if (find_chunk(bytes, len, "ICCP", &chunk))
        h->profile_len = chunk.len;
    return REJECT_NONE;
}

int webp_header_profile(const uint8_t *bytes, size_t len, uint8_t **profile,
                        size_t *profile_len)
{
    struct chunk iccp;

    *profile = NULL;
    *profile_len = 0;
    if (!find_chunk(bytes, len, "ICCP", &iccp) || iccp.len == 0 || iccp.len > PROFILE_MAX)
        return INGEST_OK;
    *profile = malloc(iccp.len);
    if (!*profile)
        return INGEST_ENOMEM;
    memcpy(*profile, iccp.data, iccp.len);
    *profile_len = iccp.len;
    return INGEST_OK;
}
