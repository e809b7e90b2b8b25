/* SPDX-License-Identifier: Apache-2.0
 * tools/prepare/console.h - what a run tells a person and a log while it works and at its
 * end.
 *
 * Talk goes to stderr; --log gets JSON lines. */
#ifndef TOOLS_PREPARE_CONSOLE_H
#define TOOLS_PREPARE_CONSOLE_H

#include <jansson.h>
#include <stdint.h>

#include "tools/prepare/job.h"
#include "tools/run/pipeline.h"
#include "tools/prepare/unit.h"

/* Of the inputs, those that an earlier run has finished. */
struct finished_before {
    size_t n;      /* all of them; of which are */
    size_t n_bad;  /* damaged or rejected, which counts for the exit status, */
    size_t n_kept; /* or damaged where that does not (--damaged keep) */
};

/* A unit has ended: counts it, logs it, and says so where something is wrong with it.
 * Runs on the writer's thread, before the unit's totals are forgotten. */
void console_tell_unit(struct job *job, const struct unit *u, enum unit_end end);

/* Opens --log, which may be in the folder of the data set: it must be there. Returns 0,
 * or an exit status after explaining on stderr. */
int console_open_log(struct job *job);

/* Takes `event`, perhaps NULL. The log is for people: a line that cannot be written is
 * not an error, but the first one is told of. Any thread may call it, but before the log
 * is open, when it keeps events, only one. */
void console_log(struct job *job, json_t *event);

/* Closes it, at the end. Where the run has ended before it was opened, but there is
 * something to log, that is done first. */
void console_end_log(struct job *job);

/* What a run counts: samples out of the encoders, of which the writer may still reject
 * some for their keys; and what they are called. */
uint64_t console_count_done(const struct counters *c);
const char *console_name_done(const struct counters *c);

uint64_t console_sum_rejects(const struct counters *c);

/* The name of the stage whose workers are busiest; NULL while nothing has come out of the
 * encoders, good or bad: they do not look busy before. */
const char *console_bottleneck(const struct counters *c, const struct pipeline *p);

/* Ends the progress line, if there was one. */
void console_progress_end(struct job *job);

/* Rates, bottleneck, rejects by reason. */
void console_tell_end(struct job *job, const struct pipeline *p, uint64_t start_ns,
                      const struct finished_before *before, int exit_code);

#endif
