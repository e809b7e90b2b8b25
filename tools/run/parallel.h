/* SPDX-License-Identifier: Apache-2.0
 * tools/run/parallel.h - units of work that need nothing of each other, on threads.
 *
 * Each worker takes the next unit and does all of it, until none is left, a unit ends the
 * run or a signal does. */
#ifndef TOOLS_RUN_PARALLEL_H
#define TOOLS_RUN_PARALLEL_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct parallel {
    size_t n_units, n_workers; /* at least one worker */
    /* Does unit i, on a worker's thread, and returns whether another may be begun: a unit
     * that fails alone is the caller's to count. A long one looks at `stopping` now and
     * then, and gives up. */
    bool (*work)(void *shared, size_t i);
    void (*progress)(void *shared);     /* once a second; NULL: nobody looks */
    void (*progress_end)(void *shared); /* clears what progress() has shown */
    void *shared;                       /* lent to them */

    /* parallel_run()'s, which begins anew each time. */
    atomic_bool stopping;
    bool interrupted;  /* a signal has come */
    uint64_t start_ns; /* by clock.h */
    atomic_size_t next;
    atomic_bool progress_shown;
};

/* Runs them, with signals blocked in the calling thread from then on. Returns 0, or an
 * errno where no thread could start and nothing was done. */
int parallel_run(struct parallel *p);

/* Ends the progress line, if there is one, before something is said. On any thread. */
void parallel_progress_end(struct parallel *p);

#endif
