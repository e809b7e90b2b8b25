/* SPDX-License-Identifier: Apache-2.0
 *
 * Reads a PNG's IHDR and looks through the chunks that follow for transparency, an ICC
 * profile and EXIF, which may stand behind the pixels. */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "ingest/image/exif.h"
#include "ingest/image/header_format.h"
#include "ingest/image/image_header.h"
#include "ingest/image/png_stream.h"
#include "ingest/status.h"

/* What the chunks behind IHDR tell. */
struct chunks {
    bool has_trns, broken_trns, has_profile;
    int orientation;
};

/* Only an image without an alpha channel of its own has a use for tRNS. */
static void look_at_trns(const struct png_chunk *c, int colour_type, struct chunks *found)
{
    size_t least = colour_type == PNG_GREY ? 2 : colour_type == PNG_RGB ? 6 : 0;

    if (colour_type != PNG_GREY && colour_type != PNG_RGB && colour_type != PNG_INDEXED)
        return;
    found->has_trns = true;
    found->broken_trns = c->len < least || !png_chunk_is_sound(c);
}

static void look_through_chunks(const uint8_t *at, const uint8_t *end, int colour_type,
                                struct chunks *found)
{
    struct png_chunk c;
    bool in_pixels = false;

    for (; png_chunk_at(at, end, &c) && png_chunk_is_whole(&c); at += c.taken) {
        if (memcmp(c.type, "IDAT", 4) == 0)
            in_pixels = true;
        else if (memcmp(c.type, "tRNS", 4) == 0 && !in_pixels)
            look_at_trns(&c, colour_type, found);
        else if (memcmp(c.type, "iCCP", 4) == 0)
            found->has_profile = true;
        else if (memcmp(c.type, "eXIf", 4) == 0 && png_chunk_is_sound(&c))
            found->orientation = exif_orientation(c.data, c.len);
    }
}

static int channels_of(int colour_type, bool has_trns)
{
    switch (colour_type) {
    case PNG_GREY:
        return has_trns ? 2 : 1;
    case PNG_RGB:
    case PNG_INDEXED:
        return has_trns ? 4 : 3;
    case 4:
        return 2;
    case 6:
        return 4;
    default:
        return 0;
    }
}

int png_header_profile(const uint8_t *bytes, size_t len, uint8_t **profile,
                       size_t *profile_len)
{
    struct png_stream stream;
    struct spng_iccp iccp;
    spng_ctx *ctx = png_stream_open(&stream, bytes, len, true);
    int rc = INGEST_OK;

    *profile = NULL;
    *profile_len = 0;
    if (!ctx)
        return INGEST_ENOMEM;
    int err = spng_get_iccp(ctx, &iccp);
    if (err == 0 && iccp.profile_len > 0) {
        *profile = malloc(iccp.profile_len);
        if (*profile) {
            memcpy(*profile, iccp.profile, iccp.profile_len);
            *profile_len = iccp.profile_len;
        } else {
            rc = INGEST_ENOMEM;
        }
    } else if (png_stream_no_memory(err)) {
        rc = INGEST_ENOMEM;
    }
    spng_ctx_free(ctx);
    return rc;
}

/* The profile is compressed, so only inflating it tells its size. */
static size_t profile_len_of(const uint8_t *bytes, size_t len)
{
    uint8_t *profile;
    size_t profile_len;
    int rc = png_header_profile(bytes, len, &profile, &profile_len);

    free(profile);
    if (rc != INGEST_OK)
        return PROFILE_MAX;
    return profile_len > 0 ? profile_len : 1; /* 1: broken, but there */
}

enum reject_reason png_header_read(const uint8_t *bytes, size_t len,
                                   struct image_header *h, struct reject *reject)
{
    const uint8_t *ihdr = bytes + PNG_SIGNATURE_LEN + 8;
    struct chunks found = {.orientation = 1};

    h->format = IMAGE_PNG;
    if (len < PNG_SIGNATURE_LEN + PNG_CHUNK_OVERHEAD + PNG_IHDR_LEN)
        return reject_set(reject, REJECT_TRUNCATED_IMAGE, "PNG ends in its header");
    if (png_read_32(bytes + PNG_SIGNATURE_LEN) != PNG_IHDR_LEN ||
        memcmp(ihdr - 4, "IHDR", 4) != 0)
        return reject_set(reject, REJECT_CORRUPT_IMAGE, "PNG does not begin with IHDR");
    look_through_chunks(ihdr + PNG_IHDR_LEN + 4, bytes + len, ihdr[9], &found);
    h->width = png_read_32(ihdr);
    h->height = png_read_32(ihdr + 4);
    h->bit_depth = ihdr[8] == 16 ? 16 : 8;
    h->channels = channels_of(ihdr[9], found.has_trns);
    h->progressive = ihdr[12] == 1;
    if (h->width == 0 || h->height == 0 || h->channels == 0)
        return reject_set(reject, REJECT_CORRUPT_IMAGE,
                          "PNG of %u x %u pixels, colour type %d", h->width, h->height,
                          ihdr[9]);
    if (found.broken_trns)
        return reject_set(reject, REJECT_CORRUPT_IMAGE,
                          "PNG with a damaged tRNS chunk: its transparency is lost");
    h->orientation = found.orientation;
    if (found.has_profile)
        h->profile_len = profile_len_of(bytes, len);
    if (h->progressive)
        h->need = (uint64_t)h->width * h->height * png_pixel_bytes(h);
    return REJECT_NONE;
}

int png_pixel_bytes(const struct image_header *h)
{
    if (h->bit_depth == 16)
        return 8;
    return h->channels == 2 || h->channels == 4 ? 4 : 3;
}
