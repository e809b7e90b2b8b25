/* SPDX-License-Identifier: Apache-2.0
 * ingest/png_source.h - a PNG in memory as libspng's input. Internal to ingest/.
 *
 * libspng sees the critical chunks, tRNS, and iCCP if asked for. All others, which may
 * be large, compressed or damaged, have no say in the pixels and are passed over. */
#ifndef INGEST_PNG_SOURCE_H
#define INGEST_PNG_SOURCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <spng.h>

struct png_source {
    const uint8_t *at, *end;
    size_t chunk_left; /* bytes of the chunk at `at` that libspng has yet to read */
    bool with_profile;
};

/* Gives a libspng context that reads `len` bytes at `bytes` through *source, which is
 * kept until spng_ctx_free(). NULL where memory ran out. */
spng_ctx *png_source_open(struct png_source *source, const uint8_t *bytes, size_t len,
                          bool with_profile);

/* Big-endian, as PNG has it. */
static inline uint32_t png_read_32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

/* Whether the error `err` of the source opened last is a lack of memory, which libspng
 * calls damage where zlib had it. */
bool png_source_no_memory(int err);

#endif
