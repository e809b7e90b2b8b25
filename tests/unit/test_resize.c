/* SPDX-License-Identifier: Apache-2.0
 * Tap tables, every instruction set's kernels against plain sums, rows in, pixels out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ingest/image/resize.h"
#include "ingest/image/resize_axis.h"
#include "ingest/image/resize_kernel.h"
#include "ingest/status.h"

static const enum resize_filter filters[] = {RESIZE_BICUBIC, RESIZE_LANCZOS,
                                             RESIZE_BILINEAR, RESIZE_AREA};
static const struct resize_span spans[] = {
    {500, 0, 4000, 256, false}, {640, 640, 3840, 256, false},
    {7, 0, 56, 64, false},      {7, 16, 24, 64, true},
    {1, 0, 8, 16, false},       {4099, 104, 32000, 32, true},
    {256, 0, 2048, 256, false}, {300, 352, 2048, 256, true},
    {2, 0, 16, 500, false},     {3, 0, 8, 9, false},
    {63, 5, 491, 31, true},
};

enum { N_SPANS = sizeof(spans) / sizeof(spans[0]) };

/* What resize_kernels.pack promises to take: 1.9. */
enum { MOST_TAP = (1 << RESIZE_BITS) / 10 * 19 };

static const char *const isas[] = {"portable", "avx2", "avx512"};

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
        for (int i = 0; i < a->n_taps[out]; i++) {
            int32_t tap = a->taps[(size_t)out * (size_t)a->max_taps + (size_t)i];
            assert_true(abs(tap) <= MOST_TAP);
            sum += tap;
        }
        assert_true(llabs(sum - (1 << RESIZE_BITS)) <= a->n_taps[out]);
        if (out == 0)
            continue;
        assert_true(a->first[out] >= a->first[out - 1]);
        assert_true(a->first[out] + a->n_taps[out] >=
                    a->first[out - 1] + a->n_taps[out - 1]);
    }
}

static void tables_sum_to_one_and_never_go_back(void **state)
{
    (void)state;
    for_each_axis(check_table);
}

static void a_mirrored_table_is_the_table_from_the_far_end(void **state)
{
    (void)state;
    struct resize_span span = {100, 88, 560, 33, false};
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
    const struct resize_span span = {40, 64, 256, 32, false};

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

static int fixed_sum_to_byte(int64_t sum)
{
    int64_t v = (sum + RESIZE_HALF) >> RESIZE_BITS;

    return v < 0 ? 0 : v > 255 ? 255 : (int)v;
}

static void *aligned(size_t len)
{
    void *p = aligned_alloc(RESIZE_ALIGN, (len + 63) / 64 * 64);

    assert_non_null(p);
    return p;
}

static void fill(uint8_t *bytes, size_t len, uint32_t seed)
{
    for (size_t i = 0; i < len; i++)
        bytes[i] = (uint8_t)(next_random(&seed) % 3 * 127 + 1);
}

/* Blocks of four rows, summed tap by tap. */
static void check_across(const struct resize_kernels *k, const struct resize_span *span,
                         enum resize_filter filter)
{
    size_t n_pixels = ((size_t)span->in_size + 15) / 16 * 16;
    uint8_t *rows = aligned(16 * n_pixels), *blocks = aligned(16 * n_pixels);
    uint8_t *flat = aligned(16 * (size_t)span->out_size);
    uint8_t *stacked = aligned(16 * (size_t)span->out_size);
    const struct resize_blocks *table;
    struct resize_tables *tables;
    struct resize_axis a;

    fill(rows, 16 * n_pixels, 7);
    assert_int_equal(resize_axis_build(&a, span, filter), INGEST_OK);
    assert_int_equal(resize_tables_open(&tables, k), INGEST_OK);
    assert_int_equal(resize_tables_get(tables, span, filter, &table), INGEST_OK);
    k->by_pixels(blocks, rows, 4 * n_pixels, n_pixels);
    k->across(flat, blocks, table, false);
    k->across(stacked, blocks, table, true);
    for (int i = 0; i < 16 * span->out_size; i++) {
        int out = i / 16, row = i / 4 % 4, c = i % 4;
        const uint8_t *pixel = rows + 4 * n_pixels * (size_t)row + 4 * a.first[out];
        int64_t sum = 0;
        for (int t = 0; t < a.n_taps[out]; t++)
            sum += (int64_t)a.taps[out * a.max_taps + t] * pixel[4 * t + c];
        assert_int_equal(flat[i], fixed_sum_to_byte(sum));
        assert_int_equal(stacked[16 * out + 4 * c + row], flat[i]);
    }
    resize_axis_clear(&a);
    resize_tables_close(tables);
    free(rows);
    free(blocks);
    free(flat);
    free(stacked);
}

static void across_sums_the_table(void **state)
{
    (void)state;
    for (size_t i = 0; i < 3; i++)
        for (size_t f = 0; f < 4; f++)
            for (size_t s = 0; s < N_SPANS; s++)
                check_across(resize_kernels_find(isas[i]), &spans[s], filters[f]);
}

static void check_down(const struct resize_kernels *k, const int32_t taps[4])
{
    enum { N = 48, VALUES = 4 * N };
    uint8_t *rows = aligned(4 * VALUES), *stack = aligned(4 * VALUES);
    uint8_t *bytes = aligned(VALUES);
    int32_t *sums = aligned(VALUES * sizeof(*sums));
    uint32_t packed[4];

    fill(rows, 4 * VALUES, 9);
    k->pack(packed, taps);
    k->by_rows(stack, rows, VALUES, N);
    k->down(sums, stack, packed, N, false);
    k->down(sums, stack, packed, N, true);
    k->narrow(bytes, sums, N);
    for (int i = 0; i < VALUES; i++) {
        int64_t sum = 0;
        for (int row = 0; row < 4; row++)
            sum += (int64_t)2 * taps[row] * rows[row * VALUES + i];
        assert_int_equal(sums[i], (int32_t)(uint32_t)sum);
        assert_int_equal(bytes[i], fixed_sum_to_byte(sums[i]));
    }
    free(rows);
    free(stack);
    free(bytes);
    free(sums);
}

static void down_sums_four_rows(void **state)
{
    (void)state;
    static const int32_t taps[][4] = {{0, 0, 0, 0},
                                      {1, -1, 127, 128},
                                      {-128, -129, 129, 255},
                                      {256, -256, 32767, 32768},
                                      {-32768, -32769, 65535, 65536},
                                      {1 << RESIZE_BITS, 0, 0, 0},
                                      {0, 0, 0, (1 << RESIZE_BITS) - 1},
                                      {MOST_TAP, -MOST_TAP, 0, 77},
                                      {-400000, 2497152, 2497152, -400000}};

    for (size_t i = 0; i < 3; i++)
        for (size_t t = 0; t < sizeof(taps) / sizeof(taps[0]); t++)
            check_down(resize_kernels_find(isas[i]), taps[t]);
}

static void an_instruction_set_is_the_most_that_is_used(void **state)
{
    (void)state;
    assert_string_equal(resize_kernels_find("portable")->isa, "portable");
    assert_null(resize_kernels_find("abacus"));
    assert_non_null(resize_kernels_find(NULL));
    print_message("          best kernels here: %s\n", resize_kernels_find(NULL)->isa);
}

/* Many sizes, so that tables are dropped and made again. */
static void tables_are_found_again(void **state)
{
    (void)state;
    const struct resize_blocks *first, *second, *again;
    struct resize_tables *tables;

    assert_int_equal(resize_tables_open(&tables, resize_kernels_find(NULL)), INGEST_OK);
    for (int size = 100; size < 140; size++) {
        struct resize_span a = {size, 0, 8 * size, 64, false};
        struct resize_span b = {size, 8, 8 * size - 8, 64, true};
        assert_int_equal(resize_tables_get(tables, &a, RESIZE_AREA, &first), INGEST_OK);
        assert_int_equal(resize_tables_get(tables, &b, RESIZE_AREA, &second), INGEST_OK);
        assert_ptr_not_equal(first, second);
        assert_int_equal(first->first[0], 0);
        assert_int_equal(second->end[63], (size - 2) / 4 + 1);
        assert_int_equal(resize_tables_get(tables, &a, RESIZE_AREA, &again), INGEST_OK);
        assert_ptr_equal(first, again);
        assert_int_equal(resize_tables_get(tables, &a, RESIZE_LANCZOS, &again),
                         INGEST_OK);
        assert_ptr_not_equal(first, again);
        resize_tables_trim(tables);
    }
    resize_tables_close(tables);
    resize_tables_close(NULL);
}

/* Spans that differ in one number, whichever, have tables of their own. */
static void a_table_is_for_its_span(void **state)
{
    (void)state;
    static const struct resize_span spans_alike[] = {
        {100, 80, 640, 64, false}, {101, 80, 640, 64, false}, {100, 81, 640, 64, false},
        {100, 80, 641, 64, false}, {100, 80, 640, 63, false}, {100, 80, 640, 64, true},
    };
    enum { N = sizeof(spans_alike) / sizeof(spans_alike[0]) };
    const struct resize_blocks *found[N];
    struct resize_tables *tables;

    assert_int_equal(resize_tables_open(&tables, resize_kernels_find(NULL)), INGEST_OK);
    for (int i = 0; i < N; i++) {
        assert_int_equal(
            resize_tables_get(tables, &spans_alike[i], RESIZE_BICUBIC, &found[i]),
            INGEST_OK);
        for (int j = 0; j < i; j++)
            assert_ptr_not_equal(found[i], found[j]);
    }
    resize_tables_close(tables);
}

static void open_resizer(struct resizer **r, struct resize_tables **tables,
                         const struct resize_geometry *g, uint8_t *rgb)
{
    assert_int_equal(resize_tables_open(tables, resize_kernels_find(NULL)), INGEST_OK);
    assert_int_equal(resizer_open(r, *tables, g, rgb), INGEST_OK);
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
        const struct resize_geometry g = {3, 2, 8, o, {0, 0, w, h}, w, h, RESIZE_BICUBIC};
        uint8_t rgb[18] = {0};
        struct resize_tables *tables;
        struct resizer *r;
        open_resizer(&r, &tables, &g, rgb);
        for (int y = 0; y < 2; y++) {
            uint8_t *row = resizer_row(r);
            for (int x = 0; x < 3; x++)
                row[4 * x + 1] = (uint8_t)(3 * y + x + 1);
            resizer_row_done(r);
        }
        resizer_close(r);
        resize_tables_close(tables);
        for (int i = 0; i < 6; i++)
            assert_int_equal(rgb[3 * i + 1], oriented[o - 1].pixels[i]);
    }
}

static void rows_outside_the_window_are_ignored(void **state)
{
    (void)state;
    /* Of 40 rows the crop is rows 19 and 20. */
    const struct resize_geometry g = {2, 40, 8, 1, {0, 19, 2, 2}, 1, 1, RESIZE_AREA};
    const uint8_t pixels[8] = {10, 20, 30, 0, 20, 30, 40, 0};

    for (int skipped = 0; skipped <= 16; skipped += 8) {
        uint8_t rgb[3] = {0};
        struct resize_tables *tables;
        struct resizer *r;
        open_resizer(&r, &tables, &g, rgb);
        assert_int_equal(resizer_window(r).top, 16);
        assert_int_equal(resizer_window(r).height, 8);
        assert_int_equal(resizer_window(r).width, 2);
        resizer_skip(r, skipped);
        for (int y = skipped; y < 45; y++) {
            memset(resizer_row(r), 255, 8);
            if (y == 19 || y == 20)
                memcpy(resizer_row(r), pixels, 8);
            resizer_row_done(r);
        }
        resizer_close(r);
        resize_tables_close(tables);
        assert_int_equal(rgb[0], 15);
        assert_int_equal(rgb[2], 35);
    }
    resizer_close(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tables_sum_to_one_and_never_go_back),
        cmocka_unit_test(a_mirrored_table_is_the_table_from_the_far_end),
        cmocka_unit_test(the_same_size_is_the_identity),
        cmocka_unit_test(across_sums_the_table),
        cmocka_unit_test(down_sums_four_rows),
        cmocka_unit_test(an_instruction_set_is_the_most_that_is_used),
        cmocka_unit_test(tables_are_found_again),
        cmocka_unit_test(a_table_is_for_its_span),
        cmocka_unit_test(all_orientations_are_placed),
        cmocka_unit_test(rows_outside_the_window_are_ignored),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
