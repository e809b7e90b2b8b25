/* SPDX-License-Identifier: Apache-2.0
 * ingest/archive/unpack.h - internal to ingest/: the input's bytes, decompressed.
 *
 * Plain, gzip, zstd, bzip2 and xz are told apart by their first bytes. What is named as
 * compressed or begins so, and is neither, is damaged. Nothing is ever sought. Every
 * decompressed byte passes here, and so does every byte of the input up to its end, so
 * that nothing hides behind the end of a compressed stream. */
#ifndef INGEST_ARCHIVE_UNPACK_H
#define INGEST_ARCHIVE_UNPACK_H

#include <stddef.h>
#include <stdint.h>

#include "ingest/archive/damage.h"
#include "ingest/source.h"

struct unpacker;

/* Reads nothing yet. Gives *out, or returns INGEST_ENOMEM. A stream that takes more than
 * max_memory to decompress is damage. `source` and `damage` are kept until close. */
int unpacker_open(struct unpacker **out, const struct ingest_source *source,
                  uint64_t max_memory, struct damage *damage);

/* INGEST_OK and *n > 0 bytes at *bytes, lent until the next call; INGEST_END;
 * INGEST_DAMAGED; or < 0. What is not INGEST_OK comes again at each later call. */
int unpacker_next(struct unpacker *u, const unsigned char **bytes, size_t *n);

/* Reads the input, as it is, to its end, so that whoever hashes it has seen all of it
 * wherever the damage was. INGEST_OK or < 0. */
int unpacker_drain(struct unpacker *u);

/* Explains the last status below 0. Lent; never NULL. */
const char *unpacker_why(const struct unpacker *u);

/* Accepts NULL. */
void unpacker_close(struct unpacker *u);

#endif
