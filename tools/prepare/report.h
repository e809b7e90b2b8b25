/* SPDX-License-Identifier: Apache-2.0
 * tools/prepare/report.h - what a run tells a person and a log while it works and at its
 * end.
 *
 * Talk goes to stderr; --log gets JSON lines. */
#ifndef TOOLS_PREPARE_REPORT_H
#define TOOLS_PREPARE_REPORT_H

#include <jansson.h>
#include <stdint.h>

#include "tools/prepare/run.h"
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
void report_unit(struct run *run, const struct unit *u, enum unit_end end);

/* Takes `event`, perhaps NULL. The log is for people: a line that cannot be written is
 * not an error, but the first one is told of. Any thread may call it. */
void report_log(struct run *run, json_t *event);

/* What a run counts: images that were encoded, documents that were parsed, or both; and
 * what they are called. */
uint64_t report_count_done(const struct counters *c);
const char *report_name_done(const struct counters *c);

uint64_t report_sum_rejects(const struct counters *c);

/* The name of the stage whose workers are busiest; NULL while nothing has come out of the
 * encoders, which do not look busy before. */
const char *report_bottleneck(const struct counters *c, const struct pipeline *p);

/* Ends the progress line, if there was one. */
void report_progress_end(struct run *run);

/* Rates, bottleneck, rejects by reason. */
void report_final(struct run *run, const struct pipeline *p, uint64_t start_ns,
                  const struct finished_before *before, int exit_code);

#endif
