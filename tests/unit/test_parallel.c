/* SPDX-License-Identifier: Apache-2.0
 * Units on threads: each once, until one ends the run or a signal does. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>

#include "tools/run/parallel.h"

enum { N = 1000 };

struct work {
    struct parallel parallel;
    atomic_int times[N];
    size_t last;   /* this unit ends the run */
    size_t signal; /* at this one a signal comes */
};

static bool do_unit(void *shared, size_t i)
{
    struct work *w = shared;

    atomic_fetch_add(&w->times[i], 1);
    if (i == w->signal) {
        kill(getpid(), SIGTERM);
        while (!atomic_load(&w->parallel.stopping))
            usleep(1000);
    }
    return i != w->last;
}

static size_t run(struct work *w, size_t n_workers)
{
    size_t n = 0;

    w->parallel = (struct parallel){
        .n_units = N, .n_workers = n_workers, .work = do_unit, .shared = w};
    assert_int_equal(parallel_run(&w->parallel), 0);
    for (size_t i = 0; i < N; i++) {
        assert_in_range(atomic_load(&w->times[i]), 0, 1);
        n += (size_t)atomic_load(&w->times[i]);
    }
    return n;
}

static void test_all(void **state)
{
    (void)state;
    for (size_t n_workers = 1; n_workers <= 8; n_workers *= 2) {
        struct work w = {.last = N, .signal = N};

        assert_int_equal(run(&w, n_workers), N);
        assert_false(w.parallel.interrupted);
    }
}

/* The others finish what they have in hand. */
static void test_last(void **state)
{
    struct work w = {.last = 10, .signal = N};

    (void)state;
    assert_int_equal(run(&w, 1), 11);
    assert_false(w.parallel.interrupted);
}

static void test_signal(void **state)
{
    struct work w = {.last = N, .signal = 10};

    (void)state;
    assert_int_equal(run(&w, 1), 11);
    assert_true(w.parallel.interrupted);
}

/* What one run left behind ends no other. */
static void test_again(void **state)
{
    struct work w = {.last = 10, .signal = N};

    (void)state;
    assert_int_equal(run(&w, 1), 11);
    w.last = N;
    assert_int_equal(parallel_run(&w.parallel), 0);
    assert_int_equal(atomic_load(&w.times[0]), 2);
    assert_int_equal(atomic_load(&w.times[N - 1]), 1);
}

static void test_none(void **state)
{
    struct parallel none = {.n_workers = 4, .work = do_unit};

    (void)state;
    assert_int_equal(parallel_run(&none), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all),    cmocka_unit_test(test_last),
        cmocka_unit_test(test_signal), cmocka_unit_test(test_again),
        cmocka_unit_test(test_none),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
