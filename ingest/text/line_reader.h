/* SPDX-License-Identifier: Apache-2.0
 * ingest/text/line_reader.h - internal to ingest/: the lines of a decompressed stream, in
 * bounded memory.
 *
 * A line ends with "\n"; a last one without it counts too. Lines of nothing but white
 * space are skipped and counted, and a byte order mark before a line is dropped. Of a
 * line that is too long nothing is kept; reading goes on behind it. 512 zeros, or
 * fewer at the end of the stream, are damage, and so is what foreign_text.h knows. */
#ifndef INGEST_TEXT_LINE_READER_H
#define INGEST_TEXT_LINE_READER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ingest/archive/damage.h"
#include "ingest/archive/unpack.h"

struct line_reader;

struct line {
    char *bytes;     /* without the newline, a NUL behind them; NULL: too long */
    size_t len;      /* bytes */
    uint64_t number; /* from 1, blank ones counted */
    uint64_t offset; /* of its first byte in the decompressed stream */
    bool unended;    /* the stream has ended before a newline */
    char last;       /* its last byte, where it is unended and too long */
};

/* Gives *out, or returns INGEST_ENOMEM. `bytes` and `damage` are kept until close; lines
 * of more than `max` bytes are too long. */
int line_reader_open(struct line_reader **out, struct unpacker *bytes,
                     struct damage *damage, size_t max);

/* INGEST_OK and gives *line (release line->bytes with free()), INGEST_END,
 * INGEST_DAMAGED, or < 0. */
int line_reader_next(struct line_reader *r, struct line *line);

/* Number of the line that is begun and not ended, as after damage; 0: none is. */
uint64_t line_reader_open_line(const struct line_reader *r);

/* How much of the decompressed stream has been taken. */
uint64_t line_reader_offset(const struct line_reader *r);

uint64_t line_reader_n_blank(const struct line_reader *r);

/* Accepts NULL. Leaves the unpacker to its owner. */
void line_reader_close(struct line_reader *r);

#endif
