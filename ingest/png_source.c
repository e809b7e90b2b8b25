/* SPDX-License-Identifier: Apache-2.0 */
#include "ingest/png_source.h"

#include <errno.h>
#include <string.h>

#include "ingest/image_header.h"

enum { SIGNATURE_LEN = 8, CHUNK_OVERHEAD = 12, ANCILLARY = 0x20 };

static bool is_wanted(const struct png_source *s, const uint8_t *type)
{
    return (type[0] & ANCILLARY) == 0 || memcmp(type, "tRNS", 4) == 0 ||
           (s->with_profile && memcmp(type, "iCCP", 4) == 0);
}

/* At a chunk's start: passes over chunks until a wanted one or the end. */
static void find_chunk(struct png_source *s)
{
    while (s->chunk_left == 0 && s->at < s->end) {
        size_t have = (size_t)(s->end - s->at);
        size_t whole = have;
        if (have >= 8 && png_read_32(s->at) <= have - 8) {
            whole = (size_t)png_read_32(s->at) + CHUNK_OVERHEAD;
            whole = whole < have ? whole : have;
        }
        if (have < 8 || is_wanted(s, s->at + 4))
            s->chunk_left = whole;
        else
            s->at += whole;
    }
}

static int read_source(spng_ctx *ctx, void *user, void *to, size_t n)
{
    struct png_source *s = user;
    uint8_t *out = to;

    (void)ctx;
    while (n > 0) {
        find_chunk(s);
        if (s->chunk_left == 0)
            return SPNG_IO_EOF;
        size_t piece = n < s->chunk_left ? n : s->chunk_left;
        memcpy(out, s->at, piece);
        out += piece;
        s->at += piece;
        s->chunk_left -= piece;
        n -= piece;
    }
    return 0;
}

spng_ctx *png_source_open(struct png_source *source, const uint8_t *bytes, size_t len,
                          bool with_profile)
{
    errno = 0;
    spng_ctx *ctx = spng_ctx_new(0);

    *source = (struct png_source){bytes, bytes + len, SIGNATURE_LEN, with_profile};
    if (ctx && (spng_set_crc_action(ctx, SPNG_CRC_ERROR, SPNG_CRC_DISCARD) != 0 ||
                spng_set_chunk_limits(ctx, PROFILE_MAX, PROFILE_MAX) != 0 ||
                spng_set_png_stream(ctx, read_source, source) != 0)) {
        spng_ctx_free(ctx);
        ctx = NULL;
    }
    return ctx;
}

bool png_source_no_memory(int err)
{
    return err == SPNG_EMEM || err == SPNG_EZLIB_INIT || (err != 0 && errno == ENOMEM);
}
