/* SPDX-License-Identifier: Apache-2.0
 * vae_encode/cpu/cpu_kernels.inc.c - included by cpu_portable.c, cpu_avx2.c and
 * cpu_avx512.c, which say how large the register tile is:
 *
 *     MAX_RUN    pixels at most: 2, 6 or 12
 *     GROUP      blocks of output channels at most, 1 or 2
 *
 * The tile fills the registers with MAX_RUN x GROUP x 16 sums; each weight loaded serves
 * all pixels, each pixel broadcast all output channels. Its shape changes no result. */
#include <stddef.h>

#include "vae_encode/cpu/cpu_kernels.h"
#include "vae_encode/cpu/cpu_simd.h"

/* For functions that a caller gives constants, which then shape their loops. */
#define ALWAYS_INLINE inline __attribute__((always_inline))

enum {
    BLOCK_VECTORS = CPU_BLOCK / VF_LANES,
    PREFETCH = 64 * CPU_BLOCK /* weights ahead, into the second level of cache */
};

/* One register tile. n and blocks are constants wherever this is inlined. */
static ALWAYS_INLINE void multiply_run(const struct cpu_product *p, const float *x,
                                       float *acc, const int n, const int blocks)
{
    const int vectors = blocks * BLOCK_VECTORS;
    const bool add = p->add;
    vf sum[MAX_RUN][GROUP * BLOCK_VECTORS];
    const float *w = p->w;

    for (int i = 0; i < n; i++)
        for (int v = 0; v < vectors; v++)
            sum[i][v] = vf_set1(0.0f);
    for (int t = 0; t < p->n_taps; t++) {
        const float *xt = x + p->taps[t].offset;
        const float *end = xt + p->taps[t].channels;
        for (; xt < end; xt++, w += CPU_BLOCK) {
            vf weight[GROUP * BLOCK_VECTORS];
            for (int v = 0; v < vectors; v++)
                weight[v] = vf_load(w + v / BLOCK_VECTORS * p->w_block +
                                    v % BLOCK_VECTORS * VF_LANES);
            for (int b = 0; b < blocks; b++)
                __builtin_prefetch(w + b * p->w_block + PREFETCH, 0, 2);
            for (int i = 0; i < n; i++) {
                vf value = vf_set1(xt[i * CPU_BLOCK]);
                for (int v = 0; v < vectors; v++)
                    sum[i][v] = vf_fma(value, weight[v], sum[i][v]);
            }
        }
    }
    for (int i = 0; i < n; i++) {
        for (int v = 0; v < vectors; v++) {
            float *a = acc + v / BLOCK_VECTORS * p->acc_block + i * CPU_BLOCK +
                       v % BLOCK_VECTORS * VF_LANES;
            vf_store(a, add ? vf_load(a) + sum[i][v] : sum[i][v]);
        }
    }
}

static ALWAYS_INLINE void multiply_any_run(const struct cpu_product *p, const float *x,
                                           float *acc, int n, const int blocks)
{
    switch (n) {
#if MAX_RUN == 12
    case 12:
        multiply_run(p, x, acc, 12, blocks);
        break;
    case 11:
        multiply_run(p, x, acc, 11, blocks);
        break;
    case 10:
        multiply_run(p, x, acc, 10, blocks);
        break;
    case 9:
        multiply_run(p, x, acc, 9, blocks);
        break;
    case 8:
        multiply_run(p, x, acc, 8, blocks);
        break;
    case 7:
        multiply_run(p, x, acc, 7, blocks);
        break;
#endif
#if MAX_RUN >= 6
    case 6:
        multiply_run(p, x, acc, 6, blocks);
        break;
    case 5:
        multiply_run(p, x, acc, 5, blocks);
        break;
    case 4:
        multiply_run(p, x, acc, 4, blocks);
        break;
    case 3:
        multiply_run(p, x, acc, 3, blocks);
        break;
#endif
    case 2:
        multiply_run(p, x, acc, 2, blocks);
        break;
    default:
        multiply_run(p, x, acc, 1, blocks);
        break;
    }
}

/* Rows are cut into runs of nearly equal length. */
static void multiply(const struct cpu_product *p)
{
    int n_runs = (p->cols + MAX_RUN - 1) / MAX_RUN;

    for (int row = 0; row < p->rows; row++) {
        const float *x = p->x + row * p->x_row;
        float *acc = p->acc + (ptrdiff_t)row * p->cols * CPU_BLOCK;
        for (int i = 0; i < n_runs; i++) {
            int first = p->cols * i / n_runs;
            int n = p->cols * (i + 1) / n_runs - first;
            if (GROUP == 2 && p->blocks == 2)
                multiply_any_run(p, x + first * CPU_BLOCK, acc + first * CPU_BLOCK, n,
                                 GROUP);
            else
                multiply_any_run(p, x + first * CPU_BLOCK, acc + first * CPU_BLOCK, n, 1);
        }
    }
}

/* VF_LANES channels of a block, from `lane` on. */
static void finish_lanes(const struct cpu_finish *f, int lane)
{
    enum { HALF = VF_LANES / 2 };
    vf bias = vf_load(f->bias + lane);
    vd sum[2] = {0}, square[2] = {0};

    for (int row = 0; row < f->rows; row++) {
        const float *acc = f->acc + (ptrdiff_t)row * f->cols * CPU_BLOCK + lane;
        ptrdiff_t at = row * f->out_row + lane;
        for (int i = 0; i < f->cols; i++, acc += CPU_BLOCK, at += CPU_BLOCK) {
            vf v = vf_load(acc) + bias;
            if (f->residual)
                v += vf_load(f->residual + at);
            if (f->relu)
                v = vf_max(vf_set1(0.0f), v);
            vf_store(f->out + at, v);
            vd low = vd_from_low(v), high = vd_from_high(v);
            sum[0] += low;
            sum[1] += high;
            square[0] += low * low; /* the product is exact in double */
            square[1] += high * high;
        }
    }
    if (!f->sums)
        return;
    for (int h = 0; h < 2; h++) {
        double *s = f->sums + lane + h * HALF;
        vd_store(s, vd_load(s) + sum[h]);
        vd_store(s + CPU_BLOCK, vd_load(s + CPU_BLOCK) + square[h]);
    }
}

static void finish(const struct cpu_finish *f)
{
    for (int lane = 0; lane < CPU_BLOCK; lane += VF_LANES)
        finish_lanes(f, lane);
}

static void normalize(float *out, const float *in, size_t n, const float *scale,
                      const float *shift, bool silu)
{
    for (int lane = 0; lane < CPU_BLOCK; lane += VF_LANES) {
        vf a = vf_load(scale + lane);
        vf b = vf_load(shift + lane);
        for (size_t i = 0; i < n; i++) {
            size_t at = i * CPU_BLOCK + lane;
            vf v = vf_fma(vf_load(in + at), a, b);
            if (silu)
                v = v / (vf_set1(1.0f) + vf_exp(-v));
            vf_store(out + at, v);
        }
    }
}

/* The sum or maximum of a row is that of its 16 lanes, joined by halves. */
static float join_max(float lanes[CPU_BLOCK])
{
    for (int half = CPU_BLOCK / 2; half > 0; half /= 2)
        for (int i = 0; i < half; i++)
            lanes[i] = lanes[i] > lanes[i + half] ? lanes[i] : lanes[i + half];
    return lanes[0];
}

static float join_sum(float lanes[CPU_BLOCK])
{
    for (int half = CPU_BLOCK / 2; half > 0; half /= 2)
        for (int i = 0; i < half; i++)
            lanes[i] += lanes[i + half];
    return lanes[0];
}

static float softmax_row(float *row, size_t n_blocks, size_t stride, float scale)
{
    float lanes[CPU_BLOCK];

    for (int lane = 0; lane < CPU_BLOCK; lane += VF_LANES) {
        vf top = vf_load(row + lane);
        for (size_t b = 1; b < n_blocks; b++)
            top = vf_max(top, vf_load(row + b * stride + lane));
        vf_store(lanes + lane, top);
    }
    vf top = vf_set1(join_max(lanes));
    for (int lane = 0; lane < CPU_BLOCK; lane += VF_LANES) {
        vf sum = vf_set1(0.0f);
        for (size_t b = 0; b < n_blocks; b++) {
            float *p = row + b * stride + lane;
            vf v = vf_exp((vf_load(p) - top) * vf_set1(scale));
            vf_store(p, v);
            sum += v;
        }
        vf_store(lanes + lane, sum);
    }
    return join_sum(lanes);
}

static void softmax(float *scores, size_t n_key_blocks, size_t n_queries, float scale,
                    float *sums)
{
    for (size_t q = 0; q < n_queries; q++)
        sums[q] = softmax_row(scores + q * CPU_BLOCK, n_key_blocks, n_queries * CPU_BLOCK,
                              scale);
}
