/* SPDX-License-Identifier: Apache-2.0
 * tests/unit/test_float16.c - all 65,536 values of both types, and what lies between. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "shard/float16.h"

typedef size_t (*narrow_fn)(const float *, uint16_t *, size_t);
typedef void (*widen_fn)(const uint16_t *, float *, size_t);

static uint16_t narrow(narrow_fn f, float value)
{
    uint16_t out;
    f(&value, &out, 1);
    return out;
}

static float widen(widen_fn f, uint16_t value)
{
    float out;
    f(&value, &out, 1);
    return out;
}

static void test_all_values_survive(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < 65536; i++) {
        float a = widen(shard_fp16_to_fp32, (uint16_t)i);
        float b = widen(shard_bf16_to_fp32, (uint16_t)i);
        if (isnan(a))
            assert_int_equal(narrow(shard_fp32_to_fp16, a) & 0x7E00, 0x7E00);
        else
            assert_int_equal(narrow(shard_fp32_to_fp16, a), i);
        if (isnan(b))
            assert_true(isnan(widen(shard_bf16_to_fp32, narrow(shard_fp32_to_bf16, b))));
        else
            assert_int_equal(narrow(shard_fp32_to_bf16, b), i);
    }
}

/* Between neighbours v and w: below the middle v, above it w, at it the even one. */
static void check_rounding(narrow_fn to, widen_fn from, uint32_t i)
{
    double v = widen(from, (uint16_t)i), w = widen(from, (uint16_t)(i + 1));
    float middle = (float)((v + w) / 2);
    uint32_t even = i % 2 == 0 ? i : i + 1;

    assert_true((double)middle == (v + w) / 2);
    assert_int_equal(narrow(to, middle), even);
    assert_int_equal(narrow(to, nextafterf(middle, 0)), i);
    assert_int_equal(narrow(to, nextafterf(middle, INFINITY)), i + 1);
    assert_int_equal(narrow(to, -middle), even | 0x8000);
}

static void test_nearest_even(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < 0x7BFF; i++)
        check_rounding(shard_fp32_to_fp16, shard_fp16_to_fp32, i);
    for (uint32_t i = 0x0001; i < 0x7F7F; i++)
        check_rounding(shard_fp32_to_bf16, shard_bf16_to_fp32, i);
}

static void test_overflow_is_counted(void **state)
{
    const float in[6] = {65519.0f, 65520.0f, -1e9f, INFINITY, NAN, 3.4e38f};
    uint16_t out[6];

    (void)state;
    assert_int_equal(shard_fp32_to_fp16(in, out, 6), 5);
    assert_int_equal(out[0], 0x7BFF);
    assert_int_equal(out[1], 0x7C00);
    assert_int_equal(out[2], 0xFC00);
    assert_int_equal(out[3], 0x7C00);
    assert_int_equal(shard_fp32_to_bf16(in, out, 6), 3);
    assert_int_equal(out[3], 0x7F80);
    assert_int_equal(out[5], 0x7F80);
}

static void test_known_values(void **state)
{
    (void)state;
    assert_int_equal(narrow(shard_fp32_to_fp16, 1.0f), 0x3C00);
    assert_int_equal(narrow(shard_fp32_to_fp16, -2.0f), 0xC000);
    assert_int_equal(narrow(shard_fp32_to_fp16, 0x1p-24f), 0x0001);
    assert_int_equal(narrow(shard_fp32_to_fp16, 0x1p-25f), 0x0000);
    assert_int_equal(narrow(shard_fp32_to_fp16, 0x1p-126f), 0x0000);
    assert_int_equal(narrow(shard_fp32_to_fp16, -0.0f), 0x8000);
    assert_int_equal(narrow(shard_fp32_to_bf16, 1.0f), 0x3F80);
    assert_int_equal(narrow(shard_fp32_to_bf16, 0x1p-149f), 0x0000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_values_survive),
        cmocka_unit_test(test_nearest_even),
        cmocka_unit_test(test_overflow_is_counted),
        cmocka_unit_test(test_known_values),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
