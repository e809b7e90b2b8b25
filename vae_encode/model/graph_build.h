/* SPDX-License-Identifier: Apache-2.0
 * vae_encode/model/graph_build.h - lays a graph's steps one by one, taking their tensors
 * out of a safetensors file. Internal to vae_encode/.
 *
 * The first failure sticks in `status` and turns every later call into nothing, so that a
 * family's builder (build_kl.c, build_taesd.c) reads as a list of its layers. */
#ifndef VAE_ENCODE_MODEL_GRAPH_BUILD_H
#define VAE_ENCODE_MODEL_GRAPH_BUILD_H

#include <stdint.h>

#include "vae_encode/model/graph.h"
#include "vae_encode/model/safetensors.h"
#include "vae_encode/why.h"

enum { GRAPH_NAME_CAP = 128 };

struct graph_builder {
    const struct safetensors *file; /* lent */
    const char *what;               /* names the file in messages; lent */
    struct vae_graph graph;         /* steps, and the weights that are not in the map */
    bool *used;                     /* per tensor of the file */
    float **converted;              /* weights that had to be copied to fp32 */
    size_t n_converted;
    uint64_t n_parameters;
    int cap;       /* of graph.steps */
    int slot;      /* the last step's output */
    int downscale; /* at that slot */
    int status;
    struct vae_why why;
};

/* What a convolution is like beside its tensors. Zeros make a plain 1x1 of slot 0. */
struct graph_conv {
    int c_in, c_out;
    int kernel, stride;  /* 0: 1 */
    int upscale;         /* 0: 1 */
    bool pad_after_only; /* diffusers' downsampler */
    bool no_bias;
    const char *norm; /* prefix of the tensors of a GroupNorm with SiLU before it; NULL */
    int norm_groups;
    int in;
    int residual; /* 0: none; slot 0, the image, never is one */
    int keep;     /* a slot that a later step still needs; 0: none */
    bool relu;
};

/* Returns VAE_OK or VAE_ENOMEM (also in b->status). Release with graph_builder_clear().
 */
int graph_builder_init(struct graph_builder *b, const struct safetensors *file,
                       const char *what);

/* Adds a convolution of `prefix`.weight and .bias; returns the slot it writes, which is
 * none of in, residual and keep. */
int graph_add_conv(struct graph_builder *b, const char *prefix,
                   const struct graph_conv *conv);

/* Names of an attention's five layers, each with .weight and .bias. */
struct graph_attention_names {
    char norm[GRAPH_NAME_CAP], q[GRAPH_NAME_CAP], k[GRAPH_NAME_CAP], v[GRAPH_NAME_CAP],
        proj[GRAPH_NAME_CAP];
};

/* Adds an attention over b->slot, which becomes its output. */
void graph_add_attention(struct graph_builder *b, const char *prefix,
                         const struct graph_attention_names *names, int channels,
                         int norm_groups);

/* Fails if a tensor whose name starts with `prefix` belongs to no step. */
void graph_refuse_unused(struct graph_builder *b, const char *prefix);

void graph_builder_clear(struct graph_builder *b);

#endif
