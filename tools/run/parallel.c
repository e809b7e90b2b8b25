/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/run/parallel.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include "tools/run/clock.h"
#include "tools/run/monitor.h"

static void *worker_main(void *arg)
{
    struct parallel *p = arg;
    size_t i;

    while (!atomic_load(&p->stopping) && (i = atomic_fetch_add(&p->next, 1)) < p->n_units)
        if (!p->work(p->shared, i))
            atomic_store(&p->stopping, true);
    return NULL;
}

/* Fewer threads than were wanted are enough. */
static int run_workers(struct parallel *p)
{
    const size_t n = p->n_workers < p->n_units ? p->n_workers : p->n_units;
    pthread_t *threads = calloc(n + 1, sizeof(*threads));
    size_t n_started = 0;
    int rc = threads != NULL ? 0 : ENOMEM;

    while (rc == 0 && n_started < n) {
        rc = pthread_create(&threads[n_started], NULL, worker_main, p);
        n_started += rc == 0;
    }
    for (size_t i = 0; i < n_started; i++)
        pthread_join(threads[i], NULL);
    free(threads);
    return n_started > 0 ? 0 : rc;
}

static void stop(void *arg)
{
    struct parallel *p = arg;

    atomic_store(&p->stopping, true);
}

static void show_progress(void *arg)
{
    struct parallel *p = arg;

    p->progress(p->shared);
    atomic_store(&p->progress_shown, true);
}

void parallel_progress_end(struct parallel *p)
{
    if (atomic_exchange(&p->progress_shown, false))
        p->progress_end(p->shared);
}

static void end_progress(void *arg)
{
    parallel_progress_end(arg);
}

int parallel_run(struct parallel *p)
{
    struct monitor monitor = {.stop = stop, .progress_end = end_progress, .shared = p};

    atomic_store(&p->next, 0);
    atomic_store(&p->stopping, false);
    atomic_store(&p->progress_shown, false);
    p->interrupted = false;
    monitor_block_signals();
    if (p->progress != NULL)
        monitor.progress = show_progress;
    p->start_ns = clock_ns();
    int rc = monitor_start(&monitor);
    if (rc == 0)
        rc = run_workers(p);
    monitor_stop(&monitor);
    parallel_progress_end(p);
    p->interrupted = rc == 0 && atomic_load(&monitor.stopped);
    return rc;
}
