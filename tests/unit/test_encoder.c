/* SPDX-License-Identifier: Apache-2.0
 * The table of encoders: what the VAE says of itself there, and that it gives the same
 * latents as vae.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "vae_encode/encoder.h"
#include "vae_encode/status.h"
#include "vae_encode/vae.h"

enum { WIDTH = 32, HEIGHT = 16, N = 2, PIXELS = WIDTH * HEIGHT * 3 };

struct fixture {
    const struct encoder *encoder;
    void *model;
    struct encoder_description about;
    uint8_t rgb[N][PIXELS];
    struct image_batch images;
    const uint8_t *rgb_of[N];
};

static int open_builtin(void **state)
{
    static struct fixture f;

    f.encoder = encoder_find("vae");
    if (!f.encoder ||
        f.encoder->load(&f.model, NULL, &(struct encoder_options){0}) != VAE_OK)
        return -1;
    f.encoder->describe(f.model, WIDTH, HEIGHT, &f.about);
    for (int i = 0; i < N; i++) {
        for (int k = 0; k < PIXELS; k++)
            f.rgb[i][k] = (uint8_t)(k * 7 + i * 31 + k / 40);
        f.rgb_of[i] = f.rgb[i];
    }
    f.images = (struct image_batch){N, WIDTH, HEIGHT, f.rgb_of};
    *state = &f;
    return 0;
}

static int close_builtin(void **state)
{
    struct fixture *f = *state;

    f->encoder->unload(f->model);
    f->encoder->unload(NULL);
    return 0;
}

static void schemes_are_found_by_name(void **state)
{
    (void)state;
    assert_string_equal(encoder_find("vae")->scheme, "vae");
    assert_null(encoder_find("no such scheme"));
    assert_null(encoder_find(""));
}

static void the_vae_describes_its_latents(void **state)
{
    const struct fixture *f = *state;
    const struct encoder_description *about = &f->about;
    const struct encoder_tensor *mean = &about->tensors[0], *logvar = &about->tensors[1];

    assert_true(about->demo && about->reproducible);
    assert_string_equal(about->pixels, "{\"range\":[-1,1]}");
    assert_int_equal(strlen(about->weights_sha256), 64);
    assert_int_equal(about->multiple, 8);
    assert_int_equal(about->n_tensors, 2);
    assert_true(!mean->logvar && logvar->logvar);
    assert_int_equal(mean->kind, ENCODER_LATENT);
    assert_int_equal(mean->element, ENCODER_FP32);
    assert_int_equal(mean->n_dims, 3);
    assert_int_equal(mean->dims[0], about->channels);
    assert_int_equal(mean->dims[1], HEIGHT / 8);
    assert_int_equal(mean->dims[2], WIDTH / 8);
    assert_int_equal(encoder_tensor_bytes(mean), about->channels * 2 * 4 * 4);
}

/* What vae.h makes of the same images; one array of means, one of log-variances. */
static void encode_by_hand(const struct fixture *f, float *mean, float *logvar)
{
    struct vae *vae;
    struct vae_encoder *e;

    assert_int_equal(vae_open(&vae, &(struct vae_options){0}), VAE_OK);
    assert_int_equal(vae_encoder_open(&e, vae, WIDTH, HEIGHT), VAE_OK);
    assert_int_equal(vae_encode(e, &f->images, &(struct latent_batch){mean, logvar}),
                     VAE_OK);
    vae_encoder_close(e);
    vae_close(vae);
}

static bool never(void *ctx)
{
    ++*(int *)ctx;
    return false;
}

static bool at_once(void *ctx)
{
    (void)ctx;
    return true;
}

static void latents_are_those_of_the_vae(void **state)
{
    const struct fixture *f = *state;
    const size_t bytes = N * encoder_tensor_bytes(&f->about.tensors[0]);
    float *const mean = malloc(bytes), *const logvar = malloc(bytes);
    float *const want = malloc(bytes), *const want_logvar = malloc(bytes);
    int asked = 0;
    const struct encoder_cancel cancel = {never, &asked};
    void *worker;

    encode_by_hand(f, want, want_logvar);
    assert_int_equal(f->encoder->open(&worker, f->model, WIDTH, HEIGHT, &cancel), VAE_OK);
    assert_int_equal(
        f->encoder->encode(worker, &f->images, (void *const[]){mean, logvar}), VAE_OK);
    assert_memory_equal(mean, want, bytes);
    assert_memory_equal(logvar, want_logvar, bytes);
    assert_true(asked > 0);

    memset(mean, 0, bytes);
    assert_int_equal(f->encoder->encode(worker, &f->images, (void *const[]){mean, NULL}),
                     VAE_OK);
    assert_memory_equal(mean, want, bytes);
    f->encoder->close(worker);
    f->encoder->close(NULL);
    free(mean);
    free(logvar);
    free(want);
    free(want_logvar);
}

static void it_ends_early_when_it_is_told_to(void **state)
{
    const struct fixture *f = *state;
    const struct encoder_cancel cancel = {at_once, NULL};
    float *mean = malloc(N * encoder_tensor_bytes(&f->about.tensors[0]));
    void *worker;

    assert_int_equal(f->encoder->open(&worker, f->model, WIDTH, HEIGHT, &cancel), VAE_OK);
    assert_int_equal(f->encoder->encode(worker, &f->images, (void *const[]){mean, NULL}),
                     VAE_CANCELLED);
    f->encoder->close(worker);
    free(mean);
}

static void what_is_wrong_is_said(void **state)
{
    const struct fixture *f = *state;
    const struct encoder *vae = encoder_find("vae");
    void *model, *worker;

    assert_true(vae->load(&model, "/nowhere", &(struct encoder_options){0}) < 0);
    assert_non_null(strstr(vae->load_why(model), "/nowhere"));
    vae->unload(model);
    assert_int_equal(f->encoder->open(&worker, f->model, 12, 16, NULL), VAE_EINVAL);
    assert_non_null(strstr(f->encoder->why(worker), "a multiple of 8"));
    f->encoder->close(worker);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(schemes_are_found_by_name),
        cmocka_unit_test(the_vae_describes_its_latents),
        cmocka_unit_test(latents_are_those_of_the_vae),
        cmocka_unit_test(it_ends_early_when_it_is_told_to),
        cmocka_unit_test(what_is_wrong_is_said),
    };

    return cmocka_run_group_tests(tests, open_builtin, close_builtin);
}
