/* SPDX-License-Identifier: Apache-2.0
 * ingest/gunzip.h - internal to ingest/: gzip streams, one behind another, decompressed.
 *
 * By zlib itself: libarchive skips their checksums, which are all that tells of most
 * damage, and when a stream is cut off it drops what it had of the last 64 KiB. Zeros
 * behind the last stream are padding. */
#ifndef INGEST_GUNZIP_H
#define INGEST_GUNZIP_H

#include <stdbool.h>
#include <stddef.h>

struct gunzip;

bool gunzip_begins(const unsigned char *bytes, size_t n);

/* Gives *out, or returns INGEST_ENOMEM. */
int gunzip_open(struct gunzip **out);
void gunzip_close(struct gunzip *g); /* accepts NULL */

/* The input's next bytes. Lent until gunzip_next() wants more. */
void gunzip_give(struct gunzip *g, unsigned char *bytes, size_t n);

/* Decompresses into out[0..cap). *n == 0: it wants more input, or has failed. INGEST_OK
 * or INGEST_ENOMEM. */
int gunzip_next(struct gunzip *g, unsigned char *out, size_t cap, size_t *n);

/* What was given is corrupt: nothing more will come. */
bool gunzip_failed(const struct gunzip *g);

/* What is wrong with the streams, when no more input will be given; NULL: nothing.
 * Static. */
const char *gunzip_damage(const struct gunzip *g);

#endif
