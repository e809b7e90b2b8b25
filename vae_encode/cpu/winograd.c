/* SPDX-License-Identifier: Apache-2.0
 * vae_encode/cpu/winograd.c - which convolutions, and their weights at the points. */
#include "vae_encode/cpu/winograd.h"

/* G, (n_weights, 3): at a finite point p (1, p, p^2) over the product of (p - q) for all
 * other finite points q; at infinity (0, 0, 1). For halving the same of (first, last)
 * weight, signs moved to B^T at 0, and the middle weight by itself. */
static const double g_4x4[][3] = {
    {64.0 / 81, 0, 0},
    {-128.0 / 243, -32.0 / 81, -8.0 / 27},
    {-128.0 / 243, 32.0 / 81, -8.0 / 27},
    {32.0 / 243, 16.0 / 81, 8.0 / 27},
    {32.0 / 243, -16.0 / 81, 8.0 / 27},
    {0, 0, 1},
};
static const double g_6x6[][3] = {
    {-16.0 / 9, 0, 0},
    {4.0 / 3, 2.0 / 3, 1.0 / 3},
    {4.0 / 3, -2.0 / 3, 1.0 / 3},
    {-8.0 / 15, -8.0 / 15, -8.0 / 15},
    {-8.0 / 15, 8.0 / 15, -8.0 / 15},
    {4.0 / 45, 2.0 / 15, 1.0 / 5},
    {4.0 / 45, -2.0 / 15, 1.0 / 5},
    {0, 0, 1},
};
static const double g_halving[][3] = {
    {1, 0, 0}, {0.5, 0, 0.5}, {0.5, 0, -0.5}, {0, 0, 1}, {0, 1, 0},
};

static const double (*const g_table[])[3] = {
    [WINOGRAD_4X4] = g_4x4,
    [WINOGRAD_6X6] = g_6x6,
    [WINOGRAD_HALVING] = g_halving,
};

enum winograd_kind winograd_choose(const struct vae_step *conv)
{
    enum { FEWEST_CHANNELS = 32 }; /* with less the transforms cost more than they save */
    const struct vae_conv *c = &conv->u.conv;

    if (c->kernel != 3 || c->c_in < FEWEST_CHANNELS || c->c_out < FEWEST_CHANNELS)
        return WINOGRAD_NONE;
    if (c->stride == 2)
        return WINOGRAD_HALVING;
    /* At an eighth of the image's size, where 256 x 256 pixels have become 32 x 32, 6x6
     * tiles fit badly; and the weights, largest there, would nearly double. */
    return conv->downscale_in < 8 ? WINOGRAD_6X6 : WINOGRAD_4X4;
}

/* to = g[0] * a + g[1] * b + g[2] * c, in each lane */
static void combine(double to[WINOGRAD_LANES], const double g[3], const double *a,
                    const double *b, const double *c)
{
    for (int l = 0; l < WINOGRAD_LANES; l++)
        to[l] = g[0] * a[l] + g[1] * b[l] + g[2] * c[l];
}

void winograd_weights(enum winograd_kind kind, const float *w, size_t stride, int lanes,
                      float *out)
{
    const int n = winograd_table[kind].n_weights;
    const double(*g)[3] = g_table[kind];
    double tap[9][WINOGRAD_LANES] = {{0}}, row[3][WINOGRAD_LANES], at[WINOGRAD_LANES];

    for (int l = 0; l < lanes; l++)
        for (int t = 0; t < 9; t++)
            tap[t][l] = (double)w[l * stride + t];
    for (int i = 0; i < n; i++) {
        for (int x = 0; x < 3; x++)
            combine(row[x], g[i], tap[x], tap[3 + x], tap[6 + x]);
        for (int j = 0; j < n; j++, out += WINOGRAD_LANES) {
            combine(at, g[j], row[0], row[1], row[2]);
            for (int l = 0; l < WINOGRAD_LANES; l++)
                out[l] = (float)at[l];
        }
    }
}
