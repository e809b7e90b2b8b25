/* SPDX-License-Identifier: Apache-2.0
 * tests/unit/test_decode_faults.c - decoding with no memory at each allocation in turn:
 * never a verdict on the image, and the decoder is as good as before. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ingest/image/decode.h"
#include "ingest/status.h"
#include "tests/unit/decode_image.h"
#include "tests/unit/failing_malloc.h"

enum { SIDE = 24, MOST_BYTES = 1 << 16 };

static const struct decode_options options = {.icc = ICC_SRGB};

/* Of what it had made when memory ran out lcms2 forgets some; other tests have no
 * failures and see every leak. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
    return "leak:liblcms2\n";
}

static size_t load(const char *name, uint8_t *bytes)
{
    char path[128];

    snprintf(path, sizeof(path), "tests/fuzz/corpus/fuzz_decode/%s", name);
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    size_t len = fread(bytes, 1, MOST_BYTES, f);
    assert_true(len > 0 && feof(f));
    fclose(f);
    return len;
}

static void decode_well(struct image_decoder *d, const uint8_t *bytes, size_t len,
                        uint8_t *rgb)
{
    struct image_target target = {.width = SIDE, .height = SIDE, .rgb = rgb};
    struct decoded out;

    assert_int_equal(decode_image(d, bytes, len, &target, &out), INGEST_OK);
    assert_int_equal(out.reject.reason, REJECT_NONE);
}

/* Returns false where there is no allocation `i`. The same pixels or INGEST_ENOMEM: a
 * PNG's header takes a profile that it cannot hold for the largest. */
static bool survives(int64_t i, const uint8_t *bytes, size_t len, const uint8_t *expected)
{
    static uint8_t rgb[SIDE * SIDE * 3];
    struct image_target target = {.width = SIDE, .height = SIDE, .rgb = rgb};
    struct image_decoder *d = NULL;
    struct decoded out = {0};

    n_allocations = 0;
    failing = i;
    int rc = image_decoder_open(&d, &options);
    if (rc == INGEST_OK)
        rc = decode_image(d, bytes, len, &target, &out);
    failing = -1;
    const bool was_there = n_allocations > i;
    if (rc == INGEST_OK) {
        assert_int_equal(out.reject.reason, REJECT_NONE);
        assert_memory_equal(rgb, expected, sizeof(rgb));
    } else {
        assert_int_equal(rc, INGEST_ENOMEM);
    }
    if (d) {
        decode_well(d, bytes, len, rgb);
        assert_memory_equal(rgb, expected, sizeof(rgb));
    }
    image_decoder_close(d);
    return was_there;
}

static void decoding_survives(void **state)
{
    static const char *const names[] = {"jpeg_440", "jpeg_cmyk",    "jpeg_exif_icc",
                                        "png_8_6",  "png_exif_icc", "webp_alpha"};
    static uint8_t bytes[MOST_BYTES], expected[SIDE * SIDE * 3];

    (void)state;
    for (size_t n = 0; n < sizeof(names) / sizeof(names[0]); n++) {
        const size_t len = load(names[n], bytes);
        struct image_decoder *d;
        int64_t i = 0;
        assert_int_equal(image_decoder_open(&d, &options), INGEST_OK);
        decode_well(d, bytes, len, expected);
        image_decoder_close(d);
        while (survives(i, bytes, len, expected))
            i++;
        assert_true(i >= 15);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(decoding_survives)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
