/* SPDX-License-Identifier: Apache-2.0
 * tests/unit/test_draw.c - the draws of FORMAT.md, and that they are fair. */
#include <inttypes.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "shard/draw.h"
#include "shard/status.h"

static void test_vectors_of_format_md(void **state)
{
    static const struct {
        const char *name, *key;
        uint64_t epoch, seed, u_order, u_caption;
        enum shard_order order;
        uint32_t of_5, of_many;
    } v[] = {
        {"00000", "000000000", 0, 0, 0x701a839ef2eb48f6, 0x6303220f0f64405c, 0, 1,
         386766559},
        {"00000", "000000000", 1, 0, 0xe8b6df9cfdd2f94e, 0x562b24db133324e8, 1, 1,
         336595827},
        {"00000", "000000000", 0, 1, 0xdf00f500bb875f59, 0x2286ae199a900f10, 1, 0,
         134867555},
        {"00001", "000000000", 0, 0, 0x2e4558bd3f22340b, 0x20d2b535484658d0, 0, 0,
         128215147},
        {"a/b", "k\xC3\xA9y", UINT64_MAX, INT64_MAX, 0xbcf32f82a8a067ed,
         0xf5c20811668f6c94, 0, 4, 959991942},
        {"n", "", 7, 42, 0xc7f2f6cd9e50e249, 0xf144d4ec36050491, 0, 4, 942456545},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(v) / sizeof(v[0]); i++) {
        assert_true(shard_draw("order", v[i].name, v[i].key, v[i].epoch, v[i].seed) ==
                    v[i].u_order);
        assert_true(shard_draw("caption", v[i].name, v[i].key, v[i].epoch, v[i].seed) ==
                    v[i].u_caption);
        assert_int_equal(
            shard_draw_order(v[i].name, v[i].key, v[i].epoch, v[i].seed, 0.8),
            v[i].order);
        assert_int_equal(
            shard_draw_caption(0, v[i].name, v[i].key, v[i].epoch, v[i].seed, 5),
            v[i].of_5);
        assert_int_equal(
            shard_draw_caption(0, v[i].name, v[i].key, v[i].epoch, v[i].seed, 1000000007),
            v[i].of_many);
    }
}

/* Of parts behind the first: text 1 of five alternatives, image 0. */
static void test_vectors_of_parts(void **state)
{
    static const struct {
        const char *name, *key;
        uint64_t epoch, seed, u_caption, u_mirror;
        uint32_t of_5;
    } v[] = {
        {"00000", "000000000", 0, 0, 0xe2c077cf967d05db, 0x6add69446f602844, 4},
        {"00000", "000000000", 1, 0, 0x18159e9fdb4c1589, 0x9b49b7858217c6ab, 0},
        {"a/b", "k\xC3\xA9y", UINT64_MAX, INT64_MAX, 0x6ba2aa829328bc05,
         0xd6973d67c9d9d376, 2},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(v) / sizeof(v[0]); i++) {
        assert_true(shard_draw("caption@1", v[i].name, v[i].key, v[i].epoch, v[i].seed) ==
                    v[i].u_caption);
        assert_true(shard_draw("mirror@0", v[i].name, v[i].key, v[i].epoch, v[i].seed) ==
                    v[i].u_mirror);
        assert_int_equal(
            shard_draw_caption(1, v[i].name, v[i].key, v[i].epoch, v[i].seed, 5),
            v[i].of_5);
        assert_int_equal(shard_draw_mirror(0, v[i].name, v[i].key, v[i].epoch, v[i].seed),
                         v[i].u_mirror < UINT64_C(1) << 63);
    }
}

/* Five standard deviations: a fair draw fails once in 1.7 million tests, and this one is
 * always the same. */
static void check_share(double n, double hits, double p)
{
    double sigma = sqrt(n * p * (1 - p));

    assert_true(fabs(hits - n * p) < 5 * sigma);
}

static void test_share_over_a_million_keys(void **state)
{
    const uint32_t n = 1000000;
    uint32_t first = 0, first_of_other_seed = 0, first_of_both = 0;
    uint32_t first_of_next_epoch = 0, first_of_both_epochs = 0, captions[3] = {0};

    (void)state;
    for (uint32_t i = 0; i < n; i++) {
        char key[16];
        snprintf(key, sizeof(key), "%09" PRIu32, i);
        int a = shard_draw_order("00000", key, 0, 0, 0.8) == SHARD_CAPTION_FIRST;
        int b = shard_draw_order("00000", key, 0, 1, 0.8) == SHARD_CAPTION_FIRST;
        int c = shard_draw_order("00000", key, 1, 0, 0.8) == SHARD_CAPTION_FIRST;
        first += (uint32_t)a;
        first_of_other_seed += (uint32_t)b;
        first_of_both += (uint32_t)(a && b);
        first_of_next_epoch += (uint32_t)c;
        first_of_both_epochs += (uint32_t)(a && c);
        captions[shard_draw_caption(0, "00000", key, 0, 0, 3)]++;
    }
    check_share(n, first, 0.8);
    check_share(n, first_of_other_seed, 0.8);
    check_share(n, first_of_both, 0.64);
    check_share(n, first_of_next_epoch, 0.8);
    check_share(n, first_of_both_epochs, 0.64);
    for (int i = 0; i < 3; i++)
        check_share(n, captions[i], 1.0 / 3);
}

/* Tars made by one tool have equal keys: they must not draw alike. */
static void test_equal_keys_of_other_names(void **state)
{
    const uint32_t n = 100000;
    uint32_t both = 0;

    (void)state;
    for (uint32_t i = 0; i < n; i++) {
        char key[16];
        snprintf(key, sizeof(key), "%09" PRIu32, i);
        both += shard_draw_order("00000", key, 0, 0, 0.8) == SHARD_CAPTION_FIRST &&
                shard_draw_order("00001", key, 0, 0, 0.8) == SHARD_CAPTION_FIRST;
    }
    check_share(n, both, 0.64);
}

static void test_parts_do_not_run_together(void **state)
{
    (void)state;
    assert_true(shard_draw("order", "a", "bc", 0, 0) !=
                shard_draw("order", "ab", "c", 0, 0));
    assert_true(shard_draw("order", "a", "b", 11, 0) !=
                shard_draw("order", "a", "b1", 1, 0));
}

static void test_certain_shares(void **state)
{
    (void)state;
    for (uint64_t epoch = 0; epoch < 1000; epoch++) {
        assert_int_equal(shard_draw_order("n", "k", epoch, 0, 1), SHARD_CAPTION_FIRST);
        assert_int_equal(shard_draw_order("n", "k", epoch, 0, 0), SHARD_IMAGE_FIRST);
        assert_int_equal(shard_draw_order("n", "k", epoch, 0, 0x1p-70),
                         SHARD_IMAGE_FIRST);
        assert_int_equal(shard_draw_caption(0, "n", "k", epoch, 0, 1), 0);
    }
}

/* The high 64 bits of u * n, by halves of u. */
static uint32_t position(uint64_t u, uint32_t n)
{
    return (uint32_t)(((u >> 32) * n + ((u & UINT32_MAX) * n >> 32)) >> 32);
}

/* Texts and images are counted apart, each from 0; only the first text has the bare
 * purpose. */
static void test_draws_of_a_record(void **state)
{
    static const struct shard_part parts[5] = {
        {.kind = SHARD_PART_IMAGE},
        {.kind = SHARD_PART_TEXT, .n_alternatives = 1000},
        {.kind = 77},
        {.kind = SHARD_PART_TEXT, .n_alternatives = 1000},
        {.kind = SHARD_PART_IMAGE}};
    struct shard_record rec = {.key = "k", .name = "n", .n_parts = 5, .parts = parts};
    struct shard_draws d;

    (void)state;
    for (uint64_t epoch = 0; epoch < 50; epoch++) {
        assert_int_equal(shard_draws_make(&d, &rec, epoch, 9, 0.5), SHARD_OK);
        assert_int_equal(d.order, shard_draw_order("n", "k", epoch, 9, 0.5));
        assert_int_equal(d.of_part[0],
                         shard_draw("mirror@0", "n", "k", epoch, 9) < UINT64_C(1) << 63);
        assert_int_equal(d.of_part[1],
                         position(shard_draw("caption", "n", "k", epoch, 9), 1000));
        assert_int_equal(d.of_part[3],
                         position(shard_draw("caption@1", "n", "k", epoch, 9), 1000));
        assert_int_equal(d.of_part[4],
                         shard_draw("mirror@1", "n", "k", epoch, 9) < UINT64_C(1) << 63);
        shard_draws_clear(&d);
    }
    rec.caption_drawn = 777; /* what the row holds stands for epoch 0 */
    rec.order = SHARD_IMAGE_FIRST;
    assert_int_equal(shard_draws_stored(&d, &rec, 9), SHARD_OK);
    assert_int_equal(d.order, SHARD_IMAGE_FIRST);
    assert_int_equal(d.of_part[1], 777);
    assert_int_equal(d.of_part[3],
                     position(shard_draw("caption@1", "n", "k", 0, 9), 1000));
    shard_draws_clear(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vectors_of_format_md),
        cmocka_unit_test(test_vectors_of_parts),
        cmocka_unit_test(test_share_over_a_million_keys),
        cmocka_unit_test(test_equal_keys_of_other_names),
        cmocka_unit_test(test_parts_do_not_run_together),
        cmocka_unit_test(test_certain_shares),
        cmocka_unit_test(test_draws_of_a_record),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
