/* SPDX-License-Identifier: Apache-2.0
 * Images that wait for a full batch of their shape: which goes, when, and each once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tools/prepare/company.h"

static void add(struct company *c, uint32_t name, uint32_t width, uint64_t since_ns)
{
    const struct company_image image = {
        .rendition = name, .width = width, .height = 8, .since_ns = since_ns};

    assert_int_equal(company_add(c, &image), 0);
}

/* The names of those that go, or "". */
static const char *next(struct company *c, size_t most, uint64_t now, bool go)
{
    static char out[200];
    struct company_image images[16];
    size_t first, n = company_ready(c, most, now, 100, go, &first);

    *out = '\0';
    if (n > 0)
        company_take(c, first, n, images);
    for (size_t i = 0; i < n; i++)
        snprintf(out + strlen(out), sizeof(out) - strlen(out), "%u ",
                 images[i].rendition);
    return out;
}

static void full_batches_go_at_once(void **state)
{
    struct company c = {0};

    (void)state;
    for (uint32_t i = 0; i < 7; i++)
        add(&c, i, 8, 1000);
    assert_string_equal(next(&c, 3, 1000, false), "0 1 2 ");
    assert_string_equal(next(&c, 3, 1000, false), "3 4 5 ");
    assert_string_equal(next(&c, 3, 1099, false), "");
    assert_string_equal(next(&c, 3, 1100, false), "6 ");
    assert_string_equal(next(&c, 3, 1100, true), "");
    company_free(&c);
}

static void the_oldest_shape_goes_first(void **state)
{
    struct company c = {0};

    (void)state;
    add(&c, 0, 16, 1000);
    for (uint32_t i = 1; i < 6; i++)
        add(&c, i, i % 2 ? 8 : 24, 1000 + i);
    /* 0 is alone; of 8 there are 1 3 5, of 24 2 4. */
    assert_string_equal(next(&c, 2, 1050, false), "1 3 ");
    assert_string_equal(next(&c, 2, 1050, false), "2 4 ");
    assert_string_equal(next(&c, 2, 1050, false), "");
    assert_string_equal(next(&c, 2, 1100, false), "0 ");
    assert_string_equal(next(&c, 2, 1100, false), "");
    assert_string_equal(next(&c, 2, 1100, true), "5 ");
    company_free(&c);
}

static void batches_of_one(void **state)
{
    struct company c = {0};

    (void)state;
    add(&c, 0, 16, 0);
    add(&c, 1, 8, 0);
    assert_string_equal(next(&c, 1, 0, false), "0 ");
    assert_string_equal(next(&c, 1, 0, false), "1 ");
    company_free(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(full_batches_go_at_once),
        cmocka_unit_test(the_oldest_shape_goes_first),
        cmocka_unit_test(batches_of_one),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
