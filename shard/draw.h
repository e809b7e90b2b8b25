/* SPDX-License-Identifier: Apache-2.0
 * shard/draw.h - random choices that are functions of a sample's identity.
 *
 *     u = XXH3_64bits_withSeed(purpose NUL NAME NUL key NUL epoch, seed)
 *
 * with the epoch in decimal. No state, no stream: the same choice in any order, on any
 * machine, for ever. Test vectors are in FORMAT.md. */
#ifndef SHARD_DRAW_H
#define SHARD_DRAW_H

#include <stdint.h>

#include "shard/record.h"

uint64_t shard_draw(const char *purpose, const char *name, const char *key,
                    uint64_t epoch, uint64_t seed);

/* Purpose "order": caption first iff u < p * 2^64; p >= 1: always, p <= 0: never. */
enum shard_order shard_draw_order(const char *name, const char *key, uint64_t epoch,
                                  uint64_t seed, double p);

/* Purpose "caption": the high 64 bits of u * n. n >= 1. */
uint32_t shard_draw_caption(const char *name, const char *key, uint64_t epoch,
                            uint64_t seed, uint32_t n);

#endif
