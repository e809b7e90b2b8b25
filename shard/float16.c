/* SPDX-License-Identifier: Apache-2.0 */
#include "shard/float16.h"

#include <string.h>

static uint32_t float_bits(float f)
{
    uint32_t u;
    memcpy(&u, &f, sizeof(u));
    return u;
}

static float bits_float(uint32_t u)
{
    float f;
    memcpy(&f, &u, sizeof(f));
    return f;
}

/* Drops the low `bits` bits of v, rounding to nearest, ties to even. 1 <= bits <= 31. */
static uint32_t round_off(uint32_t v, unsigned bits)
{
    uint32_t half = UINT32_C(1) << (bits - 1);
    uint32_t odd = (v >> bits) & 1;

    return (v + half - 1 + odd) >> bits;
}

static uint16_t to_fp16(float f)
{
    uint32_t u = float_bits(f);
    uint16_t sign = (uint16_t)(u >> 16 & 0x8000);
    uint32_t magnitude = u & 0x7FFFFFFF;
    int exponent = (int)(magnitude >> 23) - 127;

    if (magnitude > 0x7F800000)
        return (uint16_t)(sign | 0x7E00); /* NaN */
    if (exponent > 15)
        return (uint16_t)(sign | 0x7C00);
    if (exponent >= -14) /* a carry out of the mantissa raises the exponent, up to Inf */
        return (uint16_t)(sign | round_off(magnitude - (UINT32_C(112) << 23), 13));
    if (exponent < -25)
        return sign;
    uint32_t mantissa = (magnitude & 0x7FFFFF) | 0x800000;
    return (uint16_t)(sign | round_off(mantissa, (unsigned)(-1 - exponent)));
}

static float from_fp16(uint16_t h)
{
    uint32_t sign = (uint32_t)(h & 0x8000) << 16;
    uint32_t exponent = h >> 10 & 0x1F;
    uint32_t mantissa = h & 0x3FF;

    if (exponent == 31)
        return bits_float(sign | 0x7F800000 | mantissa << 13);
    if (exponent > 0)
        return bits_float(sign | (exponent + 112) << 23 | mantissa << 13);
    float subnormal = (float)mantissa * 0x1p-24f; /* exact */
    return bits_float(sign | float_bits(subnormal));
}

size_t shard_fp32_to_fp16(const float *in, uint16_t *out, size_t n)
{
    size_t bad = 0;

    for (size_t i = 0; i < n; i++) {
        out[i] = to_fp16(in[i]);
        bad += (out[i] & 0x7C00) == 0x7C00;
    }
    return bad;
}

size_t shard_fp32_to_bf16(const float *in, uint16_t *out, size_t n)
{
    size_t bad = 0;

    for (size_t i = 0; i < n; i++) {
        uint32_t u = float_bits(in[i]);
        if ((u & 0x7FFFFFFF) > 0x7F800000)
            out[i] = (uint16_t)(u >> 16 | 0x0040); /* NaN stays NaN */
        else
            out[i] = (uint16_t)round_off(u, 16);
        bad += (out[i] & 0x7F80) == 0x7F80;
    }
    return bad;
}

void shard_fp16_to_fp32(const uint16_t *in, float *out, size_t n)
{
    for (size_t i = 0; i < n; i++)
        out[i] = from_fp16(in[i]);
}

void shard_bf16_to_fp32(const uint16_t *in, float *out, size_t n)
{
    for (size_t i = 0; i < n; i++)
        out[i] = bits_float((uint32_t)in[i] << 16);
}
