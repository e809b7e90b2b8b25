/* SPDX-License-Identifier: Apache-2.0 */
#include "shard/tokenizer/bpe/merge_table.h"

#include <stdlib.h>
#include <string.h>

#include "shard/status.h"

static void put(struct merge_table *t, const struct merge *m)
{
    const uint64_t hash = merge_table_hash(m->left, m->right);
    const size_t bit = merge_table_bit(t, hash);
    size_t i = (size_t)hash & t->mask;

    while (t->slots[i].left != MERGE_NONE)
        i = (i + 1) & t->mask;
    t->slots[i] = *m;
    t->filter[bit / 64] |= UINT64_C(1) << bit % 64;
    t->n++;
}

static int make(struct merge_table *t, size_t n_slots)
{
    *t = (struct merge_table){malloc(n_slots * sizeof(struct merge)),
                              calloc(n_slots / 16, sizeof(uint64_t)), n_slots - 1, 0};
    if (t->slots == NULL || t->filter == NULL) {
        merge_table_free(t);
        return SHARD_ENOMEM;
    }
    memset(t->slots, 0xff, n_slots * sizeof(struct merge));
    return SHARD_OK;
}

int merge_table_init(struct merge_table *t)
{
    return make(t, 16);
}

static int grow(struct merge_table *t)
{
    struct merge_table to;

    if (make(&to, 2 * (t->mask + 1)) != SHARD_OK)
        return SHARD_ENOMEM;
    for (size_t i = 0; i <= t->mask; i++)
        if (t->slots[i].left != MERGE_NONE)
            put(&to, &t->slots[i]);
    merge_table_free(t);
    *t = to;
    return SHARD_OK;
}

int merge_table_put(struct merge_table *t, uint32_t left, uint32_t right, uint32_t rank,
                    uint32_t made)
{
    if (t->n >= (t->mask + 1) / 2 && grow(t) != SHARD_OK)
        return SHARD_ENOMEM;
    const struct merge *found = merge_table_find(t, left, right);
    if (found != NULL)
        t->slots[found - t->slots] = (struct merge){left, right, rank, made};
    else
        put(t, &(struct merge){left, right, rank, made});
    return SHARD_OK;
}

void merge_table_free(struct merge_table *t)
{
    free(t->slots);
    free(t->filter);
    *t = (struct merge_table){0};
}
