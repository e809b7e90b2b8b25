/* SPDX-License-Identifier: Apache-2.0
 * vae_encode/cpu/cpu_attention.c - single-head self-attention over an image's pixels.
 *
 * All of it is products of a tile of pixels with "weights": those of the model, then the
 * keys (output channels are pixels), then the values (input channels are pixels). The
 * scores of one tile of queries exist at a time. */
#include <math.h>

#include "vae_encode/cpu/cpu_layers.h"

enum { QUERIES = 48 }; /* reads all keys and values once per so many pixels */

void cpu_attention_measure(struct cpu_scratch_size *size, const struct cpu_kernels *k,
                           const struct cpu_attention *a, const struct cpu_activation *in)
{
    const size_t n = (size_t)in->height * in->width;
    const size_t channels = cpu_blocks(a->channels) * CPU_BLOCK;

    cpu_raise(&size->tile, QUERIES * channels);
    cpu_raise(&size->acc, (size_t)k->group * QUERIES * CPU_BLOCK);
    cpu_raise(&size->affine, channels);
    cpu_raise(&size->keys, cpu_blocks(n) * CPU_BLOCK * a->channels);
    cpu_raise(&size->values, n * channels);
    cpu_raise(&size->queries, QUERIES * channels);
    cpu_raise(&size->scores, cpu_blocks(n) * CPU_BLOCK * QUERIES);
    cpu_raise(&size->sums, QUERIES);
}

/* out (channels / 16, n, 16) = the projection of a tile */
static void project(const struct cpu_kernels *k, const struct cpu_tile *t,
                    const struct cpu_projection *p, float *out, size_t n, float *acc)
{
    const struct cpu_target target = {
        .out = out, .plane = n * CPU_BLOCK, .bias = p->bias};

    cpu_tile_project(k, t, &p->weights, &target, acc);
}

/* Keys are read as weights: pixel `first` + i of `tile_keys` (channels / 16, n, 16) goes
 * to lane (first + i) % 16. */
static void store_keys(float *keys, const float *tile_keys, int channels, size_t first,
                       size_t n)
{
    for (size_t i = 0; i < n; i++) {
        size_t key = first + i;
        float *to = keys + key / CPU_BLOCK * CPU_BLOCK * channels + key % CPU_BLOCK;
        for (int c = 0; c < channels; c++)
            to[(size_t)c * CPU_BLOCK] =
                tile_keys[(c / CPU_BLOCK * n + i) * CPU_BLOCK + c % CPU_BLOCK];
    }
}

static void make_keys_and_values(const struct cpu_kernels *k,
                                 const struct cpu_attention *a, struct cpu_tile *t,
                                 const struct cpu_input *input,
                                 struct cpu_scratch *scratch)
{
    const int n = input->in.width;

    for (t->x = 0; t->x < n; t->x += t->cols) {
        float *values = scratch->values + (size_t)t->x * CPU_BLOCK;
        t->cols = cpu_min(QUERIES, n - t->x);
        cpu_tile_load(t, input);
        project(k, t, &a->k, scratch->queries, t->cols, scratch->acc);
        store_keys(scratch->keys, scratch->queries, a->channels, t->x, t->cols);
        project(k, t, &a->v, values, n, scratch->acc);
    }
}

static void multiply_all(const struct cpu_kernels *k, const struct cpu_tile *t,
                         const struct cpu_weights *w, float *out)
{
    const int blocks = (int)cpu_blocks(w->c_out);

    for (int first = 0; first < blocks; first += k->group) {
        int n = cpu_min(k->group, blocks - first);
        cpu_tile_multiply(k, t, w, first, n, out + (size_t)first * t->cols * CPU_BLOCK);
    }
}

/* The lanes behind the last key hold anything. */
static void hide_missing_keys(float *scores, size_t n_keys, size_t n_queries)
{
    float *last = scores + n_keys / CPU_BLOCK * n_queries * CPU_BLOCK;

    if (n_keys % CPU_BLOCK == 0)
        return;
    for (size_t q = 0; q < n_queries; q++)
        for (size_t lane = n_keys % CPU_BLOCK; lane < CPU_BLOCK; lane++)
            last[q * CPU_BLOCK + lane] = -INFINITY;
}

/* softmax(q k^T / sqrt(channels)) v of the tile's pixels into scratch->queries. */
static void attend(const struct cpu_kernels *k, const struct cpu_attention *a,
                   const struct cpu_tile *pixels, int n, struct cpu_scratch *scratch)
{
    const size_t n_queries = pixels->cols;
    const struct cpu_weights keys = {
        .c_in = a->channels, .c_out = n, .kernel = 1, .data = scratch->keys};
    const struct cpu_weights values = {
        .c_in = n, .c_out = a->channels, .kernel = 1, .data = scratch->values};
    struct cpu_tile t = *pixels;

    project(k, pixels, &a->q, scratch->queries, n_queries, scratch->acc);
    t.data = scratch->queries;
    multiply_all(k, &t, &keys, scratch->scores);
    hide_missing_keys(scratch->scores, n, n_queries);
    k->softmax(scratch->scores, cpu_blocks(n), n_queries,
               (float)(1 / sqrt((double)a->channels)), scratch->sums);
    t.data = scratch->scores;
    multiply_all(k, &t, &values, scratch->queries);
    for (size_t i = 0; i < cpu_blocks(a->channels) * n_queries * CPU_BLOCK; i++)
        scratch->queries[i] /= scratch->sums[i / CPU_BLOCK % n_queries];
}

void cpu_attention_run(const struct cpu_kernels *k, const struct cpu_attention *a,
                       const struct cpu_activation *in, const struct cpu_activation *out,
                       struct cpu_scratch *scratch)
{
    const int n = in->height * in->width;
    struct cpu_input input = cpu_input_of(k, in, &a->norm, &scratch->affine);
    struct cpu_tile t = {.data = scratch->tile, .rows = 1, .kernel = 1, .stride = 1};

    input.in.height = 1;
    input.in.width = n;
    cpu_activation_clear_sums(out);
    make_keys_and_values(k, a, &t, &input, scratch);
    for (t.x = 0; t.x < n; t.x += t.cols) {
        const size_t first = (size_t)t.x * CPU_BLOCK;
        const struct cpu_target target = {
            .out = out->data + first,
            .residual = in->data + first,
            .plane = (size_t)n * CPU_BLOCK,
            .bias = a->proj.bias,
            .sums = out->sums,
        };
        t.cols = cpu_min(QUERIES, n - t.x);
        cpu_tile_load(&t, &input);
        attend(k, a, &t, n, scratch);
        struct cpu_tile attended = t;
        attended.data = scratch->queries;
        cpu_tile_project(k, &attended, &a->proj.weights, &target, scratch->acc);
    }
}
