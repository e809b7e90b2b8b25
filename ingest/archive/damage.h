/* SPDX-License-Identifier: Apache-2.0
 * ingest/archive/damage.h - internal to ingest/: how the layers below a reader say that
 * an archive is damaged.
 *
 * Damage is not an error of the run: it ends the stream, and the reader's totals
 * tell it. The texts are ours, not a library's, so that they stay the same across
 * versions. */
#ifndef INGEST_ARCHIVE_DAMAGE_H
#define INGEST_ARCHIVE_DAMAGE_H

#include <stdint.h>

/* One more normal end, beside INGEST_OK and INGEST_END. */
enum { INGEST_DAMAGED = 2 };

struct damage {
    uint64_t offset; /* in the decompressed stream, bytes */
    char what[200];
};

/* Fills *d, printf-like. Returns INGEST_DAMAGED. */
__attribute__((format(printf, 3, 4))) int damage_set(struct damage *d, uint64_t offset,
                                                     const char *fmt, ...);

#endif
