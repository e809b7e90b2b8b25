/* SPDX-License-Identifier: Apache-2.0
 * tools/prepare/unit.h - one input and what becomes of it: shards, rejects, manifest.
 *
 * A unit is first the reading worker's, until it passes the unit's end mark on, and then
 * the writer's. While samples of it are read, the writer touches its own fields alone. */
#ifndef TOOLS_PREPARE_UNIT_H
#define TOOLS_PREPARE_UNIT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "ingest/totals.h"
#include "tools/run/input.h"
#include "tools/store/publish.h"
#include "tools/store/sha256.h"

struct job;
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

    /* by the reader, before the end mark: */
    struct ingest_totals totals;                        /* its partial_key is owned */
    char input_sha256[SHA256_HEX_CAP], input_probe[33]; /* of the bytes that were read */
    uint64_t input_bytes;

    /* by the reader, or at the unit's end by the writer: */
    char *failure; /* why it is dropped while others go on: its input could not be read,
                    * or another's result is in its place. Owned */
    bool clash;    /* another process has published another input under this NAME */
    bool taken;    /* (reader) another process has published it: nothing to do */

    /* by the writer: */
    uint64_t next_seq;
    struct sample *waiting; /* sorted by seq */
    struct unit_output *output;
    char try_name[PUBLISH_TRY_CAP]; /* of its files: publish.h */
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
 * seq. Returns 0, or -1 after job_fail(). */
int unit_append(struct unit *u, struct job *job, struct sample *s);

/* Opens its output, where the input is at its end and had no sample. Returns as
 * unit_append() does. */
int unit_begin(struct unit *u, struct job *job);

/* Ends this unit alone: keeps `why`, in which NULL is no memory. UNIT_FAILED, or -1 after
 * job_fail(). */
int unit_fail(struct unit *u, struct job *job, char *why);

/* job_fail() of its rejects, by errno. */
int unit_fail_rejects(const struct unit *u, struct job *job);

/* Drops what is unfinished, temporaries included. */
void unit_drop(struct unit *u);

#endif
