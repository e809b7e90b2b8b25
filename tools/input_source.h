/* SPDX-License-Identifier: Apache-2.0
 * tools/input_source.h - the bytes of one input, for ingest/ to read.
 *
 * Every wait ends when the cancel descriptor becomes readable. The bytes are counted and
 * hashed on their way. One source belongs to one thread. */
#ifndef TOOLS_INPUT_SOURCE_H
#define TOOLS_INPUT_SOURCE_H

#include <stdbool.h>
#include <stdint.h>

#include "ingest/pair.h"
#include "tools/input.h"

struct source;

/* Opens the path or starts the command. Gives *out, even on failure, so that
 * source_why() can explain; NULL only where memory is short. Returns INGEST_OK or < 0. */
int source_open(struct source **out, const struct input *in, int cancel_fd);

/* What pair_reader_open() reads from; lives as long as the source. */
const struct ingest_source *source_callback(const struct source *s);

/* Call after the last read. Where everything was read, waits for a command to end and
 * returns INGEST_EIO if it failed, or INGEST_CANCELLED; otherwise stops it. */
int source_finish(struct source *s, bool read_all);

uint64_t source_bytes(const struct source *s);
/* Of the bytes read; call once, after the last read. 0, or -1: no memory. */
int source_sha256(struct source *s, char hex[65]);
const char *source_why(const struct source *s); /* lent; accepts NULL */
void source_close(struct source *s);            /* accepts NULL */

#endif
