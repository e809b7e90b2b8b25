/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/bench/bench_half.h"

#include <stdlib.h>

#include "tools/bench/bench_section.h"
#include "vae_encode/status.h"

struct bench_half {
    enum vae_part part;
    struct vae_encoder *encoder; /* one of these two */
    struct vae_decoder *decoder;
    int side, batch;
    uint8_t **rgb;    /* batch images (side, side, 3): in, or out */
    float *latents;   /* (batch, C, h, w): out, or in */
    float *values;    /* of a decoder: (batch, 3, side, side) */
    size_t n_latent;  /* values of one latent */
    size_t n_picture; /* values of one picture */
};

/* Waves and noise. */
static void paint(uint8_t *rgb, int side)
{
    uint64_t seed = 1;

    for (int y = 0; y < side; y++)
        for (int x = 0; x < side; x++)
            for (int c = 0; c < 3; c++) {
                int wave = (x * (c + 1) + 2 * y) % 256;

                *rgb++ = (uint8_t)((wave < 128 ? wave : 255 - wave) +
                                   (int)(bench_random(&seed) >> 57));
            }
}

static void fill_latents(float *latents, size_t n)
{
    uint64_t seed = 1;

    for (size_t i = 0; i < n; i++)
        latents[i] = bench_gaussian(&seed);
}

static int allocate(struct bench_half *h)
{
    size_t batch = (size_t)h->batch;

    h->rgb = calloc(batch, sizeof(*h->rgb));
    h->latents = malloc(batch * h->n_latent * sizeof(float));
    if (h->part == VAE_DECODER)
        h->values = malloc(batch * h->n_picture * sizeof(float));
    if (!h->rgb || !h->latents || (h->part == VAE_DECODER && !h->values))
        return -1;
    for (size_t i = 0; i < batch; i++) {
        h->rgb[i] = malloc(h->n_picture);
        if (!h->rgb[i])
            return -1;
        paint(h->rgb[i], h->side);
    }
    fill_latents(h->latents, batch * h->n_latent);
    return 0;
}

int bench_half_open(struct bench_half **out, const struct vae *vae, int side, int batch)
{
    const struct vae_info *info = vae_info(vae);
    struct bench_half *h = *out = calloc(1, sizeof(*h));
    size_t grid = (size_t)(side / info->downscale);
    int rc;

    if (!h)
        return -1;
    h->part = info->part;
    h->side = side;
    h->batch = batch;
    h->n_latent = (size_t)info->latent_channels * grid * grid;
    h->n_picture = (size_t)side * (size_t)side * 3;
    rc = h->part == VAE_DECODER ? vae_decoder_open(&h->decoder, vae, side, side)
                                : vae_encoder_open(&h->encoder, vae, side, side);
    return rc == VAE_OK ? allocate(h) : -1;
}

void bench_half_set_clock(struct bench_half *h, const struct vae_cancel *clock)
{
    if (h->decoder)
        vae_decoder_set_cancel(h->decoder, clock);
    else
        vae_encoder_set_cancel(h->encoder, clock);
}

int bench_half_n_layers(const struct bench_half *h)
{
    return h->decoder ? vae_decoder_n_layers(h->decoder)
                      : vae_encoder_n_layers(h->encoder);
}

struct vae_layer bench_half_layer(const struct bench_half *h, int i)
{
    return h->decoder ? vae_decoder_layer(h->decoder, i)
                      : vae_encoder_layer(h->encoder, i);
}

int bench_half_run(struct bench_half *h)
{
    struct picture_batch pictures = {.rgb = h->rgb, .values = h->values};
    struct image_batch images = {h->batch, h->side, h->side,
                                 (const uint8_t *const *)h->rgb};
    struct latent_batch latents = {.mean = h->latents};
    int rc = h->decoder ? vae_decode(h->decoder, h->latents, h->batch, &pictures)
                        : vae_encode(h->encoder, &images, &latents);

    return rc == VAE_OK ? 0 : -1;
}

const float *bench_half_values(const struct bench_half *h, size_t *n)
{
    *n = h->decoder ? h->n_picture : h->n_latent;
    return h->decoder ? h->values : h->latents;
}

const char *bench_half_why(const struct bench_half *h)
{
    const char *why = "";

    if (h)
        why = h->part == VAE_DECODER ? vae_decoder_why(h->decoder)
                                     : vae_encoder_why(h->encoder);
    return *why ? why : "out of memory";
}

void bench_half_close(struct bench_half *h)
{
    if (!h)
        return;
    vae_encoder_close(h->encoder);
    vae_decoder_close(h->decoder);
    for (int i = 0; h->rgb && i < h->batch; i++)
        free(h->rgb[i]);
    free(h->rgb);
    free(h->latents);
    free(h->values);
    free(h);
}
