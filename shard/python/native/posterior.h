/* SPDX-License-Identifier: Apache-2.0
 * shard/python/native/posterior.h - internal to shard/python/: a sample of a normal
 * distribution that a mean and a log-variance describe.
 *
 *     mean + exp(logvar / 2) * eps(key, i)
 *
 * eps is a function of the key and of the value's place alone, by IEEE arithmetic without
 * a math library: the same bits on every machine. Knows nothing of Python. */
#ifndef SHARD_PYTHON_NATIVE_POSTERIOR_H
#define SHARD_PYTHON_NATIVE_POSTERIOR_H

#include <stddef.h>
#include <stdint.h>

/* n values of the same dtype: SHARD_FP16, SHARD_BF16 or SHARD_FP32. */
struct posterior {
    const void *mean, *logvar;
    uint32_t dtype;
    size_t n;
};

void posterior_sample(const struct posterior *p, uint64_t key, float *out);

/* n values of a standard normal distribution. */
void posterior_noise(uint64_t key, size_t n, float *out);

#endif
