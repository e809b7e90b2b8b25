/* SPDX-License-Identifier: Apache-2.0
 * tests/unit/test_tensor.c - values of every dtype, and their statistics. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "shard/record.h"
#include "tools/view/tensor.h"

/* Two values from the bytes at an odd address. */
static void values_are(uint32_t dtype, const char *bytes, double first, double second)
{
    char unaligned[9];
    double found[2];

    memcpy(unaligned + 1, bytes, 2 * shard_dtype_width(dtype));
    tensor_values(dtype, unaligned + 1, 2, found);
    assert_true(found[0] == first);
    assert_true(found[1] == second);
}

static void reads_every_dtype(void **state)
{
    (void)state;
    values_are(SHARD_U8, "\x00\xff", 0, 255);
    values_are(SHARD_U16, "\x01\x00\xff\xff", 1, 65535);
    values_are(SHARD_U32, "\x00\x00\x00\x80\xff\xff\xff\xff", 2147483648.0, 4294967295.0);
    values_are(SHARD_I32, "\x00\x00\x00\x80\xff\xff\xff\xff", -2147483648.0, -1);
    values_are(SHARD_FP16, "\x00\x3c\x00\xc0", 1, -2);
    values_are(SHARD_BF16, "\x80\x3f\x00\xc0", 1, -2);
    values_are(SHARD_FP32, "\x00\x00\x80\x3f\x00\x00\x00\xc0", 1, -2);
}

static void names_dtypes(void **state)
{
    (void)state;
    assert_string_equal(shard_dtype_name(SHARD_FP16), "fp16");
    assert_string_equal(shard_dtype_name(SHARD_FP32), "fp32");
    assert_int_equal(shard_dtype_width(SHARD_BF16), 2);
    assert_null(shard_dtype_name(SHARD_FILE + 1));
    assert_int_equal(shard_dtype_width(UINT32_MAX), 0);
}

static void sums_up(void **state)
{
    const double values[] = {2, 4, 4, 4, 5, 5, 7, 9};
    const struct tensor_stats s = tensor_stats(values, 8);

    (void)state;
    assert_true(s.mean == 5 && s.std == 2 && s.min == 2 && s.max == 9);
    const struct tensor_stats one = tensor_stats(values + 7, 1);
    assert_true(one.mean == 9 && one.std == 0 && one.min == 9 && one.max == 9);
    /* Far from zero the deviation is still right: two passes. */
    const double far[] = {1e9 - 1, 1e9 + 1};
    assert_true(tensor_stats(far, 2).std == 1);
    const double nan[] = {1, NAN};
    assert_true(isnan(tensor_stats(nan, 2).mean));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_every_dtype),
        cmocka_unit_test(names_dtypes),
        cmocka_unit_test(sums_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
