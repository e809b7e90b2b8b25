/* SPDX-License-Identifier: Apache-2.0
 * shard/draw.h - public: random choices that are functions of a sample's identity.
 *
 *     u = XXH3_64bits_withSeed(purpose NUL NAME NUL key NUL epoch, seed)
 *
 * with the epoch in decimal. No state, no stream: the same choice in any order, on any
 * machine, for ever. Test vectors are in FORMAT.md. */
#ifndef SHARD_DRAW_H
#define SHARD_DRAW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shard/record.h"

uint64_t shard_draw(const char *purpose, const char *name, const char *key,
                    uint64_t epoch, uint64_t seed);

/* For a copy n > 0 of a record that is taken more than once an epoch: with "+n" behind
 * the purpose (FORMAT.md, section 7). copy 0: shard_draw(). */
uint64_t shard_draw_copy(const char *purpose, int64_t copy, const char *name,
                         const char *key, uint64_t epoch, uint64_t seed);

/* Purpose "order": caption first iff u < p * 2^64; p >= 1: always, p <= 0: never. */
enum shard_order shard_draw_order(const char *name, const char *key, uint64_t epoch,
                                  uint64_t seed, double p);

/* What these are drawn by, in `purpose`: its text t and its image i, counted among these.
 */
enum { SHARD_MAX_PURPOSE = 32 };
void shard_draw_caption_purpose(size_t t, char purpose[SHARD_MAX_PURPOSE]);
void shard_draw_mirror_purpose(size_t i, char purpose[SHARD_MAX_PURPOSE]);

/* One of n by u: the high 64 bits of u * n. */
uint32_t shard_draw_pick(uint64_t u, uint32_t n);
/* Whether the mirrored rendition is seen by u: u < 2^63. */
bool shard_draw_is_mirrored(uint64_t u);

/* Text part t, counted among texts: purpose "caption", or "caption@t" for t > 0: the high
 * 64 bits of u * n. n >= 1. */
uint32_t shard_draw_caption(size_t t, const char *name, const char *key, uint64_t epoch,
                            uint64_t seed, uint32_t n);

/* Image part i, counted among images: purpose "mirror@i": u < 2^63. */
bool shard_draw_mirror(size_t i, const char *name, const char *key, uint64_t epoch,
                       uint64_t seed);

/* What is drawn for one record. */
struct shard_draws {
    enum shard_order order;
    uint32_t *of_part; /* a text's: position of its alternative; an image's: 1 mirrored */
};

/* Draws for an epoch. Gives *d (release with shard_draws_clear()). SHARD_OK or
 * SHARD_ENOMEM. */
int shard_draws_make(struct shard_draws *d, const struct shard_record *rec,
                     uint64_t epoch, uint64_t seed, double caption_first);

/* The draws of epoch 0, of which the record holds order and first caption. */
int shard_draws_stored(struct shard_draws *d, const struct shard_record *rec,
                       uint64_t seed);
void shard_draws_clear(struct shard_draws *d);

#endif
