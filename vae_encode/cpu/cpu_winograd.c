/* SPDX-License-Identifier: Apache-2.0
 * vae_encode/cpu/cpu_winograd.c - 3x3 convolutions of a group of images by winograd.h.
 *
 * The tiles of all images are taken in blocks, in order. A block's inputs are normalized
 * and brought to their n x n points; then, for a few output channels at a time, each
 * point is one product of matrices, (channels, c_in) by (c_in, tiles), and the products
 * become outputs. A block holds
 *
 *     points    (c_in / 16, n n, tiles, 16)
 *     products  (kernels' group, n n, tiles, 16)
 *
 * in the second and third level of cache. The weights stream by once a block, so a block
 * takes as many tiles as there is room for. Tiles do not depend on their block, and sums
 * are added up in the order of tiles, so its size changes no result. */
#include <stdlib.h>
#include <string.h>

#include "vae_encode/cpu/cpu_layers.h"

/* Points of a block's tiles in one channel, at most: 6.5 MB for 512. */
enum { BLOCK_POINTS = 3200 };

struct layer {
    const struct cpu_kernels *kernels;
    const struct cpu_conv *conv;
    const struct winograd *winograd;
    const struct cpu_activation *in, *out;
    const float *residual; /* laid out as out, or NULL */
    struct cpu_input inputs[CPU_MAX_IMAGES];
    int across, down;   /* tiles of an image */
    int n_tiles, block; /* of all images; of a block at most */
    size_t point;       /* floats from one point of a block of channels to the next */
    size_t plane;       /* from one block of channels to the next */
};

/* `in` and `out` need no data yet. */
static struct layer describe(const struct cpu_kernels *k, const struct cpu_conv *conv,
                             const struct cpu_activation *in,
                             const struct cpu_activation *out)
{
    const struct winograd *w = &winograd_table[conv->winograd.kind];
    struct layer l = {
        .kernels = k,
        .conv = conv,
        .winograd = w,
        .in = in,
        .out = out,
        .across = (out->width + w->m - 1) / w->m,
        .down = (out->height + w->m - 1) / w->m,
    };
    const int most = BLOCK_POINTS / (w->n * w->n);

    l.n_tiles = in->images * l.across * l.down;
    const int n_blocks = (l.n_tiles + most - 1) / most;
    l.block = (l.n_tiles + n_blocks - 1) / n_blocks;
    /* an odd number of cache lines, or all points would fall into few cache sets */
    l.point = (size_t)(l.block | 1) * CPU_BLOCK;
    l.plane = w->n * w->n * l.point;
    return l;
}

/* Floats of a row of the strip that load_tiles() fills. */
static int strip_row(const struct winograd *w)
{
    return (WINOGRAD_STRIP * w->step + w->n - w->step) * CPU_BLOCK;
}

void cpu_winograd_measure(struct cpu_scratch_size *size, const struct cpu_kernels *k,
                          const struct cpu_conv *conv, const struct cpu_activation *in,
                          const struct cpu_activation *out)
{
    const struct layer l = describe(k, conv, in, out);
    const size_t row = strip_row(l.winograd);

    cpu_raise(&size->points, cpu_blocks(in->channels) * l.plane);
    cpu_raise(&size->products, k->group * l.plane);
    cpu_raise(&size->strip, l.winograd->n * row);
    cpu_raise(&size->staging, row);
    cpu_raise(&size->affine, in->images * cpu_blocks(in->channels) * CPU_BLOCK);
}

/* Where tile number `tile` lies, and how many of the tiles up to `end` continue its row.
 */
struct place {
    int image, y, x; /* y and x count tiles */
    int tiles;
};

static struct place locate(const struct layer *l, int tile, int end)
{
    struct place p = {.image = tile / (l->across * l->down),
                      .y = tile / l->across % l->down,
                      .x = tile % l->across};

    p.tiles = cpu_min(end - tile, l->across - p.x);
    return p;
}

/* One block of channels of p's tiles to their points. A strip's patches share columns
 * with the next strip's, which are kept. */
static void load_tiles(const struct layer *l, const struct cpu_input *input, int block,
                       const struct place *p, float *strip, float *points)
{
    const struct winograd *w = l->winograd;
    const int row = strip_row(w), shared = w->n - w->step;
    const int top = p->y * w->step - l->conv->pad_before;
    const int left = p->x * w->step - l->conv->pad_before;

    for (int t = 0; t < p->tiles; t += WINOGRAD_STRIP) {
        const int tiles = cpu_min(WINOGRAD_STRIP, p->tiles - t);
        const int kept = t > 0 ? shared : 0;
        for (int i = 0; i < w->n; i++) {
            float *to = strip + i * row;
            memcpy(to, to + WINOGRAD_STRIP * w->step * CPU_BLOCK,
                   kept * CPU_BLOCK * sizeof(*to));
            cpu_input_row(input, to + kept * CPU_BLOCK, block, top + i,
                          left + t * w->step + kept, tiles * w->step + shared - kept);
        }
        l->kernels->winograd_input(&(struct cpu_winograd_input){
            .kind = l->conv->winograd.kind,
            .tiles = tiles,
            .in = strip,
            .in_row = row,
            .out = points + t * CPU_BLOCK,
            .out_point = (ptrdiff_t)l->point,
        });
    }
}

/* The points of tiles [begin, end). */
static void load_block(const struct layer *l, int begin, int end,
                       struct cpu_scratch *scratch)
{
    const int blocks = (int)cpu_blocks(l->in->channels);
    struct place p;

    for (int t = begin; t < end; t += p.tiles) {
        p = locate(l, t, end);
        for (int b = 0; b < blocks; b++)
            load_tiles(l, &l->inputs[p.image], b, &p, scratch->strip,
                       scratch->points + b * l->plane + (t - begin) * CPU_BLOCK);
    }
}

/* Blocks of output channels [first, first + n_blocks) of one point of all tiles. */
static void multiply_point(const struct layer *l, int tiles, int point, int first,
                           int n_blocks, const struct cpu_scratch *scratch)
{
    const struct winograd *w = l->winograd;
    const int c_in = l->in->channels;
    const size_t weights = (size_t)c_in * CPU_BLOCK; /* of a point */
    const size_t per_block = w->n_weights * w->n_weights * weights;
    const int which =
        w->weights_of[point / w->n] * w->n_weights + w->weights_of[point % w->n];
    struct cpu_product p = {
        .x = scratch->points + point * l->point,
        .w = l->conv->winograd.data + first * per_block + which * weights,
        .w_block = (ptrdiff_t)per_block,
        .acc = scratch->products + point * l->point,
        .acc_block = (ptrdiff_t)l->plane,
        .rows = 1,
        .cols = tiles,
        .blocks = n_blocks,
    };

    cpu_tile_multiply_channels(l->kernels, &p, c_in, l->plane);
}

/* One block of output channels of p's tiles. */
static void store_tiles(const struct layer *l, int block, const struct place *p,
                        const float *products)
{
    const struct cpu_activation out = cpu_activation_image(l->out, p->image);
    const int m = l->winograd->m, y = p->y * m;
    const size_t row =
        block * cpu_activation_plane(&out) + (size_t)y * out.width * CPU_BLOCK;

    for (int t = 0; t < p->tiles; t += WINOGRAD_STRIP) {
        const int x = (p->x + t) * m;
        const int tiles = cpu_min(WINOGRAD_STRIP, p->tiles - t);
        float *to = out.data + row + x * CPU_BLOCK;
        l->kernels->winograd_output(&(struct cpu_winograd_output){
            .kind = l->conv->winograd.kind,
            .tiles = tiles,
            .in = products + t * CPU_BLOCK,
            .in_point = (ptrdiff_t)l->point,
            .bias = l->conv->bias + block * CPU_BLOCK,
            .residual = l->residual ? l->residual + (to - l->out->data) : NULL,
            .out = to,
            .out_row = (ptrdiff_t)out.width * CPU_BLOCK,
            .rows = cpu_min(m, out.height - y),
            .cols = cpu_min(tiles * m, out.width - x),
            .relu = l->conv->relu,
            .sums = out.sums ? out.sums + block * 2 * CPU_BLOCK : NULL,
        });
    }
}

/* Tiles [begin, end), whose points are there. */
static void run_block(const struct layer *l, int begin, int end,
                      const struct cpu_scratch *scratch)
{
    const int n_points = l->winograd->n * l->winograd->n;
    const int blocks = (int)cpu_blocks(l->out->channels);
    const int group = l->kernels->group;
    struct place p;

    for (int first = 0; first < blocks; first += group) {
        const int n_blocks = cpu_min(group, blocks - first);
        for (int point = 0; point < n_points; point++)
            multiply_point(l, end - begin, point, first, n_blocks, scratch);
        for (int b = 0; b < n_blocks; b++) {
            const float *products = scratch->products + b * l->plane;
            for (int t = begin; t < end; t += p.tiles) {
                p = locate(l, t, end);
                store_tiles(l, first + b, &p, products + (t - begin) * CPU_BLOCK);
            }
        }
    }
}

void cpu_winograd_run(const struct cpu_kernels *k, const struct cpu_conv *conv,
                      const struct cpu_activation *in, const float *residual,
                      const struct cpu_activation *out, struct cpu_scratch *scratch)
{
    struct layer l = describe(k, conv, in, out);

    l.residual = residual;
    for (int i = 0; i < in->images; i++) {
        const struct cpu_activation image = cpu_activation_image(in, i);
        const size_t first = i * cpu_blocks(in->channels) * CPU_BLOCK;
        const struct cpu_affine affine = {scratch->affine.scale + first,
                                          scratch->affine.shift + first};
        l.inputs[i] = cpu_input_of(k, &image, &conv->norm, &affine);
        l.inputs[i].upscale = conv->upscale;
        l.inputs[i].staging = scratch->staging;
    }
    cpu_activation_clear_sums(out);
    for (int begin = 0; begin < l.n_tiles; begin += l.block) {
        const int end = cpu_min(begin + l.block, l.n_tiles);
        load_block(&l, begin, end, scratch);
        run_block(&l, begin, end, scratch);
    }
}
