/* SPDX-License-Identifier: Apache-2.0
 * Images of several shapes that wait for company: the oldest shape goes first, in order,
 * no more wait than may, and each comes out once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tools/prepare/gather.h"

enum { MOST = 4 };

struct image {
    char name;
    int width, height;
    int encoded; /* how often */
};

/* Writes the batches as "WxH:names ". */
struct encoder_log {
    char text[256];
};

static void encode(struct encoder_log *log, void **items, size_t n, int width, int height)
{
    size_t len = strlen(log->text);

    len += (size_t)snprintf(log->text + len, sizeof(log->text) - len, "%dx%d:", width,
                            height);
    for (size_t i = 0; i < n; i++) {
        struct image *image = items[i];

        assert_int_equal(image->width, width);
        assert_int_equal(image->height, height);
        image->encoded++;
        len += (size_t)snprintf(log->text + len, sizeof(log->text) - len, "%c%s",
                                image->name, i + 1 < n ? "" : " ");
    }
}

/* Gathers and encodes as the stage does; `shapes` has a letter
 * for each: 'w' is wide, 't' tall, 's' small. */
static void run(const char *shapes, size_t most, struct encoder_log *log)
{
    struct image images[16];
    struct gather g;
    void *items[MOST];
    int width, height;
    size_t n, n_images = strlen(shapes);

    *log = (struct encoder_log){""};
    assert_int_equal(gather_init(&g, most), 0);
    for (size_t i = 0; i < n_images; i++) {
        images[i] = (struct image){.name = (char)('a' + i),
                                   .width = shapes[i] == 'w' ? 16 : 8,
                                   .height = shapes[i] == 't' ? 16 : 8};
        while (!gather_has_room(&g)) {
            n = gather_take(&g, items, &width, &height);
            assert_true(n > 0);
            encode(log, items, n, width, height);
        }
        gather_add(&g, &images[i], images[i].width, images[i].height);
        assert_true(g.n <= most);
    }
    while ((n = gather_take(&g, items, &width, &height)) > 0)
        encode(log, items, n, width, height);
    assert_int_equal(g.n, 0);
    for (size_t i = 0; i < n_images; i++)
        assert_int_equal(images[i].encoded, 1);
    gather_free(&g);
}

static void one_shape_fills_batches(void **state)
{
    struct encoder_log log;

    (void)state;
    run("wwwwwwwww", MOST, &log);
    assert_string_equal(log.text, "16x8:abcd 16x8:efgh 16x8:i ");
    run("", MOST, &log);
    assert_string_equal(log.text, "");
}

static void the_oldest_shape_goes_first(void **state)
{
    struct encoder_log log;

    (void)state;
    run("wtwttttw", MOST, &log);
    assert_string_equal(log.text, "16x8:ac 8x16:bdef 8x16:g 16x8:h ");
    run("wsts", MOST, &log);
    assert_string_equal(log.text, "16x8:a 8x8:bd 8x16:c ");
    run("tw", MOST, &log);
    assert_string_equal(log.text, "8x16:a 16x8:b ");
    run("wtw", 1, &log);
    assert_string_equal(log.text, "16x8:a 8x16:b 16x8:c ");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_shape_fills_batches),
        cmocka_unit_test(the_oldest_shape_goes_first),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
