/* SPDX-License-Identifier: Apache-2.0
 * tests/unit/test_vae_sd.c - the network of Stable Diffusion's VAE: its encoder of 34.2
 * million parameters equal to diffusers' at 64 x 64 for both back ends, at 256 x 256 for
 * the fast one; its decoder of 49.5 million at 64 x 48 for the fast one. Skipped under
 * sanitizers, where it would take minutes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tests/unit/vae_case.h"
#include "vae_encode/status.h"
#include "vae_encode/vae.h"

#ifdef __has_feature
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#endif
#ifndef SANITIZED
#define SANITIZED 0
#endif

enum { CHANNELS = 4, N_PARAMETERS = 34163664, N_DECODER_PARAMETERS = 49490199 };

static void skip_if_sanitized(void)
{
    if (SANITIZED) {
        print_message("too slow under a sanitizer\n");
        skip();
    }
}

static void matches_golden(const char *dir, const char *backend, int side, double limit)
{
    struct vae *vae;
    struct vae_encoder *e;
    size_t n = (size_t)(side / 8) * (size_t)(side / 8) * CHANNELS;
    uint8_t *image = vae_case_image(side, side);
    float *found = malloc(2 * n * sizeof(*found));
    const uint8_t *const images[] = {image};

    assert_int_equal(
        vae_open(&vae, &(struct vae_options){.path = dir, .backend = backend}), VAE_OK);
    assert_int_equal(vae_info(vae)->n_parameters, N_PARAMETERS);
    assert_int_equal(vae_encoder_open(&e, vae, side, side), VAE_OK);
    assert_int_equal(vae_encode(e, &(struct image_batch){1, side, side, images},
                                &(struct latent_batch){found, found + n}),
                     VAE_OK);
    vae_case_matches(&(struct vae_case_result){
        .name = "sd",
        .width = side,
        .height = side,
        .backend = backend,
        .values = found,
        .parts = 1, /* the means and log-variances together */
        .n = 2 * n,
        .limit = limit,
    });
    vae_encoder_close(e);
    vae_close(vae);
    free(found);
    free(image);
}

static void ref_at_64(void **state)
{
    skip_if_sanitized();
    matches_golden(*state, "ref", 64, 1e-4);
}

static void cpu_at_64(void **state)
{
    skip_if_sanitized();
    matches_golden(*state, "cpu", 64, 1e-4);
}

/* The bound that speeds are compared at. */
static void cpu_at_256(void **state)
{
    skip_if_sanitized();
    matches_golden(*state, "cpu", 256, 2e-5);
}

static void decoder_matches_golden(const char *dir)
{
    enum { WIDTH = 64, HEIGHT = 48, N = WIDTH * HEIGHT * 3 };
    struct vae *vae;
    struct vae_decoder *d;
    uint8_t *bytes = malloc(N), *const rgb[] = {bytes};
    float *latent = vae_case_latent(CHANNELS * (WIDTH / 8) * (HEIGHT / 8));
    float *found = malloc(N * sizeof(*found));

    assert_int_equal(
        vae_open(&vae, &(struct vae_options){.path = dir, .part = VAE_DECODER}), VAE_OK);
    assert_int_equal(vae_info(vae)->n_parameters, N_DECODER_PARAMETERS);
    assert_int_equal(vae_decoder_open(&d, vae, WIDTH, HEIGHT), VAE_OK);
    assert_int_equal(vae_decode(d, latent, 1, &(struct picture_batch){rgb, found}),
                     VAE_OK);
    vae_case_matches(&(struct vae_case_result){
        .name = "sd-decoder",
        .width = WIDTH,
        .height = HEIGHT,
        .backend = "cpu",
        .values = found,
        .parts = 1,
        .n = N,
        .limit = 2e-5,
    });
    vae_decoder_close(d);
    vae_close(vae);
    free(found);
    free(latent);
    free(bytes);
}

static void decoder(void **state)
{
    skip_if_sanitized();
    decoder_matches_golden(*state);
}

static int write_network(void **state, const char *name)
{
    json_t *loaded;

    *state = vae_case_mkdir();
    if (SANITIZED)
        return 0;
    loaded = vae_case_load(name);
    vae_case_write(loaded, *state,
                   &(struct vae_case_file){.config = true, .dtype = "BF16"});
    json_decref(loaded);
    return 0;
}

static int write_encoder(void **state)
{
    return write_network(state, "sd");
}

static int write_decoder(void **state)
{
    return write_network(state, "sd-decoder");
}

static int remove_network(void **state)
{
    vae_case_rmdir(*state);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ref_at_64),
        cmocka_unit_test(cpu_at_64),
        cmocka_unit_test(cpu_at_256),
    };
    const struct CMUnitTest decoder_tests[] = {cmocka_unit_test(decoder)};

    return cmocka_run_group_tests(tests, write_encoder, remove_network) +
           cmocka_run_group_tests(decoder_tests, write_decoder, remove_network);
}
