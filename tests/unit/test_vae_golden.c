/* SPDX-License-Identifier: Apache-2.0
 * tests/unit/test_vae_golden.c - latents equal diffusers', for every family, naming and
 * dtype, alone and in batches. The SD-size network has a program of its own. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/vae_case.h"
#include "vae_encode/status.h"
#include "vae_encode/vae.h"

static const char *const backends[] = {"ref", "cpu"};
enum { N_BACKENDS = sizeof(backends) / sizeof(backends[0]) };

/* A model opened for one image size. */
struct bench {
    struct vae *vae;
    const struct vae_info *info;
    struct vae_encoder *encoder;
    int width, height;
    size_t n; /* values of one latent */
};

static void set_up(struct bench *b, const struct vae_options *options, int width,
                   int height)
{
    int rc = vae_open(&b->vae, options);

    if (rc < 0)
        fail_msg("%s", vae_why(b->vae));
    b->info = vae_info(b->vae);
    rc = vae_encoder_open(&b->encoder, b->vae, width, height);
    if (rc < 0)
        fail_msg("%s", vae_encoder_why(b->encoder));
    b->width = width;
    b->height = height;
    b->n = (size_t)(width / b->info->downscale) * (size_t)(height / b->info->downscale) *
           (size_t)b->info->latent_channels;
}

static void tear_down(struct bench *b)
{
    vae_encoder_close(b->encoder);
    vae_close(b->vae);
}

/* Gives the means of n images, then their log-variances where there are any. */
static float *encode(const struct bench *b, const uint8_t *const *images, int n)
{
    size_t n_values = (size_t)n * b->n;
    float *values = calloc(2 * n_values, sizeof(*values));
    struct image_batch in = {n, b->width, b->height, images};
    struct latent_batch out = {values, b->info->has_posterior ? values + n_values : NULL};

    assert_non_null(values);
    assert_int_equal(vae_encode(b->encoder, &in, &out), VAE_OK);
    return values;
}

/* Encodes the golden image and compares. */
static void matches_golden(const char *name, const struct vae_options *options, int width,
                           int height)
{
    struct bench b;
    uint8_t *image = vae_case_image(width, height);

    set_up(&b, options, width, height);
    float *found = encode(&b, (const uint8_t *const *)&image, 1);
    vae_case_matches(&(struct vae_case_result){
        .name = name,
        .width = width,
        .height = height,
        .backend = b.info->backend,
        .values = found,
        .parts = b.info->has_posterior ? 2 : 1,
        .n = b.n,
        .limit = 1e-4,
    });
    free(found);
    free(image);
    tear_down(&b);
}

static void sixteen_channels_without_quant_conv(void **state)
{
    (void)state;
    vae_case_for_each("noquant", matches_golden);
}

static void odd_numbers(void **state)
{
    (void)state;
    vae_case_for_each("odd", matches_golden);
}

static void attention_in_down_blocks(void **state)
{
    (void)state;
    vae_case_for_each("attention", matches_golden);
}

static void logvar_is_clamped(void **state)
{
    struct bench b;
    char *dir = vae_case_mkdir();
    json_t *loaded = vae_case_load("clamp");
    uint8_t *image = vae_case_image(16, 16);

    (void)state;
    vae_case_for_each("clamp", matches_golden);
    vae_case_write(loaded, dir, &(struct vae_case_file){.config = true});
    for (int k = 0; k < N_BACKENDS; k++) {
        size_t n_low = 0, n_high = 0;
        set_up(&b, &(struct vae_options){.path = dir, .backend = backends[k]}, 16, 16);
        float *values = encode(&b, (const uint8_t *const *)&image, 1);
        for (size_t i = b.n; i < 2 * b.n; i++) {
            assert_true(values[i] >= -30 && values[i] <= 20);
            n_low += values[i] == -30;
            n_high += values[i] == 20;
        }
        assert_true(n_low > 0 && n_high > 0);
        free(values);
        tear_down(&b);
    }
    free(image);
    json_decref(loaded);
    vae_case_rmdir(dir);
}

static void default_vae(void **state)
{
    (void)state;
    for (int k = 0; k < N_BACKENDS; k++)
        matches_golden("default", &(struct vae_options){.backend = backends[k]}, 64, 96);
}

static void shared_taesd(const char *file, const char *golden)
{
    char path[512];

    if (!vae_case_shared(path, file))
        skip();
    for (int k = 0; k < N_BACKENDS; k++)
        matches_golden(
            golden, &(struct vae_options){.path = path, .backend = backends[k]}, 64, 64);
}

static void taesd(void **state)
{
    (void)state;
    shared_taesd("taesd_encoder", "taesd");
}

static void taef1(void **state)
{
    (void)state;
    shared_taesd("taef1_encoder", "taef1");
}

/* The weights are exact in every dtype, so the same network in another dress must give
 * the same bits, and describe itself in the same words. */
static void namings_and_dtypes_agree(void **state)
{
    static const struct vae_case_file dresses[] = {
        {.naming = "name", .dtype = "F32", .config = true},
        {.naming = "name", .dtype = "BF16"},
        {.naming = "old", .dtype = "F16", .config = true},
        {.naming = "ldm", .dtype = "F32"},
        {.naming = "ldm", .dtype = "BF16", .config = true},
        {.naming = "ldm", .dtype = "F16", .root = "first_stage_model."},
    };
    json_t *loaded = vae_case_load("attention");
    uint8_t *image = vae_case_image(32, 48);
    float *first = NULL;
    char *config = NULL;

    (void)state;
    for (size_t i = 0; i < sizeof(dresses) / sizeof(dresses[0]); i++) {
        char *dir = vae_case_mkdir(), path[512];
        struct bench b;
        vae_case_write(loaded, dir, &dresses[i]);
        snprintf(path, sizeof(path), "%s/diffusion_pytorch_model.safetensors", dir);
        set_up(&b, &(struct vae_options){.path = path, .scale = 0.25, .backend = "ref"},
               32, 48);
        float *values = encode(&b, (const uint8_t *const *)&image, 1);
        if (first) {
            assert_memory_equal(values, first, 2 * b.n * sizeof(*values));
            assert_string_equal(b.info->config, config);
            free(values);
        } else {
            first = values;
            config = strdup(b.info->config);
        }
        tear_down(&b);
        vae_case_rmdir(dir);
    }
    free(first);
    free(config);
    free(image);
    json_decref(loaded);
}

static void batch_does_not_matter(void **state)
{
    enum { N = 3, SIDE = 32 };
    const uint8_t *images[N], *swapped[N];
    uint8_t *image = vae_case_image(SIDE, SIDE + N);

    (void)state;
    for (int i = 0; i < N; i++)
        images[i] = image + (size_t)i * SIDE * 3;
    for (int i = 0; i < N; i++)
        swapped[i] = images[N - 1 - i];
    for (int k = 0; k < N_BACKENDS; k++) {
        struct bench b;
        set_up(&b, &(struct vae_options){.backend = backends[k]}, SIDE, SIDE);
        float *together = encode(&b, images, N), *turned = encode(&b, swapped, N);
        for (int i = 0; i < N; i++) {
            float *alone = encode(&b, images + i, 1);
            for (size_t part = 0; part < 2; part++) { /* means, log-variances */
                const float *one = alone + part * b.n;
                const float *all = together + part * N * b.n,
                            *back = turned + part * N * b.n;
                assert_memory_equal(one, all + (size_t)i * b.n, b.n * sizeof(*one));
                assert_memory_equal(one, back + (size_t)(N - 1 - i) * b.n,
                                    b.n * sizeof(*one));
            }
            free(alone);
        }
        assert_memory_not_equal(together, together + b.n, b.n * sizeof(*together));
        free(together);
        free(turned);
        tear_down(&b);
    }
    free(image);
}

static void not_finite_is_left_to_be_found(void **state)
{
    char *dir = vae_case_mkdir();
    json_t *loaded = vae_case_load("clamp");
    uint8_t *image = vae_case_image(16, 16);

    (void)state;
    vae_case_write(loaded, dir,
                   &(struct vae_case_file){
                       .config = true, .spoil = "quant_conv.weight", .factor = 1.36e39});
    for (int k = 0; k < N_BACKENDS; k++) {
        struct bench b;
        size_t n_bad = 0;
        set_up(&b, &(struct vae_options){.path = dir, .backend = backends[k]}, 16, 16);
        float *values = encode(&b, (const uint8_t *const *)&image, 1);
        for (size_t i = 0; i < b.n; i++)
            n_bad += !isfinite(values[i]);
        assert_true(n_bad > 0);
        free(values);
        tear_down(&b);
    }
    free(image);
    json_decref(loaded);
    vae_case_rmdir(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sixteen_channels_without_quant_conv),
        cmocka_unit_test(odd_numbers),
        cmocka_unit_test(attention_in_down_blocks),
        cmocka_unit_test(logvar_is_clamped),
        cmocka_unit_test(default_vae),
        cmocka_unit_test(taesd),
        cmocka_unit_test(taef1),
        cmocka_unit_test(namings_and_dtypes_agree),
        cmocka_unit_test(batch_does_not_matter),
        cmocka_unit_test(not_finite_is_left_to_be_found),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
