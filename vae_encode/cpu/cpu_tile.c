/* SPDX-License-Identifier: Apache-2.0
 * vae_encode/cpu/cpu_tile.c - tiles in, chains of products, tiles out. */
#include "vae_encode/cpu/cpu_tile.h"

#include <string.h>

enum {
    /* A tile of output pixels at most, and its input: 768 KiB, so that it stays in the
     * second-level cache; more only where one row needs more. */
    TILE_ROWS = 16,
    TILE_COLS = 32,
    TILE_FLOATS = 192 * 1024,
    /* Input channels of one chain of multiply-adds; of 3x3 taps CPU_BLOCK. Its weights
     * for the kernels' largest group of output channels stay in a first-level cache of 32
     * KiB, and its 128 or 144 terms lose less to rounding than one chain over all
     * channels would. */
    CHAIN = 8 * CPU_BLOCK
};

static int input_extent(int n_out, int kernel, int stride)
{
    return (n_out - 1) * stride + kernel;
}

struct cpu_tiling cpu_tiling_choose(const struct cpu_weights *w, int stride, int height,
                                    int width)
{
    struct cpu_tiling t = {.rows = cpu_min(height, TILE_ROWS),
                           .cols = cpu_min(width, TILE_COLS)};

    t.row = (size_t)input_extent(t.cols, w->kernel, stride) * CPU_BLOCK;
    size_t row = t.row * cpu_blocks(w->c_in);
    while (t.rows > 1 && input_extent(t.rows, w->kernel, stride) * row > TILE_FLOATS)
        t.rows--;
    t.floats = input_extent(t.rows, w->kernel, stride) * row;
    return t;
}

static void split_columns(float *out, const float *in, int n)
{
    const size_t bytes = CPU_BLOCK * sizeof(*out);
    float *odd = out + (n + 1) / 2 * CPU_BLOCK;

    for (int i = 0; i < n; i++)
        memcpy((i % 2 ? odd : out) + i / 2 * CPU_BLOCK, in + i * CPU_BLOCK, bytes);
}

void cpu_tile_load(struct cpu_tile *t, const struct cpu_input *input)
{
    const int rows = input_extent(t->rows, t->kernel, t->stride);
    const int cols = input_extent(t->cols, t->kernel, t->stride);
    const int top = t->y * t->stride - t->pad_before;
    const int left = t->x * t->stride - t->pad_before;

    t->row = (size_t)cols * CPU_BLOCK;
    t->plane = rows * t->row;
    for (int b = 0; b < (int)cpu_blocks(input->in.channels); b++) {
        for (int r = 0; r < rows; r++) {
            float *to = t->data + b * t->plane + r * t->row;
            if (t->stride == 1) {
                cpu_input_row(input, to, b, top + r, left, cols);
            } else {
                cpu_input_row(input, t->staging, b, top + r, left, cols);
                split_columns(to, t->staging, cols);
            }
        }
    }
}

void cpu_tile_multiply_channels(const struct cpu_kernels *k, struct cpu_product *p,
                                int channels, size_t plane)
{
    for (int c = 0; c < channels; c += CHAIN, p->add = true) {
        const int end = cpu_min(c + CHAIN, channels);
        p->n_taps = 0;
        for (int i = c; i < end; i += CPU_BLOCK, p->n_taps++) {
            p->taps[p->n_taps].offset = (ptrdiff_t)(i / CPU_BLOCK * plane);
            p->taps[p->n_taps].channels = cpu_min(end - i, CPU_BLOCK);
        }
        k->multiply(p);
        p->w += (end - c) * CPU_BLOCK;
    }
}

static void set_3x3_taps(struct cpu_product *p, const struct cpu_tile *t, int channels)
{
    const int n_even = (input_extent(t->cols, t->kernel, t->stride) + 1) / 2;

    p->n_taps = 0;
    for (int ky = 0; ky < 3; ky++) {
        for (int kx = 0; kx < 3; kx++, p->n_taps++) {
            int col = t->stride == 2 ? kx % 2 * n_even + kx / 2 : kx;
            p->taps[p->n_taps].offset = (ptrdiff_t)(ky * t->row) + col * CPU_BLOCK;
            p->taps[p->n_taps].channels = channels;
        }
    }
}

void cpu_tile_multiply(const struct cpu_kernels *k, const struct cpu_tile *t,
                       const struct cpu_weights *w, int block, int n_blocks, float *out)
{
    const size_t per_channel = (size_t)w->kernel * w->kernel * CPU_BLOCK;
    const size_t per_block = w->c_in * per_channel;
    struct cpu_product p = {
        .x = t->data,
        .x_row = (ptrdiff_t)(t->row * t->stride),
        .w = w->data + block * per_block,
        .w_block = (ptrdiff_t)per_block,
        .acc = out,
        .acc_block = (ptrdiff_t)t->rows * t->cols * CPU_BLOCK,
        .rows = t->rows,
        .cols = t->cols,
        .blocks = n_blocks,
    };

    if (w->kernel == 1)
        cpu_tile_multiply_channels(k, &p, w->c_in, t->plane);
    for (int c = 0; w->kernel == 3 && c < w->c_in; c += CPU_BLOCK, p.add = true) {
        const int channels = cpu_min(w->c_in - c, CPU_BLOCK);
        set_3x3_taps(&p, t, channels);
        k->multiply(&p);
        p.x += t->plane;
        p.w += channels * per_channel;
    }
}

void cpu_tile_project(const struct cpu_kernels *k, const struct cpu_tile *t,
                      const struct cpu_weights *w, const struct cpu_target *target,
                      float *acc)
{
    const int blocks = (int)cpu_blocks(w->c_out);

    for (int first = 0; first < blocks; first += k->group) {
        int n = cpu_min(k->group, blocks - first);
        cpu_tile_multiply(k, t, w, first, n, acc);
        for (int b = first; b < first + n; b++) {
            size_t plane = b * target->plane;
            k->finish(&(struct cpu_finish){
                .acc = acc + (size_t)(b - first) * t->rows * t->cols * CPU_BLOCK,
                .bias = target->bias + b * CPU_BLOCK,
                .residual = target->residual ? target->residual + plane : NULL,
                .out = target->out + plane,
                .out_row = (ptrdiff_t)target->row,
                .rows = t->rows,
                .cols = t->cols,
                .relu = target->relu,
                .sums = target->sums ? target->sums + b * 2 * CPU_BLOCK : NULL,
            });
        }
    }
}
