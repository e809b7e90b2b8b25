/* SPDX-License-Identifier: Apache-2.0
 * tools/prepare/stage_write.c - the last stage: back into order, into shards, onto the
 * disk.
 *
 * The one worker restores each unit's order: samples arrive in any order and wait in
 * their unit's list until all earlier ones have been written. The list cannot grow beyond
 * the conveyor's fixed number of samples, and the sample it waits for is always inside.
 */
#include <stdlib.h>

#include "tools/prepare/job.h"
#include "tools/run/pipeline.h"
#include "tools/prepare/console.h"
#include "tools/prepare/sample.h"
#include "tools/prepare/unit_publish.h"

static int open_worker(void **out, void *shared)
{
    *out = shared;
    return PIPE_OK;
}

static void close_worker(void *worker)
{
    (void)worker; /* the run is lent */
}

static void insert(struct unit *u, struct sample *s)
{
    struct sample **at = &u->waiting;

    while (*at && (*at)->seq < s->seq)
        at = &(*at)->next;
    s->next = *at;
    *at = s;
}

static int write_one(struct job *job, struct sample *s)
{
    struct unit *u = s->unit;
    int rc;

    if (atomic_load(&u->progress.dropped))
        return 0;
    if (!s->end_of_unit) {
        atomic_fetch_add(&u->progress.n_written, 1);
        return unit_append(u, job, s);
    }
    rc = unit_finish(u, job);
    if (rc >= 0) {
        atomic_store(&u->progress.ended, true);
        console_tell_unit(job, u, (enum unit_end)rc);
    }
    return rc < 0 ? rc : 0;
}

static int work(void *worker, struct sample **s, int n, struct pipe_out *out)
{
    struct job *job = worker;

    for (int i = 0; i < n; i++) {
        struct unit *u = s[i]->unit;

        insert(u, s[i]);
        while (u->waiting && u->waiting->seq == u->next_seq) {
            struct sample *next = u->waiting;
            int rc = write_one(job, next);

            if (rc != 0)
                return rc;
            if (next->held > 0)
                budget_give_back(&job->read_bytes, next->held);
            next->held = 0;
            u->waiting = next->next;
            u->next_seq++;
            sample_clear(next);
            if (pipe_pass(out, next) != PIPE_OK)
                return PIPE_END;
        }
    }
    return PIPE_OK;
}

static void say_figures(FILE *out, const void *shared, uint64_t wall_ns)
{
    const struct job *job = shared;
    const double bytes = (double)atomic_load(&job->count.shard_bytes);

    fprintf(out, "%.2f MB/s", wall_ns > 0 ? bytes * 1e3 / (double)wall_ns : 0);
}

struct pipe_stage write_stage(struct job *job)
{
    return (struct pipe_stage){.name = "write",
                               .n_workers = 1,
                               .batch = 16,
                               .shared = job,
                               .open = open_worker,
                               .work = work,
                               .close = close_worker,
                               .say_figures = say_figures};
}
