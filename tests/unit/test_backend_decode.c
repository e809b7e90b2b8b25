/* SPDX-License-Identifier: Apache-2.0
 * tests/unit/test_backend_decode.c - decoders by the cpu back end against the referee,
 * its instruction sets and batches against each other byte for byte. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/random_graph.h"
#include "vae_encode/backend.h"
#include "vae_encode/status.h"

enum { MAX_PICTURES = 8 };

/* What a decoder makes of `n` latents. */
struct pictures {
    int n;
    size_t n_values; /* of one picture */
    float *values;
    uint8_t *bytes;
};

static void free_pictures(struct pictures *p)
{
    free(p->values);
    free(p->bytes);
}

static float *make_latents(const struct vae_graph *g, int n, int width, int height,
                           uint64_t seed)
{
    size_t count =
        (size_t)n * g->latent_channels * (height / g->downscale) * (width / g->downscale);
    float *latents = malloc(count * sizeof(*latents));

    assert_non_null(latents);
    for (size_t i = 0; i < count; i++)
        latents[i] = (float)((double)(random_next(&seed) >> 11) * 0x1p-50 - 4);
    return latents;
}

/* False where the machine has not that instruction set. */
static bool decode(struct pictures *p, const struct vae_backend *backend,
                   const struct vae_graph *g, const float *latents, int n, int batch,
                   int width, int height, const char *isa)
{
    const size_t n_latent =
        (size_t)g->latent_channels * (height / g->downscale) * (width / g->downscale);
    uint8_t *rgb[MAX_PICTURES];
    void *packed, *state;

    *p = (struct pictures){.n = n, .n_values = (size_t)width * height * 3};
    if (backend->pack(&packed, g, isa) == VAE_EINVAL)
        return false;
    assert_non_null(packed);
    assert_int_equal(backend->open(&state, packed, width, height), VAE_OK);
    p->values = calloc((size_t)n * p->n_values, sizeof(*p->values));
    p->bytes = calloc((size_t)n, p->n_values);
    assert_non_null(p->values);
    assert_non_null(p->bytes);
    for (int i = 0; i < n; i++)
        rgb[i] = p->bytes + i * p->n_values;
    for (int i = 0; i < n; i += batch) {
        const struct picture_batch out = {rgb + i, p->values + i * p->n_values};
        assert_int_equal(backend->decode(state, latents + i * n_latent,
                                         n - i < batch ? n - i : batch, &out, NULL),
                         VAE_OK);
    }
    backend->close(state);
    backend->free_packed(packed);
    return true;
}

static void check_error(const struct pictures *p, const struct pictures *exact)
{
    double error = 0, square = 0;

    for (size_t i = 0; i < p->n * p->n_values; i++) {
        error += pow((double)p->values[i] - (double)exact->values[i], 2);
        square += pow((double)exact->values[i], 2);
    }
    if (!(sqrt(error / square) <= 1e-5))
        fail_msg("relative error %g", sqrt(error / square));
}

/* 0 to 255, rounded and cut off. */
static void check_bytes(const struct pictures *p)
{
    const size_t plane = p->n_values / 3;

    for (size_t i = 0; i < p->n * p->n_values; i++) {
        size_t picture = i / p->n_values, pixel = i % p->n_values / 3;
        float v = p->values[picture * p->n_values + i % 3 * plane + pixel];
        double level = fmin(fmax((v * 0.5 + 0.5) * 255, 0), 255);
        assert_true(fabs(p->bytes[i] - level) < 0.5001);
    }
}

/* Every instruction set and batch equals the portable path byte for byte, and that the
 * referee nearly. */
static void check_graph(const struct random_graph *r, int n, int width, int height)
{
    static const char *const others[] = {"avx2", "avx512"};
    float *latents = make_latents(&r->g, n, width, height, r->seed);
    struct pictures exact, portable, other;

    assert_true(
        decode(&exact, &vae_backend_ref, &r->g, latents, n, n, width, height, NULL));
    assert_true(decode(&portable, &vae_backend_cpu, &r->g, latents, n, 1, width, height,
                       "portable"));
    check_error(&portable, &exact);
    check_bytes(&portable);
    check_bytes(&exact);
    for (int i = 0; i < 2; i++) {
        if (!decode(&other, &vae_backend_cpu, &r->g, latents, n, n, width, height,
                    others[i])) {
            print_message("%s: not on this machine\n", others[i]);
            continue;
        }
        assert_memory_equal(other.values, portable.values,
                            n * portable.n_values * sizeof(float));
        assert_memory_equal(other.bytes, portable.bytes, n * portable.n_values);
        free_pictures(&other);
    }
    free_pictures(&portable);
    free_pictures(&exact);
    free(latents);
}

/* One convolution that doubles, in front of one to three channels: a direct one, or one
 * of either of winograd.h's. */
static void test_doubling(void **state)
{
    static const struct {
        int c_in, c_out, groups, downscale, width, height;
    } cases[] = {
        {5, 7, 0, 2, 1, 1},    {16, 48, 0, 2, 1, 7},    {3, 16, 3, 2, 33, 17},
        {150, 20, 0, 2, 6, 3}, {200, 24, 10, 2, 35, 2}, {40, 33, 8, 2, 13, 9},
        {32, 32, 0, 2, 1, 1},  {48, 64, 0, 2, 23, 4},   {33, 40, 11, 8, 7, 5},
        {64, 32, 0, 8, 1, 2},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct random_graph r;
        random_graph_init(&r, 200 + i);
        random_graph_decodes(&r, cases[i].downscale, 4);
        random_add_conv(&r, 0, 1, 4, cases[i].c_in, 1, 0);
        random_double(&r, random_add_conv(&r, 1, 2, cases[i].c_in, cases[i].c_out, 3,
                                          cases[i].groups));
        int c = cases[i].c_out, at = 2;
        for (; r.downscale > 1; c = 8, at = 3 - at)
            random_double(&r, random_add_conv(&r, at, 3 - at, c, 8, 3, 0));
        random_add_conv(&r, at, 3 - at, c, 3, 3, c % 3 ? 0 : 3);
        check_graph(&r, 1, cases[i].width * cases[i].downscale,
                    cases[i].height * cases[i].downscale);
        random_graph_free(&r);
    }
}

/* A residual has the size of what comes out, and a normalized latent its own channels. */
static void test_doubling_with_residual(void **state)
{
    struct random_graph r;

    (void)state;
    random_graph_init(&r, 210);
    random_graph_decodes(&r, 4, 20);
    random_double(&r, random_add_conv(&r, 0, 1, 20, 20, 3, 4));
    random_double(&r, random_add_conv(&r, 1, 2, 20, 24, 3, 0));
    random_add_conv(&r, 2, 3, 24, 24, 3, 0);
    r.downscale = 2;
    struct vae_conv *conv = random_add_conv(&r, 1, 2, 20, 24, 3, 0);
    random_double(&r, conv);
    conv->residual = 3;
    conv->relu = true;
    random_add_conv(&r, 2, 1, 24, 3, 1, 0);
    check_graph(&r, 1, 36, 20);
    random_graph_free(&r);
}

static void test_networks(void **state)
{
    static const int channels[] = {16, 40, 48, 64};
    struct random_graph r;

    (void)state;
    random_graph_init(&r, 220);
    random_graph_kl_decoder(&r, channels, 4, 1, 8, 5);
    check_graph(&r, 3, 40, 24);
    random_graph_free(&r);

    random_graph_init(&r, 221);
    random_graph_taesd_decoder(&r, 40, 4);
    check_graph(&r, 2, 24, 40);
    random_graph_free(&r);
}

static void test_bytes(void **state)
{
    (void)state;
    assert_int_equal(vae_byte_of(-1), 0);
    assert_int_equal(vae_byte_of(1), 255);
    assert_int_equal(vae_byte_of(0), 128);              /* 127.5: to even */
    assert_int_equal(vae_byte_of(-0x1.f9f9fap-2f), 64); /* 64.5 */
    assert_int_equal(vae_byte_of(-1e30f), 0);
    assert_int_equal(vae_byte_of(INFINITY), 255);
    assert_int_equal(vae_byte_of(-INFINITY), 0);
    assert_int_equal(vae_byte_of(NAN), 0);
    assert_int_equal(vae_byte_of(-0.996f), 1); /* 0.51 */
}

struct asked {
    int n, stop_at;
};

static bool ask(void *ctx, int step)
{
    struct asked *asked = ctx;

    (void)step;
    return ++asked->n == asked->stop_at;
}

/* Whenever it is asked for, once, it ends at once. */
static void test_cancel(void **state)
{
    const struct vae_backend *const backends[] = {&vae_backend_ref, &vae_backend_cpu};
    struct asked asked = {0};
    const struct vae_cancel cancel = {ask, &asked};
    struct random_graph r;
    uint8_t bytes[64 * 3], *rgb[] = {bytes};
    const struct picture_batch out = {rgb, NULL};
    float latent[3] = {0};
    void *packed, *decoder;

    (void)state;
    random_graph_init(&r, 230);
    random_graph_taesd_decoder(&r, 16, 3);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(backends[i]->pack(&packed, &r.g, NULL), VAE_OK);
        assert_int_equal(backends[i]->open(&decoder, packed, 8, 8), VAE_OK);
        for (int call = 1; call <= r.g.n_steps + 1; call++) {
            asked = (struct asked){.stop_at = call};
            assert_int_equal(backends[i]->decode(decoder, latent, 1, &out, &cancel),
                             VAE_CANCELLED);
            assert_int_equal(asked.n, call);
        }
        asked = (struct asked){0};
        assert_int_equal(backends[i]->decode(decoder, latent, 1, &out, &cancel), VAE_OK);
        backends[i]->close(decoder);
        backends[i]->free_packed(packed);
    }
    random_graph_free(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_doubling), cmocka_unit_test(test_doubling_with_residual),
        cmocka_unit_test(test_networks), cmocka_unit_test(test_bytes),
        cmocka_unit_test(test_cancel),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
