/* SPDX-License-Identifier: Apache-2.0
 * shard/float16.h - public: fp32 <-> fp16 and bf16, rounding to nearest even, in plain
 * integers.
 */
#ifndef SHARD_FLOAT16_H
#define SHARD_FLOAT16_H

#include <stddef.h>
#include <stdint.h>

/* Convert n values. Return the number of values that were not finite or became infinite
 * by rounding; out is filled all the same. */
size_t shard_fp32_to_fp16(const float *in, uint16_t *out, size_t n);
size_t shard_fp32_to_bf16(const float *in, uint16_t *out, size_t n);

void shard_fp16_to_fp32(const uint16_t *in, float *out, size_t n);
void shard_bf16_to_fp32(const uint16_t *in, float *out, size_t n);

#endif
