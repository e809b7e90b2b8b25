/* SPDX-License-Identifier: Apache-2.0
 * ingest/archive/decoder.h - internal to ingest/: one compression, decoded stream by
 * stream.
 *
 * A decoder knows one stream; that several may follow one another, and what else may
 * stand behind them, unpack.c knows. A stream's checksums are verified, and whatever was
 * decoded before the place where it is damaged is given. */
#ifndef INGEST_ARCHIVE_DECODER_H
#define INGEST_ARCHIVE_DECODER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ingest/archive/damage.h"

enum {
    DECODER_BEGIN_MAX = 10,      /* bytes that tell how a stream is compressed, at most */
    DECODER_OUT_MIN = 128 << 10, /* room that decode() needs: zstd's largest block */
};

/* decode() moves both on. */
struct decoder_io {
    const unsigned char *in;
    size_t n_in;
    unsigned char *out;
    size_t n_out;
};

struct decoder {
    const char *name;
    const char *suffixes[2]; /* of files; the second one may be NULL */

    /* Another stream may follow so many zeros, or a multiple; 0: none may. */
    unsigned padding_unit;

    /* The n bytes are the beginning of a stream, or of the bytes that tell it. */
    bool (*begins)(const unsigned char *bytes, size_t n);

    /* Gives *state, or returns INGEST_ENOMEM. It uses no more than about `max_memory`
     * bytes: a stream that needs more is damage. `damage` is kept until close. */
    int (*open)(void **state, uint64_t max_memory, struct damage *damage);

    /* Another stream follows. INGEST_OK or INGEST_ENOMEM. */
    int (*restart)(void *state);

    /* INGEST_OK: it is to be called again, with more input where it took all and gave
     * nothing. INGEST_END: the stream is complete; what is left of the input is behind
     * it. INGEST_DAMAGED: damage->what says how; what it gave before is good.
     * INGEST_ENOMEM. */
    int (*decode)(void *state, struct decoder_io *io);

    void (*close)(void *state); /* accepts NULL */
};

extern const struct decoder decoder_gzip, decoder_zstd, decoder_bzip2, decoder_xz;

/* The first bytes of `magic`, or all of it, are the first of the n at `bytes`. For
 * begins(). */
bool decoder_matches(const unsigned char *bytes, size_t n, const char *magic,
                     size_t magic_len);

/* Sets the damage of a stream that needs more than max_memory. `command` decompresses
 * it. Returns INGEST_DAMAGED. */
int decoder_needs_memory(struct damage *damage, const char *what, uint64_t need,
                         uint64_t max_memory, const char *command);

#endif
