/* SPDX-License-Identifier: Apache-2.0
 * vae_encode/cpu/winograd.h - 3x3 convolution with fewer multiplications. Internal to
 * vae_encode/.
 *
 * A tile of m x m outputs is made of an n x n patch d of the input and the 3x3 weights g:
 *     Y = A^T [(G g G^T) o (B^T d B)] A,
 * where o multiplies element by element: n n products for 9 m m. ENGINE.md derives the
 * matrices. B^T and A^T are what cpu_winograd.inc.c computes; G is here. */
#ifndef VAE_ENCODE_CPU_WINOGRAD_H
#define VAE_ENCODE_CPU_WINOGRAD_H

#include <stddef.h>

#include "vae_encode/model/graph.h"

enum winograd_kind {
    WINOGRAD_NONE,    /* a direct convolution */
    WINOGRAD_4X4,     /* F(4x4, 3x3) at 0, +-3/4, +-3/2, infinity */
    WINOGRAD_6X6,     /* F(6x6, 3x3) at 0, +-1/2, +-1, +-3/2, infinity */
    WINOGRAD_HALVING, /* 3x3 outputs of stride 2: F(3, 2) at 0, +-1, infinity of a patch's
                       * even inputs beside its odd inputs as they are */
};

enum { WINOGRAD_MAX_M = 6, WINOGRAD_MAX_N = 8, WINOGRAD_LANES = 16 };

struct winograd {
    const char *name;
    int m;                          /* outputs of a tile in each dimension */
    int n;                          /* points; inputs of a patch too */
    int step;                       /* inputs from one patch to the next */
    int n_weights;                  /* points at which the weights differ */
    int weights_of[WINOGRAD_MAX_N]; /* which of them a point takes */
};

/* Here, so that it is constants to whoever inlines a kind. */
static const struct winograd winograd_table[] = {
    [WINOGRAD_NONE] = {.name = "direct"},
    [WINOGRAD_4X4] = {"F(4x4,3x3)", 4, 6, 4, 6, {0, 1, 2, 3, 4, 5}},
    [WINOGRAD_6X6] = {"F(6x6,3x3)", 6, 8, 6, 8, {0, 1, 2, 3, 4, 5, 6, 7}},
    [WINOGRAD_HALVING] = {"F(3x3,3x3)/2", 3, 7, 6, 5, {0, 1, 2, 3, 4, 4, 4}},
};

/* The kind for a convolution. From the layer's shape alone, for the bits depend on it. */
enum winograd_kind winograd_choose(const struct vae_step *conv);

/* `lanes` times (3, 3) weights, `stride` floats apart, -> (n_weights, n_weights,
 * WINOGRAD_LANES), zero in the other lanes. */
void winograd_weights(enum winograd_kind kind, const float *g, size_t stride, int lanes,
                      float *out);

#endif
