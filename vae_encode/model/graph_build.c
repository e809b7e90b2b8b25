/* SPDX-License-Identifier: Apache-2.0
 * fp32 weights that lie aligned in the file are used where they are; all others are
 * converted into memory of the builder's. Every weight is looked at once: one that is not
 * finite would spoil every latent, and is named here instead. */
#include "vae_encode/model/graph_build.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vae_encode/model/network.h"
#include "vae_encode/status.h"

enum { N_SLOTS = 4, MAX_TENSOR_DIMS = 4 };

int graph_builder_init(struct graph_builder *b, const struct safetensors *file,
                       const char *what)
{
    size_t n = safetensors_count(file);

    memset(b, 0, sizeof(*b));
    b->file = file;
    b->what = what;
    b->graph.n_slots = N_SLOTS;
    b->downscale = 1;
    b->used = calloc(n + 1, sizeof(*b->used));
    b->converted = calloc(n + 1, sizeof(*b->converted));
    if (!b->used || !b->converted)
        b->status = vae_fail(&b->why, VAE_ENOMEM, "%s: out of memory", what);
    return b->status;
}

void graph_builder_clear(struct graph_builder *b)
{
    for (size_t i = 0; i < b->n_converted; i++)
        free(b->converted[i]);
    for (int i = 0; i < b->graph.n_steps; i++)
        free((char *)b->graph.steps[i].name);
    free(b->converted);
    free(b->graph.steps);
    free(b->used);
    memset(b, 0, sizeof(*b));
}

static int free_slot(const struct graph_builder *b, int in, int residual, int keep)
{
    for (int slot = 1; slot < b->graph.n_slots; slot++)
        if (slot != in && slot != residual && slot != keep)
            return slot;
    return 0; /* not reached: at most three of four are taken, slot 0 among them */
}

static bool has_shape(const struct safetensors_tensor *t, const uint64_t *dims, int n)
{
    return t->n_dims == n && memcmp(t->dims, dims, (size_t)n * sizeof(*dims)) == 0;
}

static void refuse_shape(struct graph_builder *b, const struct safetensors_tensor *t,
                         const uint64_t *dims, int n)
{
    struct safetensors_tensor wanted = {.dtype = "", .n_dims = n};
    char found[256], needed[256];

    memcpy(wanted.dims, dims, (size_t)n * sizeof(*dims));
    safetensors_describe(t, found, sizeof(found));
    safetensors_describe(&wanted, needed, sizeof(needed));
    b->status =
        vae_fail(&b->why, VAE_EMODEL, "%s: tensor %s is %s, but the network needs%s",
                 b->what, t->name, found, needed);
}

static const float *in_place(const struct safetensors_tensor *t)
{
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    if (strcmp(t->dtype, "F32") == 0 && (uintptr_t)t->data % _Alignof(float) == 0)
        return (const float *)t->data;
#endif
    (void)t;
    return NULL;
}

/* n_values was checked against the file's size, so the product cannot overflow. */
static const float *convert(struct graph_builder *b, const struct safetensors_tensor *t)
{
    float *values = calloc(t->n_values + 1, sizeof(*values));

    if (!values) {
        b->status = vae_fail(&b->why, VAE_ENOMEM, "%s: out of memory", b->what);
        return NULL;
    }
    b->converted[b->n_converted++] = values;
    if (safetensors_to_fp32(t, values) < 0) {
        b->status = vae_fail(&b->why, VAE_EMODEL,
                             "%s: tensor %s is %s; F32, F16 and BF16 can be read",
                             b->what, t->name, t->dtype);
        return NULL;
    }
    return values;
}

static void check_finite(struct graph_builder *b, const struct safetensors_tensor *t,
                         const float *values)
{
    for (uint64_t i = 0; i < t->n_values; i++)
        if (!isfinite(values[i])) {
            b->status =
                vae_fail(&b->why, VAE_EMODEL, "%s: tensor %s: value %llu is not finite",
                         b->what, t->name, (unsigned long long)i);
            return;
        }
}

/* The tensor `prefix``suffix` as fp32, of the shape dims[0..n) or, where a layer may be
 * stored as linear or 1x1 convolution, also dims[0..n_also). Lent by file or builder. */
static const float *take(struct graph_builder *b, const char *prefix, const char *suffix,
                         const uint64_t *dims, int n, int n_also)
{
    char name[GRAPH_NAME_CAP + 16];
    const struct safetensors_tensor *t;
    const float *values;
    ptrdiff_t i;

    if (b->status < 0)
        return NULL;
    snprintf(name, sizeof(name), "%s%s", prefix, suffix);
    i = safetensors_find(b->file, name);
    if (i < 0) {
        b->status =
            vae_fail(&b->why, VAE_EMODEL, "%s: tensor %s is missing", b->what, name);
        return NULL;
    }
    t = safetensors_at(b->file, (size_t)i);
    if (!has_shape(t, dims, n) && !has_shape(t, dims, n_also)) {
        refuse_shape(b, t, dims, n);
        return NULL;
    }
    values = in_place(t);
    if (!values)
        values = convert(b, t);
    if (values && !b->used[i]) {
        b->used[i] = true;
        b->n_parameters += t->n_values;
        check_finite(b, t, values);
    }
    return values;
}

static const float *take_vector(struct graph_builder *b, const char *prefix,
                                const char *suffix, int n)
{
    uint64_t dims[1] = {(uint64_t)n};

    return take(b, prefix, suffix, dims, 1, 1);
}

static struct vae_norm take_norm(struct graph_builder *b, const char *prefix,
                                 int channels, int groups, bool silu)
{
    struct vae_norm norm = {.groups = groups, .eps = (float)VAE_NORM_EPS, .silu = silu};

    norm.weight = take_vector(b, prefix, ".weight", channels);
    norm.bias = take_vector(b, prefix, ".bias", channels);
    return norm;
}

/* NULL after a failure. */
static struct vae_step *add_step(struct graph_builder *b, enum vae_step_kind kind,
                                 const char *prefix)
{
    struct vae_graph *g = &b->graph;
    struct vae_step *step;

    if (b->status < 0)
        return NULL;
    if (g->n_steps == b->cap) {
        int cap = b->cap ? 2 * b->cap : 64;
        struct vae_step *steps = realloc(g->steps, (size_t)cap * sizeof(*steps));
        if (!steps)
            goto no_memory;
        g->steps = steps;
        b->cap = cap;
    }
    step = &g->steps[g->n_steps];
    memset(step, 0, sizeof(*step));
    step->kind = kind;
    step->name = strdup(prefix);
    step->downscale_in = b->downscale;
    if (!step->name)
        goto no_memory;
    g->n_steps++;
    return step;

no_memory:
    b->status = vae_fail(&b->why, VAE_ENOMEM, "%s: out of memory", b->what);
    return NULL;
}

int graph_add_conv(struct graph_builder *b, const char *prefix,
                   const struct graph_conv *conv)
{
    int kernel = conv->kernel ? conv->kernel : 1;
    uint64_t dims[MAX_TENSOR_DIMS] = {(uint64_t)conv->c_out, (uint64_t)conv->c_in,
                                      (uint64_t)kernel, (uint64_t)kernel};
    int out = free_slot(b, conv->in, conv->residual, conv->keep);
    struct vae_conv made = {
        .c_in = conv->c_in,
        .c_out = conv->c_out,
        .kernel = kernel,
        .stride = conv->stride ? conv->stride : 1,
        .upscale = conv->upscale ? conv->upscale : 1,
        .pad_before = kernel == 3 && !conv->pad_after_only,
        .residual = conv->residual ? conv->residual : -1,
        .relu = conv->relu,
    };
    struct vae_step *step;

    if (conv->norm)
        made.norm = take_norm(b, conv->norm, conv->c_in, conv->norm_groups, true);
    made.weight = take(b, prefix, ".weight", dims, 4, 4);
    made.bias = conv->no_bias ? NULL : take_vector(b, prefix, ".bias", conv->c_out);
    step = add_step(b, VAE_STEP_CONV, prefix);
    if (!step)
        return out;
    step->in = conv->in;
    step->out = out;
    step->u.conv = made;
    b->slot = out;
    b->downscale = b->downscale * made.stride / made.upscale;
    return out;
}

void graph_add_attention(struct graph_builder *b, const char *prefix,
                         const struct graph_attention_names *names, int channels,
                         int norm_groups)
{
    int c = channels;
    uint64_t dims[MAX_TENSOR_DIMS] = {(uint64_t)c, (uint64_t)c, 1, 1};
    struct vae_attention made = {.channels = c};
    struct vae_step *step;

    made.norm = take_norm(b, names->norm, channels, norm_groups, false);
    made.q_weight = take(b, names->q, ".weight", dims, 2, 4);
    made.q_bias = take_vector(b, names->q, ".bias", c);
    made.k_weight = take(b, names->k, ".weight", dims, 2, 4);
    made.k_bias = take_vector(b, names->k, ".bias", c);
    made.v_weight = take(b, names->v, ".weight", dims, 2, 4);
    made.v_bias = take_vector(b, names->v, ".bias", c);
    made.proj_weight = take(b, names->proj, ".weight", dims, 2, 4);
    made.proj_bias = take_vector(b, names->proj, ".bias", c);
    step = add_step(b, VAE_STEP_ATTENTION, prefix);
    if (!step)
        return;
    step->in = b->slot;
    step->out = free_slot(b, b->slot, 0, 0);
    step->u.attention = made;
    b->slot = step->out;
}

void graph_refuse_unused(struct graph_builder *b, const char *prefix)
{
    size_t prefix_len = strlen(prefix);
    const char *first = NULL;
    size_t n = 0;

    if (b->status < 0)
        return;
    for (size_t i = 0; i < safetensors_count(b->file); i++) {
        const char *name = safetensors_at(b->file, i)->name;
        if (b->used[i] || strncmp(name, prefix, prefix_len) != 0)
            continue;
        if (!first)
            first = name;
        n++;
    }
    if (n == 1)
        b->status =
            vae_fail(&b->why, VAE_EMODEL,
                     "%s: tensor %s belongs to no layer of the network", b->what, first);
    else if (n > 1)
        b->status = vae_fail(&b->why, VAE_EMODEL,
                             "%s: tensor %s and %zu more belong to no layer of the "
                             "network",
                             b->what, first, n - 1);
}
