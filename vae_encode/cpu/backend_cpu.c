/* SPDX-License-Identifier: Apache-2.0
 * vae_encode/cpu/backend_cpu.c - the fast back end, in fp32. ENGINE.md explains it.
 *
 * Images go through the steps one by one until they are as small as latents; from there
 * on a group of them goes together, so that the largest weights are read once for all.
 *
 * Every output element is made by the same operations in the same order whatever the
 * instruction set, the batch or the machine, so all give the same bits: read
 * cpu_kernels.h for the inner loops, cpu_tile.h for the tiling, cpu_layers.h for the
 * steps. */
#include "vae_encode/backend.h"

#include <stdlib.h>
#include <string.h>

#include "vae_encode/cpu/cpu_layers.h"
#include "vae_encode/cpu/cpu_memory.h"
#include "vae_encode/cpu/cpu_model.h"
#include "vae_encode/cpu/exact_exp.h"
#include "vae_encode/status.h"

struct slot {
    float *data;
    double *sums;
};

struct cpu_state {
    const struct cpu_model *model;
    int width, height;
    int group;                          /* images that go together */
    struct slot slots[VAE_MAX_SLOTS];   /* of one image */
    struct slot grouped[VAE_MAX_SLOTS]; /* of a group, from the step before `joint` on */
    struct cpu_scratch scratch;
};

#ifdef __x86_64__
static bool has_avx2(void)
{
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
}

static bool has_avx512(void)
{
    return has_avx2() && __builtin_cpu_supports("avx512f");
}
#endif

static bool has_portable(void)
{
    return true;
}

/* Best first. */
static const struct {
    const struct cpu_kernels *kernels;
    bool (*available)(void);
} paths[] = {
#ifdef __x86_64__
    {&cpu_kernels_avx512, has_avx512},
    {&cpu_kernels_avx2, has_avx2},
#endif
    {&cpu_kernels_portable, has_portable},
};

static const struct cpu_kernels *find_kernels(const char *isa)
{
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
        if ((!isa || strcmp(isa, paths[i].kernels->isa) == 0) && paths[i].available())
            return paths[i].kernels;
    return NULL;
}

bool vae_has_isa(const char *isa)
{
    return find_kernels(isa) != NULL;
}

static int cpu_pack(void **packed, const struct vae_graph *g, const char *isa)
{
    const struct cpu_kernels *kernels = find_kernels(isa);
    struct cpu_model *model = NULL;
    int rc = kernels ? cpu_model_pack(&model, g, kernels) : VAE_EINVAL;

    *packed = model;
    return rc;
}

static const char *cpu_isa(const void *packed)
{
    return ((const struct cpu_model *)packed)->kernels->isa;
}

static uint64_t cpu_packed_bytes(const void *packed)
{
    return ((const struct cpu_model *)packed)->n_floats * sizeof(float);
}

static void cpu_free_packed(void *packed)
{
    cpu_model_free(packed);
}

static void cpu_close(void *state)
{
    struct cpu_state *s = state;

    if (!s)
        return;
    for (int i = 0; i < VAE_MAX_SLOTS; i++) {
        free(s->slots[i].data);
        free(s->slots[i].sums);
        free(s->grouped[i].data);
        free(s->grouped[i].sums);
    }
    free(s->scratch.staging);
    free(s->scratch.affine.scale);
    free(s->scratch.affine.shift);
    free(s->scratch.tile);
    free(s->scratch.acc);
    free(s->scratch.points);
    free(s->scratch.products);
    free(s->scratch.strip);
    free(s->scratch.keys);
    free(s->scratch.values);
    free(s->scratch.queries);
    free(s->scratch.scores);
    free(s->scratch.sums);
    free(s);
}

/* Sets *failed where there is no memory. */
static void *allocate(size_t n, size_t size, bool *failed)
{
    void *p = cpu_memory_allocate(n, size);

    *failed = *failed || !p;
    return p;
}

/* Activations of the step's input and output, without data, as it runs at this size. */
static struct cpu_activation shape_in(const struct cpu_state *s, int step)
{
    const struct cpu_model *m = s->model;

    return (struct cpu_activation){
        .images = step >= m->joint ? s->group : 1,
        .channels = cpu_step_c_in(&m->steps[step]),
        .height = s->height / m->steps[step].downscale_in,
        .width = s->width / m->steps[step].downscale_in,
    };
}

static struct cpu_activation shape_out(const struct cpu_state *s, int step)
{
    const struct cpu_model *m = s->model;

    return (struct cpu_activation){
        .images = step >= m->joint ? s->group : 1,
        .channels = cpu_step_c_out(&m->steps[step]),
        .height = cpu_step_extent(&m->steps[step], s->height),
        .width = cpu_step_extent(&m->steps[step], s->width),
    };
}

/* Slots that hold at least so much; those of nothing stay NULL. */
static bool allocate_slots(struct slot *slots, const size_t *floats,
                           const size_t *channels)
{
    bool failed = false;

    for (int i = 0; i < VAE_MAX_SLOTS; i++) {
        if (floats[i] == 0)
            continue;
        slots[i].data = allocate(floats[i], sizeof(float), &failed);
        slots[i].sums = allocate(channels[i], 2 * sizeof(double), &failed);
    }
    return !failed;
}

static bool allocate_activations(struct cpu_state *s)
{
    const struct cpu_model *m = s->model;
    size_t floats[2][VAE_MAX_SLOTS] = {{0}}, channels[2][VAE_MAX_SLOTS] = {{0}};

    channels[0][0] = cpu_blocks(m->input_channels) * CPU_BLOCK;
    floats[0][0] = channels[0][0] * (s->height / m->input_downscale) *
                   (s->width / m->input_downscale);
    for (int i = 0; i < m->n_steps; i++) {
        const struct cpu_activation out = shape_out(s, i);
        const bool grouped = i + 1 >= m->joint;
        const int slot = m->steps[i].out;
        size_t n = cpu_blocks(out.channels) * CPU_BLOCK * (grouped ? s->group : 1);
        cpu_raise(&floats[grouped][slot], n * out.height * out.width);
        cpu_raise(&channels[grouped][slot], n);
    }
    return allocate_slots(s->slots, floats[0], channels[0]) &&
           allocate_slots(s->grouped, floats[1], channels[1]);
}

static bool allocate_scratch(struct cpu_state *s)
{
    const struct cpu_model *m = s->model;
    struct cpu_scratch_size size = {0};
    struct cpu_scratch *to = &s->scratch;
    bool failed = false;

    for (int i = 0; i < m->n_steps; i++) {
        const struct cpu_step *step = &m->steps[i];
        const struct cpu_activation in = shape_in(s, i), out = shape_out(s, i);
        if (step->kind == VAE_STEP_ATTENTION)
            cpu_attention_measure(&size, m->kernels, &step->u.attention, &in);
        else if (step->u.conv.winograd.kind == WINOGRAD_NONE)
            cpu_conv_measure(&size, m->kernels, &step->u.conv, &out);
        else
            cpu_winograd_measure(&size, m->kernels, &step->u.conv, &in, &out);
    }
    to->staging = allocate(size.staging, sizeof(float), &failed);
    to->affine.scale = allocate(size.affine, sizeof(float), &failed);
    to->affine.shift = allocate(size.affine, sizeof(float), &failed);
    to->tile = allocate(size.tile, sizeof(float), &failed);
    to->acc = allocate(size.acc, sizeof(float), &failed);
    to->points = allocate(size.points, sizeof(float), &failed);
    to->products = allocate(size.products, sizeof(float), &failed);
    to->strip = allocate(size.strip, sizeof(float), &failed);
    to->keys = allocate(size.keys, sizeof(float), &failed);
    to->values = allocate(size.values, sizeof(float), &failed);
    to->queries = allocate(size.queries, sizeof(float), &failed);
    to->scores = allocate(size.scores, sizeof(float), &failed);
    to->sums = allocate(size.sums, sizeof(float), &failed);
    return !failed;
}

/* Images of so many pixels that a group's activations stay small beside those of one
 * image at full size. */
static int choose_group(const struct cpu_model *m, int width, int height)
{
    enum { GROUP_PIXELS = 4096 }; /* latent's */
    int pixels = (width / m->downscale) * (height / m->downscale);

    if (m->joint == m->n_steps || pixels > GROUP_PIXELS)
        return 1;
    return cpu_min(GROUP_PIXELS / pixels, CPU_MAX_IMAGES);
}

static int cpu_open(void **state, const void *packed, int width, int height)
{
    const struct cpu_model *m = packed;
    struct cpu_state *s;

    *state = NULL;
    if (width <= 0 || height <= 0 || width > VAE_MAX_SIDE || height > VAE_MAX_SIDE ||
        width % m->downscale || height % m->downscale)
        return VAE_EINVAL;
    s = calloc(1, sizeof(*s));
    if (!s)
        return VAE_ENOMEM;
    s->model = m;
    s->width = width;
    s->height = height;
    s->group = choose_group(m, width, height);
    if (!allocate_activations(s) || !allocate_scratch(s)) {
        cpu_close(s);
        return VAE_ENOMEM;
    }
    *state = s;
    return VAE_OK;
}

/* (height, width, 3) bytes -> slot 0, (1, height, width, 16) */
static void load_image(struct cpu_state *s, const uint8_t *rgb)
{
    const struct cpu_model *m = s->model;
    const size_t n = (size_t)s->height * s->width;
    float *out = s->slots[0].data;
    float level[256];

    for (int v = 0; v < 256; v++)
        level[v] = m->input_scale * (float)v + m->input_shift;
    memset(out, 0, n * CPU_BLOCK * sizeof(*out));
    for (size_t i = 0; i < n; i++)
        for (int c = 0; c < 3; c++)
            out[i * CPU_BLOCK + c] = level[rgb[i * 3 + c]];
}

/* (C, h, w) -> slot 0, (C / 16, h, w, 16) */
static void load_latent(struct cpu_state *s, const float *latent)
{
    const struct cpu_model *m = s->model;
    const size_t n =
        (size_t)(s->height / m->input_downscale) * (s->width / m->input_downscale);
    float *out = s->slots[0].data;

    memset(out, 0, cpu_blocks(m->input_channels) * CPU_BLOCK * n * sizeof(*out));
    for (size_t c = 0; c < (size_t)m->input_channels; c++) {
        float *to = out + c / CPU_BLOCK * n * CPU_BLOCK + c % CPU_BLOCK;
        for (size_t i = 0; i < n; i++)
            to[i * CPU_BLOCK] = exact_squash(latent[c * n + i], m->input_bound);
    }
}

static void sum_input(struct cpu_state *s)
{
    const struct cpu_model *m = s->model;
    const size_t n =
        (size_t)(s->height / m->input_downscale) * (s->width / m->input_downscale);

    for (size_t b = 0; b < cpu_blocks(m->input_channels); b++) {
        const float *in = s->slots[0].data + b * n * CPU_BLOCK;
        double *sums = s->slots[0].sums + b * 2 * CPU_BLOCK;
        memset(sums, 0, 2 * CPU_BLOCK * sizeof(*sums));
        for (size_t i = 0; i < n * CPU_BLOCK; i++) {
            double v = in[i];
            sums[i % CPU_BLOCK] += v;
            sums[CPU_BLOCK + i % CPU_BLOCK] += v * v;
        }
    }
}

static void run_single(const struct cpu_kernels *k, const struct cpu_step *step,
                       const struct cpu_activation *in, const float *residual,
                       const struct cpu_activation *out, struct cpu_scratch *scratch)
{
    if (step->kind == VAE_STEP_ATTENTION)
        cpu_attention_run(k, &step->u.attention, in, out, scratch);
    else
        cpu_conv_run(k, &step->u.conv, in, residual, out, scratch);
}

/* Images [image, image + n) of the group; one alone before they are joined. */
static void run_step(struct cpu_state *s, int i, int image, int n)
{
    const struct cpu_model *m = s->model;
    const struct cpu_step *step = &m->steps[i];
    const struct slot *from = i < m->joint ? s->slots : s->grouped;
    const struct slot *to = i + 1 < m->joint ? s->slots : s->grouped;
    const int r = step->kind == VAE_STEP_CONV ? step->u.conv.residual : -1;
    const float *residual = r < 0 ? NULL : from[r].data;
    struct cpu_activation in = shape_in(s, i), out = shape_out(s, i);

    in.data = from[step->in].data;
    in.sums = from[step->in].sums;
    in.images = n;
    out.data = to[step->out].data;
    out.sums = step->sum_out ? to[step->out].sums : NULL;
    if (to == s->grouped)
        out = cpu_activation_image(&out, image);
    out.images = n;
    if (step->kind == VAE_STEP_CONV && step->u.conv.winograd.kind != WINOGRAD_NONE) {
        cpu_winograd_run(m->kernels, &step->u.conv, &in, residual, &out, &s->scratch);
        return;
    }
    for (int j = 0; j < n; j++) {
        const struct cpu_activation one = cpu_activation_image(&in, j);
        const struct cpu_activation its = cpu_activation_image(&out, j);
        run_single(m->kernels, step, &one,
                   residual ? residual + (its.data - out.data) : NULL, &its, &s->scratch);
    }
}

/* The last step's output of image `i` of the group. */
static const float *result(const struct cpu_state *s, int i)
{
    const int last = s->model->n_steps - 1;
    struct cpu_activation out = shape_out(s, last);

    out.data = s->grouped[s->model->steps[last].out].data;
    out.sums = NULL;
    return cpu_activation_image(&out, i).data;
}

/* Channels [first, first + C) of a result -> (C, h, w) */
static void store_moment(const struct cpu_state *s, const float *in, int first,
                         float *out)
{
    const struct cpu_model *m = s->model;
    const size_t n = (size_t)(s->height / m->downscale) * (s->width / m->downscale);

    for (int c = 0; c < m->latent_channels; c++) {
        size_t channel = (size_t)first + c;
        const float *from =
            in + channel / CPU_BLOCK * n * CPU_BLOCK + channel % CPU_BLOCK;
        for (size_t i = 0; i < n; i++)
            *out++ = from[i * CPU_BLOCK];
    }
}

static const char *cpu_algorithm(const void *state, int i)
{
    const struct cpu_step *step = &((const struct cpu_state *)state)->model->steps[i];

    return step->kind == VAE_STEP_CONV ? winograd_table[step->u.conv.winograd.kind].name
                                       : "attention";
}

/* A result -> (height, width, 3) bytes and, where not NULL, (3, height, width) values. */
static void store_picture(const struct cpu_state *s, const float *in, uint8_t *rgb,
                          float *values)
{
    const struct cpu_model *m = s->model;
    const size_t n = (size_t)s->height * s->width;

    for (size_t i = 0; i < n; i++)
        for (size_t c = 0; c < 3; c++) {
            float v = in[i * CPU_BLOCK + c] * m->output_scale + m->output_shift;
            rgb[3 * i + c] = vae_byte_of(v);
            if (values)
                values[c * n + i] = v;
        }
}

/* Steps [first, end), as run_step(). */
static int run_steps(struct cpu_state *s, int first, int end, int image, int n,
                     const struct vae_cancel *cancel)
{
    for (int i = first; i < end; i++) {
        if (vae_cancelled(cancel, i))
            return VAE_CANCELLED;
        run_step(s, i, image, n);
    }
    return VAE_OK;
}

/* Image `i` of the group, which is in slot 0, as far as it goes alone. */
static int run_alone(struct cpu_state *s, int i, const struct vae_cancel *cancel)
{
    if (s->model->sum_input)
        sum_input(s);
    return run_steps(s, 0, s->model->joint, i, 1, cancel);
}

/* The rest, for the first n images of the group. */
static int run_joint(struct cpu_state *s, int n, const struct vae_cancel *cancel)
{
    const struct cpu_model *m = s->model;

    if (run_steps(s, m->joint, m->n_steps, 0, n, cancel) != VAE_OK)
        return VAE_CANCELLED;
    return vae_cancelled(cancel, m->n_steps) ? VAE_CANCELLED : VAE_OK;
}

/* Images [first, first + n) of the batch, n <= s->group. */
static int encode_group(struct cpu_state *s, const struct image_batch *in,
                        struct latent_batch *out, int first, int n,
                        const struct vae_cancel *cancel)
{
    const struct cpu_model *m = s->model;
    const size_t size = (size_t)m->latent_channels * (s->height / m->downscale) *
                        (s->width / m->downscale);

    for (int i = 0; i < n; i++) {
        load_image(s, in->rgb[first + i]);
        if (run_alone(s, i, cancel) != VAE_OK)
            return VAE_CANCELLED;
    }
    if (run_joint(s, n, cancel) != VAE_OK)
        return VAE_CANCELLED;
    for (int i = 0; i < n; i++) {
        const size_t at = (first + i) * size;
        store_moment(s, result(s, i), 0, out->mean + at);
        if (!out->logvar)
            continue;
        store_moment(s, result(s, i), m->latent_channels, out->logvar + at);
        for (size_t j = at; j < at + size; j++)
            out->logvar[j] = vae_clamp_logvar(out->logvar[j]);
    }
    return VAE_OK;
}

static int cpu_encode(void *state, const struct image_batch *in, struct latent_batch *out,
                      const struct vae_cancel *cancel)
{
    struct cpu_state *s = state;
    int rc = VAE_OK;

    if (in->width != s->width || in->height != s->height ||
        (out->logvar && !s->model->has_posterior))
        return VAE_EINVAL;
    for (int i = 0; i < in->n && rc == VAE_OK; i += s->group)
        rc = encode_group(s, in, out, i, cpu_min(s->group, in->n - i), cancel);
    return rc;
}

static int cpu_decode(void *state, const float *latents, int n,
                      const struct picture_batch *out, const struct vae_cancel *cancel)
{
    struct cpu_state *s = state;
    const struct cpu_model *m = s->model;
    const size_t n_latent = (size_t)m->latent_channels * (s->height / m->downscale) *
                            (s->width / m->downscale);
    const size_t n_values = (size_t)s->height * s->width * 3;

    for (int i = 0; i < n; i++) {
        load_latent(s, latents + i * n_latent);
        if (run_alone(s, 0, cancel) != VAE_OK || run_joint(s, 1, cancel) != VAE_OK)
            return VAE_CANCELLED;
        store_picture(s, result(s, 0), out->rgb[i],
                      out->values ? out->values + i * n_values : NULL);
    }
    return VAE_OK;
}

const struct vae_backend vae_backend_cpu = {
    .name = "cpu",
    .numerics = "winograd-1",
    .pack = cpu_pack,
    .isa = cpu_isa,
    .packed_bytes = cpu_packed_bytes,
    .open = cpu_open,
    .algorithm = cpu_algorithm,
    .encode = cpu_encode,
    .decode = cpu_decode,
    .close = cpu_close,
    .free_packed = cpu_free_packed,
};
