/* SPDX-License-Identifier: Apache-2.0
 * vae_encode/cpu/cpu_conv.c - convolution layers by direct products. */
#include "vae_encode/cpu/cpu_layers.h"

void cpu_conv_measure(struct cpu_scratch_size *size, const struct cpu_kernels *k,
                      const struct cpu_conv *conv, const struct cpu_activation *out)
{
    const struct cpu_weights *w = &conv->weights;
    struct cpu_tiling tiling =
        cpu_tiling_choose(w, conv->stride, out->height, out->width);

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
        .pad_before = conv->pad_before,
    };
    struct cpu_input input = cpu_input_of(k, in, &conv->norm, &scratch->affine);

    input.upscale = conv->upscale;
    input.staging = scratch->staging;
    cpu_activation_clear_sums(out);
    for (t.y = 0; t.y < out->height; t.y += t.rows) {
        t.rows = cpu_min(tiling.rows, out->height - t.y);
        for (t.x = 0; t.x < out->width; t.x += t.cols) {
            size_t first = ((size_t)t.y * out->width + t.x) * CPU_BLOCK;
            const struct cpu_target target = {
                .out = out->data + first,
                .residual = residual ? residual + first : NULL,
                .row = (size_t)out->width * CPU_BLOCK,
                .plane = cpu_activation_plane(out),
                .bias = conv->bias,
                .relu = conv->relu,
                .sums = out->sums,
            };
            t.cols = cpu_min(tiling.cols, out->width - t.x);
            cpu_tile_load(&t, &input);
            cpu_tile_project(k, &t, w, &target, scratch->acc);
        }
    }
}
