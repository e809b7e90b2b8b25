/* SPDX-License-Identifier: Apache-2.0
 * Tap tables, the vector kernels against the plain ones, rows in and pixels out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ingest/resize.h"
#include "ingest/resize_axis.h"
#include "ingest/resize_kernel.h"
#include "ingest/status.h"

static const enum resize_filter filters[] = {RESIZE_BICUBIC, RESIZE_LANCZOS,
                                             RESIZE_BILINEAR, RESIZE_AREA};
static const struct resize_span spans[] = {
    {500, 0, 500, 256, false}, {640, 80, 480, 256, false}, {7, 0, 7, 64, false},
    {7, 2, 3, 64, true},       {1, 0, 1, 16, false},       {4099, 13, 4000, 32, true},
    {256, 0, 256, 256, false}, {300, 44, 256, 256, true},
};

enum { N_SPANS = sizeof(spans) / sizeof(spans[0]) };

static uint32_t next_random(uint32_t *state)
{
    *state = *state * 1664525u + 1013904223u;
    return *state >> 8;
}

static void for_each_axis(void (*check)(const struct resize_axis *,
                                        const struct resize_span *))
{
    for (size_t f = 0; f < 4; f++) {
        for (size_t s = 0; s < N_SPANS; s++) {
            struct resize_axis a;
            assert_int_equal(resize_axis_build(&a, &spans[s], filters[f]), INGEST_OK);
            check(&a, &spans[s]);
            resize_axis_clear(&a);
        }
    }
}

static void check_table(const struct resize_axis *a, const struct resize_span *span)
{
    for (int out = 0; out < a->n_out; out++) {
        int64_t sum = 0;
        assert_in_range(a->n_taps[out], 1, a->max_taps);
        assert_true(a->first[out] >= 0);
        assert_true(a->first[out] + a->n_taps[out] <= span->in_size);
        for (int i = 0; i < a->n_taps[out]; i++)
            sum += a->taps[(size_t)out * (size_t)a->max_taps + (size_t)i];
        assert_true(llabs(sum - (1 << RESIZE_BITS)) <= a->n_taps[out]);
        if (out == 0)
            continue;
        assert_true(a->first[out] >= a->first[out - 1]);
        assert_true(a->first[out] + a->n_taps[out] >=
                    a->first[out - 1] + a->n_taps[out - 1]);
    }
    assert_in_range(resize_axis_overlap(a), 1, a->n_out);
}

static void tables_sum_to_one_and_never_go_back(void **state)
{
    (void)state;
    for_each_axis(check_table);
}

static void a_mirrored_table_is_the_table_from_the_far_end(void **state)
{
    (void)state;
    struct resize_span span = {100, 11, 70, 33, false};
    struct resize_axis a, m;

    assert_int_equal(resize_axis_build(&a, &span, RESIZE_LANCZOS), INGEST_OK);
    span.mirrored = true;
    assert_int_equal(resize_axis_build(&m, &span, RESIZE_LANCZOS), INGEST_OK);
    for (int out = 0; out < 33; out++) {
        int other = 32 - out, n = a.n_taps[out];
        assert_int_equal(m.n_taps[other], n);
        assert_int_equal(m.first[other], 100 - a.first[out] - n);
        for (int i = 0; i < n; i++)
            assert_int_equal(m.taps[other * m.max_taps + n - 1 - i],
                             a.taps[out * a.max_taps + i]);
    }
    resize_axis_clear(&a);
    resize_axis_clear(&m);
}

/* At a scale of one all filters leave an image alone: their other weights are 0. */
static void the_same_size_is_the_identity(void **state)
{
    (void)state;
    const struct resize_span span = {40, 8, 32, 32, false};

    for (size_t f = 0; f < 4; f++) {
        struct resize_axis a;
        assert_int_equal(resize_axis_build(&a, &span, filters[f]), INGEST_OK);
        for (int out = 0; out < 32; out++)
            for (int i = 0; i < a.n_taps[out]; i++)
                assert_int_equal(a.taps[out * a.max_taps + i],
                                 a.first[out] + i == 8 + out ? 1 << RESIZE_BITS : 0);
        resize_axis_clear(&a);
    }
}

static void check_across(const struct resize_axis *a, const struct resize_span *span)
{
    uint32_t seed = 7;
    /* Exactly as long as the row: a sanitizer sees one byte too many. */
    uint8_t *row = malloc((size_t)4 * (size_t)span->in_size);
    uint8_t *fast = malloc((size_t)3 * (size_t)a->n_out);
    uint8_t *plain = malloc((size_t)3 * (size_t)a->n_out);

    assert_true(row && fast && plain);
    for (int i = 0; i < 4 * span->in_size; i++)
        row[i] = (uint8_t)(next_random(&seed) % 3 * 127);
    resize_across(fast, row, a);
    resize_across_plain(plain, row, a);
    assert_memory_equal(fast, plain, (size_t)3 * (size_t)a->n_out);
    free(row);
    free(fast);
    free(plain);
}

static void across_equals_the_plain_loop(void **state)
{
    (void)state;
    for_each_axis(check_across);
}

static void down_equals_the_plain_loop(void **state)
{
    (void)state;
    static const int32_t taps[] = {0,       1,       -1,      127,     128,      -128,
                                   4194304, 4194303, -400000, 4700000, -4700000, 77};
    enum { N = 37 };
    uint32_t seed = 9;
    uint8_t line[N], fast_bytes[N], plain_bytes[N];
    int32_t fast[N], plain[N];

    for (int i = 0; i < N; i++) {
        line[i] = (uint8_t)next_random(&seed);
        fast[i] = plain[i] = (int32_t)(next_random(&seed) % 1000);
    }
    line[0] = 255;
    for (size_t t = 0; t < sizeof(taps) / sizeof(taps[0]); t++) {
        for (size_t n = 1; n <= N; n++) {
            resize_add_line(fast, line, taps[t] / 1000, n);
            resize_add_line_plain(plain, line, taps[t] / 1000, n);
        }
        resize_add_line(fast, line, taps[t], N);
        resize_add_line_plain(plain, line, taps[t], N);
        assert_memory_equal(fast, plain, sizeof(fast));
        resize_narrow(fast_bytes, fast, N);
        resize_narrow_plain(plain_bytes, plain, N);
        assert_memory_equal(fast_bytes, plain_bytes, N);
        memset(fast, 0, sizeof(fast));
        memset(plain, 0, sizeof(plain));
    }
}

/* A stored image of 3 x 2 whose pixels are numbered 1 to 6, as they stand after each
 * orientation (at its own size, so that no filter shows). */
static void all_orientations_are_placed(void **state)
{
    (void)state;
    static const struct {
        int width, height;
        uint8_t pixels[6];
    } oriented[] = {
        {3, 2, {1, 2, 3, 4, 5, 6}}, {3, 2, {3, 2, 1, 6, 5, 4}},
        {3, 2, {6, 5, 4, 3, 2, 1}}, {3, 2, {4, 5, 6, 1, 2, 3}},
        {2, 3, {1, 4, 2, 5, 3, 6}}, {2, 3, {4, 1, 5, 2, 6, 3}},
        {2, 3, {6, 3, 5, 2, 4, 1}}, {2, 3, {3, 6, 2, 5, 1, 4}},
    };

    for (int o = 1; o <= 8; o++) {
        const int w = oriented[o - 1].width, h = oriented[o - 1].height;
        const struct resize_geometry g = {3, 2, o, {0, 0, w, h}, w, h, RESIZE_BICUBIC};
        uint8_t rgb[18] = {0};
        struct resizer *r;
        assert_int_equal(resizer_open(&r, &g, rgb), INGEST_OK);
        for (int y = 0; y < 2; y++) {
            uint8_t row[12] = {0};
            for (int x = 0; x < 3; x++)
                row[4 * x + 1] = (uint8_t)(3 * y + x + 1);
            resizer_row(r, row);
        }
        resizer_close(r);
        for (int i = 0; i < 6; i++)
            assert_int_equal(rgb[3 * i + 1], oriented[o - 1].pixels[i]);
    }
}

static void rows_after_the_last_are_ignored(void **state)
{
    (void)state;
    const struct resize_geometry g = {2, 2, 1, {0, 0, 2, 2}, 1, 1, RESIZE_AREA};
    const uint8_t row[8] = {10, 20, 30, 0, 20, 30, 40, 0};
    uint8_t rgb[3];
    struct resizer *r;

    assert_int_equal(resizer_open(&r, &g, rgb), INGEST_OK);
    for (int i = 0; i < 5; i++)
        resizer_row(r, row);
    resizer_close(r);
    resizer_close(NULL);
    assert_int_equal(rgb[0], 15);
    assert_int_equal(rgb[2], 35);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tables_sum_to_one_and_never_go_back),
        cmocka_unit_test(a_mirrored_table_is_the_table_from_the_far_end),
        cmocka_unit_test(the_same_size_is_the_identity),
        cmocka_unit_test(across_equals_the_plain_loop),
        cmocka_unit_test(down_equals_the_plain_loop),
        cmocka_unit_test(all_orientations_are_placed),
        cmocka_unit_test(rows_after_the_last_are_ignored),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
