/* SPDX-License-Identifier: Apache-2.0
 * The referee: every step as its definition reads, one image after the other, in plain
 * loops. Sums run in double and are rounded to fp32 once a step, so that it is closer to
 * the true result than any engine it judges. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "vae_encode/backend.h"
#include "vae_encode/cpu/exact_exp.h"
#include "vae_encode/status.h"

struct ref_packed {
    struct vae_graph graph; /* steps and weights are its own copies */
    float **weights;
    size_t n_weights;
    uint64_t n_bytes;
};

struct ref_state {
    const struct vae_graph *graph;
    int width, height;
    float *slots[VAE_MAX_SLOTS]; /* (C, H, W) of the largest tensor each will hold */
    double *padded;              /* a convolution's input; attention's q, k, v */
    double *sums;                /* one output plane; one row of attention scores */
};

enum { POINTERS_PER_STEP = 10 };

static double silu(double x)
{
    return x / (1 + exact_exp(-x));
}

/* out (C, h, w) with `stride` between rows and `plane` between channels; each pixel of
 * the input becomes upscale x upscale of them. */
struct target {
    double *out;
    size_t stride, plane;
    int upscale;
};

static void copy_normed(const float *in, int channels, int h, int w,
                        const struct vae_norm *norm, struct target to)
{
    int groups = norm->groups ? norm->groups : channels;
    int per_group = channels / groups;
    size_t n = (size_t)h * (size_t)w;

    for (int g = 0; g < groups; g++) {
        const float *first = in + (size_t)g * (size_t)per_group * n;
        size_t count = (size_t)per_group * n;
        double mean = 0, variance = 0, inverse = 1;
        if (norm->groups) {
            for (size_t i = 0; i < count; i++)
                mean += first[i];
            mean /= (double)count;
            for (size_t i = 0; i < count; i++)
                variance += (first[i] - mean) * (first[i] - mean);
            inverse = 1 / sqrt(variance / (double)count + (double)norm->eps);
        }
        for (int c = g * per_group; c < (g + 1) * per_group; c++) {
            double weight = norm->groups ? norm->weight[c] : 1;
            double bias = norm->groups ? norm->bias[c] : 0;
            for (int y = 0; y < h * to.upscale; y++)
                for (int x = 0; x < w * to.upscale; x++) {
                    double v = in[(size_t)c * n + (size_t)(y / to.upscale) * (size_t)w +
                                  (size_t)(x / to.upscale)];
                    v = (v - mean) * inverse * weight + bias;
                    to.out[(size_t)c * to.plane + (size_t)y * to.stride + (size_t)x] =
                        norm->silu ? silu(v) : v;
                }
        }
    }
}

/* One output channel into s->sums (h, w); s->padded is (c_in, rows, stride). */
static void conv_plane(struct ref_state *s, const struct vae_conv *conv, int c_out, int h,
                       int w, size_t stride, size_t plane)
{
    const float *weight =
        conv->weight + (size_t)c_out * (size_t)(conv->c_in * conv->kernel * conv->kernel);
    double bias = conv->bias ? conv->bias[c_out] : 0;

    for (int i = 0; i < h * w; i++)
        s->sums[i] = bias;
    for (int c = 0; c < conv->c_in; c++)
        for (int ky = 0; ky < conv->kernel; ky++)
            for (int kx = 0; kx < conv->kernel; kx++) {
                double k = *weight++;
                for (int y = 0; y < h; y++) {
                    double *sums = s->sums + (size_t)y * (size_t)w;
                    const double *in = s->padded + (size_t)c * plane +
                                       (size_t)(y * conv->stride + ky) * stride +
                                       (size_t)kx;
                    if (conv->stride == 1)
                        for (int x = 0; x < w; x++)
                            sums[x] += k * in[x];
                    else
                        for (int x = 0; x < w; x++)
                            sums[x] += k * in[x * conv->stride];
                }
            }
}

static void run_conv(struct ref_state *s, const struct vae_step *step, int h, int w)
{
    const struct vae_conv *conv = &step->u.conv;
    int up = conv->upscale;
    size_t stride = (size_t)(w * up) + 2, plane = stride * ((size_t)(h * up) + 2);
    size_t pad = (size_t)conv->pad_before;
    int h_out = h * up / conv->stride, w_out = w * up / conv->stride;
    size_t n = (size_t)h_out * (size_t)w_out;
    struct target to = {s->padded + pad * stride + pad, stride, plane, up};

    memset(s->padded, 0, (size_t)conv->c_in * plane * sizeof(*s->padded));
    copy_normed(s->slots[step->in], conv->c_in, h, w, &conv->norm, to);
    for (int c = 0; c < conv->c_out; c++) {
        float *out = s->slots[step->out] + (size_t)c * n;
        const float *residual =
            conv->residual < 0 ? NULL : s->slots[conv->residual] + (size_t)c * n;
        conv_plane(s, conv, c, h_out, w_out, stride, plane);
        for (size_t i = 0; i < n; i++) {
            double v = s->sums[i] + (residual ? residual[i] : 0);
            out[i] = (float)(conv->relu && v < 0 ? 0 : v);
        }
    }
}

/* out (C, n) = weight (C, C) in (C, n) + bias */
static void linear(double *out, const double *in, const float *weight, const float *bias,
                   int channels, size_t n)
{
    for (int c = 0; c < channels; c++) {
        double *row = out + (size_t)c * n;
        for (size_t i = 0; i < n; i++)
            row[i] = bias[c];
        for (int k = 0; k < channels; k++) {
            double w = weight[(size_t)c * (size_t)channels + (size_t)k];
            for (size_t i = 0; i < n; i++)
                row[i] += w * in[(size_t)k * n + i];
        }
    }
}

static void softmax(double *scores, size_t n)
{
    double max = scores[0], sum = 0;

    for (size_t i = 1; i < n; i++)
        max = scores[i] > max ? scores[i] : max;
    for (size_t i = 0; i < n; i++) {
        scores[i] = exact_exp(scores[i] - max);
        sum += scores[i];
    }
    for (size_t i = 0; i < n; i++)
        scores[i] /= sum;
}

static void run_attention(struct ref_state *s, const struct vae_step *step, int h, int w)
{
    const struct vae_attention *a = &step->u.attention;
    size_t n = (size_t)h * (size_t)w, tensor = (size_t)a->channels * n;
    double *x = s->padded, *q = x + tensor, *k = q + tensor, *v = k + tensor;
    double scale = 1 / sqrt((double)a->channels);
    const float *in = s->slots[step->in];
    float *out = s->slots[step->out];

    copy_normed(in, a->channels, h, w, &a->norm, (struct target){x, (size_t)w, n, 1});
    linear(q, x, a->q_weight, a->q_bias, a->channels, n);
    linear(k, x, a->k_weight, a->k_bias, a->channels, n);
    linear(v, x, a->v_weight, a->v_bias, a->channels, n);
    for (size_t i = 0; i < n; i++) {
        memset(s->sums, 0, n * sizeof(*s->sums));
        for (int c = 0; c < a->channels; c++)
            for (size_t j = 0; j < n; j++)
                s->sums[j] += q[(size_t)c * n + i] * k[(size_t)c * n + j];
        for (size_t j = 0; j < n; j++)
            s->sums[j] *= scale;
        softmax(s->sums, n);
        for (int c = 0; c < a->channels; c++) {
            double sum = 0;
            for (size_t j = 0; j < n; j++)
                sum += s->sums[j] * v[(size_t)c * n + j];
            x[(size_t)c * n + i] = sum; /* its normed input is used up */
        }
    }
    linear(q, x, a->proj_weight, a->proj_bias, a->channels, n);
    for (size_t i = 0; i < tensor; i++)
        out[i] = (float)(in[i] + q[i]);
}

static void load_image(const struct vae_graph *g, const uint8_t *rgb, size_t n,
                       float *out)
{
    for (size_t i = 0; i < n; i++)
        for (size_t c = 0; c < 3; c++)
            out[c * n + i] = (float)rgb[3 * i + c] * g->input_scale + g->input_shift;
}

static const char *ref_algorithm(const void *state, int i)
{
    const struct ref_state *s = state;

    return s->graph->steps[i].kind == VAE_STEP_CONV ? "direct" : "attention";
}

/* From slot 0 to the last step's slot. */
static int run_steps(struct ref_state *s, const struct vae_cancel *cancel)
{
    for (int i = 0; i < s->graph->n_steps; i++) {
        const struct vae_step *step = &s->graph->steps[i];
        int h = s->height / step->downscale_in, w = s->width / step->downscale_in;
        if (vae_cancelled(cancel, i))
            return VAE_CANCELLED;
        if (step->kind == VAE_STEP_CONV)
            run_conv(s, step, h, w);
        else
            run_attention(s, step, h, w);
    }
    return vae_cancelled(cancel, s->graph->n_steps) ? VAE_CANCELLED : VAE_OK;
}

static const float *result_of(const struct ref_state *s)
{
    return s->slots[s->graph->steps[s->graph->n_steps - 1].out];
}

static int ref_encode(void *state, const struct image_batch *in, struct latent_batch *out,
                      const struct vae_cancel *cancel)
{
    struct ref_state *s = state;
    const struct vae_graph *g = s->graph;
    const float *moments = result_of(s);
    size_t n_pixels = (size_t)s->width * (size_t)s->height;
    size_t n_latent = n_pixels / (size_t)g->downscale / (size_t)g->downscale *
                      (size_t)g->latent_channels;

    for (int i = 0; i < in->n; i++) {
        size_t at = (size_t)i * n_latent;
        load_image(g, in->rgb[i], n_pixels, s->slots[0]);
        if (run_steps(s, cancel) != VAE_OK)
            return VAE_CANCELLED;
        memcpy(out->mean + at, moments, n_latent * sizeof(*moments));
        if (out->logvar)
            for (size_t k = 0; k < n_latent; k++)
                out->logvar[at + k] = vae_clamp_logvar(moments[n_latent + k]);
    }
    return VAE_OK;
}

static int ref_decode(void *state, const float *latents, int n,
                      const struct picture_batch *out, const struct vae_cancel *cancel)
{
    struct ref_state *s = state;
    const struct vae_graph *g = s->graph;
    const float *result = result_of(s);
    size_t n_pixels = (size_t)s->width * (size_t)s->height;
    size_t n_latent = n_pixels / (size_t)g->downscale / (size_t)g->downscale *
                      (size_t)g->latent_channels;

    for (size_t i = 0; i < (size_t)n; i++) {
        for (size_t k = 0; k < n_latent; k++)
            s->slots[0][k] = exact_squash(latents[i * n_latent + k], g->input_bound);
        if (run_steps(s, cancel) != VAE_OK)
            return VAE_CANCELLED;
        for (size_t c = 0; c < 3; c++)
            for (size_t k = 0; k < n_pixels; k++) {
                float v = result[c * n_pixels + k] * g->output_scale + g->output_shift;
                out->rgb[i][3 * k + c] = vae_byte_of(v);
                if (out->values)
                    out->values[(3 * i + c) * n_pixels + k] = v;
            }
    }
    return VAE_OK;
}

static void ref_close(void *state)
{
    struct ref_state *s = state;

    if (!s)
        return;
    for (int i = 0; i < VAE_MAX_SLOTS; i++)
        free(s->slots[i]);
    free(s->padded);
    free(s->sums);
    free(s);
}

static size_t max_size(size_t a, size_t b)
{
    return a > b ? a : b;
}

/* Sides are at most 2^15 and channels 2^14, so that no product passes 2^52. */
static int ref_open(void **state, const void *packed, int width, int height)
{
    const struct vae_graph *g = &((const struct ref_packed *)packed)->graph;
    size_t f = (size_t)vae_graph_input_downscale(g);
    size_t slots[VAE_MAX_SLOTS] = {(size_t)vae_graph_input_channels(g) *
                                   ((size_t)width / f) * ((size_t)height / f)};
    size_t padded = 0;
    struct ref_state *s = calloc(1, sizeof(*s));

    *state = s;
    if (!s)
        return VAE_ENOMEM;
    s->graph = g;
    s->width = width;
    s->height = height;
    for (int i = 0; i < g->n_steps; i++) {
        const struct vae_step *step = &g->steps[i];
        size_t h = (size_t)(height / step->downscale_in);
        size_t w = (size_t)(width / step->downscale_in);
        if (step->kind == VAE_STEP_CONV) {
            const struct vae_conv *c = &step->u.conv;
            h *= (size_t)c->upscale;
            w *= (size_t)c->upscale;
            slots[step->out] = max_size(slots[step->out], (size_t)c->c_out * h * w);
            padded = max_size(padded, (size_t)c->c_in * (h + 2) * (w + 2));
        } else {
            size_t tensor = (size_t)step->u.attention.channels * h * w;
            slots[step->out] = max_size(slots[step->out], tensor);
            padded = max_size(padded, 4 * tensor);
        }
    }
    for (int i = 0; i < g->n_slots; i++) {
        s->slots[i] = calloc(slots[i] + 1, sizeof(float));
        if (!s->slots[i])
            return VAE_ENOMEM;
    }
    s->padded = calloc(padded, sizeof(double));
    s->sums = calloc((size_t)width * (size_t)height, sizeof(double));
    return s->padded && s->sums ? VAE_OK : VAE_ENOMEM;
}

static void ref_free_packed(void *packed)
{
    struct ref_packed *p = packed;

    if (!p)
        return;
    for (size_t i = 0; i < p->n_weights; i++)
        free(p->weights[i]);
    free(p->weights);
    free(p->graph.steps);
    free(p);
}

/* Replaces *weight, n values, by a copy of the packed model's own. */
static bool own(struct ref_packed *p, const float **weight, int n_rows, int n_columns)
{
    size_t n = (size_t)n_rows * (size_t)n_columns;
    float *copy;

    if (!*weight)
        return true;
    copy = malloc(n * sizeof(*copy));
    if (!copy)
        return false;
    memcpy(copy, *weight, n * sizeof(*copy));
    *weight = copy;
    p->weights[p->n_weights++] = copy;
    p->n_bytes += n * sizeof(*copy);
    return true;
}

static bool own_norm(struct ref_packed *p, struct vae_norm *norm, int channels)
{
    return own(p, &norm->weight, channels, 1) && own(p, &norm->bias, channels, 1);
}

static bool own_step(struct ref_packed *p, struct vae_step *step)
{
    struct vae_conv *c = &step->u.conv;
    struct vae_attention *a = &step->u.attention;
    int n = a->channels;

    step->name = NULL;
    if (step->kind == VAE_STEP_CONV)
        return own(p, &c->weight, c->c_out, c->c_in * c->kernel * c->kernel) &&
               own(p, &c->bias, c->c_out, 1) && own_norm(p, &c->norm, c->c_in);
    return own(p, &a->q_weight, n, n) && own(p, &a->q_bias, n, 1) &&
           own(p, &a->k_weight, n, n) && own(p, &a->k_bias, n, 1) &&
           own(p, &a->v_weight, n, n) && own(p, &a->v_bias, n, 1) &&
           own(p, &a->proj_weight, n, n) && own(p, &a->proj_bias, n, 1) &&
           own_norm(p, &a->norm, n);
}

static int ref_pack(void **packed, const struct vae_graph *g, const char *isa)
{
    struct ref_packed *p;
    size_t n = (size_t)g->n_steps;

    *packed = NULL;
    if (isa && strcmp(isa, "portable") != 0)
        return VAE_EINVAL;
    p = calloc(1, sizeof(*p));
    if (!p)
        return VAE_ENOMEM;
    p->graph = *g;
    p->graph.steps = malloc(n * sizeof(*g->steps));
    p->weights = calloc(n * POINTERS_PER_STEP, sizeof(*p->weights));
    if (!p->graph.steps || !p->weights)
        goto no_memory;
    memcpy(p->graph.steps, g->steps, n * sizeof(*g->steps));
    for (size_t i = 0; i < n; i++)
        if (!own_step(p, &p->graph.steps[i]))
            goto no_memory;
    *packed = p;
    return VAE_OK;

no_memory:
    ref_free_packed(p);
    return VAE_ENOMEM;
}

static const char *ref_isa(const void *packed)
{
    (void)packed;
    return "portable";
}

static uint64_t ref_packed_bytes(const void *packed)
{
    return ((const struct ref_packed *)packed)->n_bytes;
}

const struct vae_backend vae_backend_ref = {
    .name = "ref",
    .numerics = "ref-1",
    .pack = ref_pack,
    .isa = ref_isa,
    .packed_bytes = ref_packed_bytes,
    .open = ref_open,
    .algorithm = ref_algorithm,
    .encode = ref_encode,
    .decode = ref_decode,
    .close = ref_close,
    .free_packed = ref_free_packed,
};
