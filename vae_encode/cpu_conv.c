/* SPDX-License-Identifier: Apache-2.0
 * vae_encode/cpu_conv.c - convolution layers by direct products. */
#include <string.h>

#include "vae_encode/cpu_layers.h"

void cpu_conv_measure(struct cpu_scratch_size *size, const struct cpu_conv *conv,
                      const struct cpu_kernels *k, int height, int width)
{
    const struct cpu_weights *w = &conv->weights;
    struct cpu_tiling tiling =
        cpu_tiling_choose(w, conv->stride, height * conv->upscale / conv->stride,
                          width * conv->upscale / conv->stride);

    cpu_raise(&size->tile, tiling.floats);
    cpu_raise(&size->staging, tiling.row);
    cpu_raise(&size->acc, (size_t)k->group * tiling.rows * tiling.cols * CPU_BLOCK);
    cpu_raise(&size->affine, cpu_blocks(w->c_in) * CPU_BLOCK);
}

void cpu_conv_run(const struct cpu_kernels *k, const struct cpu_conv *conv,
                  const struct cpu_activation *in, const float *residual,
                  const struct cpu_activation *out, struct cpu_scratch *scratch)
{
    const struct cpu_weights *w = &conv->weights;
    const struct cpu_tiling tiling =
        cpu_tiling_choose(w, conv->stride, out->height, out->width);
    struct cpu_tile t = {
        .data = scratch->tile,
        .staging = scratch->staging,
        .kernel = w->kernel,
        .stride = conv->stride,
        .upscale = conv->upscale,
        .pad_before = conv->pad_before,
    };

    cpu_affine_from_sums(&scratch->affine, &conv->norm, in, w->c_in);
    if (out->sums)
        memset(out->sums, 0, cpu_blocks(w->c_out) * 2 * CPU_BLOCK * sizeof(*out->sums));
    for (t.y = 0; t.y < out->height; t.y += t.rows) {
        t.rows = cpu_min(tiling.rows, out->height - t.y);
        for (t.x = 0; t.x < out->width; t.x += t.cols) {
            size_t first = ((size_t)t.y * out->width + t.x) * CPU_BLOCK;
            const struct cpu_target target = {
                .out = out->data + first,
                .residual = residual ? residual + first : NULL,
                .row = (size_t)out->width * CPU_BLOCK,
                .plane = (size_t)out->height * out->width * CPU_BLOCK,
                .bias = conv->bias,
                .relu = conv->relu,
                .sums = out->sums,
            };
            t.cols = cpu_min(tiling.cols, out->width - t.x);
            cpu_tile_load(k, &t, in, w->c_in, &scratch->affine);
            cpu_tile_project(k, &t, w, &target, scratch->acc);
        }
    }
}
