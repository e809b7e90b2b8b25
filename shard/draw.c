/* SPDX-License-Identifier: Apache-2.0 */
#include "shard/draw.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define XXH_INLINE_ALL /* the hash state lives on the stack: a draw cannot fail */
#include <xxhash.h>

#include "shard/parts.h"
#include "shard/status.h"

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

uint64_t shard_draw_copy(const char *purpose, int64_t copy, const char *name,
                         const char *key, uint64_t epoch, uint64_t seed)
{
    char copied[2 * SHARD_MAX_PURPOSE];

    if (copy > 0) {
        snprintf(copied, sizeof(copied), "%s+%" PRId64, purpose, copy);
        purpose = copied;
    }
    return shard_draw(purpose, name, key, epoch, seed);
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

void shard_draw_caption_purpose(size_t t, char purpose[SHARD_MAX_PURPOSE])
{
    if (t == 0)
        snprintf(purpose, SHARD_MAX_PURPOSE, "caption");
    else
        snprintf(purpose, SHARD_MAX_PURPOSE, "caption@%zu", t);
}

void shard_draw_mirror_purpose(size_t i, char purpose[SHARD_MAX_PURPOSE])
{
    snprintf(purpose, SHARD_MAX_PURPOSE, "mirror@%zu", i);
}

uint32_t shard_draw_pick(uint64_t u, uint32_t n)
{
    const uint64_t low = (u & UINT32_MAX) * n;

    return (uint32_t)(((u >> 32) * n + (low >> 32)) >> 32);
}

bool shard_draw_is_mirrored(uint64_t u)
{
    return u < UINT64_C(1) << 63;
}

uint32_t shard_draw_caption(size_t t, const char *name, const char *key, uint64_t epoch,
                            uint64_t seed, uint32_t n)
{
    char purpose[SHARD_MAX_PURPOSE];

    shard_draw_caption_purpose(t, purpose);
    return shard_draw_pick(shard_draw(purpose, name, key, epoch, seed), n);
}

bool shard_draw_mirror(size_t i, const char *name, const char *key, uint64_t epoch,
                       uint64_t seed)
{
    char purpose[SHARD_MAX_PURPOSE];

    shard_draw_mirror_purpose(i, purpose);
    return shard_draw_is_mirrored(shard_draw(purpose, name, key, epoch, seed));
}

/* All but the order. */
static int draw_parts(struct shard_draws *d, const struct shard_record *rec,
                      uint64_t epoch, uint64_t seed)
{
    size_t n_texts = 0, n_images = 0;

    d->of_part = calloc(rec->n_parts + 1, sizeof(d->of_part[0]));
    if (d->of_part == NULL)
        return SHARD_ENOMEM;
    for (size_t i = 0; i < rec->n_parts; i++) {
        const struct shard_part *part = &rec->parts[i];
        if (part->kind == SHARD_PART_TEXT)
            d->of_part[i] = shard_draw_caption(n_texts++, rec->name, rec->key, epoch,
                                               seed, (uint32_t)part->n_alternatives);
        else if (part->kind == SHARD_PART_IMAGE)
            d->of_part[i] =
                shard_draw_mirror(n_images++, rec->name, rec->key, epoch, seed);
    }
    return SHARD_OK;
}

int shard_draws_make(struct shard_draws *d, const struct shard_record *rec,
                     uint64_t epoch, uint64_t seed, double caption_first)
{
    d->order = shard_draw_order(rec->name, rec->key, epoch, seed, caption_first);
    return draw_parts(d, rec, epoch, seed);
}

int shard_draws_stored(struct shard_draws *d, const struct shard_record *rec,
                       uint64_t seed)
{
    const size_t text = shard_first_text(rec);

    d->order = rec->order;
    int rc = draw_parts(d, rec, 0, seed);
    if (rc == SHARD_OK && text < rec->n_parts)
        d->of_part[text] = rec->caption_drawn;
    return rc;
}

void shard_draws_clear(struct shard_draws *d)
{
    free(d->of_part);
    d->of_part = NULL;
}
