/* SPDX-License-Identifier: Apache-2.0
 * tests/unit/test_backend_cpu.c - the cpu back end against the referee, its instruction
 * sets and batches against each other byte for byte. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <xxhash.h>

#include "tests/unit/random_graph.h"
#include "vae_encode/backend.h"
#include "vae_encode/status.h"
#include "vae_encode/cpu/winograd.h"

static const char *const all_isas[] = {"portable", "avx2", "avx512"};

enum { N_ISAS = 3, MAX_IMAGES = 9 }; /* one more than go together at most */

struct pictures {
    uint8_t *rgb[MAX_IMAGES];
    int n, width, height;
};

static void make_pictures(struct pictures *p, int n, int width, int height, uint64_t seed)
{
    *p = (struct pictures){.n = n, .width = width, .height = height};
    for (int i = 0; i < n; i++) {
        p->rgb[i] = malloc((size_t)width * height * 3);
        assert_non_null(p->rgb[i]);
        for (int j = 0; j < width * height * 3; j++)
            p->rgb[i][j] = (uint8_t)(random_next(&seed) >> 56);
    }
}

static void free_pictures(struct pictures *p)
{
    for (int i = 0; i < p->n; i++)
        free(p->rgb[i]);
}

static size_t latent_size(const struct vae_graph *g, const struct pictures *p)
{
    return (size_t)g->latent_channels * (p->width / g->downscale) *
           (p->height / g->downscale);
}

/* Moments of all pictures: the means, then the log-variances if there are. NULL where the
 * machine has not that instruction set. */
static float *encode_by(const struct vae_backend *backend, const struct vae_graph *g,
                        const struct pictures *p, const char *isa, int batch)
{
    const size_t n = latent_size(g, p);
    void *packed, *state;

    if (backend->pack(&packed, g, isa) == VAE_EINVAL)
        return NULL;
    assert_non_null(packed);
    assert_int_equal(backend->open(&state, packed, p->width, p->height), VAE_OK);
    float *moments = calloc(2 * n * p->n, sizeof(*moments));
    assert_non_null(moments);
    for (int i = 0; i < p->n; i += batch) {
        struct image_batch in = {.n = p->n - i < batch ? p->n - i : batch,
                                 .width = p->width,
                                 .height = p->height,
                                 .rgb = (const uint8_t *const *)p->rgb + i};
        struct latent_batch out = {.mean = moments + i * n};
        if (g->has_posterior)
            out.logvar = moments + (p->n + i) * n;
        assert_int_equal(backend->encode(state, &in, &out, NULL), VAE_OK);
    }
    backend->close(state);
    backend->free_packed(packed);
    return moments;
}

static float *encode(const struct vae_graph *g, const struct pictures *p, const char *isa,
                     int batch)
{
    return encode_by(&vae_backend_cpu, g, p, isa, batch);
}

/* Relative RMS error of `moments`, of all the network gives. */
static double error_of(const struct vae_graph *g, const struct pictures *p,
                       const float *moments)
{
    float *exact = encode_by(&vae_backend_ref, g, p, NULL, p->n);
    const size_t n = p->n * latent_size(g, p) * (g->has_posterior ? 2 : 1);
    double error = 0, square = 0;

    assert_non_null(exact);
    for (size_t i = 0; i < n; i++) {
        error += pow((double)moments[i] - (double)exact[i], 2);
        square += pow((double)exact[i], 2);
    }
    free(exact);
    return sqrt(error / square);
}

/* Every instruction set equals the portable path byte for byte, and that the referee
 * nearly. */
static void check_graph(const struct random_graph *r, int width, int height)
{
    const struct vae_graph *g = &r->g;
    struct pictures p;

    make_pictures(&p, 1, width, height, r->seed);
    float *portable = encode(g, &p, "portable", 1);
    assert_non_null(portable);
    double error = error_of(g, &p, portable);
    if (!(error <= 1e-5))
        fail_msg("relative error %g", error);
    for (int i = 1; i < N_ISAS; i++) {
        float *fast = encode(g, &p, all_isas[i], 1);
        if (!fast)
            print_message("%s: not on this machine\n", all_isas[i]);
        else
            assert_memory_equal(fast, portable,
                                2 * latent_size(g, &p) * sizeof(*portable));
        free(fast);
    }
    free(portable);
    free_pictures(&p);
}

/* One convolution on slot 0, after one that makes `c_in` channels of the picture. */
static struct vae_conv *begin_conv(struct random_graph *r, uint64_t seed, int c_in,
                                   int c_out, int kernel, int groups)
{
    random_graph_init(r, seed);
    if (c_in != 3)
        random_add_conv(r, 0, 1, 3, c_in, 1, 0);
    r->g.latent_channels = c_out;
    return random_add_conv(r, c_in != 3, 2, c_in, c_out, kernel, groups);
}

static void test_conv_shapes(void **state)
{
    static const struct {
        int c_in, c_out, kernel, groups, width, height;
    } cases[] = {
        {3, 5, 3, 0, 1, 1},     {3, 48, 3, 0, 7, 5},     {5, 3, 3, 5, 13, 9},
        {48, 33, 3, 6, 33, 17}, {17, 16, 3, 1, 65, 3},   {16, 96, 3, 4, 12, 40},
        {3, 32, 1, 3, 5, 7},    {48, 5, 1, 0, 31, 33},   {145, 20, 1, 29, 9, 4},
        {150, 8, 3, 10, 6, 6},  {128, 24, 1, 32, 2, 70}, {200, 40, 3, 8, 40, 20},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct random_graph r;
        begin_conv(&r, i, cases[i].c_in, cases[i].c_out, cases[i].kernel,
                   cases[i].groups);
        check_graph(&r, cases[i].width, cases[i].height);
        random_graph_free(&r);
    }
}

static void test_stride(void **state)
{
    (void)state;
    for (int i = 0; i < 8; i++) {
        struct random_graph r;
        struct vae_conv *conv =
            begin_conv(&r, 50 + i, i % 2 ? 5 : 40, i % 3 ? 48 : 7, 3, i < 4 ? 5 : 0);
        conv->bias = i % 2 ? conv->bias : NULL;
        random_halve(&r, conv, i / 2 % 2);
        check_graph(&r, 2 * (1 + 7 * i), 2 * (1 + 5 * (i % 4)));
        random_graph_free(&r);
    }
}

/* Each way of winograd.h: sizes that do and do not fit its tiles, blocks of tiles that
 * end within a row, all that is fused with it. */
static void test_winograd(void **state)
{
    static const struct {
        int c_in, c_out, stride, downscale, width, height;
    } cases[] = {
        {32, 32, 1, 1, 6, 6},   {32, 48, 1, 1, 1, 1},    {40, 33, 1, 1, 13, 17},
        {32, 32, 1, 1, 61, 53}, {144, 32, 1, 1, 7, 30},  {32, 32, 1, 8, 4, 4},
        {32, 48, 1, 8, 1, 1},   {40, 33, 1, 8, 13, 17},  {32, 32, 1, 8, 50, 35},
        {144, 32, 1, 8, 5, 21}, {32, 32, 2, 1, 6, 6},    {32, 48, 2, 1, 2, 2},
        {40, 33, 2, 1, 14, 18}, {32, 32, 2, 1, 62, 54},  {144, 32, 2, 1, 8, 30},
        {32, 32, 2, 4, 10, 12}, {300, 64, 1, 1, 12, 10}, {64, 130, 1, 8, 24, 2},
    };

    (void)state;
    for (int i = 0; i < (int)(sizeof(cases) / sizeof(cases[0])); i++) {
        struct random_graph r;
        int at = 0;
        random_graph_init(&r, 30 + i);
        r.g.latent_channels = cases[i].c_out;
        for (int d = 1; d < cases[i].downscale; d *= 2) {
            random_halve(&r, random_add_conv(&r, at, at + 1, 3, 3, 3, 0), 1);
            at++;
        }
        random_add_conv(&r, at, 5, 3, cases[i].c_in, 1, 0);
        random_add_conv(&r, at, 6, 3, cases[i].c_out, 1, 0);
        struct vae_conv *conv = random_add_conv(&r, 5, 7, cases[i].c_in, cases[i].c_out,
                                                3, i % 3 ? cases[i].c_in / 4 : 0);
        conv->relu = i % 4 == 0;
        if (i % 5 == 0)
            conv->bias = NULL;
        if (cases[i].stride == 1 && i % 2)
            conv->residual = 6;
        if (cases[i].stride == 2)
            random_halve(&r, conv, i % 2);
        assert_int_not_equal(winograd_choose(&r.steps[r.g.n_steps - 1]), WINOGRAD_NONE);
        check_graph(&r, cases[i].width * cases[i].downscale,
                    cases[i].height * cases[i].downscale);
        random_graph_free(&r);
    }
}

static void test_residual_and_relu(void **state)
{
    (void)state;
    for (int relu = 0; relu < 2; relu++) {
        struct random_graph r;
        begin_conv(&r, 70 + relu, 24, 20, 3, 3)->relu = relu;
        struct vae_conv *conv = random_add_conv(&r, 1, 0, 24, 20, 3, 12);
        conv->residual = 2;
        conv->relu = relu;
        check_graph(&r, 19, 11);
        random_graph_free(&r);
    }
}

/* A step at the latent's size that needs what two steps before it wrote: images cannot
 * go through it together. */
static void test_residual_of_two_halvings(void **state)
{
    struct random_graph r;

    (void)state;
    random_graph_init(&r, 75);
    for (int out = 1; out <= 2; out++) {
        r.downscale = 1;
        random_halve(&r, random_add_conv(&r, 0, out, 3, 20, 3, 0), 1);
    }
    random_add_conv(&r, 2, 3, 20, 20, 3, 0)->residual = 1;
    r.g.latent_channels = 20;
    check_graph(&r, 14, 10);
    random_graph_free(&r);
}

static void test_attention(void **state)
{
    static const struct {
        int channels, groups, width, height;
    } cases[] = {
        {8, 2, 1, 1}, {16, 4, 4, 4}, {48, 6, 7, 9}, {20, 5, 16, 16}, {160, 32, 9, 11}};

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct random_graph r;
        const int c = cases[i].channels;
        begin_conv(&r, 80 + i, 3, c, 3, 0);
        random_add_attention(&r, 2, 1, c, cases[i].groups);
        random_add_conv(&r, 1, 0, c, c, 3, cases[i].groups);
        check_graph(&r, cases[i].width, cases[i].height);
        random_graph_free(&r);
    }
}

static void test_normalized_input(void **state)
{
    struct random_graph r;

    (void)state;
    begin_conv(&r, 90, 3, 18, 3, 1);
    check_graph(&r, 21, 14);
    random_graph_free(&r);
}

static void test_networks(void **state)
{
    static const int channels[] = {16, 40, 48};
    struct random_graph r;

    (void)state;
    random_graph_init(&r, 100);
    random_graph_kl(&r, channels, 3, 2, 8, 5);
    check_graph(&r, 44, 36);
    random_graph_free(&r);

    random_graph_init(&r, 101);
    random_graph_taesd(&r, 24, 4);
    check_graph(&r, 40, 56);
    random_graph_free(&r);
}

static void check_batches(const struct vae_graph *g, int width, int height)
{
    static const int batches[] = {3, 8};
    struct pictures p;

    make_pictures(&p, 8, width, height, 7);
    for (int i = 0; i < N_ISAS; i++) {
        float *single = encode(g, &p, all_isas[i], 1);
        if (!single)
            continue;
        for (int b = 0; b < 2; b++) {
            float *batch = encode(g, &p, all_isas[i], batches[b]);
            assert_memory_equal(batch, single,
                                2 * p.n * latent_size(g, &p) * sizeof(*batch));
            free(batch);
        }
        free(single);
    }
    free_pictures(&p);
}

/* A network whose steps at the latent's size are Winograd's and attention, and one where
 * they are direct, with residuals. */
static void test_batches(void **state)
{
    static const int channels[] = {16, 32, 48};
    struct random_graph r;

    (void)state;
    random_graph_init(&r, 110);
    random_graph_kl(&r, channels, 3, 1, 8, 4);
    check_batches(&r.g, 36, 20);
    random_graph_free(&r);

    random_graph_init(&r, 111);
    random_graph_taesd(&r, 20, 4);
    check_batches(&r.g, 24, 16);
    random_graph_free(&r);
}

enum { N_STEPS = 3 };

struct asked {
    int n, stop_at;
    int n_before[N_STEPS + 1]; /* each step, and after the last */
};

static bool ask(void *ctx, int step)
{
    struct asked *asked = ctx;

    asked->n_before[step]++;
    return ++asked->n == asked->stop_at;
}

static int encode_asking(const struct vae_graph *g, const struct pictures *p,
                         struct asked *asked)
{
    const struct image_batch in = {p->n, p->width, p->height,
                                   (const uint8_t *const *)p->rgb};
    const struct vae_cancel cancel = {ask, asked};
    float *mean = calloc(p->n * latent_size(g, p), sizeof(*mean));
    void *packed, *encoder;

    assert_non_null(mean);
    assert_int_equal(vae_backend_cpu.pack(&packed, g, NULL), VAE_OK);
    assert_int_equal(vae_backend_cpu.open(&encoder, packed, p->width, p->height), VAE_OK);
    int rc = vae_backend_cpu.encode(encoder, &in, &(struct latent_batch){.mean = mean},
                                    &cancel);
    vae_backend_cpu.close(encoder);
    vae_backend_cpu.free_packed(packed);
    free(mean);
    return rc;
}

/* Its last step takes images together. */
static void make_three_steps(struct random_graph *r)
{
    random_halve(r, begin_conv(r, 150, 4, 5, 3, 0), 1);
    random_add_conv(r, 2, 1, 5, 5, 3, 0);
}

/* As many images go together as keeps a group's activations small: the smaller they are,
 * the more, but eight at most. */
static void test_groups(void **state)
{
    static const struct {
        int width, height, groups; /* of nine images */
    } cases[] = {{2, 2, 2}, {64, 64, 3}, {92, 90, 9}, {192, 96, 9}};
    struct random_graph r;

    (void)state;
    make_three_steps(&r);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct pictures p;
        struct asked asked = {0};
        make_pictures(&p, MAX_IMAGES, cases[i].width, cases[i].height, 3);
        assert_int_equal(encode_asking(&r.g, &p, &asked), VAE_OK);
        assert_int_equal(asked.n_before[1], 9);
        assert_int_equal(asked.n_before[2], cases[i].groups);
        free_pictures(&p);
    }
    random_graph_free(&r);
}

/* Whenever it is asked for, once, it ends at once: before two steps of nine images, one
 * of three groups, and at the groups' ends. */
static void test_cancel(void **state)
{
    struct random_graph r;
    struct pictures p;

    (void)state;
    make_three_steps(&r);
    make_pictures(&p, MAX_IMAGES, 64, 64, 3);
    for (int call = 1; call <= 2 * 9 + 3 + 3; call++) {
        struct asked asked = {.stop_at = call};
        assert_int_equal(encode_asking(&r.g, &p, &asked), VAE_CANCELLED);
        assert_int_equal(asked.n, call);
    }
    free_pictures(&p);
    random_graph_free(&r);
}

/* What "winograd-1" promises to whoever compares data sets: raise
 * vae_backend_cpu.numerics when these numbers have to change. */
static void test_bits(void **state)
{
    static const int channels[] = {16, 32, 48, 64};
    static const int wide[] = {32, 144}; /* several chains; attention over 180 pixels */
    static const uint64_t expected[] = {0xa0a85285fa29f5a7, 0x1f319e61cfdddef6,
                                        0x44db9cdf8357b6bb};
    struct random_graph r[3];

    (void)state;
    assert_string_equal(vae_backend_cpu.numerics, "winograd-1");
    random_graph_init(&r[0], 140);
    random_graph_kl(&r[0], channels, 4, 1, 8, 3);
    random_graph_init(&r[1], 141);
    random_graph_taesd(&r[1], 40, 4);
    random_graph_init(&r[2], 142);
    random_graph_kl(&r[2], wide, 2, 1, 8, 3);
    for (int i = 0; i < 3; i++) {
        struct pictures p;
        make_pictures(&p, 1, i < 2 ? 40 : 20, i < 2 ? 72 : 36, 9);
        float *moments = encode(&r[i].g, &p, "portable", 1);
        size_t n = 2 * latent_size(&r[i].g, &p);
        assert_int_equal(XXH3_64bits(moments, n * sizeof(*moments)), expected[i]);
        free(moments);
        free_pictures(&p);
        random_graph_free(&r[i]);
    }
}

static void test_large_values(void **state)
{
    struct random_graph r;

    (void)state;
    begin_conv(&r, 120, 40, 32, 3, 0);
    r.g.input_scale = 100; /* activations to 1e4, SiLU of both signs */
    r.g.input_shift = -12000;
    random_add_conv(&r, 2, 0, 32, 32, 3, 8);
    random_add_attention(&r, 0, 1, 32, 4);
    check_graph(&r, 24, 20);
    random_graph_free(&r);
}

/* Values without any spread, far from 0: E[x^2] - E[x]^2 may come out below 0. */
static void test_flat_picture(void **state)
{
    (void)state;
    for (int level = 1; level < 256; level += 23) {
        struct random_graph r;
        struct pictures p;
        begin_conv(&r, 125, 40, 32, 1, 0);
        r.g.input_scale = 47.3f;
        random_add_conv(&r, 2, 0, 32, 32, 3, 32); /* a group has one channel */
        r.g.latent_channels = 32;
        make_pictures(&p, 1, 40, 33, 1);
        memset(p.rgb[0], level, (size_t)p.width * p.height * 3);
        float *moments = encode(&r.g, &p, NULL, 1);
        assert_non_null(moments);
        for (size_t i = 0; i < latent_size(&r.g, &p); i++)
            assert_true(isfinite(moments[i]));
        free(moments);
        free_pictures(&p);
        random_graph_free(&r);
    }
}

static void test_requests(void **state)
{
    struct random_graph r;
    void *packed, *encoder;
    uint8_t rgb[12] = {0};
    const uint8_t *images[] = {rgb};
    float latent[8];

    (void)state;
    random_halve(&r, begin_conv(&r, 130, 3, 5, 3, 0), 1);
    assert_int_equal(vae_backend_cpu.pack(&packed, &r.g, "mmx"), VAE_EINVAL);
    assert_null(packed);
    assert_int_equal(vae_backend_cpu.pack(&packed, &r.g, NULL), VAE_OK);
    assert_true(vae_backend_cpu.packed_bytes(packed) >= 5 * 27 * sizeof(float));
    assert_int_equal(vae_backend_cpu.open(&encoder, packed, 3, 2), VAE_EINVAL);
    assert_int_equal(vae_backend_cpu.open(&encoder, packed, 2, 0), VAE_EINVAL);
    assert_int_equal(vae_backend_cpu.open(&encoder, packed, 2, 1 << 20), VAE_EINVAL);
    assert_null(encoder);
    vae_backend_cpu.close(encoder);
    assert_int_equal(vae_backend_cpu.open(&encoder, packed, 2, 2), VAE_OK);
    struct image_batch in = {.n = 1, .width = 4, .height = 2, .rgb = images};
    struct latent_batch out = {.mean = latent};
    assert_int_equal(vae_backend_cpu.encode(encoder, &in, &out, NULL), VAE_EINVAL);
    in.width = 2;
    assert_int_equal(vae_backend_cpu.encode(encoder, &in, &out, NULL), VAE_OK);
    out.logvar = latent; /* this network has none */
    assert_int_equal(vae_backend_cpu.encode(encoder, &in, &out, NULL), VAE_EINVAL);
    vae_backend_cpu.close(encoder);
    vae_backend_cpu.free_packed(packed);
    vae_backend_cpu.free_packed(NULL);
    random_graph_free(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_conv_shapes),
        cmocka_unit_test(test_stride),
        cmocka_unit_test(test_residual_and_relu),
        cmocka_unit_test(test_residual_of_two_halvings),
        cmocka_unit_test(test_winograd),
        cmocka_unit_test(test_attention),
        cmocka_unit_test(test_normalized_input),
        cmocka_unit_test(test_networks),
        cmocka_unit_test(test_batches),
        cmocka_unit_test(test_groups),
        cmocka_unit_test(test_cancel),
        cmocka_unit_test(test_bits),
        cmocka_unit_test(test_large_values),
        cmocka_unit_test(test_flat_picture),
        cmocka_unit_test(test_requests),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
