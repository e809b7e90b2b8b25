/* SPDX-License-Identifier: Apache-2.0 */
#include "shard/python/native/patches.h"

#include <string.h>

#include "shard/parts.h"
#include "shard/record.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

enum { MAX_SIDE = 1 << 16 };

/* Exact for every fp16. No float on the way is a subnormal, which trainers may have their
 * CPU take for 0 (torch.set_flush_denormal()): those of fp16 get the implicit bit that
 * they lack, which is then subtracted again. */
static inline float half_to_float(uint16_t half)
{
    uint32_t magnitude = half & 0x7FFF;
    uint32_t special = magnitude >= 0x7C00 ? 0x7F800000 : 0;
    uint32_t lacking = magnitude < 0x0400 ? UINT32_MAX : 0;
    uint32_t least = UINT32_C(0x38800000) & lacking; /* 2^-14, the least normal fp16 */
    uint32_t bits = ((magnitude << 13) + (112U << 23)) | special | least;
    float value, implicit;

    memcpy(&value, &bits, sizeof(value));
    memcpy(&implicit, &least, sizeof(implicit));
    value -= implicit;
    memcpy(&bits, &value, sizeof(bits));
    bits |= (uint32_t)(half & 0x8000) << 16;
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

float patches_value(const void *value, uint32_t dtype)
{
    float single;
    uint16_t half;

    if (dtype == SHARD_FP32) {
        memcpy(&single, value, sizeof(single));
        return single;
    }
    memcpy(&half, value, sizeof(half));
    return dtype == SHARD_FP16 ? half_to_float(half) : bfloat_to_float(half);
}

bool patches_fit(const struct patch_job *job, size_t n_bytes, size_t *n)
{
    const size_t k = job->window, p = job->scale_window;
    const bool is_float =
        job->dtype == SHARD_FP16 || job->dtype == SHARD_BF16 || job->dtype == SHARD_FP32;

    if (!is_float || k == 0 || k > MAX_SIDE || p == 0 || p > MAX_SIDE ||
        job->channels == 0 || job->channels > MAX_SIDE || job->height == 0 ||
        job->height > MAX_SIDE || job->width == 0 || job->width > MAX_SIDE ||
        job->height % k != 0 || job->width % k != 0)
        return false;
    *n = job->channels * job->height * job->width; /* at most 2^48 */
    return n_bytes == *n * shard_dtype_width(job->dtype) &&
           ((job->n_scale == 1 && p == 1) || job->n_scale == job->channels * p * p);
}

/* Every step-th value of a row from the first on, as fp32, by one scale and shift. */
static inline void scale_every(const struct patch_job *job, const char *from,
                               size_t first, size_t step, size_t which, float *out)
{
    const float scale = job->scale[which], shift = job->shift[which];
    const bool is_fp16 = job->dtype == SHARD_FP16;

    if (job->dtype == SHARD_FP32) {
        for (size_t x = first; x < job->width; x += step) {
            float value;
            memcpy(&value, from + x * sizeof(value), sizeof(value));
            out[x] = (value - shift) * scale;
        }
        return;
    }
    for (size_t x = first; x < job->width; x += step) {
        uint16_t half;
        memcpy(&half, from + x * sizeof(half), sizeof(half));
        float value = is_fp16 ? half_to_float(half) : bfloat_to_float(half);
        out[x] = (value - shift) * scale;
    }
}

#if defined(__x86_64__)
/* The same of contiguous fp16, 8 at a time; how many were done. The processor converts
 * subnormals whatever a trainer set. */
__attribute__((target("avx,f16c"))) static size_t
scale_halves(const char *from, size_t n, float scale, float shift, float *out)
{
    const __m256 scales = _mm256_set1_ps(scale), shifts = _mm256_set1_ps(shift);
    size_t x = 0;

    for (; x + 8 <= n; x += 8) {
        const __m128i halves = _mm_loadu_si128((const __m128i *)(from + 2 * x));
        const __m256 moved = _mm256_sub_ps(_mm256_cvtph_ps(halves), shifts);
        _mm256_storeu_ps(out + x, _mm256_mul_ps(moved, scales));
    }
    return x;
}

/* Every processor with AVX2 has F16C, by which name clang 14 does not know it. (Asking
 * the processor itself each time takes microseconds in a virtual machine.) */
static bool has_f16c(void)
{
    return __builtin_cpu_supports("avx2");
}
#else
static size_t scale_halves(const char *from, size_t n, float scale, float shift,
                           float *out)
{
    (void)from, (void)n, (void)scale, (void)shift, (void)out;
    return 0;
}

static bool has_f16c(void)
{
    return false;
}
#endif

/* Row y of one channel, as fp32; the source need not be aligned. */
static void scale_row(const struct patch_job *job, size_t channel, size_t y, float *out)
{
    const size_t p = job->scale_window, n = job->n_scale;
    const size_t at = (channel * job->height + y) * job->width;
    const char *from = (const char *)job->latent + at * shard_dtype_width(job->dtype);

    if (p == 1) { /* a loop of its own, which the compiler makes vectors of */
        const size_t which = shard_scale_of(n, p, channel, y, 0);
        size_t done = 0;
        if (job->dtype == SHARD_FP16 && has_f16c())
            done =
                scale_halves(from, job->width, job->scale[which], job->shift[which], out);
        if (done < job->width)
            scale_every(job, from, done, 1, which, out);
        return;
    }
    for (size_t x = 0; x < p; x++)
        scale_every(job, from, x, p, shard_scale_of(n, p, channel, y, x), out);
}

#if defined(__x86_64__)
/* 4 channels from c on of all pixels of a row, where their values go side by side. */
static void put_four(const struct patch_job *job, const float *row, size_t c, float *out)
{
    const size_t k = job->window, width = job->width, channels = job->channels;
    size_t q = 0; /* column within the patch */

    out += c;
    for (size_t x = 0; x < width; x += 4) {
        const float *from = row + c * width + x;
        __m128 a = _mm_loadu_ps(from), b = _mm_loadu_ps(from + width);
        __m128 d = _mm_loadu_ps(from + 2 * width), e = _mm_loadu_ps(from + 3 * width);
        _MM_TRANSPOSE4_PS(a, b, d, e);
        const __m128 of_pixel[] = {a, b, d, e};
        for (size_t i = 0; i < 4; i++) {
            _mm_storeu_ps(out + q * channels, of_pixel[i]);
            if (++q < k)
                continue;
            q = 0;
            out += k * k * channels;
        }
    }
}

static bool put_fours(const struct patch_job *job, const float *row, float *out)
{
    if (job->channel_first || job->channels % 4 != 0 || job->width % 4 != 0)
        return false;
    for (size_t c = 0; c < job->channels; c += 4)
        put_four(job, row, c, out);
    return true;
}
#else
static bool put_fours(const struct patch_job *job, const float *row, float *out)
{
    (void)job, (void)row, (void)out;
    return false;
}
#endif

/* Puts a row of all channels, (C, W), into the patches that it goes through; `out` is
 * where its first value goes. */
static void put_row(const struct patch_job *job, const float *row, float *out)
{
    size_t k = job->window, channels = job->channels, width = job->width;
    size_t to_next_channel = job->channel_first ? k * k : 1;
    size_t to_next_column = job->channel_first ? 1 : channels;

    if (put_fours(job, row, out))
        return;
    for (size_t x = 0; x < width; x += k, out += k * k * channels)
        for (size_t q = 0; q < k; q++)
            for (size_t c = 0; c < channels; c++)
                out[q * to_next_column + c * to_next_channel] = row[c * width + x + q];
}

void patches_cut(const struct patch_job *job, float *scratch, float *out)
{
    size_t k = job->window, to_next_row = job->channel_first ? k : k * job->channels;

    for (size_t y = 0; y < job->height; y++) {
        for (size_t c = 0; c < job->channels; c++)
            scale_row(job, c, y, scratch + c * job->width);
        put_row(job, scratch,
                out + y / k * k * job->width * job->channels + y % k * to_next_row);
    }
}

void patches_scale(const struct patch_job *job, float *out)
{
    for (size_t c = 0; c < job->channels; c++)
        for (size_t y = 0; y < job->height; y++)
            scale_row(job, c, y, out + (c * job->height + y) * job->width);
}
