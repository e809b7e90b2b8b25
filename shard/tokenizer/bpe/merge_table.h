/* SPDX-License-Identifier: Apache-2.0
 * shard/tokenizer/bpe/merge_table.h - internal to shard/: (left, right) -> (rank, id),
 * flat and open-addressing.
 *
 * Most pairs that are asked for have no merge. A bit for each of four hashes a slot says
 * so without a look at the slots, which fill several MiB, and the caches do not hold. */
#ifndef SHARD_TOKENIZER_BPE_MERGE_TABLE_H
#define SHARD_TOKENIZER_BPE_MERGE_TABLE_H

#include <stddef.h>
#include <stdint.h>

/* No pair has this rank, and no symbol this id. */
#define MERGE_NONE UINT32_MAX

struct merge {
    uint32_t left, right, rank, made;
};

struct merge_table {
    struct merge *slots; /* left is MERGE_NONE where free */
    uint64_t *filter;    /* 4 bits a slot */
    size_t mask, n;
};

/* Makes an empty table (release with merge_table_free()). SHARD_OK or SHARD_ENOMEM. */
int merge_table_init(struct merge_table *t);

/* Adds a pair, or gives it another rank and id. SHARD_OK or SHARD_ENOMEM. */
int merge_table_put(struct merge_table *t, uint32_t left, uint32_t right, uint32_t rank,
                    uint32_t made);
void merge_table_free(struct merge_table *t);

static inline uint64_t merge_table_hash(uint32_t left, uint32_t right)
{
    const uint64_t h = (left | (uint64_t)right << 32) * UINT64_C(0x9e3779b97f4a7c15);

    return (h ^ h >> 32) * UINT64_C(0xd6e8feb86659fd93) >> 24;
}

/* The bit of a hash: its word and its place there. */
static inline size_t merge_table_bit(const struct merge_table *t, uint64_t hash)
{
    return (size_t)hash & (4 * t->mask + 3);
}

/* NULL: the pair has no merge. The table has a free slot. */
static inline const struct merge *merge_table_find(const struct merge_table *t,
                                                   uint32_t left, uint32_t right)
{
    const uint64_t hash = merge_table_hash(left, right);
    const size_t bit = merge_table_bit(t, hash);

    if ((t->filter[bit / 64] >> bit % 64 & 1) == 0)
        return NULL;
    for (size_t i = (size_t)hash & t->mask; t->slots[i].left != MERGE_NONE;
         i = (i + 1) & t->mask)
        if (t->slots[i].left == left && t->slots[i].right == right)
            return &t->slots[i];
    return NULL;
}

#endif
