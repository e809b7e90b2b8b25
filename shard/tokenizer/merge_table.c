/* SPDX-License-Identifier: Apache-2.0 */
#include "shard/tokenizer/merge_table.h"

#include <stdlib.h>
#include <string.h>

#include "shard/status.h"

static void put(struct merge_table *t, const struct merge *m)
{
    size_t i = merge_table_place(t, m->left, m->right);

    while (t->slots[i].left != MERGE_NONE)
        i = (i + 1) & t->mask;
    t->slots[i] = *m;
    t->n++;
}

static int make(struct merge_table *t, size_t n_slots)
{
    *t = (struct merge_table){malloc(n_slots * sizeof(struct merge)), n_slots - 1, 0};
    if (t->slots == NULL)
        return SHARD_ENOMEM;
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
    free(t->slots);
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
    *t = (struct merge_table){0};
}
