/* SPDX-License-Identifier: Apache-2.0
 * tests/unit/test_planes.c - byte planes against their definition, of any number of
 * values, at any address. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "shard/file/planes.h"

static void check(size_t n, uint32_t width, size_t shift)
{
    const size_t bytes = n * width;
    unsigned char *in = malloc(bytes + shift + 1), *planes = malloc(bytes + shift + 1),
                  *back = malloc(bytes + shift + 1);

    assert_true(in && planes && back);
    for (size_t i = 0; i < bytes; i++)
        in[shift + i] = (unsigned char)(i * 2654435761u >> 11);
    planes[shift + bytes] = back[shift + bytes] = 77;
    shard_planes_split(in + shift, planes + shift, bytes, width);
    for (size_t i = 0; i < bytes; i++)
        assert_int_equal(planes[shift + i % width * n + i / width], in[shift + i]);
    shard_planes_join(planes + shift, back + shift, bytes, width);
    assert_memory_equal(back + shift, in + shift, bytes);
    assert_int_equal(planes[shift + bytes], 77);
    assert_int_equal(back[shift + bytes], 77);
    free(in);
    free(planes);
    free(back);
}

static void planes_are_as_defined(void **state)
{
    (void)state;
    for (uint32_t width = 1; width <= 8; width *= 2)
        for (size_t n = 0; n < 150; n++)
            check(n, width, n % 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(planes_are_as_defined),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
