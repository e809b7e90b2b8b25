/* SPDX-License-Identifier: Apache-2.0
 * vae_encode/backend_cpu.c - the fast back end: direct convolution in fp32, one image
 * after the other.
 *
 * Every output element is made by the same operations in the same order whatever the
 * instruction set, the batch or the machine, so all give the same bits: read
 * cpu_kernels.h for the inner loops, cpu_tile.h for the tiling, cpu_layers.h for the
 * steps. */
#include "vae_encode/backend.h"

#include <stdlib.h>
#include <string.h>

#include "vae_encode/cpu_layers.h"
#include "vae_encode/cpu_model.h"
#include "vae_encode/exact_exp.h"
#include "vae_encode/status.h"

enum { MAX_EXTENT = 32768 }; /* of an image: its pixels are counted in int */

struct slot {
    float *data;
    double *sums;
};

struct cpu_state {
    const struct cpu_model *model;
    int width, height;
    struct slot slots[VAE_MAX_SLOTS];
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
    }
    free(s->scratch.tile);
    free(s->scratch.staging);
    free(s->scratch.acc);
    free(s->scratch.affine.scale);
    free(s->scratch.affine.shift);
    free(s->scratch.keys);
    free(s->scratch.values);
    free(s->scratch.queries);
    free(s->scratch.scores);
    free(s->scratch.sums);
    free(s);
}

/* Memory on a cache line; sets *failed where there is none. */
static void *allocate(size_t n, size_t size, bool *failed)
{
    const size_t line = CPU_BLOCK * sizeof(float);
    size_t bytes;
    void *p = NULL;

    if (!__builtin_mul_overflow(n, size, &bytes) && bytes <= SIZE_MAX / 2)
        p = aligned_alloc(line, (bytes + line) / line * line);
    *failed = *failed || !p;
    return p;
}

static bool allocate_slots(struct cpu_state *s)
{
    const struct cpu_model *m = s->model;
    size_t floats[VAE_MAX_SLOTS] = {0}, channels[VAE_MAX_SLOTS] = {0};
    bool failed = false;

    channels[0] = cpu_blocks(m->input_channels) * CPU_BLOCK;
    floats[0] =
        channels[0] * (s->height / m->input_downscale) * (s->width / m->input_downscale);
    for (int i = 0; i < m->n_steps; i++) {
        const struct cpu_step *step = &m->steps[i];
        size_t c = cpu_blocks(cpu_step_c_out(step)) * CPU_BLOCK;
        size_t pixels =
            (size_t)cpu_step_extent(step, s->height) * cpu_step_extent(step, s->width);
        cpu_raise(&floats[step->out], c * pixels);
        cpu_raise(&channels[step->out], c);
    }
    for (int i = 0; i < m->n_slots; i++) {
        s->slots[i].data = allocate(floats[i], sizeof(float), &failed);
        s->slots[i].sums = allocate(channels[i], 2 * sizeof(double), &failed);
    }
    return !failed;
}

static bool allocate_scratch(struct cpu_state *s)
{
    const struct cpu_model *m = s->model;
    struct cpu_scratch_size size = {0};
    bool failed = false;

    for (int i = 0; i < m->n_steps; i++) {
        const struct cpu_step *step = &m->steps[i];
        int height = s->height / step->downscale_in;
        int width = s->width / step->downscale_in;
        if (step->kind == VAE_STEP_CONV)
            cpu_conv_measure(&size, &step->u.conv, m->kernels, height, width);
        else
            cpu_attention_measure(&size, &step->u.attention, m->kernels, height, width);
    }
    s->scratch.tile = allocate(size.tile, sizeof(float), &failed);
    s->scratch.staging = allocate(size.staging, sizeof(float), &failed);
    s->scratch.acc = allocate(size.acc, sizeof(float), &failed);
    s->scratch.affine.scale = allocate(size.affine, sizeof(float), &failed);
    s->scratch.affine.shift = allocate(size.affine, sizeof(float), &failed);
    s->scratch.keys = allocate(size.keys, sizeof(float), &failed);
    s->scratch.values = allocate(size.values, sizeof(float), &failed);
    s->scratch.queries = allocate(size.queries, sizeof(float), &failed);
    s->scratch.scores = allocate(size.scores, sizeof(float), &failed);
    s->scratch.sums = allocate(size.sums, sizeof(float), &failed);
    return !failed;
}

static int cpu_open(void **state, const void *packed, int width, int height)
{
    const struct cpu_model *m = packed;
    struct cpu_state *s;

    *state = NULL;
    if (width <= 0 || height <= 0 || width > MAX_EXTENT || height > MAX_EXTENT ||
        width % m->downscale || height % m->downscale)
        return VAE_EINVAL;
    s = calloc(1, sizeof(*s));
    if (!s)
        return VAE_ENOMEM;
    s->model = m;
    s->width = width;
    s->height = height;
    if (!allocate_slots(s) || !allocate_scratch(s)) {
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

static void run_step(struct cpu_state *s, const struct cpu_step *step)
{
    const struct cpu_kernels *k = s->model->kernels;
    const struct slot *from = &s->slots[step->in];
    const struct slot *to = &s->slots[step->out];
    const struct cpu_activation in = {
        .data = from->data,
        .sums = from->sums,
        .height = s->height / step->downscale_in,
        .width = s->width / step->downscale_in,
    };
    const struct cpu_activation out = {
        .data = to->data,
        .sums = step->sum_out ? to->sums : NULL,
        .height = cpu_step_extent(step, s->height),
        .width = cpu_step_extent(step, s->width),
    };

    if (step->kind == VAE_STEP_ATTENTION) {
        cpu_attention_run(k, &step->u.attention, &in, &out, &s->scratch);
        return;
    }
    int residual = step->u.conv.residual;
    cpu_conv_run(k, &step->u.conv, &in, residual < 0 ? NULL : s->slots[residual].data,
                 &out, &s->scratch);
}

/* Channels [first, first + C) of the last step's output -> (C, h, w) */
static void store_moment(const struct cpu_state *s, int first, float *out)
{
    const struct cpu_model *m = s->model;
    const size_t n = (size_t)(s->height / m->downscale) * (s->width / m->downscale);
    const float *in = s->slots[m->steps[m->n_steps - 1].out].data;

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
    const struct cpu_state *s = state;

    return s->model->steps[i].kind == VAE_STEP_CONV ? "direct" : "attention";
}

/* The last step's output -> (height, width, 3) bytes and, where not NULL, (3, height,
 * width) values. */
static void store_picture(const struct cpu_state *s, uint8_t *rgb, float *values)
{
    const struct cpu_model *m = s->model;
    const size_t n = (size_t)s->height * s->width;
    const float *in = s->slots[m->steps[m->n_steps - 1].out].data;

    for (size_t i = 0; i < n; i++)
        for (size_t c = 0; c < 3; c++) {
            float v = in[i * CPU_BLOCK + c] * m->output_scale + m->output_shift;
            rgb[3 * i + c] = vae_byte_of(v);
            if (values)
                values[c * n + i] = v;
        }
}

/* From slot 0 to the last step's. */
static int run_steps(struct cpu_state *s, const struct vae_cancel *cancel)
{
    const struct cpu_model *m = s->model;

    if (m->sum_input)
        sum_input(s);
    for (int step = 0; step < m->n_steps; step++) {
        if (vae_cancelled(cancel))
            return VAE_CANCELLED;
        run_step(s, &m->steps[step]);
    }
    return vae_cancelled(cancel) ? VAE_CANCELLED : VAE_OK;
}

static int cpu_encode(void *state, const struct image_batch *in, struct latent_batch *out,
                      const struct vae_cancel *cancel)
{
    struct cpu_state *s = state;
    const struct cpu_model *m = s->model;
    const size_t n = (size_t)m->latent_channels * (s->height / m->downscale) *
                     (s->width / m->downscale);

    if (in->width != s->width || in->height != s->height ||
        (out->logvar && !m->has_posterior))
        return VAE_EINVAL;
    for (int i = 0; i < in->n; i++) {
        load_image(s, in->rgb[i]);
        if (run_steps(s, cancel) != VAE_OK)
            return VAE_CANCELLED;
        store_moment(s, 0, out->mean + i * n);
        if (!out->logvar)
            continue;
        float *logvar = out->logvar + i * n;
        store_moment(s, m->latent_channels, logvar);
        for (size_t j = 0; j < n; j++)
            logvar[j] = vae_clamp_logvar(logvar[j]);
    }
    return VAE_OK;
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
        if (run_steps(s, cancel) != VAE_OK)
            return VAE_CANCELLED;
        store_picture(s, out->rgb[i], out->values ? out->values + i * n_values : NULL);
    }
    return VAE_OK;
}

const struct vae_backend vae_backend_cpu = {
    .name = "cpu",
    .numerics = "direct-1",
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
