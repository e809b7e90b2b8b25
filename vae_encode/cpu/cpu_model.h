/* SPDX-License-Identifier: Apache-2.0
 * vae_encode/cpu/cpu_model.h - a network packed for the cpu back end. Internal to
 * vae_encode/.
 *
 * Immutable once built and shared by all states. Everything lies in one allocation. */
#ifndef VAE_ENCODE_CPU_CPU_MODEL_H
#define VAE_ENCODE_CPU_CPU_MODEL_H

#include <stdbool.h>
#include <stddef.h>

#include "vae_encode/cpu/cpu_kernels.h"
#include "vae_encode/model/graph.h"

/* (c_out / 16, c_in / 16, taps, 16 c_in, 16 c_out): for a block of output channels its
 * weights in the order of use. The last block of c_in is as short as it is, that of c_out
 * is filled with zeros. */
struct cpu_weights {
    int c_in, c_out;
    int kernel; /* 1 or 3 */
    const float *data;
};

/* (c_out / 16, points' distinct weights, c_in, 16 c_out), filled with zeros as above */
struct cpu_winograd {
    enum winograd_kind kind;
    const float *data;
};

struct cpu_norm {
    int groups; /* 0: none */
    float eps;
    bool silu;
    const float *weight, *bias; /* (c_in) */
};

struct cpu_conv {
    struct cpu_weights weights; /* data: NULL but for a direct convolution */
    struct cpu_winograd winograd;
    const float *bias; /* (c_out rounded up to 16) */
    int stride;
    int upscale;
    int pad_before;
    struct cpu_norm norm;
    int residual; /* slot or -1 */
    bool relu;
};

struct cpu_projection {
    struct cpu_weights weights;
    const float *bias;
};

struct cpu_attention {
    int channels;
    struct cpu_norm norm;
    struct cpu_projection q, k, v, proj;
};

struct cpu_step {
    enum vae_step_kind kind;
    int in, out;
    int downscale_in;
    bool sum_out; /* a later step normalizes `out` */
    union {
        struct cpu_conv conv;
        struct cpu_attention attention;
    } u;
};

struct cpu_model {
    const struct cpu_kernels *kernels;
    float input_scale, input_shift;
    float input_bound;
    float output_scale, output_shift;
    int input_channels, input_downscale;
    int latent_channels;
    int downscale;
    bool has_posterior;
    bool sum_input; /* a step normalizes the network's input */
    int n_steps;
    int joint; /* 1 .. n_steps: from here on the steps work at the latent's size and read
                * only what step joint - 1 and later ones wrote */
    struct cpu_step *steps;
    float *memory;
    size_t n_floats;
};

/* Gives *model; nothing of `g` is kept. VAE_ENOMEM. */
int cpu_model_pack(struct cpu_model **model, const struct vae_graph *g,
                   const struct cpu_kernels *kernels);
void cpu_model_free(struct cpu_model *model); /* accepts NULL */

static inline int cpu_step_c_in(const struct cpu_step *s)
{
    return s->kind == VAE_STEP_CONV ? s->u.conv.weights.c_in : s->u.attention.channels;
}

static inline int cpu_step_c_out(const struct cpu_step *s)
{
    return s->kind == VAE_STEP_CONV ? s->u.conv.weights.c_out : s->u.attention.channels;
}

/* Rows or columns that the step gives where the network's images have `extent`. */
static inline int cpu_step_extent(const struct cpu_step *s, int extent)
{
    int n = extent / s->downscale_in;

    return s->kind == VAE_STEP_CONV ? n * s->u.conv.upscale / s->u.conv.stride : n;
}

static inline const struct cpu_norm *cpu_step_norm(const struct cpu_step *s)
{
    return s->kind == VAE_STEP_CONV ? &s->u.conv.norm : &s->u.attention.norm;
}

#endif
