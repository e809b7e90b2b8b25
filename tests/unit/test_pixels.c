/* SPDX-License-Identifier: Apache-2.0
 * The encoder `pixels`: what its files hold when they are decoded again, alone and in a
 * batch, and what it refuses. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ingest/image/decode.h"
#include "ingest/status.h"
#include "tests/unit/decode_image.h"
#include "vae_encode/encoder.h"
#include "vae_encode/status.h"

enum { WIDTH = 40, HEIGHT = 24, N = 3, BYTES = WIDTH * HEIGHT * 3 };

static uint8_t rgb[N][BYTES];
static const uint8_t *const rgb_of[N] = {rgb[0], rgb[1], rgb[2]};

static void fill(void)
{
    for (int i = 0; i < N; i++)
        for (int k = 0; k < BYTES; k++)
            rgb[i][k] =
                (uint8_t)(k / 3 % WIDTH * 3 + k / (3 * WIDTH) * (2 + i) + k % 3 * 10 * i);
}

static int most_difference(const struct encoder_file *file, const uint8_t *expected)
{
    static uint8_t out[BYTES];
    struct image_target target = {.width = WIDTH, .height = HEIGHT, .rgb = out};
    struct image_decoder *d;
    struct decoded decoded;
    int most = 0;

    assert_int_equal(image_decoder_open(&d, &(struct decode_options){0}), INGEST_OK);
    assert_int_equal(decode_image(d, file->bytes, file->len, &target, &decoded),
                     INGEST_OK);
    assert_int_equal(decoded.reject.reason, REJECT_NONE);
    assert_int_equal(decoded.original_width, WIDTH);
    assert_int_equal(decoded.original_height, HEIGHT);
    image_decoder_close(d);
    for (int k = 0; k < BYTES; k++)
        if (abs(out[k] - expected[k]) > most)
            most = abs(out[k] - expected[k]);
    return most;
}

static void *load(const char *rest, int status)
{
    const struct encoder_options options = {.scale = 0};
    void *model;

    assert_int_equal(encoder_pixels.load(&model, rest, &options), status);
    if (status != VAE_OK)
        assert_non_null(strstr(encoder_pixels.load_why(model), "webp:lossless"));
    return model;
}

static void encode(void *worker, int first, int n, struct encoder_file *files)
{
    const struct image_batch in = {n, WIDTH, HEIGHT, rgb_of + first};
    void *out[] = {files};

    memset(files, 0, (size_t)n * sizeof(*files));
    assert_int_equal(encoder_pixels.encode(worker, &in, out), VAE_OK);
}

/* Returns the most that a value differs from what it was. */
static int encode_all(const char *rest, bool reproducible, int quality)
{
    struct encoder_file together[N], alone;
    struct encoder_description about;
    void *model = load(rest, VAE_OK), *worker;
    int most = 0;

    fill();
    encoder_pixels.describe(model, WIDTH, HEIGHT, &about);
    assert_int_equal(about.tensors[0].kind, ENCODER_PIXELS);
    assert_int_equal(about.tensors[0].dims[0], HEIGHT);
    assert_int_equal(about.tensors[0].dims[1], WIDTH);
    assert_int_equal(about.reproducible, reproducible);
    assert_int_equal(about.quality, quality);
    assert_int_equal(encoder_tensor_bytes(&about.tensors[0]), sizeof(alone));
    assert_int_equal(encoder_pixels.open(&worker, model, WIDTH, HEIGHT, NULL), VAE_OK);
    encode(worker, 0, N, together);
    for (int i = 0; i < N; i++) {
        encode(worker, i, 1, &alone);
        assert_int_equal(alone.len, together[i].len);
        assert_memory_equal(alone.bytes, together[i].bytes, alone.len);
        const int difference = most_difference(&alone, rgb[i]);
        most = difference > most ? difference : most;
        free(alone.bytes);
        free(together[i].bytes);
    }
    encoder_pixels.close(worker);
    encoder_pixels.unload(model);
    return most;
}

static void files_hold_the_pixels(void **state)
{
    (void)state;
    assert_int_equal(encode_all("png", true, -1), 0);
    assert_int_equal(encode_all("webp:lossless", false, -1), 0);
    assert_in_range(encode_all("jpeg:100", true, 100), 0, 3);
    assert_in_range(encode_all("jpeg:95", true, 95), 1, 30);
    assert_in_range(encode_all("jpeg:1", true, 1), 30, 255);
    assert_in_range(encode_all("webp:90", true, 90), 1, 90);
}

/* Sharp colours stay where they are: 4:4:4. */
static void jpeg_keeps_colours_at_full_size(void **state)
{
    void *model = load("jpeg:100", VAE_OK), *worker;
    struct encoder_file file;

    (void)state;
    for (int k = 0; k < BYTES; k++)
        rgb[0][k] = (uint8_t)((k / 3 % WIDTH % 2 == 0) == (k % 3 == 0) ? 200 : 40);
    assert_int_equal(encoder_pixels.open(&worker, model, WIDTH, HEIGHT, NULL), VAE_OK);
    encode(worker, 0, 1, &file);
    assert_in_range(most_difference(&file, rgb[0]), 0, 8);
    free(file.bytes);
    encoder_pixels.close(worker);
    encoder_pixels.unload(model);
}

static void what_is_no_codec_is_refused(void **state)
{
    static const char *const bad[] = {
        "",         "gif",     "jpeg",       "jpeg:",         "jpeg:0",
        "jpeg:101", "jpeg:9x", "jpeg:+9",    "jpeg:95:4",     "png:1",
        "png:",     "webp",    "webp:lossy", "jpeg:lossless", "pngx"};
    void *model = load("png", VAE_OK), *worker;

    (void)state;
    assert_int_equal(encoder_pixels.open(&worker, model, 20000, 8, NULL), VAE_EINVAL);
    assert_non_null(strstr(encoder_pixels.why(worker), "20000 x 8"));
    encoder_pixels.close(worker);
    encoder_pixels.unload(model);
    encoder_pixels.unload(load(NULL, VAE_EINVAL));
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
        encoder_pixels.unload(load(bad[i], VAE_EINVAL));
}

static bool at_once(void *ctx)
{
    (void)ctx;
    return true;
}

static void it_can_be_cancelled(void **state)
{
    const struct encoder_cancel cancel = {at_once, NULL};
    const struct image_batch in = {1, WIDTH, HEIGHT, rgb_of};
    void *model = load("png", VAE_OK), *worker;
    struct encoder_file file = {0};
    void *out[] = {&file};

    (void)state;
    assert_int_equal(encoder_pixels.open(&worker, model, WIDTH, HEIGHT, &cancel), VAE_OK);
    assert_int_equal(encoder_pixels.encode(worker, &in, out), VAE_CANCELLED);
    assert_null(file.bytes);
    encoder_pixels.close(worker);
    encoder_pixels.unload(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(files_hold_the_pixels),
        cmocka_unit_test(jpeg_keeps_colours_at_full_size),
        cmocka_unit_test(what_is_no_codec_is_refused),
        cmocka_unit_test(it_can_be_cancelled),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
