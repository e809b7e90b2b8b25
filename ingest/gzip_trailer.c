/* SPDX-License-Identifier: Apache-2.0 */
#include "ingest/gzip_trailer.h"

#include <string.h>

void gzip_trailer_init(struct gzip_trailer *g)
{
    memset(g, 0, sizeof(*g));
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t c = i;
        for (int bit = 0; bit < 8; bit++)
            c = c & 1 ? c >> 1 ^ UINT32_C(0xEDB88320) : c >> 1;
        g->table[i] = c;
    }
}

void gzip_trailer_input(struct gzip_trailer *g, const unsigned char *bytes, size_t n)
{
    size_t kept = sizeof(g->last);

    if (n >= kept) {
        memcpy(g->last, bytes + n - kept, kept);
    } else {
        memmove(g->last, g->last + n, kept - n);
        memcpy(g->last + kept - n, bytes, n);
    }
}

void gzip_trailer_output(struct gzip_trailer *g, const unsigned char *bytes, size_t n)
{
    uint32_t c = ~g->crc;

    for (size_t i = 0; i < n; i++)
        c = g->table[(c ^ bytes[i]) & 0xFF] ^ c >> 8;
    g->crc = ~c;
    g->len += n;
}

static uint32_t little_endian(const unsigned char *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 |
           (uint32_t)p[3] << 24;
}

bool gzip_trailer_ok(const struct gzip_trailer *g)
{
    return little_endian(g->last + 4) != (uint32_t)g->len ||
           little_endian(g->last) == g->crc;
}
