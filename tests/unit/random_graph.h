/* SPDX-License-Identifier: Apache-2.0
 * tests/unit/random_graph.h - networks with random weights, for back ends to be compared.
 *
 * Weights are such that activations stay near 1. Everything follows from the seed. */
#ifndef TESTS_UNIT_RANDOM_GRAPH_H
#define TESTS_UNIT_RANDOM_GRAPH_H

#include <math.h>
#include <stdint.h>
#include <stdlib.h>

#include "vae_encode/model/graph.h"

enum { RANDOM_MAX_STEPS = 64, RANDOM_MAX_TENSORS = 400 };

struct random_graph {
    struct vae_graph g;
    struct vae_step steps[RANDOM_MAX_STEPS];
    float *tensors[RANDOM_MAX_TENSORS];
    int n_tensors;
    int downscale; /* where the next step reads */
    uint64_t seed;
};

/* splitmix64 */
static inline uint64_t random_next(uint64_t *seed)
{
    uint64_t z = *seed += 0x9e3779b97f4a7c15u;

    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

/* n values in middle +- spread. */
static inline const float *random_tensor(struct random_graph *r, size_t n, double middle,
                                         double spread)
{
    float *t = malloc(n * sizeof(*t));

    if (!t || r->n_tensors == RANDOM_MAX_TENSORS)
        abort();
    r->tensors[r->n_tensors++] = t;
    for (size_t i = 0; i < n; i++) {
        double unit = (double)(random_next(&r->seed) >> 11) * 0x1p-52 - 1;
        t[i] = (float)(middle + spread * unit);
    }
    return t;
}

static inline void random_graph_init(struct random_graph *r, uint64_t seed)
{
    *r = (struct random_graph){.seed = seed};
    r->g.input_scale = 1 / 127.5f;
    r->g.input_shift = -1;
    r->g.downscale = r->downscale = 1;
    r->g.n_slots = 1;
}

static inline struct vae_step *random_add_step(struct random_graph *r, int in, int out)
{
    struct vae_step *s = &r->steps[r->g.n_steps++];

    if (r->g.n_steps > RANDOM_MAX_STEPS)
        abort();
    r->g.steps = r->steps;
    if (r->g.n_slots <= out)
        r->g.n_slots = out + 1;
    s->name = "random";
    s->in = in;
    s->out = out;
    s->downscale_in = r->downscale;
    return s;
}

static inline struct vae_norm random_norm(struct random_graph *r, int channels,
                                          int groups, bool silu)
{
    struct vae_norm n = {.groups = groups, .eps = 1e-6f, .silu = silu && groups > 0};

    if (groups > 0) {
        n.weight = random_tensor(r, channels, 1, 0.3);
        n.bias = random_tensor(r, channels, 0, 0.3);
    }
    return n;
}

/* Sets what is not named here in the step's u.conv afterwards. groups: 0 is without norm,
 * else with SiLU. */
static inline struct vae_conv *random_add_conv(struct random_graph *r, int in, int out,
                                               int c_in, int c_out, int kernel,
                                               int groups)
{
    struct vae_step *s = random_add_step(r, in, out);
    int fan_in = c_in * kernel * kernel;

    s->kind = VAE_STEP_CONV;
    s->u.conv = (struct vae_conv){
        .c_in = c_in,
        .c_out = c_out,
        .kernel = kernel,
        .stride = 1,
        .upscale = 1,
        .pad_before = kernel / 2,
        .weight = random_tensor(r, (size_t)c_out * fan_in, 0, sqrt(3.0 / fan_in)),
        .bias = random_tensor(r, c_out, 0, 0.2),
        .norm = random_norm(r, c_in, groups, true),
        .residual = -1,
    };
    return &s->u.conv;
}

/* The step after which everything is half as large. */
static inline void random_halve(struct random_graph *r, struct vae_conv *conv,
                                int pad_before)
{
    conv->stride = 2;
    conv->pad_before = pad_before;
    r->g.downscale = r->downscale *= 2;
}

static inline void random_add_attention(struct random_graph *r, int in, int out,
                                        int channels, int groups)
{
    struct vae_step *s = random_add_step(r, in, out);
    struct vae_attention *a = &s->u.attention;
    const size_t n = (size_t)channels * channels;
    const double spread = sqrt(3.0 / channels);

    s->kind = VAE_STEP_ATTENTION;
    a->channels = channels;
    a->norm = random_norm(r, channels, groups, false);
    a->q_weight = random_tensor(r, n, 0, 2 * spread); /* scores that are not all equal */
    a->q_bias = random_tensor(r, channels, 0, 0.2);
    a->k_weight = random_tensor(r, n, 0, spread);
    a->k_bias = random_tensor(r, channels, 0, 0.2);
    a->v_weight = random_tensor(r, n, 0, spread);
    a->v_bias = random_tensor(r, channels, 0, 0.2);
    a->proj_weight = random_tensor(r, n, 0, spread);
    a->proj_bias = random_tensor(r, channels, 0, 0.2);
}

/* From slot `in`, of 0 .. 2; returns the slot of the result. */
static inline int random_add_resnet(struct random_graph *r, int in, int c_in, int c_out,
                                    int groups)
{
    const int inner = (in + 1) % 3, other = (in + 2) % 3;
    int residual = in, out = other;

    random_add_conv(r, in, inner, c_in, c_out, 3, groups);
    if (c_in != c_out) {
        random_add_conv(r, in, other, c_in, c_out, 1, 0);
        residual = other;
        out = in;
    }
    random_add_conv(r, inner, out, c_out, c_out, 3, groups)->residual = residual;
    return out;
}

/* An AutoencoderKL's encoder and its quant_conv. */
static inline void random_graph_kl(struct random_graph *r, const int *channels,
                                   int n_levels, int layers, int groups, int latent)
{
    const int last = channels[n_levels - 1];
    int c = channels[0], at = 1;

    random_add_conv(r, 0, 1, 3, c, 3, 0);
    for (int level = 0; level < n_levels; level++) {
        for (int i = 0; i < layers; i++, c = channels[level])
            at = random_add_resnet(r, at, c, channels[level], groups);
        if (level == n_levels - 1)
            break;
        random_halve(r, random_add_conv(r, at, (at + 1) % 3, c, c, 3, 0), 0);
        at = (at + 1) % 3;
    }
    at = random_add_resnet(r, at, last, last, groups);
    random_add_attention(r, at, (at + 1) % 3, last, groups);
    at = random_add_resnet(r, (at + 1) % 3, last, last, groups);
    random_add_conv(r, at, (at + 1) % 3, last, 2 * latent, 3, groups);
    random_add_conv(r, (at + 1) % 3, at, 2 * latent, 2 * latent, 1, 0);
    r->g.latent_channels = latent;
    r->g.has_posterior = true;
}

/* TAESD's block; as random_add_resnet(). */
static inline int random_add_relu_block(struct random_graph *r, int in, int c)
{
    const int out = (in + 1) % 3, other = (in + 2) % 3;

    random_add_conv(r, in, out, c, c, 3, 0)->relu = true;
    random_add_conv(r, out, other, c, c, 3, 0)->relu = true;
    struct vae_conv *third = random_add_conv(r, other, out, c, c, 3, 0);
    third->residual = in;
    third->relu = true;
    return out;
}

/* TAESD's encoder with `c` channels. */
static inline void random_graph_taesd(struct random_graph *r, int c, int latent)
{
    static const int n_blocks[] = {1, 3, 3, 3};
    int at = 1;

    random_add_conv(r, 0, 1, 3, c, 3, 0);
    for (int level = 0; level < 4; level++) {
        if (level > 0) {
            struct vae_conv *down = random_add_conv(r, at, (at + 1) % 3, c, c, 3, 0);
            down->bias = NULL;
            random_halve(r, down, 1);
            at = (at + 1) % 3;
        }
        for (int i = 0; i < n_blocks[level]; i++)
            at = random_add_relu_block(r, at, c);
    }
    random_add_conv(r, at, (at + 1) % 3, c, latent, 3, 0);
    r->g.latent_channels = latent;
}

/* The first step of a decoder: what is in slot 0 is 1 / downscale of the picture. */
static inline void random_graph_decodes(struct random_graph *r, int downscale, int latent)
{
    r->g.part = VAE_DECODER;
    r->g.latent_channels = latent;
    r->g.downscale = downscale;
    r->g.output_scale = 1;
    r->downscale = downscale;
}

/* The step after which everything is twice as large. */
static inline void random_double(struct random_graph *r, struct vae_conv *conv)
{
    conv->upscale = 2;
    r->downscale /= 2;
}

/* An AutoencoderKL's post_quant_conv and decoder. */
static inline void random_graph_kl_decoder(struct random_graph *r, const int *channels,
                                           int n_levels, int layers, int groups,
                                           int latent)
{
    int c = channels[n_levels - 1], at = 1;

    random_graph_decodes(r, 1 << (n_levels - 1), latent);
    random_add_conv(r, 0, 2, latent, latent, 1, 0);
    random_add_conv(r, 2, 1, latent, c, 3, 0);
    at = random_add_resnet(r, at, c, c, groups);
    random_add_attention(r, at, (at + 1) % 3, c, groups);
    at = random_add_resnet(r, (at + 1) % 3, c, c, groups);
    for (int level = n_levels - 1; level >= 0; level--) {
        for (int i = 0; i < layers + 1; i++, c = channels[level])
            at = random_add_resnet(r, at, c, channels[level], groups);
        if (level == 0)
            break;
        random_double(r, random_add_conv(r, at, (at + 1) % 3, c, c, 3, 0));
        at = (at + 1) % 3;
    }
    random_add_conv(r, at, (at + 1) % 3, c, 3, 3, groups);
}

/* TAESD's decoder with `c` channels. */
static inline void random_graph_taesd_decoder(struct random_graph *r, int c, int latent)
{
    static const int n_blocks[] = {3, 3, 3, 1};
    int at = 1;

    random_graph_decodes(r, 8, latent);
    r->g.input_bound = 3;
    r->g.output_scale = 2;
    r->g.output_shift = -1;
    random_add_conv(r, 0, 1, latent, c, 3, 0)->relu = true;
    for (int level = 0; level < 4; level++) {
        for (int i = 0; i < n_blocks[level]; i++)
            at = random_add_relu_block(r, at, c);
        if (level == 3)
            break;
        struct vae_conv *up = random_add_conv(r, at, (at + 1) % 3, c, c, 3, 0);
        up->bias = NULL;
        random_double(r, up);
        at = (at + 1) % 3;
    }
    random_add_conv(r, at, (at + 1) % 3, c, 3, 3, 0);
}

static inline void random_graph_free(struct random_graph *r)
{
    for (int i = 0; i < r->n_tensors; i++)
        free(r->tensors[i]);
}

#endif
