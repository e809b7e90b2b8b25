/* SPDX-License-Identifier: Apache-2.0
 * vae_encode/cpu/cpu_tile.h - layers, a tile of output pixels at a time. Internal to
 * vae_encode/.
 *
 * A tile's input pixels are normalized and laid out once, with their margin of zeros, in
 * a buffer that stays in the second-level cache while all output channels are made of it.
 * The tiling follows from the layer's shape alone: sums for GroupNorm are added up tile
 * by tile, so it is part of the result. */
#ifndef VAE_ENCODE_CPU_CPU_TILE_H
#define VAE_ENCODE_CPU_CPU_TILE_H

#include "vae_encode/cpu/cpu_activation.h"

/* The input of rows x cols output pixels from (y, x) on: (channels / 16, plane). With
 * stride 2 a row's even columns come before its odd ones, so that neighbouring outputs'
 * inputs are always neighbours. */
struct cpu_tile {
    float *data;
    float *staging; /* one row of one block, for stride 2 */
    int kernel, stride, pad_before;
    int y, x, rows, cols;
    size_t row, plane; /* floats; set by cpu_tile_load() */
};

/* How a layer is cut: at most rows x cols output pixels a tile. */
struct cpu_tiling {
    int rows, cols;
    size_t row, floats; /* of the largest tile's input: of a row of 16 channels, of all */
};

struct cpu_tiling cpu_tiling_choose(const struct cpu_weights *w, int stride, int height,
                                    int width);

void cpu_tile_load(struct cpu_tile *t, const struct cpu_input *input);

/* The product that *p describes but for its taps: `channels` input channels of each
 * pixel, blocks of them `plane` floats apart, in chains that are added up. Changes *p. */
void cpu_tile_multiply_channels(const struct cpu_kernels *k, struct cpu_product *p,
                                int channels, size_t plane);

/* Output channel blocks [block, block + n_blocks) of the tile's product with `w`, without
 * bias: (n_blocks, rows, cols, 16). n_blocks is at most k->group. */
void cpu_tile_multiply(const struct cpu_kernels *k, const struct cpu_tile *t,
                       const struct cpu_weights *w, int block, int n_blocks, float *out);

/* Where a tile's outputs go: the first output pixel of block 0. */
struct cpu_target {
    float *out;
    const float *residual; /* NULL: none; laid out as out */
    size_t row, plane;     /* floats */
    const float *bias;
    bool relu;
    double *sums; /* of block 0, or NULL */
};

/* All output channels; acc is (k->group, rows, cols, 16). */
void cpu_tile_project(const struct cpu_kernels *k, const struct cpu_tile *t,
                      const struct cpu_weights *w, const struct cpu_target *target,
                      float *acc);

#endif
