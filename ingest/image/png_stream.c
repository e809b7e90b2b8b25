/* SPDX-License-Identifier: Apache-2.0 */
#include "ingest/image/png_stream.h"

#include <errno.h>
#include <string.h>
#include <zlib.h>

#include "ingest/image/header_format.h"

enum { CHUNK_HEADER = 8, ANCILLARY = 0x20 };

static bool is_type(const struct png_chunk *c, const char *type)
{
    return memcmp(c->type, type, 4) == 0;
}

bool png_chunk_at(const uint8_t *at, const uint8_t *end, struct png_chunk *c)
{
    size_t have = (size_t)(end - at);

    if (have < CHUNK_HEADER)
        return false;
    size_t says = png_read_32(at);
    c->type = at + 4;
    c->data = at + CHUNK_HEADER;
    c->cut = says > have - CHUNK_HEADER;
    c->len = c->cut ? have - CHUNK_HEADER : says;
    c->taken = c->len + PNG_CHUNK_OVERHEAD;
    c->taken = c->taken < have ? c->taken : have;
    return true;
}

static uint32_t crc_of(const uint8_t *type, size_t len)
{
    return (uint32_t)crc32_z(0, type, 4 + len);
}

bool png_chunk_is_sound(const struct png_chunk *c)
{
    return png_chunk_is_whole(c) &&
           png_read_32(c->data + c->len) == crc_of(c->type, c->len);
}

static void write_32(uint8_t *p, uint32_t v)
{
    for (int i = 0; i < 4; i++)
        p[i] = (uint8_t)(v >> (24 - 8 * i));
}

/* Its first `len` bytes as a chunk. A wrong CRC stays wrong. */
static void put_table(struct png_stream *s, const struct png_chunk *c, size_t len)
{
    uint8_t *p = s->tables + s->tables_len;

    if (len == 0 || c->len < len)
        return;
    write_32(p, (uint32_t)len);
    memcpy(p + 4, c->type, 4 + len);
    write_32(p + CHUNK_HEADER + len, crc_of(p + 4, len) ^ !png_chunk_is_sound(c));
    s->tables_len += len + PNG_CHUNK_OVERHEAD;
}

static void put_tables(struct png_stream *s, int depth, enum png_colour colour)
{
    struct png_chunk c, plte = {0}, trns = {0};
    size_t n = depth < 8 ? (size_t)1 << depth : PNG_INDEXES;

    for (const uint8_t *at = s->at; png_chunk_at(at, s->end, &c) && !is_type(&c, "IDAT");
         at += c.taken) {
        if (is_type(&c, "PLTE"))
            plte = c;
        else if (is_type(&c, "tRNS"))
            trns = c;
    }
    if (colour == PNG_INDEXED) {
        n = plte.len / 3 < n ? plte.len / 3 : n;
        put_table(s, &plte, 3 * n);
        put_table(s, &trns, trns.len < n ? trns.len : n);
    } else if (colour == PNG_GREY || colour == PNG_RGB) {
        put_table(s, &trns, colour == PNG_GREY ? 2 : 6);
    }
}

static bool is_wanted(const struct png_stream *s, const struct png_chunk *c)
{
    if (is_type(c, "iCCP"))
        return s->with_profile;
    return (c->type[0] & ANCILLARY) == 0 && !is_type(c, "PLTE");
}

static void begin_idat(struct png_stream *s, const struct png_chunk *c)
{
    if (!s->in_pixels) {
        s->in_pixels = true;
        s->ahead = s->tables;
        s->ahead_len = s->tables_len;
        if (s->ahead_len > 0)
            return;
    }
    s->chunk_left = c->taken;
    if (c->cut) {
        write_32(s->idat_header, (uint32_t)c->len);
        memcpy(s->idat_header + 4, c->type, 4);
        s->ahead = s->idat_header;
        s->ahead_len = CHUNK_HEADER;
        s->at += CHUNK_HEADER;
        s->chunk_left = c->len;
    }
}

/* Where nothing is left to give: passes over chunks until a wanted one or the end. */
static void find_chunk(struct png_stream *s)
{
    struct png_chunk c;

    while (s->ahead_len == 0 && s->chunk_left == 0 && s->at < s->end) {
        if (!png_chunk_at(s->at, s->end, &c))
            s->chunk_left = (size_t)(s->end - s->at);
        else if (is_type(&c, "IDAT"))
            begin_idat(s, &c);
        else if (is_wanted(s, &c))
            s->chunk_left = c.taken;
        else
            s->at += c.taken;
    }
}

static size_t give(uint8_t *to, size_t n, const uint8_t **from, size_t *left)
{
    size_t piece = n < *left ? n : *left;

    if (piece > 0)
        memcpy(to, *from, piece);
    *from += piece;
    *left -= piece;
    return piece;
}

static int read_stream(spng_ctx *ctx, void *user, void *to, size_t n)
{
    struct png_stream *s = user;
    uint8_t *out = to;

    (void)ctx;
    while (n > 0) {
        find_chunk(s);
        if (s->ahead_len == 0 && s->chunk_left == 0)
            return SPNG_IO_EOF;
        size_t piece = s->ahead_len > 0 ? give(out, n, &s->ahead, &s->ahead_len)
                                        : give(out, n, &s->at, &s->chunk_left);
        out += piece;
        n -= piece;
    }
    return 0;
}

spng_ctx *png_stream_open(struct png_stream *stream, const uint8_t *bytes, size_t len,
                          bool with_profile)
{
    const uint8_t *ihdr = bytes + PNG_SIGNATURE_LEN + CHUNK_HEADER;
    errno = 0;
    spng_ctx *ctx = spng_ctx_new(0);

    *stream = (struct png_stream){.at = bytes + PNG_SIGNATURE_LEN, .end = bytes + len};
    stream->with_profile = with_profile;
    put_tables(stream, ihdr[8], ihdr[9]);
    stream->ahead = bytes;
    stream->ahead_len = PNG_SIGNATURE_LEN;
    if (ctx && (spng_set_crc_action(ctx, SPNG_CRC_ERROR, SPNG_CRC_DISCARD) != 0 ||
                spng_set_chunk_limits(ctx, PROFILE_MAX, PROFILE_MAX) != 0 ||
                spng_set_png_stream(ctx, read_stream, stream) != 0)) {
        spng_ctx_free(ctx);
        ctx = NULL;
    }
    return ctx;
}

bool png_stream_no_memory(int err)
{
    return err == SPNG_EMEM || err == SPNG_EZLIB_INIT || (err != 0 && errno == ENOMEM);
}
