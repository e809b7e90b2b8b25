/* SPDX-License-Identifier: Apache-2.0
 * How long a run still takes, by what is written of inputs of many kinds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tools/prepare/remaining.h"

/* Of n inputs, after so many seconds. */
static double left(const struct input_progress *inputs, size_t n, double seconds)
{
    struct work work = {0};

    for (size_t i = 0; i < n; i++)
        work_add(&work, &inputs[i]);
    return work_seconds_left(&work, seconds);
}

static struct input_progress waiting(uint64_t size)
{
    return (struct input_progress){.size_known = true, .size = size};
}

static struct input_progress in_hand(uint64_t size, uint64_t read, uint64_t n_read,
                                     uint64_t n_written)
{
    return (struct input_progress){.size_known = true,
                                   .size = size,
                                   .read = read,
                                   .read_all = read == size,
                                   .n_read = n_read,
                                   .n_written = n_written};
}

static struct input_progress ended(uint64_t size)
{
    struct input_progress p = in_hand(size, size, 10, 10);

    p.ended = true;
    return p;
}

#define LEFT(seconds, ...)                                                               \
    left((const struct input_progress[]){__VA_ARGS__},                                   \
         sizeof((const struct input_progress[]){__VA_ARGS__}) /                          \
             sizeof(struct input_progress),                                              \
         seconds)

static void nothing_is_said_before_anything_is_written(void **state)
{
    (void)state;
    assert_true(LEFT(5, waiting(1000), waiting(1000)) < 0);
    assert_true(LEFT(5, in_hand(1000, 900, 40, 0), waiting(1000)) < 0);
    /* An empty input, or one that another process had done, is no evidence. */
    assert_true(LEFT(5, ended(0), in_hand(1000, 900, 40, 0)) < 0);
}

static void reading_ahead_is_no_progress(void **state)
{
    (void)state;
    /* All of it is read, 20 of 100 samples are written: 4 times as long again. */
    assert_float_equal(LEFT(10, in_hand(1000, 1000, 100, 20)), 40, 1e-6);
    /* A half is read, and a fifth of that written: a tenth is done. */
    assert_float_equal(LEFT(10, in_hand(1000, 500, 100, 20)), 90, 1e-6);
    /* 25 samples of 4 bytes, in 10 s, of a run of 2,000 bytes: 190 s, by the rate shown.
     */
    assert_float_equal(LEFT(10, in_hand(1000, 1000, 250, 25), waiting(1000)), 190, 1e-6);
}

static void large_and_small_inputs_are_weighed_by_their_bytes(void **state)
{
    (void)state;
    assert_float_equal(LEFT(10, ended(100), ended(100), waiting(10000)), 500, 1e-6);
    assert_float_equal(LEFT(10, ended(10000), waiting(100), waiting(100)), 0.2, 1e-6);
    /* Of the one in hand three quarters are done: 750 of 2,750, with what is complete. */
    assert_float_equal(LEFT(30, ended(1000), in_hand(1000, 1000, 8, 6), waiting(1000)),
                       1250. / 1750 * 30, 1e-6);
}

static void a_pipe_has_no_remaining_time_until_it_is_read(void **state)
{
    struct input_progress pipe = {.read = 500, .n_read = 10, .n_written = 5};

    (void)state;
    assert_true(LEFT(10, ended(1000), pipe) < 0);
    assert_true(LEFT(10, ended(1000), (struct input_progress){0}) < 0);
    pipe.read_all = true;
    assert_float_equal(LEFT(10, ended(1000), pipe), 2, 1e-6);
    pipe.n_written = 10;
    pipe.ended = true;
    assert_float_equal(LEFT(10, ended(1000), pipe, waiting(1500)), 10, 1e-6);
}

static void at_the_end_nothing_is_left(void **state)
{
    (void)state;
    assert_float_equal(LEFT(10, ended(1000), ended(10)), 0, 1e-6);
    assert_float_equal(LEFT(10, ended(0)), 0, 1e-6);
    assert_float_equal(left(NULL, 0, 10), 0, 1e-6);
    /* One that grew while it was read. */
    assert_float_equal(LEFT(10, in_hand(1000, 1500, 10, 10)), 0, 1e-6);
    /* Read and written, not yet published. */
    assert_float_equal(LEFT(10, in_hand(1000, 1000, 10, 10)), 0, 1e-6);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_said_before_anything_is_written),
        cmocka_unit_test(reading_ahead_is_no_progress),
        cmocka_unit_test(large_and_small_inputs_are_weighed_by_their_bytes),
        cmocka_unit_test(a_pipe_has_no_remaining_time_until_it_is_read),
        cmocka_unit_test(at_the_end_nothing_is_left),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
