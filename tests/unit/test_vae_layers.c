/* SPDX-License-Identifier: Apache-2.0
 * tests/unit/test_vae_layers.c - what a clock outside vae_encode/ needs: the steps'
 * names, shapes and costs, and a call before each of them and after the last. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "vae_encode/status.h"
#include "vae_encode/vae.h"

enum { WIDTH = 32, HEIGHT = 64, N_IMAGES = 3 };

enum { MAX_STEPS = 64 };

struct asked {
    int n, stop_at;
    int n_before[MAX_STEPS]; /* each step; one more: after the last */
};

static bool count(void *ctx, int step)
{
    struct asked *asked = ctx;

    assert_in_range(step, 0, MAX_STEPS - 1);
    asked->n_before[step]++;
    return ++asked->n == asked->stop_at;
}

static int encode(struct vae_encoder *e)
{
    static uint8_t image[WIDTH * HEIGHT * 3];
    static float mean[N_IMAGES * WIDTH * HEIGHT];
    static const uint8_t *const images[N_IMAGES] = {image, image, image};

    return vae_encode(e, &(struct image_batch){N_IMAGES, WIDTH, HEIGHT, images},
                      &(struct latent_batch){.mean = mean});
}

static void steps_are_announced(const char *backend)
{
    struct asked asked = {0};
    struct vae_cancel cancel = {count, &asked};
    struct vae *vae;
    struct vae_encoder *e;
    int n, n_calls;

    assert_int_equal(vae_open(&vae, &(struct vae_options){.backend = backend}), VAE_OK);
    assert_int_equal(vae_encoder_open(&e, vae, WIDTH, HEIGHT), VAE_OK);
    vae_encoder_set_cancel(e, &cancel);
    n = vae_encoder_n_layers(e);
    assert_true(n > 10);

    assert_int_equal(encode(e), VAE_OK);
    for (int i = 0; i <= n; i++)
        assert_in_range(asked.n_before[i], 1, N_IMAGES);
    assert_int_equal(asked.n_before[0],
                     N_IMAGES); /* no image is as small as its latent */
    n_calls = asked.n;

    /* The last one counts like the others. */
    asked = (struct asked){.stop_at = n_calls};
    assert_int_equal(encode(e), VAE_CANCELLED);
    vae_encoder_close(e);
    vae_close(vae);
}

static void cpu_announces(void **state)
{
    (void)state;
    steps_are_announced("cpu");
}

static void ref_announces(void **state)
{
    (void)state;
    steps_are_announced("ref");
}

static void layers_are_described(void **state)
{
    struct vae *vae;
    struct vae_encoder *e;
    struct vae_layer first, last, layer;
    int n, n_halved = 0, n_attention = 0;

    (void)state;
    assert_int_equal(vae_open(&vae, &(struct vae_options){0}), VAE_OK);
    assert_int_equal(vae_encoder_open(&e, vae, WIDTH, HEIGHT), VAE_OK);
    n = vae_encoder_n_layers(e);

    first = vae_encoder_layer(e, 0);
    assert_string_equal(first.name, "encoder.conv_in");
    assert_int_equal(first.c_in, 3);
    assert_int_equal(first.width, WIDTH);
    assert_int_equal(first.height, HEIGHT);
    assert_true(first.flops == 2.0 * 3 * first.c_out * 9 * WIDTH * HEIGHT);

    last = vae_encoder_layer(e, n - 1);
    assert_string_equal(last.name, "quant_conv");
    assert_int_equal(last.width, WIDTH / 8);
    assert_int_equal(last.height, HEIGHT / 8);

    for (int i = 0; i < n; i++) {
        layer = vae_encoder_layer(e, i);
        assert_non_null(layer.algorithm);
        assert_true(layer.flops > 0);
        n_halved += layer.stride == 2;
        if (layer.kernel != 0)
            continue;
        n_attention++;
        assert_true(layer.flops == 8.0 * layer.c_in * layer.c_in * (4 * 8) +
                                       4.0 * layer.c_in * (4 * 8) * (4 * 8));
    }
    assert_int_equal(n_halved, 3);
    assert_int_equal(n_attention, 1);
    vae_encoder_close(e);
    vae_close(vae);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cpu_announces),
        cmocka_unit_test(ref_announces),
        cmocka_unit_test(layers_are_described),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
