/* SPDX-License-Identifier: Apache-2.0
 * vae_encode/cpu/cpu_layers.h - the steps of a network. Internal to vae_encode/. */
#ifndef VAE_ENCODE_CPU_CPU_LAYERS_H
#define VAE_ENCODE_CPU_CPU_LAYERS_H

#include <stddef.h>

#include "vae_encode/cpu/cpu_tile.h"

/* Working memory, the largest any step of a network needs. */
struct cpu_scratch {
    float *staging; /* a row of pixels */
    struct cpu_affine affine;
    /* Direct convolution, and attention's projections. */
    float *tile; /* cpu_tile.data */
    float *acc;  /* (group, rows, cols, 16) */
    /* Winograd: cpu_winograd.c. */
    float *points, *products;
    float *strip; /* (n, columns of a strip, 16) */
    /* Attention over n pixels; `queries` are those of one tile. */
    float *keys;    /* (n / 16, channels, 16 keys) */
    float *values;  /* (channels / 16, n, 16) */
    float *queries; /* (channels / 16, queries, 16); then what attention gives for them */
    float *scores;  /* (n / 16, queries, 16) */
    float *sums;    /* (queries) */
};

/* Floats of each array of struct cpu_scratch. */
struct cpu_scratch_size {
    size_t staging, affine, tile, acc, points, products, strip;
    size_t keys, values, queries, scores, sums;
};

/* Raise *size to what the step needs; `in` and `out` have no data yet. */
void cpu_conv_measure(struct cpu_scratch_size *size, const struct cpu_kernels *k,
                      const struct cpu_conv *conv, const struct cpu_activation *out);
void cpu_winograd_measure(struct cpu_scratch_size *size, const struct cpu_kernels *k,
                          const struct cpu_conv *conv, const struct cpu_activation *in,
                          const struct cpu_activation *out);
void cpu_attention_measure(struct cpu_scratch_size *size, const struct cpu_kernels *k,
                           const struct cpu_attention *a,
                           const struct cpu_activation *in);

/* Fill `out`, and its sums where it has any. `residual` is laid out as out, or NULL.
 * cpu_winograd_run() takes any number of images, the others one. */
void cpu_conv_run(const struct cpu_kernels *k, const struct cpu_conv *conv,
                  const struct cpu_activation *in, const float *residual,
                  const struct cpu_activation *out, struct cpu_scratch *scratch);
void cpu_winograd_run(const struct cpu_kernels *k, const struct cpu_conv *conv,
                      const struct cpu_activation *in, const float *residual,
                      const struct cpu_activation *out, struct cpu_scratch *scratch);
void cpu_attention_run(const struct cpu_kernels *k, const struct cpu_attention *a,
                       const struct cpu_activation *in, const struct cpu_activation *out,
                       struct cpu_scratch *scratch);

static inline void cpu_raise(size_t *size, size_t n)
{
    if (*size < n)
        *size = n;
}

#endif
