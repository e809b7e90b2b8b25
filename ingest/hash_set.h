/* SPDX-License-Identifier: Apache-2.0
 * ingest/hash_set.h - public: "have these bytes been here before?"
 *
 * Holds the 128-bit hash of each string and not the string, so a unit's million keys cost
 * 16 bytes each (a table at most 7/8 full, doubled as it grows). Two different strings of
 * one hash would be taken for the same: at 10^9 strings the chance is below 10^-20. */
#ifndef INGEST_HASH_SET_H
#define INGEST_HASH_SET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct hash_slot {
    uint64_t low, high; /* both 0: free */
};

/* All zero: empty. */
struct hash_set {
    struct hash_slot *slots;
    size_t cap; /* 0 or a power of two */
    size_t n;
};

/* 1: added, 0: was there, INGEST_ENOMEM. */
int hash_set_add(struct hash_set *set, const void *bytes, size_t len);

bool hash_set_has(const struct hash_set *set, const void *bytes, size_t len);

/* Empties the set and keeps its memory where that is small. */
void hash_set_clear(struct hash_set *set);

void hash_set_free(struct hash_set *set);

#endif
