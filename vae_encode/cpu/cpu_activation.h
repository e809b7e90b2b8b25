/* SPDX-License-Identifier: Apache-2.0
 * vae_encode/cpu/cpu_activation.h - activations, and how a layer reads them. Internal to
 * vae_encode/.
 *
 * GroupNorm costs no pass of its own: whoever writes an activation that is normalized
 * later adds its values up, and whoever reads it multiplies and adds while loading. */
#ifndef VAE_ENCODE_CPU_CPU_ACTIVATION_H
#define VAE_ENCODE_CPU_CPU_ACTIVATION_H

#include <stdbool.h>
#include <stddef.h>

#include "vae_encode/cpu/cpu_kernels.h"
#include "vae_encode/cpu/cpu_model.h"

enum { CPU_MAX_IMAGES = 8 };

/* (images, channels / 16, height, width, 16); at most CPU_MAX_IMAGES */
struct cpu_activation {
    float *data;
    double *sums; /* (images, channels / 16, 2, 16): of the values, of their squares; or
                   * NULL */
    int images, channels, height, width;
};

/* Floats of one block of channels of one image. */
static inline size_t cpu_activation_plane(const struct cpu_activation *a)
{
    return (size_t)a->height * a->width * CPU_BLOCK;
}

/* Image `i` by itself. */
struct cpu_activation cpu_activation_image(const struct cpu_activation *a, int i);

void cpu_activation_clear_sums(const struct cpu_activation *a);

/* GroupNorm as one multiply-add per channel: (channels rounded up to 16) each. */
struct cpu_affine {
    float *scale, *shift;
};

/* One image as a layer reads it: normalized, perhaps twice as large, zeros around. */
struct cpu_input {
    const struct cpu_kernels *kernels;
    struct cpu_activation in;
    struct cpu_affine affine;
    bool normalize, silu;
    int upscale;    /* 1 or 2: pixel (y, x) is that of the activation at (y / 2, x / 2) */
    float *staging; /* for upscale 2: half as many pixels as a row asked for, and 2 */
};

/* `in` is one image, whose sums tell how `norm` normalizes it; what they give is written
 * to `affine`, which is kept. Not upscaled. */
struct cpu_input cpu_input_of(const struct cpu_kernels *k,
                              const struct cpu_activation *in,
                              const struct cpu_norm *norm,
                              const struct cpu_affine *affine);

/* Pixels [x, x + n) of row y, both of which may lie outside. */
void cpu_input_row(const struct cpu_input *input, float *out, int block, int y, int x,
                   int n);

#endif
