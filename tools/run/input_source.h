/* SPDX-License-Identifier: Apache-2.0
 * tools/run/input_source.h - the bytes of one input, for ingest/ to read.
 *
 * Every wait ends when the cancel descriptor becomes readable. The bytes are counted and
 * hashed on their way. A regular file must stay as it was when the inputs were listed.
 * One source belongs to one thread. */
#ifndef TOOLS_RUN_INPUT_SOURCE_H
#define TOOLS_RUN_INPUT_SOURCE_H

#include <stdbool.h>
#include <stdint.h>

#include "ingest/source.h"
#include "tools/run/input.h"
#include "tools/run/input_probe.h"
#include "tools/store/sha256.h"

struct source;

/* Opens the path or starts the command. Gives *out, even on failure, so that
 * source_why() can explain; NULL only where memory is short. Returns INGEST_OK or < 0. */
int source_open(struct source **out, const struct input *in, int cancel_fd);

/* What a reader reads from; lives as long as the source. */
const struct ingest_source *source_callback(const struct source *s);

/* Call after the last read. Returns INGEST_EIO if a regular file changed meanwhile. Where
 * everything was read, waits for a command to end and returns INGEST_EIO if it failed, or
 * INGEST_CANCELLED; otherwise stops it. */
int source_finish(struct source *s, bool read_all);

uint64_t source_bytes(const struct source *s);
/* SHA-256 and probe (input_probe.h) of the bytes read; call once, after the last read.
 * Returns 0, or -1: no memory. */
int source_hashes(struct source *s, char sha256[SHA256_HEX_CAP],
                  char probe[PROBE_HEX_CAP]);
const char *source_why(const struct source *s); /* lent; accepts NULL */
void source_close(struct source *s);            /* accepts NULL */

#endif
