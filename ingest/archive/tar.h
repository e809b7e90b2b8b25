/* SPDX-License-Identifier: Apache-2.0
 * ingest/archive/tar.h - internal to ingest/: the members of a tar stream, in order.
 *
 * ustar, pax, GNU long names, and what came before them. Names are the archive's exact
 * bytes. An archive ends with two zero blocks and has nothing but padding behind them,
 * or pixz's index; whatever else happens is damage, also a cut between two members.
 *
 * A hole reads as zeros (a download into a file of its final size, a crash), and so looks
 * like that end. Padding is told from it by what makes it: it fills the last record, so
 * that the archive's size is a multiple of the record's and the zeros are fewer. Records
 * are 10 KiB, where nobody asked for others; a power of two of blocks, or of 10 KiB, up
 * to 1 MiB is granted too. So a hole of more than 10 KiB is found, unless the size
 * happens to be a multiple of a larger record that the hole fits in; and then still where
 * it begins in the last member's body, as it mostly does. 1 MiB of zeros are never
 * padding, and an archive of zeros alone is none. */
#ifndef INGEST_ARCHIVE_TAR_H
#define INGEST_ARCHIVE_TAR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ingest/archive/damage.h"
#include "ingest/archive/unpack.h"

struct tar_reader;

enum tar_kind {
    TAR_FILE, /* a regular file: sparse ones, and types that are not known here */
    TAR_HARD_LINK,
    TAR_SYMBOLIC_LINK,
    TAR_FOLDER,
    TAR_DEVICE,    /* or a pipe */
    TAR_CONTINUED, /* the rest of a file that another volume begins */
    TAR_SPECIAL    /* no file at all: what one tar program says to itself */
};

struct tar_member {
    const char *name; /* not NUL-terminated, may hold any byte; lent until the next one */
    size_t name_len;
    uint64_t size; /* bytes of the body as stored */
    enum tar_kind kind;
    bool sparse; /* the body is a map and pieces, not the file */
};

/* Gives *out, or returns INGEST_ENOMEM. `bytes` and `damage` are kept until close. */
int tar_reader_open(struct tar_reader **out, struct unpacker *bytes,
                    struct damage *damage);

/* Skips what is left of the last member. INGEST_OK, INGEST_END (the two zero blocks, and
 * the last member is whole), INGEST_DAMAGED or < 0; do not call again after anything but
 * INGEST_OK. The end is said when all behind it was read. */
int tar_reader_next(struct tar_reader *t, struct tar_member *m);

/* Reads the next `len` bytes of the member's body, of which so many must be left. */
int tar_reader_read(struct tar_reader *t, void *buf, size_t len);

/* After INGEST_END: was it the end? INGEST_OK, or INGEST_DAMAGED for what is behind it.
 */
int tar_reader_finish(const struct tar_reader *t);

/* Accepts NULL. Leaves the unpacker to its owner. */
void tar_reader_close(struct tar_reader *t);

#endif
