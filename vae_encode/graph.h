/* SPDX-License-Identifier: Apache-2.0
 * vae_encode/graph.h - an encoder network as a list of steps. Internal to vae_encode/.
 *
 * Every family we read becomes the same two kinds of step, each with its neighbours'
 * element-wise work attached, so that a back end can fuse it:
 *   conv:       out = act(bias + conv(norm_silu(in)) + residual)
 *   attention:  out = in + proj(softmax(q k^T / sqrt(C)) v),  q, k, v of norm(in)
 * Activations live in numbered slots. A step reads slot `in` (and `residual`) and writes
 * slot `out`, which is neither of them. Slot 0 is the network's input (3, H, W), already
 * mapped from [0, 255] by `input_scale * v + input_shift`; the last step's out holds the
 * moments: (2C, h, w) with posterior, (C, h, w) without. A convolution's output is
 * (H / stride, W / stride), and every input size is a multiple of the stride. */
#ifndef VAE_ENCODE_GRAPH_H
#define VAE_ENCODE_GRAPH_H

#include <stdbool.h>

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
    int kernel;     /* 1 or 3 */
    int stride;     /* 1 or 2 */
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
    int downscale_in; /* the input is (H / downscale_in, W / downscale_in) */
    union {
        struct vae_conv conv;
        struct vae_attention attention;
    } u;
};

struct vae_graph {
    float input_scale, input_shift;
    int latent_channels;
    int downscale;
    bool has_posterior;
    int n_slots;
    int n_steps;
    struct vae_step *steps;
};

#endif
