/* SPDX-License-Identifier: Apache-2.0
 * vae_encode/model/graph.h - an encoder or decoder network as a list of steps. Internal
 * to vae_encode/.
 *
 * Every family we read becomes the same two kinds of step, each with its neighbours'
 * element-wise work attached, so that a back end can fuse it:
 *   conv:       out = act(bias + conv(norm_silu(in)) + residual)
 *   attention:  out = in + proj(softmax(q k^T / sqrt(C)) v),  q, k, v of norm(in)
 * Activations live in numbered slots. A step reads slot `in` (and `residual`) and writes
 * slot `out`, which is neither of them. A convolution's output is
 * (H * upscale / stride, W * upscale / stride), and every input size is a multiple of the
 * stride. Slot 0 is the network's input:
 *   encoder: (3, H, W), already mapped from [0, 255] by `input_scale * v + input_shift`;
 *   decoder: (C, h, w), the latent, with `input_bound` b > 0 already as b tanh(v / b).
 * The last step's out holds
 *   encoder: the moments, (2C, h, w) with posterior, (C, h, w) without;
 *   decoder: (3, H, W), of which `output_scale * v + output_shift` is -1 for black and 1
 *            for white. */
#ifndef VAE_ENCODE_MODEL_GRAPH_H
#define VAE_ENCODE_MODEL_GRAPH_H

#include <stdbool.h>

#include "vae_encode/vae_types.h"

enum { VAE_MAX_SLOTS = 8 };

/* GroupNorm over (C/groups, H, W); groups == 0: none. weight and bias are (C). */
struct vae_norm {
    int groups;
    float eps;
    bool silu; /* followed by x * sigmoid(x); never without groups */
    const float *weight;
    const float *bias;
};

struct vae_conv {
    int c_in, c_out;
    int kernel;  /* 1 or 3 */
    int stride;  /* 1 or 2 */
    int upscale; /* 1, or with kernel 3 and stride 1 also 2: pixel (y, x) of its input is
                  * read at (y / 2, x / 2) */
    int pad_before; /* rows and columns of zeros above and left: 1, or 0 for diffusers'
                     * downsampler, which pads below and right only. After normalisation.
                     */
    const float *weight; /* (c_out, c_in, kernel, kernel) */
    const float *bias;   /* (c_out) or NULL */
    struct vae_norm norm;
    int residual; /* slot added to the result, or -1 */
    bool relu;    /* max(0, x) after the addition */
};

struct vae_attention {
    int channels;
    struct vae_norm norm; /* without silu */
    /* (channels, channels), out x in, and (channels): of the linear or 1x1 layers */
    const float *q_weight, *q_bias;
    const float *k_weight, *k_bias;
    const float *v_weight, *v_bias;
    const float *proj_weight, *proj_bias;
};

enum vae_step_kind { VAE_STEP_CONV, VAE_STEP_ATTENTION };

struct vae_step {
    enum vae_step_kind kind;
    const char *name; /* the tensors' prefix: "down_blocks.0.resnets.0.conv1" */
    int in, out;
    int downscale_in; /* its input is (H / downscale_in, W / downscale_in), of the image's
                       * H and W in a decoder too */
    union {
        struct vae_conv conv;
        struct vae_attention attention;
    } u;
};

struct vae_graph {
    enum vae_part part;
    float input_scale, input_shift;   /* encoder */
    float input_bound;                /* decoder; 0: none */
    float output_scale, output_shift; /* decoder */
    int latent_channels;
    int downscale; /* f: latents are (C, H / f, W / f) */
    bool has_posterior;
    int n_slots;
    int n_steps;
    struct vae_step *steps;
};

static inline int vae_graph_input_channels(const struct vae_graph *g)
{
    return g->part == VAE_DECODER ? g->latent_channels : 3;
}

/* Slot 0 is (H / this, W / this). */
static inline int vae_graph_input_downscale(const struct vae_graph *g)
{
    return g->part == VAE_DECODER ? g->downscale : 1;
}

#endif
