/* SPDX-License-Identifier: Apache-2.0
 * ingest/image/png_stream.h - a PNG in memory as libspng's input. Internal to ingest/.
 *
 * libspng sees what has a say in the pixels, in a form that it takes:
 *
 *     PLTE    of indexed images alone; of its bytes, whole entries and no more than there
 *             are indexes. The last one counts, as for Pillow.
 *     tRNS    likewise, behind PLTE wherever it stood, and nowhere beside an alpha
 *             channel
 *     IDAT    as long as the file goes; what follows the compressed stream is not read
 *     iCCP    if asked for
 *
 * All other ancillary chunks, which may be large, compressed, misplaced or damaged, are
 * passed over. What is damaged then is an error: critical chunks that nobody knows, CRCs
 * (of the last IDAT, the compressed stream's own checksum), a stream that ends early.
 * Left to png_header_read(): a damaged tRNS rejects the image, a damaged eXIf is passed
 * over. */
#ifndef INGEST_IMAGE_PNG_STREAM_H
#define INGEST_IMAGE_PNG_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <spng.h>

enum {
    PNG_SIGNATURE_LEN = 8,
    PNG_CHUNK_OVERHEAD = 12,
    PNG_IHDR_LEN = 13,
    PNG_INDEXES = 256
};
enum png_colour { PNG_GREY = 0, PNG_RGB = 2, PNG_INDEXED = 3 };

struct png_chunk {
    const uint8_t *type, *data;
    size_t len;   /* of the data that are there */
    size_t taken; /* bytes of the file, header and CRC included */
    bool cut;     /* it says that it has more data */
};

/* The chunk at `at`; false where `end` comes before the end of its type. */
bool png_chunk_at(const uint8_t *at, const uint8_t *end, struct png_chunk *c);

static inline bool png_chunk_is_whole(const struct png_chunk *c)
{
    return c->taken == c->len + PNG_CHUNK_OVERHEAD;
}

bool png_chunk_is_sound(const struct png_chunk *c);

struct png_stream {
    const uint8_t *at, *end;
    const uint8_t *ahead; /* what libspng gets before what is at `at` */
    size_t ahead_len;
    size_t chunk_left; /* bytes of the chunk at `at` that libspng has yet to read */
    bool with_profile;
    bool in_pixels; /* past the first IDAT's start */
    size_t tables_len;
    uint8_t tables[2 * PNG_CHUNK_OVERHEAD + 4 * PNG_INDEXES]; /* PLTE, tRNS */
    uint8_t idat_header[8];
};

/* Gives a libspng context that reads `len` bytes at `bytes`, an IHDR at least, through
 * *stream, which is kept until spng_ctx_free(). NULL where memory ran out. */
spng_ctx *png_stream_open(struct png_stream *stream, const uint8_t *bytes, size_t len,
                          bool with_profile);

/* Big-endian, as PNG has it. */
static inline uint32_t png_read_32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

/* Whether the error `err` of the stream opened last is a lack of memory, which libspng
 * calls damage where zlib had it. */
bool png_stream_no_memory(int err);

#endif
