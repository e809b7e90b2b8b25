/* SPDX-License-Identifier: Apache-2.0 */
#include "shard/draw.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define XXH_INLINE_ALL /* the hash state lives on the stack: a draw cannot fail */
#include <xxhash.h>

uint64_t shard_draw(const char *purpose, const char *name, const char *key,
                    uint64_t epoch, uint64_t seed)
{
    char number[24];
    int digits = snprintf(number, sizeof(number), "%" PRIu64, epoch);
    XXH3_state_t state;

    XXH3_64bits_reset_withSeed(&state, seed);
    XXH3_64bits_update(&state, purpose, strlen(purpose) + 1);
    XXH3_64bits_update(&state, name, strlen(name) + 1);
    XXH3_64bits_update(&state, key, strlen(key) + 1);
    XXH3_64bits_update(&state, number, (size_t)digits);
    return XXH3_64bits_digest(&state);
}

enum shard_order shard_draw_order(const char *name, const char *key, uint64_t epoch,
                                  uint64_t seed, double p)
{
    if (p >= 1)
        return SHARD_CAPTION_FIRST;
    if (!(p > 0))
        return SHARD_IMAGE_FIRST;

    double limit = p * 0x1p64; /* exact, below 2^64 */
    uint64_t whole = (uint64_t)limit;
    uint64_t u = shard_draw("order", name, key, epoch, seed);
    return u < whole || (u == whole && (double)whole < limit) ? SHARD_CAPTION_FIRST
                                                              : SHARD_IMAGE_FIRST;
}

uint32_t shard_draw_caption(const char *name, const char *key, uint64_t epoch,
                            uint64_t seed, uint32_t n)
{
    uint64_t u = shard_draw("caption", name, key, epoch, seed);
    uint64_t low = (u & UINT32_MAX) * n;

    return (uint32_t)(((u >> 32) * n + (low >> 32)) >> 32);
}
