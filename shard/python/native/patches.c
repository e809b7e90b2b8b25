/* SPDX-License-Identifier: Apache-2.0 */
#include "shard/python/native/patches.h"

#include <string.h>

#include "shard/record.h"

/* Exact for every fp16: a multiplication normalizes what has no implicit bit. */
static inline float half_to_float(uint16_t half)
{
    uint32_t bits = (uint32_t)(half & 0x7FFF) << 13;
    uint32_t special = (half & 0x7C00) == 0x7C00 ? 0x7F800000 : 0;
    float value;

    memcpy(&value, &bits, sizeof(value));
    value *= 0x1p112F;
    memcpy(&bits, &value, sizeof(bits));
    bits |= special | (uint32_t)(half & 0x8000) << 16;
    memcpy(&value, &bits, sizeof(value));
    return value;
}

static inline float bfloat_to_float(uint16_t half)
{
    uint32_t bits = (uint32_t)half << 16;
    float value;

    memcpy(&value, &bits, sizeof(value));
    return value;
}

/* One channel, n values, as fp32; the source need not be aligned. */
static void scale_channel(const struct patch_job *job, size_t channel, size_t n,
                          float *out)
{
    const char *from = job->latent;
    float scale = job->scale[job->n_scale > 1 ? channel : 0];
    float shift = job->shift[job->n_scale > 1 ? channel : 0];

    if (job->dtype == SHARD_FP32) {
        memcpy(out, from + channel * n * sizeof(float), n * sizeof(float));
        for (size_t i = 0; i < n; i++)
            out[i] = (out[i] - shift) * scale;
        return;
    }
    from += channel * n * sizeof(uint16_t);
    for (size_t i = 0; i < n; i++) {
        uint16_t half;
        memcpy(&half, from + i * sizeof(half), sizeof(half));
        float value =
            job->dtype == SHARD_FP16 ? half_to_float(half) : bfloat_to_float(half);
        out[i] = (value - shift) * scale;
    }
}

/* The k * k * C values of the patch whose first cell of channel 0 is `cell`. */
static float *put_patch(const struct patch_job *job, const float *cell, float *out)
{
    size_t plane = job->height * job->width, k = job->window;

    if (job->channel_first) {
        for (size_t c = 0; c < job->channels; c++)
            for (size_t p = 0; p < k; p++)
                for (size_t q = 0; q < k; q++)
                    *out++ = cell[c * plane + p * job->width + q];
        return out;
    }
    for (size_t p = 0; p < k; p++)
        for (size_t q = 0; q < k; q++)
            for (size_t c = 0; c < job->channels; c++)
                *out++ = cell[c * plane + p * job->width + q];
    return out;
}

void patches_cut(const struct patch_job *job, float *scratch, float *out)
{
    size_t plane = job->height * job->width;

    for (size_t c = 0; c < job->channels; c++)
        scale_channel(job, c, plane, scratch + c * plane);
    for (size_t y = 0; y < job->height; y += job->window)
        for (size_t x = 0; x < job->width; x += job->window)
            out = put_patch(job, scratch + y * job->width + x, out);
}
