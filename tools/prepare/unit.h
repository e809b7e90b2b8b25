/* SPDX-License-Identifier: Apache-2.0
 * tools/prepare/unit.h - one input and what becomes of it: shards, rejects, manifest.
 *
 * The reading worker fills `input_*` and `totals` before it passes the unit's end mark
 * on; from then on, and for all other fields, the writer alone touches a unit. */
#ifndef TOOLS_PREPARE_UNIT_H
#define TOOLS_PREPARE_UNIT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "ingest/totals.h"
#include "tools/run/input.h"
#include "tools/cli/run_options.h"

struct run;
struct sample;
struct unit_output; /* open files and counts; exists from the first sample to the end */

/* For reports, which look at any time: each by who does it. */
struct unit_progress {
    atomic_bool begun, read_all, ended;
    atomic_bool dropped;       /* the run is ending and does not wait for it */
    atomic_uint_fast64_t read; /* bytes of the input */
    atomic_uint_fast64_t n_read, n_encoded, n_written;
};

struct unit {
    const struct input *input;
    bool withdraw; /* an older result is to be replaced */

    /* by the reader, at the end of the input: */
    struct ingest_totals totals;
    char *partial_key;
    char input_sha256[65], input_probe[33]; /* of the bytes that were read */
    uint64_t input_bytes;
    char *failure; /* why this unit is dropped while others go on: its input could not be
                    * read, or (the writer's finding too) */
    bool clash;    /* another process has published another input under this NAME */
    bool taken;    /* another process has published it meanwhile: nothing to do */

    /* by the writer: */
    uint64_t next_seq;
    struct sample *waiting; /* sorted by seq */
    struct unit_output *output;
    /* and at its end: */
    uint64_t n_rejects;
    bool above_reject_rate; /* of its groups more than --max-reject-rate are rejects */
    bool ungrouped;         /* the members of many a sample are no neighbours */

    struct unit_progress progress;
};

enum unit_end {
    UNIT_COMPLETE = 0,
    UNIT_DAMAGED,  /* published, but its input is damaged */
    UNIT_REJECTED, /* too many rejects: no shard published */
    UNIT_TAKEN,    /* another process has published it */
    UNIT_FAILED    /* dropped, see unit.failure */
};

/* Writes a sample into the unit's shard, or a marked one into its rejects, in order of
 * seq. Returns 0, or -1 after run_fail(). */
int unit_append(struct unit *u, struct run *run, struct sample *s);

/* Ends the unit: publishes it or drops it. Returns an enum unit_end, or -1. */
int unit_finish(struct unit *u, struct run *run);

/* Whether a unit that has ended so makes the exit status 42. */
bool unit_end_is_bad(const struct unit *u, enum unit_end end,
                     const struct run_options *o);

/* Drops what is unfinished, temporaries included. */
void unit_drop(struct unit *u);

#endif
