/* SPDX-License-Identifier: Apache-2.0
 * shard/python/native/prefetch.c - a queue of jobs, started and taken in one order.
 *
 * A job is started when it fits into the budget beside those that were started before it
 * and not taken; the oldest always fits, since then nothing is started. */
#include "shard/python/native/prefetch.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>

#include "shard/status.h"

struct job {
    struct job *next;
    const struct shard_file_map *map;
    uint32_t block;
    struct block_want want;
    uint64_t cost;
    bool done;
    int status;
    struct loaded_block *result;
};

struct prefetch {
    pthread_mutex_t lock;    /* guards all below up to the threads */
    pthread_cond_t work;     /* a job may be started, or the end has come */
    pthread_cond_t ready;    /* a job is done */
    struct job *head, *tail; /* oldest and newest job that is not taken */
    struct job *unstarted;   /* the oldest that nobody works on */
    uint64_t bytes_in_use;   /* cost of jobs that are started and not taken */
    bool closing;

    uint64_t max_bytes; /* these do not change after open: */
    unsigned n_threads;
    pthread_t threads[];
};

static bool may_start_locked(const struct prefetch *p)
{
    return p->unstarted != NULL &&
           (p->bytes_in_use == 0 ||
            (p->bytes_in_use < p->max_bytes &&
             p->unstarted->cost <= p->max_bytes - p->bytes_in_use));
}

/* Waits for a job; NULL: the end. */
static struct job *start_job(struct prefetch *p)
{
    struct job *job = NULL;

    pthread_mutex_lock(&p->lock);
    while (!p->closing && !may_start_locked(p))
        pthread_cond_wait(&p->work, &p->lock);
    if (!p->closing) {
        job = p->unstarted;
        p->unstarted = job->next;
        p->bytes_in_use += job->cost;
    }
    pthread_mutex_unlock(&p->lock);
    return job;
}

static void end_job(struct prefetch *p, struct job *job, int status,
                    struct loaded_block *result)
{
    pthread_mutex_lock(&p->lock);
    job->status = status;
    job->result = result;
    job->done = true;
    pthread_cond_signal(&p->ready);
    pthread_mutex_unlock(&p->lock);
}

static void *run_thread(void *arg)
{
    struct prefetch *p = arg;
    struct block_loader loader = {0};
    struct job *job;

    while ((job = start_job(p)) != NULL) {
        struct loaded_block *result = NULL;
        int rc = block_loader_open(&loader, job->map);
        if (rc == SHARD_OK)
            rc = block_loader_load(&loader, job->block, job->want, &result);
        end_job(p, job, rc, result);
    }
    block_loader_close(&loader);
    return NULL;
}

/* Signals are the business of the threads that were there before. */
static void start_threads(struct prefetch *p, unsigned n_threads)
{
    sigset_t all, before;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    while (p->n_threads < n_threads &&
           pthread_create(&p->threads[p->n_threads], NULL, run_thread, p) == 0)
        p->n_threads++;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

static void init_locks(struct prefetch *p)
{
    pthread_condattr_t monotonic;

    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_mutex_init(&p->lock, NULL);
    pthread_cond_init(&p->work, NULL);
    pthread_cond_init(&p->ready, &monotonic);
    pthread_condattr_destroy(&monotonic);
}

int prefetch_open(struct prefetch **out, unsigned n_threads, uint64_t max_bytes)
{
    n_threads = n_threads > 0 ? n_threads : 1;
    struct prefetch *p = calloc(1, sizeof(*p) + n_threads * sizeof(p->threads[0]));

    *out = NULL;
    if (p == NULL)
        return SHARD_ENOMEM;
    p->max_bytes = max_bytes;
    init_locks(p);
    start_threads(p, n_threads);
    if (p->n_threads == 0) {
        prefetch_close(p);
        return SHARD_EIO;
    }
    *out = p;
    return SHARD_OK;
}

int prefetch_submit(struct prefetch *p, const struct shard_file_map *map, uint32_t block,
                    struct block_want want)
{
    struct job *job = calloc(1, sizeof(*job));

    if (job == NULL)
        return SHARD_ENOMEM;
    job->map = map;
    job->block = block;
    job->want = want;
    job->cost = block_loader_cost(map, block, want.tensors);
    pthread_mutex_lock(&p->lock);
    if (p->tail != NULL)
        p->tail->next = job;
    else
        p->head = job;
    p->tail = job;
    if (p->unstarted == NULL)
        p->unstarted = job;
    pthread_cond_signal(&p->work);
    pthread_mutex_unlock(&p->lock);
    return SHARD_OK;
}

static struct timespec deadline(unsigned milliseconds)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    t.tv_sec += milliseconds / 1000;
    t.tv_nsec += (long)(milliseconds % 1000) * 1000000;
    if (t.tv_nsec >= 1000000000) {
        t.tv_sec++;
        t.tv_nsec -= 1000000000;
    }
    return t;
}

int prefetch_take(struct prefetch *p, unsigned milliseconds, struct loaded_block **out)
{
    struct timespec until = deadline(milliseconds);
    int waited = 0;

    *out = NULL;
    pthread_mutex_lock(&p->lock);
    struct job *job = p->head;
    while (!job->done && waited == 0)
        waited = pthread_cond_timedwait(&p->ready, &p->lock, &until);
    if (!job->done) {
        pthread_mutex_unlock(&p->lock);
        return PREFETCH_AGAIN;
    }
    p->head = job->next;
    if (p->head == NULL)
        p->tail = NULL;
    p->bytes_in_use -= job->cost;
    pthread_cond_broadcast(&p->work);
    pthread_mutex_unlock(&p->lock);
    int rc = job->status;
    *out = job->result;
    free(job);
    return rc;
}

void prefetch_close(struct prefetch *p)
{
    if (p == NULL)
        return;
    pthread_mutex_lock(&p->lock);
    p->closing = true;
    pthread_cond_broadcast(&p->work);
    pthread_mutex_unlock(&p->lock);
    for (unsigned i = 0; i < p->n_threads; i++)
        pthread_join(p->threads[i], NULL);
    while (p->head != NULL) {
        struct job *job = p->head;
        p->head = job->next;
        loaded_block_free(job->result);
        free(job);
    }
    pthread_mutex_destroy(&p->lock);
    pthread_cond_destroy(&p->work);
    pthread_cond_destroy(&p->ready);
    free(p);
}
