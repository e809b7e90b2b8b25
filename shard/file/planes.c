/* SPDX-License-Identifier: Apache-2.0 */
#include "shard/file/planes.h"

#include <string.h>

#include "shard/file/wire.h"
#include "shard/record.h"

uint32_t shard_dtype_planes(uint32_t dtype)
{
    switch (dtype) {
    case SHARD_FP16:
    case SHARD_BF16:
    case SHARD_FP32:
        return shard_dtype_width(dtype);
    default:
        return 1;
    }
}

/* Ids and float32: one pass over n values, as the compiler's vectors like it. */
static void split4(const unsigned char *restrict in, unsigned char *restrict out,
                   size_t n)
{
    unsigned char *second = out + n, *third = second + n, *high = third + n;

    for (size_t i = 0; i < n; i++) {
        const uint32_t value = wire_load_u32(in + 4 * i);
        out[i] = (unsigned char)value;
        second[i] = (unsigned char)(value >> 8);
        third[i] = (unsigned char)(value >> 16);
        high[i] = (unsigned char)(value >> 24);
    }
}

static void join4(const unsigned char *restrict in, unsigned char *restrict out, size_t n)
{
    const unsigned char *second = in + n, *third = second + n, *high = third + n;

    for (size_t i = 0; i < n; i++)
        wire_put_u32(out + 4 * i, in[i] | (uint32_t)second[i] << 8 |
                                      (uint32_t)third[i] << 16 | (uint32_t)high[i] << 24);
}

void shard_planes_split(const unsigned char *in, unsigned char *out, size_t bytes,
                        uint32_t width)
{
    size_t n = bytes / width;

    if (width == 4) {
        split4(in, out, n);
        return;
    }
    for (uint32_t plane = 0; plane < width; plane++) {
        unsigned char *to = out + plane * n;
        for (size_t i = 0; i < n; i++)
            to[i] = in[i * width + plane];
    }
}

/* The trainer's hot path: two planes written as the compiler's vectors like them. */
static void join2(const unsigned char *in, unsigned char *out, size_t n)
{
    const unsigned char *high = in + n;

    for (size_t i = 0; i < n; i++) {
        out[2 * i] = in[i];
        out[2 * i + 1] = high[i];
    }
}

void shard_planes_join(const unsigned char *in, unsigned char *out, size_t bytes,
                       uint32_t width)
{
    size_t n = bytes / width;

    if (width == 1) {
        if (bytes > 0)
            memcpy(out, in, bytes);
    } else if (width == 2) {
        join2(in, out, n);
    } else if (width == 4) {
        join4(in, out, n);
    } else {
        for (size_t i = 0; i < n; i++)
            for (uint32_t plane = 0; plane < width; plane++)
                out[i * width + plane] = in[plane * n + i];
    }
}
