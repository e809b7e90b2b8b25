/* SPDX-License-Identifier: Apache-2.0
 * tools/prepare/progress.h - how far a run is: a line on a terminal each second, a line
 * of its own elsewhere and an event in the log every 30 seconds.
 *
 * LATENTMILL_PROGRESS_SECONDS is another number than 30, for tests. */
#ifndef TOOLS_PREPARE_PROGRESS_H
#define TOOLS_PREPARE_PROGRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct job;
struct pipeline;

struct progress {
    struct job *job;
    struct pipeline *pipeline;
    uint64_t start_ns;         /* clock_ns() at the start of the run */
    uint64_t every_ns, due_ns; /* of the lines and events */
    bool terminal;             /* stderr is one, and is to be written to */
    bool lines;                /* stderr is none, and is to be written to */
};

/* Call before the first tick; both are kept. */
void progress_init(struct progress *p, struct job *job, struct pipeline *pipeline);

/* Whether anybody looks. */
bool progress_wanted(const struct progress *p);

/* To be called once a second, on one thread. */
void progress_tick(struct progress *p);

struct in_hand {
    size_t n_inputs; /* that were begun and have not ended */
    size_t n_kept;   /* of which so many will be done */
    double seconds;  /* in so long */
};

/* Where no new input is begun: marks those in hand as dropped which would not be done
 * within `grace` seconds, in the order given, behind those before them that will; so is
 * one of unknown length. */
struct in_hand progress_drop_long(const struct progress *p, double grace);

/* Whether an input is in hand that was not dropped. */
bool progress_has_work(const struct job *job);

/* Samples that were encoded (documents: tokenized) of inputs that were begun and are not
 * published, and how many inputs these are. */
uint64_t progress_unpublished(const struct job *job, size_t *n_inputs);

#endif
