/* SPDX-License-Identifier: Apache-2.0
 * ingest/gzip_trailer.h - internal to ingest/: the checksum at a gzip stream's end.
 *
 * libarchive skips it unread, and most of what goes wrong in a compressed image is seen
 * nowhere else. Checked are streams of one member, as gzip and pigz write them; several
 * members behind one another cannot be told apart from outside and pass. */
#ifndef INGEST_GZIP_TRAILER_H
#define INGEST_GZIP_TRAILER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { GZIP_TRAILER_BYTES = 8 }; /* CRC-32 and length, little-endian */

struct gzip_trailer {
    uint32_t table[256];
    uint32_t crc; /* of the decompressed bytes so far */
    uint64_t len;
    unsigned char last[GZIP_TRAILER_BYTES]; /* of the compressed bytes so far */
};

void gzip_trailer_init(struct gzip_trailer *g);
void gzip_trailer_input(struct gzip_trailer *g, const unsigned char *bytes, size_t n);
void gzip_trailer_output(struct gzip_trailer *g, const unsigned char *bytes, size_t n);

/* At the end: false where the length says one member and the checksum is another's. */
bool gzip_trailer_ok(const struct gzip_trailer *g);

#endif
