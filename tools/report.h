/* SPDX-License-Identifier: Apache-2.0
 * tools/report.h - what a run tells a person and a log while it works and at its end.
 *
 * Talk goes to stderr; the progress line to a terminal only; --log gets JSON lines. */
#ifndef TOOLS_REPORT_H
#define TOOLS_REPORT_H

#include <stdint.h>

#include "tools/job.h"
#include "tools/pipeline.h"
#include "tools/unit.h"

/* A unit has ended: counts it, logs it, and says so where something is wrong with it.
 * Runs on the writer's thread, before the unit's totals are forgotten. */
void report_unit(struct job *job, const struct unit *u, enum unit_end end);

/* One progress line over the last one. start_ns: clock_ns() at the start of the run;
 * total_bytes: of the inputs to be done, 0 where it is not known. */
void report_progress(struct job *job, const struct pipeline *p, uint64_t start_ns,
                     uint64_t total_bytes);

/* Ends the progress line, if there was one. */
void report_progress_end(struct job *job);

/* Rates, bottleneck, rejects by reason. n_skipped units were finished by an earlier run,
 * n_bad of them with a damaged or rejected input. */
void report_final(struct job *job, const struct pipeline *p, uint64_t start_ns,
                  size_t n_skipped, size_t n_bad, int exit_code);

#endif
