/* SPDX-License-Identifier: Apache-2.0 */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "tools/bench/bench_section.h"
#include "tools/run/clock.h"
#include "tools/store/json_text.h"

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

double bench_median(double *values, int n)
{
    qsort(values, (size_t)n, sizeof(*values), ascending);
    return (values[(n - 1) / 2] + values[n / 2]) / 2;
}

int bench_repeat(const struct bench *b, int (*run)(void *ctx), void *ctx,
                 struct bench_times *times)
{
    int rc = bench_stopped() ? -1 : run(ctx);

    times->n = (int)b->options.repeats;
    for (int i = 0; i < times->n && rc == 0; i++) {
        uint64_t start = clock_ns();

        rc = run(ctx);
        times->seconds[i] = (double)(clock_ns() - start) / 1e9;
        if (bench_stopped())
            rc = -1;
    }
    return rc;
}

void bench_set_rate(json_t **o, const char *name, double amount,
                    struct bench_times *times)
{
    double median = bench_median(times->seconds, times->n);
    char best[80];

    snprintf(best, sizeof(best), "%s_best", name);
    json_put_member(o, name, json_real(amount / median));
    json_put_member(o, best, json_real(amount / times->seconds[0]));
}

/* The threads wait until all are there: `lock` guards what follows it. */
struct start {
    void (*work)(void *ctx, int i);
    void *ctx;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    int n_ready;
    bool go, called_off;
};

struct runner {
    struct start *start;
    pthread_t thread;
    int i;
};

static void *run_when_told(void *arg)
{
    struct runner *r = arg;
    struct start *s = r->start;
    bool called_off;

    pthread_mutex_lock(&s->lock);
    s->n_ready++;
    pthread_cond_broadcast(&s->changed);
    while (!s->go)
        pthread_cond_wait(&s->changed, &s->lock);
    called_off = s->called_off;
    pthread_mutex_unlock(&s->lock);
    if (!called_off)
        s->work(s->ctx, r->i);
    return NULL;
}

double bench_parallel(int n, void (*work)(void *ctx, int i), void *ctx)
{
    struct start start = {
        work, ctx, PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0, false, false};
    struct runner *runners = calloc((size_t)n, sizeof(*runners));
    int n_started = 0;
    uint64_t begin;

    for (; runners && n_started < n; n_started++) {
        runners[n_started] = (struct runner){.start = &start, .i = n_started};
        if (pthread_create(&runners[n_started].thread, NULL, run_when_told,
                           &runners[n_started]) != 0)
            break;
    }
    pthread_mutex_lock(&start.lock);
    while (start.n_ready < n_started)
        pthread_cond_wait(&start.changed, &start.lock);
    start.go = true;
    start.called_off = n_started < n;
    begin = clock_ns();
    pthread_cond_broadcast(&start.changed);
    pthread_mutex_unlock(&start.lock);
    for (int i = 0; i < n_started; i++)
        pthread_join(runners[i].thread, NULL);
    free(runners);
    return start.called_off ? -1 : (double)(clock_ns() - begin) / 1e9;
}
