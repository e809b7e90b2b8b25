/* SPDX-License-Identifier: Apache-2.0
 * vae_encode/cpu/cpu_activation.c - GroupNorm's factors from sums, and rows of pixels. */
#include "vae_encode/cpu/cpu_activation.h"

#include <math.h>
#include <string.h>

struct cpu_activation cpu_activation_image(const struct cpu_activation *a, int i)
{
    const size_t blocks = cpu_blocks(a->channels);
    struct cpu_activation image = *a;

    image.data += i * blocks * cpu_activation_plane(a);
    if (image.sums)
        image.sums += i * blocks * 2 * CPU_BLOCK;
    image.images = 1;
    return image;
}

void cpu_activation_clear_sums(const struct cpu_activation *a)
{
    if (a->sums)
        memset(a->sums, 0,
               a->images * cpu_blocks(a->channels) * 2 * CPU_BLOCK * sizeof(*a->sums));
}

static void affine_from_sums(const struct cpu_affine *affine, const struct cpu_norm *norm,
                             const struct cpu_activation *in)
{
    const int channels = in->channels;
    const int per_group = norm->groups > 0 ? channels / norm->groups : 0;
    const double n = (double)per_group * in->height * in->width;

    for (int g = 0; g < norm->groups; g++) {
        double sum = 0, square = 0;
        for (int c = g * per_group; c < (g + 1) * per_group; c++) {
            const double *s = in->sums + (size_t)c / CPU_BLOCK * 2 * CPU_BLOCK;
            sum += s[c % CPU_BLOCK];
            square += s[CPU_BLOCK + c % CPU_BLOCK];
        }
        double mean = sum / n;
        double variance = square / n - mean * mean;
        double inverse = 1 / sqrt((variance < 0 ? 0 : variance) + (double)norm->eps);
        for (int c = g * per_group; c < (g + 1) * per_group; c++) {
            double scale = inverse * (double)norm->weight[c];
            affine->scale[c] = (float)scale;
            affine->shift[c] = (float)((double)norm->bias[c] - mean * scale);
        }
    }
    for (size_t c = channels; c < cpu_blocks(channels) * CPU_BLOCK; c++)
        affine->scale[c] = affine->shift[c] = 0;
}

struct cpu_input cpu_input_of(const struct cpu_kernels *k,
                              const struct cpu_activation *in,
                              const struct cpu_norm *norm,
                              const struct cpu_affine *affine)
{
    affine_from_sums(affine, norm, in);
    return (struct cpu_input){
        .kernels = k,
        .in = *in,
        .affine = *affine,
        .normalize = norm->groups > 0,
        .silu = norm->silu,
        .upscale = 1,
    };
}

/* n pixels of one block of channels. */
static void load_pixels(const struct cpu_input *input, float *out, const float *in,
                        size_t n, int block)
{
    const struct cpu_affine *affine = &input->affine;

    if (input->normalize)
        input->kernels->normalize(out, in, n, affine->scale + block * CPU_BLOCK,
                                  affine->shift + block * CPU_BLOCK, input->silu);
    else
        memcpy(out, in, n * CPU_BLOCK * sizeof(*out));
}

/* The upscaled row's pixels [first, first + n); pixel 2 i and 2 i + 1 are in's i. */
static void load_doubled(const struct cpu_input *input, float *out, const float *in,
                         int first, int n, int block)
{
    const int begin = first / 2, end = (first + n + 1) / 2;

    load_pixels(input, input->staging, in + begin * CPU_BLOCK, end - begin, block);
    for (int i = 0; i < n; i++)
        memcpy(out + i * CPU_BLOCK,
               input->staging + ((first + i) / 2 - begin) * CPU_BLOCK,
               CPU_BLOCK * sizeof(*out));
}

void cpu_input_row(const struct cpu_input *input, float *out, int block, int y, int x,
                   int n)
{
    const struct cpu_activation *in = &input->in;
    const size_t pixel = CPU_BLOCK * sizeof(*out);
    const int before = x < 0 ? -x : 0;
    const int inside = cpu_min(n, in->width * input->upscale - x) - before;

    if (y < 0 || y >= in->height * input->upscale || inside <= 0) {
        memset(out, 0, n * pixel);
        return;
    }
    const float *row = in->data + block * cpu_activation_plane(in) +
                       (size_t)(y / input->upscale) * in->width * CPU_BLOCK;
    memset(out, 0, before * pixel);
    out += before * CPU_BLOCK;
    if (input->upscale == 2)
        load_doubled(input, out, row, x + before, inside, block);
    else
        load_pixels(input, out, row + ((size_t)x + before) * CPU_BLOCK, inside, block);
    memset(out + inside * CPU_BLOCK, 0, (n - before - inside) * pixel);
}
