/* SPDX-License-Identifier: Apache-2.0
 * tools/run/pipeline.h - stages on threads, with a fixed population of samples going
 * round.
 *
 * The stage folders know nothing of threads. The pipeline promises a stage:
 *   - open, work and close of one worker all run on that worker's thread, so a decoder
 *     handle or a ZSTD_CCtx needs no lock;
 *   - a sample handed to work() is this worker's alone until it passes it on;
 *   - no order holds between workers: a stage that cares sorts by unit and seq.
 * Memory is bounded before the first thread starts: n_samples exist, in a table the
 * caller owns. Free ones go to the first stage, which fills them; what the last stage
 * passes on is free again. The first error wins and stops everyone. */
#ifndef TOOLS_RUN_PIPELINE_H
#define TOOLS_RUN_PIPELINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct sample;
struct pipe_in;
struct pipe_out;

enum { PIPE_OK = 0, PIPE_END = 1 }; /* below 0: the run has failed */

struct pipe_stage {
    const char *name; /* the thread's name and the label in reports */
    int n_workers;    /* >= 1 */
    int batch;        /* most samples given to one work() call, >= 1 */
    void *shared;     /* lent to open(); outlives the run */

    int (*open)(void **worker, void *shared);

    /* Transforms s[0..n) and passes each on, now or in a later call. A bad sample is
     * marked and passed on like the others. Only the first stage may return PIPE_END; the
     * empty samples it was given and did not pass on are then dropped. */
    int (*work)(void *worker, struct sample **s, int n, struct pipe_out *out);

    /* Runs on every worker whose open() was called, also after a failure. `worker` is
     * what open() left, NULL included. */
    void (*close)(void *worker);

    /* For reports, at any time: what it has done, after wall_ns of the run, on one line
     * without its end. */
    void (*say_figures)(FILE *out, const void *shared, uint64_t wall_ns);

    /* NULL, or in work()'s place, for a stage that has more to wait for than samples: it
     * takes them itself, until the end, keeps what it wants to and passes each on. Not
     * the first stage's. Returns PIPE_END, or below 0. */
    int (*run)(void *worker, struct pipe_in *in, struct pipe_out *out);
};

/* Hands `s` to the next stage; from the last one, back to the first. Returns PIPE_OK, or
 * PIPE_END where the run is being stopped: work() should return it at once. */
int pipe_pass(struct pipe_out *out, struct sample *s);

/* The same of n, which wakes the next stage once. */
int pipe_pass_all(struct pipe_out *out, struct sample *const *s, size_t n);

/* For run(): what pipe_take() need not wait for makes the descriptor readable, and so do
 * both ends. */
int pipe_poll_fd(const struct pipe_in *in);

/* Takes up to `max` samples, but leaves other workers their share, and does not wait.
 * *ended: there will be none any more, or the run is being stopped. */
size_t pipe_take(struct pipe_in *in, struct sample **s, size_t max, bool *ended);

/* Whether no sample is free or at an earlier stage: none comes before this stage or a
 * later one has passed some on. */
bool pipe_is_dry(const struct pipe_in *in);

/* Whether no sample waits before this stage, and none of its workers has any. */
bool pipe_is_empty(const struct pipe_in *in);

/* To be called in run(): so long it was busy. */
void pipe_busy(struct pipe_in *in, uint64_t ns);

/* To be called in work(): so long did it wait for later stages, which is not busy. */
void pipe_waited(struct pipe_out *out, uint64_t ns);

struct pipeline;

/* Gives *out, not yet running. `stages` and `samples` are kept until pipeline_free().
 * Returns 0, or -1 where memory is short. */
int pipeline_new(struct pipeline **out, const struct pipe_stage *stages, int n_stages,
                 struct sample **samples, size_t n_samples);

/* Runs to the end. Returns PIPE_OK, the first error that a stage returned, or PIPE_END
 * where pipeline_cancel() stopped it. */
int pipeline_run(struct pipeline *p);

/* Stops a run from any thread; every queue wakes its waiters. */
void pipeline_cancel(struct pipeline *p);

/* Calls end_waits(shared) whenever the run is stopped, by an error or by
 * pipeline_cancel(): on any thread, perhaps more than once. It must end the waits inside
 * the stages' own calls (a read, a budget), which the pipeline knows nothing of. */
void pipeline_on_stop(struct pipeline *p, void (*end_waits)(void *shared), void *shared);

int pipeline_n_stages(const struct pipeline *p);
const struct pipe_stage *pipeline_stage(const struct pipeline *p, int i); /* lent */

/* Nanoseconds that a worker of stage i has been busy so far, on average. */
uint64_t pipeline_busy_ns(const struct pipeline *p, int i);

void pipeline_free(struct pipeline *p); /* accepts NULL */

#endif
