/* SPDX-License-Identifier: Apache-2.0
 * shard/python/native/patches.h - internal to shard/python/: a stored latent -> the
 * patches a model is given.
 *
 *     out[(y, x)][...] = (raw - shift) * scale, in fp32, by shard_scale_of()
 *
 * patches left to right, top to bottom; of each its k * k * C values by row, column and
 * channel, or by channel, row and column. Knows nothing of Python. */
#ifndef SHARD_PYTHON_NATIVE_PATCHES_H
#define SHARD_PYTHON_NATIVE_PATCHES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct patch_job {
    const void *latent; /* (C, H, W), of dtype */
    uint32_t dtype;     /* SHARD_FP16, SHARD_BF16 or SHARD_FP32 */
    size_t channels, height, width;
    size_t window;              /* k; divides height and width */
    bool channel_first;         /* order of a patch's values */
    const float *scale, *shift; /* n_scale each: 1, C or C p p */
    size_t n_scale;
    size_t scale_window; /* p: as in struct shard_encoder */
};

/* Whether the job can be done, of a latent of n_bytes; *n is how many values it has. */
bool patches_fit(const struct patch_job *job, size_t n_bytes, size_t *n);

/* Fills out, C * H * W values; `scratch` has C * W. */
void patches_cut(const struct patch_job *job, float *scratch, float *out);

/* The same values as (C, H, W). */
void patches_scale(const struct patch_job *job, float *out);

/* One value of that dtype as a float, which need not be aligned. */
float patches_value(const void *value, uint32_t dtype);

#endif
