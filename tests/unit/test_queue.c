/* SPDX-License-Identifier: Apache-2.0
 * Queues, budgets and the pipeline: nothing lost, nothing twice, every wait ends. */
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "tools/run/budget.h"
#include "tools/run/pipeline.h"
#include "tools/run/queue.h"

/* The pipeline knows samples by name only. */
struct sample {
    int value;
    int seen; /* by the middle stage */
};

static bool put(struct queue *q, struct sample *item)
{
    return queue_put(q, &item, 1);
}

static void queue_keeps_order_and_drains_after_close(void **state)
{
    struct queue q;
    struct sample a = {1, 0}, b = {2, 0}, c = {3, 0}, *got[4];

    (void)state;
    assert_int_equal(queue_init(&q, 3), 0);
    assert_true(put(&q, &a) && put(&q, &b) && put(&q, &c));
    queue_close(&q);
    assert_int_equal(queue_get(&q, got, 2, 1), 2);
    assert_ptr_equal(got[0], &a);
    assert_ptr_equal(got[1], &b);
    assert_int_equal(queue_get(&q, got, 4, 1), 1);
    assert_ptr_equal(got[0], &c);
    assert_int_equal(queue_get(&q, got, 4, 1), 0);
    queue_free(&q);
}

static void queue_leaves_others_their_share(void **state)
{
    struct queue q;
    struct sample a = {1, 0}, b = {2, 0}, c = {3, 0}, *got[3];

    (void)state;
    assert_int_equal(queue_init(&q, 3), 0);
    assert_true(put(&q, &a) && put(&q, &b) && put(&q, &c));
    assert_int_equal(queue_get(&q, got, 3, 2), 2);
    assert_int_equal(queue_get(&q, got, 3, 2), 1);
    assert_ptr_equal(got[0], &c);
    queue_free(&q);
}

static bool is_readable(const struct queue *q)
{
    struct pollfd fd = {.fd = q->event_fd, .events = POLLIN};

    return poll(&fd, 1, 0) > 0;
}

static void queue_says_when_it_need_not_wait(void **state)
{
    struct queue q;
    struct sample a = {1, 0}, b = {2, 0}, *got[3];
    bool ended;

    (void)state;
    assert_int_equal(queue_init(&q, 3), 0);
    assert_int_equal(queue_make_pollable(&q), 0);
    assert_false(is_readable(&q));
    assert_int_equal(queue_take(&q, got, 3, 1, &ended), 0);
    assert_false(ended);
    assert_true(put(&q, &a) && put(&q, &b));
    assert_true(is_readable(&q));
    assert_int_equal(queue_take(&q, got, 3, 2, &ended), 1);
    assert_true(is_readable(&q));
    assert_int_equal(queue_take(&q, got, 3, 2, &ended), 1);
    assert_ptr_equal(got[0], &b);
    assert_false(is_readable(&q) || ended);
    assert_true(put(&q, &a));
    queue_close(&q);
    assert_int_equal(queue_take(&q, got, 3, 1, &ended), 1);
    assert_false(ended);
    assert_int_equal(queue_take(&q, got, 3, 1, &ended), 0);
    assert_true(ended && is_readable(&q));
    queue_free(&q);
}

static uint64_t n_shown(const struct queue *q)
{
    uint64_t n = 0;

    assert_int_equal(read(q->event_fd, &n, sizeof(n)), sizeof(n));
    return n;
}

/* Who polls is woken once for all of them. */
static void queue_takes_several_at_once(void **state)
{
    struct queue q;
    struct sample a[3] = {{1, 0}, {2, 0}, {3, 0}};
    struct sample *const all[] = {&a[0], &a[1], &a[2]};
    struct sample *got[3];

    (void)state;
    assert_int_equal(queue_init(&q, 3), 0);
    assert_int_equal(queue_make_pollable(&q), 0);
    assert_true(queue_put(&q, all, 3));
    assert_int_equal(n_shown(&q), 1);
    assert_int_equal(queue_get(&q, got, 3, 1), 3);
    assert_memory_equal(got, all, sizeof(all));
    assert_true(queue_put(&q, all, 0));
    queue_free(&q);
}

static void *put_five(void *arg)
{
    static struct sample a[5];
    struct sample *const all[] = {&a[0], &a[1], &a[2], &a[3], &a[4]};

    return queue_put(arg, all, 5) ? &a[0] : NULL;
}

/* More than there is room for go in as others take some. */
static void queue_puts_on_as_there_is_room(void **state)
{
    struct sample *first = NULL, *got[5];
    struct queue q;
    pthread_t thread;
    void *put;

    (void)state;
    assert_int_equal(queue_init(&q, 2), 0);
    assert_int_equal(pthread_create(&thread, NULL, put_five, &q), 0);
    for (size_t n = 0; n < 5;) {
        const size_t n_got = queue_get(&q, got, 5, 1);

        assert_true(n_got > 0 && n_got <= 2);
        first = n == 0 ? got[0] : first;
        for (size_t i = 0; i < n_got; i++)
            assert_ptr_equal(got[i], first + n++);
    }
    assert_int_equal(pthread_join(thread, &put), 0);
    assert_ptr_equal(put, first);
    queue_free(&q);
}

static void queue_cancel_refuses_and_empties(void **state)
{
    struct queue q;
    struct sample a = {1, 0}, *got[1];

    (void)state;
    assert_int_equal(queue_init(&q, 2), 0);
    assert_true(put(&q, &a));
    queue_cancel(&q);
    assert_false(put(&q, &a));
    assert_int_equal(queue_get(&q, got, 1, 1), 0);
    queue_free(&q);
}

static void *wait_for_item(void *arg)
{
    struct sample *got[1];

    return (void *)(uintptr_t)queue_get(arg, got, 1, 1);
}

static void queue_cancel_wakes_a_waiter(void **state)
{
    struct queue q;
    pthread_t thread;
    void *n = &q;

    (void)state;
    assert_int_equal(queue_init(&q, 1), 0);
    assert_int_equal(pthread_create(&thread, NULL, wait_for_item, &q), 0);
    usleep(20000);
    queue_cancel(&q);
    pthread_join(thread, &n);
    assert_null(n);
    queue_free(&q);
}

struct ask {
    struct budget *budget;
    uint64_t bytes;
    atomic_int *order;
    int place; /* in which it was granted, from 1 */
    bool granted;
};

static void *take(void *arg)
{
    struct ask *ask = arg;

    ask->granted = budget_take(ask->budget, ask->bytes);
    ask->place = atomic_fetch_add(ask->order, 1) + 1;
    if (ask->granted)
        budget_give_back(ask->budget, ask->bytes);
    return NULL;
}

static void budget_serves_in_order_of_asking(void **state)
{
    struct budget b;
    atomic_int order = 0;
    struct ask large = {&b, 100, &order, 0, false}, small = {&b, 1, &order, 0, false};
    pthread_t threads[2];

    (void)state;
    budget_init(&b, 100);
    assert_true(budget_take(&b, 50));
    pthread_create(&threads[0], NULL, take, &large);
    usleep(30000);
    pthread_create(&threads[1], NULL, take,
                   &small); /* would fit, but must not overtake */
    usleep(30000);
    assert_int_equal(atomic_load(&order), 0);
    budget_give_back(&b, 50);
    pthread_join(threads[0], NULL);
    pthread_join(threads[1], NULL);
    assert_true(large.granted && small.granted);
    assert_int_equal(large.place, 1);
    assert_int_equal(b.used, 0);
    budget_free(&b);
}

static void budget_grants_more_than_its_total_alone(void **state)
{
    struct budget b;

    (void)state;
    budget_init(&b, 10);
    assert_true(budget_take(&b, 1000));
    budget_give_back(&b, 1000);
    budget_cancel(&b);
    assert_false(budget_take(&b, 1));
    budget_free(&b);
}

/* What was given back may still be in malloc()'s arenas, of which so much is free. */
static void check_what_malloc_keeps(size_t n_kept, bool returned)
{
    enum { MIB = 1 << 20, MOST = 40 };
    void *blocks[MOST + 1]; /* the last one holds what is before it */
    uint64_t kept;
    struct budget b;

    for (size_t i = 0; i <= n_kept; i++)
        assert_non_null(blocks[i] = malloc(MIB));
    for (size_t i = 0; i < n_kept; i++)
        free(blocks[i]);
    kept = mallinfo2().fordblks; /* of a sanitizer's malloc(): 0 */
    budget_init(&b, 100 * (uint64_t)MIB);
    assert_true(budget_take(&b, 60 * (uint64_t)MIB));
    budget_give_back(&b, 60 * (uint64_t)MIB);
    assert_true(budget_take(&b, 40 * (uint64_t)MIB));
    assert_int_equal(b.loose, 60 * (uint64_t)MIB);
    assert_true(budget_take(&b, 25 * (uint64_t)MIB));
    assert_int_equal(b.loose, returned ? 0 : kept);
    assert_int_equal(b.used, 65 * (uint64_t)MIB);
    budget_free(&b);
    free(blocks[n_kept]);
}

static void budget_counts_what_malloc_may_keep(void **state)
{
    (void)state;
    budget_tame_malloc();
    check_what_malloc_keeps(10, false); /* there is room for it */
    check_what_malloc_keeps(40, true);
}

enum { N_ITEMS = 5000, N_SAMPLES = 7 };

struct bench {
    atomic_int next;     /* source: the next value */
    int fail_at;         /* middle: -1, or the value at which it fails */
    atomic_llong sum;    /* sink */
    atomic_int received; /* sink */
    atomic_int n_open;   /* workers whose close has not run */
    bool middle_takes;   /* it has run() */
    struct budget *gate; /* source: of which each value takes a byte; or NULL */
};

static int bench_open(void **worker, void *shared)
{
    struct bench *b = *worker = shared;

    atomic_fetch_add(&b->n_open, 1);
    return PIPE_OK;
}

static void bench_close(void *worker)
{
    struct bench *b = worker;

    atomic_fetch_sub(&b->n_open, 1);
}

static int source_work(void *worker, struct sample **s, int n, struct pipe_out *out)
{
    struct bench *b = worker;
    int value = atomic_fetch_add(&b->next, 1);

    assert_int_equal(n, 1);
    if (value >= N_ITEMS || (b->gate && !budget_take(b->gate, 1)))
        return PIPE_END;
    *s[0] = (struct sample){.value = value};
    return pipe_pass(out, s[0]);
}

static int middle_work(void *worker, struct sample **s, int n, struct pipe_out *out)
{
    struct bench *b = worker;

    for (int i = 0; i < n; i++) {
        if (s[i]->value == b->fail_at)
            return -7;
        s[i]->seen++;
        if (pipe_pass(out, s[i]) != PIPE_OK)
            return PIPE_END;
    }
    return PIPE_OK;
}

/* Keeps one sample, until there are no more. */
static int middle_run(void *worker, struct pipe_in *in, struct pipe_out *out)
{
    struct pollfd fd = {.fd = pipe_poll_fd(in), .events = POLLIN};
    struct sample *kept[4];
    size_t n = 0;
    bool ended = false;
    int rc = PIPE_OK;

    while (rc == PIPE_OK && (!ended || n > 0)) {
        if (!ended)
            poll(&fd, 1, -1);
        if (!ended)
            n += pipe_take(in, kept + n, 2, &ended);
        if (n > 1 || ended) {
            rc = n > 0 ? middle_work(worker, kept, (int)n, out) : PIPE_OK;
            n = 0;
        }
    }
    return rc == PIPE_OK ? PIPE_END : rc;
}

static int sink_work(void *worker, struct sample **s, int n, struct pipe_out *out)
{
    struct bench *b = worker;

    for (int i = 0; i < n; i++) {
        assert_int_equal(s[i]->seen, 1);
        atomic_fetch_add(&b->sum, s[i]->value);
        atomic_fetch_add(&b->received, 1);
        if (pipe_pass(out, s[i]) != PIPE_OK)
            return PIPE_END;
    }
    return PIPE_OK;
}

static void end_waits(void *shared)
{
    struct bench *b = shared;

    if (b->gate)
        budget_cancel(b->gate);
}

static int run_bench(struct bench *b, bool cancel)
{
    struct pipe_stage stages[] = {
        {"source", 2, 1, b, bench_open, source_work, bench_close, NULL, NULL},
        {"middle", 3, 2, b, bench_open, middle_work, bench_close, NULL,
         b->middle_takes ? middle_run : NULL},
        {"sink", 1, 4, b, bench_open, sink_work, bench_close, NULL, NULL},
    };
    struct sample storage[N_SAMPLES], *samples[N_SAMPLES];
    struct pipeline *p;
    int rc;

    for (int i = 0; i < N_SAMPLES; i++)
        samples[i] = &storage[i];
    assert_int_equal(pipeline_new(&p, stages, 3, samples, N_SAMPLES), 0);
    pipeline_on_stop(p, end_waits, b);
    if (cancel)
        pipeline_cancel(p);
    rc = pipeline_run(p);
    pipeline_free(p);
    assert_int_equal(atomic_load(&b->n_open), 0);
    return rc;
}

static void pipeline_carries_every_sample_once(void **state)
{
    struct bench b = {.fail_at = -1};

    (void)state;
    assert_int_equal(run_bench(&b, false), PIPE_OK);
    assert_int_equal(atomic_load(&b.received), N_ITEMS);
    assert_int_equal(atomic_load(&b.sum), (long long)N_ITEMS * (N_ITEMS - 1) / 2);
}

static void pipeline_stops_at_the_first_error(void **state)
{
    struct bench b = {.fail_at = 1000};

    (void)state;
    assert_int_equal(run_bench(&b, false), -7);
    assert_true(atomic_load(&b.received) < N_ITEMS);
}

static void pipeline_lets_a_stage_keep_samples(void **state)
{
    struct bench good = {.fail_at = -1, .middle_takes = true};
    struct bench bad = {.fail_at = 1000, .middle_takes = true};
    struct bench stopped = {.fail_at = -1, .middle_takes = true};

    (void)state;
    assert_int_equal(run_bench(&good, false), PIPE_OK);
    assert_int_equal(atomic_load(&good.received), N_ITEMS);
    assert_int_equal(atomic_load(&good.sum), (long long)N_ITEMS * (N_ITEMS - 1) / 2);
    assert_int_equal(run_bench(&bad, false), -7);
    assert_int_equal(run_bench(&stopped, true), PIPE_END);
}

static void pipeline_ends_the_stages_waits_at_an_error(void **state)
{
    struct budget gate;
    struct bench b = {.fail_at = 0, .gate = &gate};

    (void)state;
    budget_init(&gate, 1);
    assert_int_equal(run_bench(&b, false), -7);
    budget_free(&gate);
}

static void pipeline_can_be_cancelled(void **state)
{
    struct bench b = {.fail_at = -1};

    (void)state;
    assert_int_equal(run_bench(&b, true), PIPE_END);
    assert_true(atomic_load(&b.received) < N_ITEMS);
}

static int waiting_work(void *worker, struct sample **s, int n, struct pipe_out *out)
{
    enum { WAIT_MS = 30 };

    (void)s;
    (void)n;
    (void)worker;
    usleep(WAIT_MS * 1000);
    pipe_waited(out, (uint64_t)WAIT_MS * 1000000);
    return PIPE_END;
}

static void a_wait_for_later_stages_is_not_busy(void **state)
{
    struct bench b = {.fail_at = -1};
    struct pipe_stage stages[] = {
        {"source", 1, 1, &b, bench_open, waiting_work, bench_close, NULL, NULL},
        {"sink", 1, 4, &b, bench_open, sink_work, bench_close, NULL, NULL},
    };
    struct sample storage = {0}, *samples[] = {&storage};
    struct pipeline *p;

    (void)state;
    assert_int_equal(pipeline_new(&p, stages, 2, samples, 1), 0);
    assert_int_equal(pipeline_run(p), PIPE_OK);
    assert_true(pipeline_busy_ns(p, 0) < 20000000);
    pipeline_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(queue_keeps_order_and_drains_after_close),
        cmocka_unit_test(queue_leaves_others_their_share),
        cmocka_unit_test(queue_says_when_it_need_not_wait),
        cmocka_unit_test(queue_takes_several_at_once),
        cmocka_unit_test(queue_puts_on_as_there_is_room),
        cmocka_unit_test(queue_cancel_refuses_and_empties),
        cmocka_unit_test(queue_cancel_wakes_a_waiter),
        cmocka_unit_test(budget_serves_in_order_of_asking),
        cmocka_unit_test(budget_grants_more_than_its_total_alone),
        cmocka_unit_test(budget_counts_what_malloc_may_keep),
        cmocka_unit_test(pipeline_carries_every_sample_once),
        cmocka_unit_test(pipeline_stops_at_the_first_error),
        cmocka_unit_test(pipeline_lets_a_stage_keep_samples),
        cmocka_unit_test(pipeline_ends_the_stages_waits_at_an_error),
        cmocka_unit_test(pipeline_can_be_cancelled),
        cmocka_unit_test(a_wait_for_later_stages_is_not_busy),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
