/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/view/tensor.h"

#include <math.h>
#include <string.h>

#include "shard/float16.h"
#include "shard/record.h"

/* One value, from any address. */
static double value_at(uint32_t dtype, const unsigned char *at)
{
    uint16_t u16;
    uint32_t u32;
    int32_t i32;
    float f;

    switch (dtype) {
    case SHARD_U8:
        return *at;
    case SHARD_U16:
        memcpy(&u16, at, sizeof(u16));
        return u16;
    case SHARD_U32:
        memcpy(&u32, at, sizeof(u32));
        return u32;
    case SHARD_I32:
        memcpy(&i32, at, sizeof(i32));
        return i32;
    case SHARD_FP16:
        memcpy(&u16, at, sizeof(u16));
        shard_fp16_to_fp32(&u16, &f, 1);
        return (double)f;
    case SHARD_BF16:
        memcpy(&u16, at, sizeof(u16));
        shard_bf16_to_fp32(&u16, &f, 1);
        return (double)f;
    default:
        memcpy(&f, at, sizeof(f));
        return (double)f;
    }
}

void tensor_values(uint32_t dtype, const void *data, size_t n, double *out)
{
    const unsigned char *at = data;
    const size_t size = shard_dtype_width(dtype);

    for (size_t i = 0; i < n; i++)
        out[i] = value_at(dtype, at + i * size);
}

struct tensor_stats tensor_stats(const double *values, size_t n)
{
    struct tensor_stats s = {.min = values[0], .max = values[0]};
    double sum = 0, squares = 0;

    for (size_t i = 0; i < n; i++) {
        sum += values[i];
        if (values[i] < s.min)
            s.min = values[i];
        if (values[i] > s.max)
            s.max = values[i];
    }
    s.mean = sum / (double)n;
    for (size_t i = 0; i < n; i++) {
        const double d = values[i] - s.mean;
        squares += d * d;
    }
    s.std = sqrt(squares / (double)n);
    return s;
}
