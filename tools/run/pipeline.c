/* SPDX-License-Identifier: Apache-2.0
 * tools/run/pipeline.c - one queue before each stage, one thread for each worker.
 *
 * Stage i takes from queue i and passes to queue i + 1; the last one passes to queue 0,
 * which holds the free samples. A queue has room for every sample there is, so a put
 * never waits: what bounds the stages is the number of samples alone. When the last
 * worker of a stage ends, it closes the queue behind it, and the end travels down. */
#include "tools/run/pipeline.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "tools/run/clock.h"
#include "tools/run/queue.h"

/* Samples are counted where they are: in a stage's workers' hands or the queue before it.
 * One that goes on is counted twice for a moment, and never not at all. */
struct pipe_out {
    struct queue *next;
    atomic_size_t *here, *there;
    atomic_uint_fast64_t waited_ns;
};

struct pipe_in {
    struct queue *queue;
    size_t n_workers; /* that take from it */
    const atomic_size_t *n_at;
    int stage;
    atomic_uint_fast64_t busy_ns;
};

struct stage_state {
    const struct pipe_stage *stage;
    struct pipeline *pipeline;
    struct pipe_in in;
    struct pipe_out out;
    atomic_int n_running;
};

struct pipeline {
    int n_stages;
    struct stage_state *stages;
    struct queue *queues; /* n_stages; n_queues of them initialised */
    atomic_size_t *n_at;  /* samples at each stage */
    int n_queues;
    pthread_t *threads;
    size_t n_threads;
    void (*end_waits)(void *shared); /* NULL: the stages have no waits of their own */
    void *shared;
    atomic_int status; /* the first error, or PIPE_END after a cancel */
};

int pipe_pass_all(struct pipe_out *out, struct sample *const *s, size_t n)
{
    atomic_fetch_add(out->there, n);
    if (!queue_put(out->next, s, n))
        return PIPE_END;
    atomic_fetch_sub(out->here, n);
    return PIPE_OK;
}

int pipe_pass(struct pipe_out *out, struct sample *s)
{
    return pipe_pass_all(out, &s, 1);
}

bool pipe_is_dry(const struct pipe_in *in)
{
    for (int i = 0; i < in->stage; i++)
        if (atomic_load(&in->n_at[i]) > 0)
            return false;
    return true;
}

bool pipe_is_empty(const struct pipe_in *in)
{
    return atomic_load(&in->n_at[in->stage]) == 0;
}

int pipe_poll_fd(const struct pipe_in *in)
{
    return in->queue->event_fd;
}

size_t pipe_take(struct pipe_in *in, struct sample **s, size_t max, bool *ended)
{
    return queue_take(in->queue, s, max, in->n_workers, ended);
}

void pipe_busy(struct pipe_in *in, uint64_t ns)
{
    atomic_fetch_add(&in->busy_ns, ns);
}

void pipe_waited(struct pipe_out *out, uint64_t ns)
{
    atomic_fetch_add(&out->waited_ns, ns);
}

static void stop(struct pipeline *p, int status)
{
    int none = PIPE_OK;

    atomic_compare_exchange_strong(&p->status, &none, status);
    for (int i = 0; i < p->n_queues; i++)
        queue_cancel(&p->queues[i]);
    if (p->end_waits)
        p->end_waits(p->shared);
}

void pipeline_cancel(struct pipeline *p)
{
    stop(p, PIPE_END);
}

void pipeline_on_stop(struct pipeline *p, void (*end_waits)(void *shared), void *shared)
{
    p->end_waits = end_waits;
    p->shared = shared;
}

static int work_until_end(struct stage_state *st, void *worker, struct sample **batch)
{
    const struct pipe_stage *stage = st->stage;
    size_t n;

    while ((n = queue_get(st->in.queue, batch, (size_t)stage->batch,
                          (size_t)stage->n_workers)) > 0) {
        uint64_t start = clock_ns();
        int rc = stage->work(worker, batch, (int)n, &st->out);

        pipe_busy(&st->in, clock_ns() - start);
        if (rc != PIPE_OK)
            return rc;
    }
    return PIPE_END;
}

static void *worker_main(void *arg)
{
    struct stage_state *st = arg;
    void *worker = NULL;
    struct sample **batch = calloc((size_t)st->stage->batch, sizeof(*batch));
    int rc = batch ? st->stage->open(&worker, st->stage->shared) : -1;

    if (rc == PIPE_OK)
        rc = st->stage->run ? st->stage->run(worker, &st->in, &st->out)
                            : work_until_end(st, worker, batch);
    if (rc < 0)
        stop(st->pipeline, rc);
    st->stage->close(worker);
    free(batch);
    if (atomic_fetch_sub(&st->n_running, 1) == 1 &&
        st->stage != st->pipeline->stages[st->pipeline->n_stages - 1].stage)
        queue_close(st->out.next);
    return NULL;
}

int pipeline_new(struct pipeline **out, const struct pipe_stage *stages, int n_stages,
                 struct sample **samples, size_t n_samples)
{
    struct pipeline *p = calloc(1, sizeof(*p));
    size_t n_threads = 0;

    *out = p;
    if (!p)
        return -1;
    for (int i = 0; i < n_stages; i++)
        n_threads += (size_t)stages[i].n_workers;
    p->n_stages = n_stages;
    p->stages = calloc((size_t)n_stages, sizeof(*p->stages));
    p->queues = calloc((size_t)n_stages, sizeof(*p->queues));
    p->n_at = calloc((size_t)n_stages, sizeof(*p->n_at));
    p->threads = calloc(n_threads, sizeof(*p->threads));
    if (!p->stages || !p->queues || !p->n_at || !p->threads)
        return -1;
    for (; p->n_queues < n_stages; p->n_queues++)
        if (queue_init(&p->queues[p->n_queues], n_samples) < 0)
            return -1;
    for (int i = 0; i < n_stages; i++) {
        p->stages[i].stage = &stages[i];
        p->stages[i].pipeline = p;
        p->stages[i].in.queue = &p->queues[i];
        p->stages[i].in.n_workers = (size_t)stages[i].n_workers;
        if (stages[i].run && queue_make_pollable(&p->queues[i]) != 0)
            return -1;
        p->stages[i].in.n_at = p->n_at;
        p->stages[i].in.stage = i;
        p->stages[i].out.next = &p->queues[(i + 1) % n_stages];
        p->stages[i].out.here = &p->n_at[i];
        p->stages[i].out.there = &p->n_at[(i + 1) % n_stages];
        atomic_init(&p->stages[i].n_running, stages[i].n_workers);
    }
    queue_put(&p->queues[0], samples, n_samples);
    atomic_init(&p->n_at[0], n_samples);
    return 0;
}

int pipeline_run(struct pipeline *p)
{
    for (int i = 0; i < p->n_stages; i++) {
        for (int k = 0; k < p->stages[i].stage->n_workers; k++) {
            pthread_t *thread = &p->threads[p->n_threads];

            if (pthread_create(thread, NULL, worker_main, &p->stages[i]) != 0) {
                stop(p, -1);
                goto join;
            }
            pthread_setname_np(*thread, p->stages[i].stage->name);
            p->n_threads++;
        }
    }
join:
    for (size_t i = 0; i < p->n_threads; i++)
        pthread_join(p->threads[i], NULL);
    return atomic_load(&p->status);
}

int pipeline_n_stages(const struct pipeline *p)
{
    return p->n_stages;
}

const struct pipe_stage *pipeline_stage(const struct pipeline *p, int i)
{
    return p->stages[i].stage;
}

uint64_t pipeline_busy_ns(const struct pipeline *p, int i)
{
    const struct stage_state *st = &p->stages[i];

    uint64_t busy = atomic_load(&st->in.busy_ns),
             waited = atomic_load(&st->out.waited_ns);

    /* A wait is told of before its work() has ended. */
    return busy > waited ? (busy - waited) / (uint64_t)st->stage->n_workers : 0;
}

void pipeline_free(struct pipeline *p)
{
    if (!p)
        return;
    for (int i = 0; i < p->n_queues; i++)
        queue_free(&p->queues[i]);
    free(p->threads);
    free(p->queues);
    free(p->n_at);
    free(p->stages);
    free(p);
}
