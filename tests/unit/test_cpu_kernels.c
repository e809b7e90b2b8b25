/* SPDX-License-Identifier: Apache-2.0
 * tests/unit/test_cpu_kernels.c - the cpu back end's inner loops where networks with
 * values near 1 do not lead them: far ends of exp, and what is no number. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "vae_encode/backend.h"
#include "vae_encode/cpu/cpu_kernels.h"
#include "vae_encode/vae_types.h"

static const struct cpu_kernels *const all_kernels[] = {
    &cpu_kernels_portable,
#ifdef __x86_64__
    &cpu_kernels_avx2,
    &cpu_kernels_avx512,
#endif
};

static void for_each_isa(void (*check)(const struct cpu_kernels *))
{
    for (size_t i = 0; i < sizeof(all_kernels) / sizeof(all_kernels[0]); i++) {
        if (vae_has_isa(all_kernels[i]->isa))
            check(all_kernels[i]);
        else
            print_message("%s: not on this machine\n", all_kernels[i]->isa);
    }
}

/* x / (1 + e^-x) to within a few ulp as far as e^x is a normal number, and the limits
 * beyond. */
static void check_silu(const struct cpu_kernels *k)
{
    enum { N = 4096 };
    static float x[N * CPU_BLOCK], y[N * CPU_BLOCK];
    float scale[CPU_BLOCK], shift[CPU_BLOCK];

    for (int i = 0; i < N * CPU_BLOCK; i++)
        x[i] = ((float)i - N * CPU_BLOCK / 2) * (100.0f / (N * CPU_BLOCK / 2));
    for (int lane = 0; lane < CPU_BLOCK; lane++) {
        scale[lane] = 1;
        shift[lane] = 0;
    }
    k->normalize(y, x, N, scale, shift, true);
    for (int i = 0; i < N * CPU_BLOCK; i++) {
        double exact = x[i] / (1 + exp(-(double)x[i]));
        if (x[i] >= -86)
            assert_true(fabs(y[i] - exact) <= 5e-7 * fabs(exact));
        else
            assert_true(y[i] <= 0 && y[i] > -1e-35f);
    }
    for (int lane = 0; lane < CPU_BLOCK; lane++)
        x[lane] = lane < 8 ? -1e4f : 1e4f;
    x[3] = x[9] = NAN;
    k->normalize(y, x, 1, scale, shift, true);
    for (int lane = 0; lane < CPU_BLOCK; lane++)
        assert_true(lane == 3 || lane == 9 ? isnan(y[lane])
                    : lane < 8             ? fabsf(y[lane]) < 1e-30f
                                           : y[lane] == 1e4f);
}

static void test_silu(void **state)
{
    (void)state;
    for_each_isa(check_silu);
}

/* Of 20 keys, for 3 queries: far apart, equal, and with one score that is no number. */
static void check_softmax(const struct cpu_kernels *k)
{
    enum { QUERIES = 3, KEYS = 20, BLOCKS = 2 };
    float scores[BLOCKS * QUERIES * CPU_BLOCK], sums[QUERIES];

    for (int i = 0; i < BLOCKS * QUERIES * CPU_BLOCK; i++) {
        int key = i / CPU_BLOCK / QUERIES * CPU_BLOCK + i % CPU_BLOCK;
        int query = i / CPU_BLOCK % QUERIES;
        scores[i] = key >= KEYS ? -INFINITY : query == 0 ? 300.0f * key : 1e4f;
        if (query == 2 && key == 5)
            scores[i] = NAN;
    }
    k->softmax(scores, BLOCKS, QUERIES, 0.25f, sums);
    assert_true(sums[0] == 1.0f); /* the last key's; e^-75 is nothing beside it */
    assert_true(sums[1] == (float)KEYS);
    assert_true(isnan(sums[2]));
    for (int lane = 0; lane < CPU_BLOCK; lane++)
        assert_true(scores[QUERIES * CPU_BLOCK + lane] <= 1.0f);
    assert_true(scores[QUERIES * CPU_BLOCK + (KEYS - 1) % CPU_BLOCK] == 1.0f);
}

static void test_softmax(void **state)
{
    (void)state;
    for_each_isa(check_softmax);
}

/* max(0, x) keeps a NaN: a latent that is none is found by it. */
static void check_relu(const struct cpu_kernels *k)
{
    enum { N = 64, LANE = 5 };
    static const float in[N * CPU_BLOCK];
    float bias[CPU_BLOCK], out[4 * 4 * CPU_BLOCK];

    for (int lane = 0; lane < CPU_BLOCK; lane++)
        bias[lane] = lane == LANE ? NAN : (float)lane - 8;
    for (int way = 0; way < 2; way++) {
        memset(out, 1, sizeof(out));
        if (way == 0)
            k->finish(&(struct cpu_finish){.acc = in,
                                           .bias = bias,
                                           .out = out,
                                           .out_row = 4 * CPU_BLOCK,
                                           .rows = 4,
                                           .cols = 4,
                                           .relu = true});
        else
            k->winograd_output(&(struct cpu_winograd_output){.kind = WINOGRAD_4X4,
                                                             .tiles = 1,
                                                             .in = in,
                                                             .in_point = CPU_BLOCK,
                                                             .bias = bias,
                                                             .out = out,
                                                             .out_row = 4 * CPU_BLOCK,
                                                             .rows = 4,
                                                             .cols = 4,
                                                             .relu = true});
        for (int i = 0; i < 4 * 4 * CPU_BLOCK; i++) {
            int lane = i % CPU_BLOCK;
            assert_true(lane == LANE ? isnan(out[i])
                                     : out[i] == (lane > 8 ? (float)lane - 8 : 0));
        }
    }
}

static void test_relu(void **state)
{
    (void)state;
    for_each_isa(check_relu);
}

/* As torch.clamp. */
static void test_clamp(void **state)
{
    (void)state;
    assert_true(isnan(vae_clamp_logvar(NAN)));
    assert_true(vae_clamp_logvar(-INFINITY) == -30);
    assert_true(vae_clamp_logvar(INFINITY) == 20);
    assert_true(vae_clamp_logvar(-29.5f) == -29.5f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_silu),
        cmocka_unit_test(test_softmax),
        cmocka_unit_test(test_relu),
        cmocka_unit_test(test_clamp),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
