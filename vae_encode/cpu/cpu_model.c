/* SPDX-License-Identifier: Apache-2.0
 * vae_encode/cpu/cpu_model.c - packing: weights into the order in which products read
 * them.
 *
 * Two passes over the steps with the same code: the first, without memory, measures. */
#include "vae_encode/cpu/cpu_model.h"

#include <stdlib.h>
#include <string.h>

#include "vae_encode/cpu/cpu_memory.h"
#include "vae_encode/status.h"

struct arena {
    float *base; /* NULL: only measure */
    size_t used;
};

/* n zeroed floats on a cache line, or NULL while measuring. */
static float *carve(struct arena *a, size_t n)
{
    float *p = a->base ? a->base + a->used : NULL;

    a->used += (n + CPU_BLOCK - 1) / CPU_BLOCK * CPU_BLOCK;
    return p;
}

/* A vector of n, followed by zeros up to a whole block; all zeros where `from` is NULL.
 */
static const float *pack_vector(struct arena *a, const float *from, int n)
{
    float *to = carve(a, (size_t)n);

    if (to && from)
        memcpy(to, from, (size_t)n * sizeof(*to));
    return to;
}

/* `from` is (c_out, c_in, kernel, kernel). */
static struct cpu_weights pack_weights(struct arena *a, const float *from, int c_out,
                                       int c_in, int kernel)
{
    const int taps = kernel * kernel;
    const size_t per_block = (size_t)c_in * taps * CPU_BLOCK;
    float *to = carve(a, cpu_blocks(c_out) * per_block);
    struct cpu_weights w = {c_in, c_out, kernel, to};

    if (!to)
        return w;
    for (int o = 0; o < c_out; o++) {
        float *lane = to + o / CPU_BLOCK * per_block + o % CPU_BLOCK;
        for (int first = 0; first < c_in; first += CPU_BLOCK) {
            int end = cpu_min(first + CPU_BLOCK, c_in);
            for (int t = 0; t < taps; t++)
                for (int i = first; i < end; i++, lane += CPU_BLOCK)
                    *lane = from[((size_t)o * c_in + i) * taps + t];
        }
    }
    return w;
}

/* `from` is (c_out, c_in, 3, 3). */
static struct cpu_winograd pack_winograd(struct arena *a, const float *from, int c_out,
                                         int c_in, enum winograd_kind kind)
{
    const int n = winograd_table[kind].n_weights * winograd_table[kind].n_weights;
    const size_t per_point = (size_t)c_in * CPU_BLOCK;
    float *const data = carve(a, cpu_blocks(c_out) * n * per_point), *to = data;

    for (int o = 0; to && o < c_out; o += CPU_BLOCK) {
        for (int i = 0; i < c_in; i++, to += CPU_BLOCK) {
            float points[WINOGRAD_MAX_N * WINOGRAD_MAX_N * CPU_BLOCK];
            winograd_weights(kind, from + ((size_t)o * c_in + i) * 9, (size_t)c_in * 9,
                             cpu_min(CPU_BLOCK, c_out - o), points);
            for (int p = 0; p < n; p++)
                memcpy(to + p * per_point, points + p * CPU_BLOCK,
                       CPU_BLOCK * sizeof(*to));
        }
        to += (n - 1) * per_point;
    }
    return (struct cpu_winograd){kind, data};
}

static struct cpu_norm pack_norm(struct arena *a, const struct vae_norm *n, int channels)
{
    struct cpu_norm to = {.groups = n->groups, .eps = n->eps, .silu = n->silu};

    if (n->groups > 0) {
        to.weight = pack_vector(a, n->weight, channels);
        to.bias = pack_vector(a, n->bias, channels);
    }
    return to;
}

static struct cpu_conv pack_conv(struct arena *a, const struct vae_step *step)
{
    const struct vae_conv *c = &step->u.conv;
    const enum winograd_kind kind = winograd_choose(step);
    struct cpu_conv to = {
        .weights = {c->c_in, c->c_out, c->kernel, NULL},
        .bias = pack_vector(a, c->bias, c->c_out),
        .stride = c->stride,
        .upscale = c->upscale,
        .pad_before = c->kernel == 1 ? 0 : c->pad_before,
        .norm = pack_norm(a, &c->norm, c->c_in),
        .residual = c->residual,
        .relu = c->relu,
    };

    if (kind == WINOGRAD_NONE)
        to.weights = pack_weights(a, c->weight, c->c_out, c->c_in, c->kernel);
    else
        to.winograd = pack_winograd(a, c->weight, c->c_out, c->c_in, kind);
    return to;
}

static struct cpu_projection pack_projection(struct arena *a, const float *weight,
                                             const float *bias, int channels)
{
    return (struct cpu_projection){
        .weights = pack_weights(a, weight, channels, channels, 1),
        .bias = pack_vector(a, bias, channels),
    };
}

static struct cpu_attention pack_attention(struct arena *a, const struct vae_attention *t)
{
    const int c = t->channels;

    return (struct cpu_attention){
        .channels = c,
        .norm = pack_norm(a, &t->norm, c),
        .q = pack_projection(a, t->q_weight, t->q_bias, c),
        .k = pack_projection(a, t->k_weight, t->k_bias, c),
        .v = pack_projection(a, t->v_weight, t->v_bias, c),
        .proj = pack_projection(a, t->proj_weight, t->proj_bias, c),
    };
}

static void pack_steps(struct cpu_model *m, struct arena *a, const struct vae_graph *g)
{
    for (int i = 0; i < g->n_steps; i++) {
        const struct vae_step *from = &g->steps[i];
        struct cpu_step *to = &m->steps[i];
        to->kind = from->kind;
        to->in = from->in;
        to->out = from->out;
        to->downscale_in = from->downscale_in;
        if (from->kind == VAE_STEP_CONV)
            to->u.conv = pack_conv(a, from);
        else
            to->u.attention = pack_attention(a, &from->u.attention);
    }
}

/* Whoever writes a slot that is normalized later sums it up while writing. */
static void mark_sums(struct cpu_model *m)
{
    for (int i = 0; i < m->n_steps; i++) {
        if (cpu_step_norm(&m->steps[i])->groups == 0)
            continue;
        int writer = i - 1;
        while (writer >= 0 && m->steps[writer].out != m->steps[i].in)
            writer--;
        if (writer >= 0)
            m->steps[writer].sum_out = true;
        else
            m->sum_input = true;
    }
}

/* Is everything that steps [first, n_steps) read written by step first - 1 or later? */
static bool stands_alone(const struct cpu_model *m, int first)
{
    bool written[VAE_MAX_SLOTS] = {false};

    for (int i = first - 1; i < m->n_steps; i++) {
        const struct cpu_step *s = &m->steps[i];
        const int residual = s->kind == VAE_STEP_CONV ? s->u.conv.residual : -1;
        if (i >= first && (s->downscale_in != m->downscale || !written[s->in] ||
                           (residual >= 0 && !written[residual])))
            return false;
        written[s->out] = true;
    }
    return true;
}

static int choose_joint(const struct cpu_model *m)
{
    int first = 1;

    while (first < m->n_steps && !stands_alone(m, first))
        first++;
    return first;
}

int cpu_model_pack(struct cpu_model **model, const struct vae_graph *g,
                   const struct cpu_kernels *kernels)
{
    struct arena arena = {0};
    struct cpu_model *m = calloc(1, sizeof(*m));

    *model = NULL;
    if (!m)
        return VAE_ENOMEM;
    m->kernels = kernels;
    m->input_scale = g->input_scale;
    m->input_shift = g->input_shift;
    m->input_bound = g->input_bound;
    m->output_scale = g->output_scale;
    m->output_shift = g->output_shift;
    m->input_channels = vae_graph_input_channels(g);
    m->input_downscale = vae_graph_input_downscale(g);
    m->latent_channels = g->latent_channels;
    m->downscale = g->downscale;
    m->has_posterior = g->has_posterior;
    m->n_steps = g->n_steps;
    m->steps = calloc((size_t)g->n_steps, sizeof(*m->steps));
    if (!m->steps)
        goto out;
    pack_steps(m, &arena, g);
    m->n_floats = arena.used;
    m->memory = cpu_memory_allocate(arena.used, sizeof(float));
    if (!m->memory)
        goto out;
    memset(m->memory, 0, arena.used * sizeof(float));
    arena = (struct arena){.base = m->memory};
    pack_steps(m, &arena, g);
    mark_sums(m);
    m->joint = choose_joint(m);
    *model = m;
    return VAE_OK;
out:
    cpu_model_free(m);
    return VAE_ENOMEM;
}

void cpu_model_free(struct cpu_model *model)
{
    if (!model)
        return;
    free(model->memory);
    free(model->steps);
    free(model);
}
