/* SPDX-License-Identifier: Apache-2.0 */
#include "ingest/hash_set.h"

#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "ingest/status.h"

enum { SMALLEST = 16, KEPT_BY_CLEAR = 1024 };

/* The slot that holds `hash`, or the free one where it belongs. */
static struct hash_slot *find(const struct hash_set *set, struct hash_slot hash)
{
    size_t i = (size_t)hash.low & (set->cap - 1);

    for (;; i = (i + 1) & (set->cap - 1)) {
        struct hash_slot *s = &set->slots[i];
        if ((s->low == hash.low && s->high == hash.high) || (s->low | s->high) == 0)
            return s;
    }
}

static int grow(struct hash_set *set)
{
    struct hash_set bigger = {.cap = set->cap ? set->cap * 2 : SMALLEST, .n = set->n};

    if (bigger.cap > SIZE_MAX / sizeof(*bigger.slots))
        return INGEST_ENOMEM;
    bigger.slots = calloc(bigger.cap, sizeof(*bigger.slots));
    if (!bigger.slots)
        return INGEST_ENOMEM;
    for (size_t i = 0; i < set->cap; i++)
        if (set->slots[i].low | set->slots[i].high)
            *find(&bigger, set->slots[i]) = set->slots[i];
    free(set->slots);
    *set = bigger;
    return INGEST_OK;
}

static struct hash_slot hash_of(const void *bytes, size_t len)
{
    XXH128_hash_t h = XXH3_128bits(bytes, len);
    struct hash_slot hash = {h.low64, h.high64};

    if ((hash.low | hash.high) == 0)
        hash.low = 1;
    return hash;
}

int hash_set_add(struct hash_set *set, const void *bytes, size_t len)
{
    struct hash_slot hash = hash_of(bytes, len);
    struct hash_slot *slot;

    if (set->n >= set->cap / 8 * 7 && grow(set) < 0)
        return INGEST_ENOMEM;
    slot = find(set, hash);
    if (slot->low | slot->high)
        return 0;
    *slot = hash;
    set->n++;
    return 1;
}

bool hash_set_has(const struct hash_set *set, const void *bytes, size_t len)
{
    const struct hash_slot *slot = set->n > 0 ? find(set, hash_of(bytes, len)) : NULL;

    return slot && (slot->low | slot->high) != 0;
}

void hash_set_clear(struct hash_set *set)
{
    if (set->cap > KEPT_BY_CLEAR)
        hash_set_free(set);
    else if (set->n > 0)
        memset(set->slots, 0, set->cap * sizeof(*set->slots));
    set->n = 0;
}

void hash_set_free(struct hash_set *set)
{
    free(set->slots);
    *set = (struct hash_set){0};
}
