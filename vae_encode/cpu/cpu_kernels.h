/* SPDX-License-Identifier: Apache-2.0
 * vae_encode/cpu/cpu_kernels.h - the inner loops of the cpu back end. Internal to
 * vae_encode/.
 *
 * cpu_kernels.inc.c is compiled once for each instruction set; all of them give the same
 * bits. An activation is (channels / 16, height, width, 16): a block of 16 channels after
 * the other, missing channels of the last block zero. Every lane is one channel, so no
 * result depends on how many of them a register holds. */
#ifndef VAE_ENCODE_CPU_CPU_KERNELS_H
#define VAE_ENCODE_CPU_CPU_KERNELS_H

#include <stdbool.h>
#include <stddef.h>

#include "vae_encode/cpu/winograd.h"

enum { CPU_BLOCK = 16, CPU_MAX_TAPS = 9 };

static inline size_t cpu_blocks(size_t channels)
{
    return (channels + CPU_BLOCK - 1) / CPU_BLOCK;
}

static inline int cpu_min(int a, int b)
{
    return a < b ? a : b;
}

/* For each of rows x cols pixels and each output channel: one chain of fused
 * multiply-adds from zero, over taps and their input channels in order. The chain's sum
 * is stored in `acc` or added to it. */
struct cpu_product {
    const float *x;  /* pixel (0, 0); its right neighbour is 16 floats further */
    ptrdiff_t x_row; /* floats from one row of pixels to the next */
    const float *w;  /* (taps, channels, 16) of the first block of output channels */
    ptrdiff_t w_block;
    float *acc; /* (blocks, rows, cols, 16) */
    ptrdiff_t acc_block;
    int rows, cols;
    int blocks; /* of output channels: 1 .. cpu_kernels.group */
    bool add;
    int n_taps;
    struct {
        ptrdiff_t offset; /* floats, from a pixel's x */
        int channels;     /* 1 .. 16 */
    } taps[CPU_MAX_TAPS];
};

/* One block of output channels: out = act(acc + bias + residual). */
struct cpu_finish {
    const float *acc;      /* (rows, cols, 16) */
    const float *bias;     /* (16) */
    const float *residual; /* laid out as out, or NULL */
    float *out;            /* rows are out_row floats apart */
    ptrdiff_t out_row;
    int rows, cols;
    bool relu;
    double *sums; /* (2, 16): sums of out and of its squares, added to; or NULL */
};

/* Tiles that are transformed at once, and the columns of their patches at most. */
enum { WINOGRAD_STRIP = 4, WINOGRAD_MAX_STRIP = WINOGRAD_STRIP * WINOGRAD_MAX_M + 2 };

/* Neighbouring patches of one block of channels to their points. m, n and step are those
 * of winograd_table[kind]. */
struct cpu_winograd_input {
    enum winograd_kind kind;
    int tiles;       /* 1 .. WINOGRAD_STRIP */
    const float *in; /* (n, tiles step + n - step, 16), rows in_row floats apart */
    ptrdiff_t in_row;
    float *out; /* (n n, tiles, 16), points out_point floats apart */
    ptrdiff_t out_point;
};

/* One block of output channels of neighbouring tiles from their points:
 * out = act(tile + bias + residual). */
struct cpu_winograd_output {
    enum winograd_kind kind;
    int tiles;
    const float *in; /* (n n, tiles, 16), points in_point floats apart */
    ptrdiff_t in_point;
    const float *bias;     /* (16) */
    const float *residual; /* laid out as out, or NULL */
    float *out;            /* (rows, cols, 16), rows out_row floats apart */
    ptrdiff_t out_row;
    int rows, cols; /* of the outputs that exist: 1 <= rows <= m, cols <= tiles m */
    bool relu;
    double *sums; /* as in cpu_finish; those of one tile are added up in fp32 first */
};

struct cpu_kernels {
    const char *isa;
    int group; /* blocks of output channels that one product takes at best */
    void (*multiply)(const struct cpu_product *p);
    void (*finish)(const struct cpu_finish *f);
    void (*winograd_input)(const struct cpu_winograd_input *w);
    void (*winograd_output)(const struct cpu_winograd_output *w);
    /* out = act(in * scale + shift) for n pixels of 16 channels */
    void (*normalize)(float *out, const float *in, size_t n, const float *scale,
                      const float *shift, bool silu);
    /* scores (n_keys / 16, n_queries, 16) become exp(scale * (score - row maximum));
     * sums (n_queries) gets their sums. Scores of missing keys are -INFINITY. */
    void (*softmax)(float *scores, size_t n_key_blocks, size_t n_queries, float scale,
                    float *sums);
};

extern const struct cpu_kernels cpu_kernels_portable;
#ifdef __x86_64__
extern const struct cpu_kernels cpu_kernels_avx2;
extern const struct cpu_kernels cpu_kernels_avx512;
#endif

#endif
