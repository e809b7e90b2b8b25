/* SPDX-License-Identifier: Apache-2.0
 * shard/tokenizer/bpe/merge_word.c - short words by a loop over the ranks of all pairs,
 * in place and on the stack; long ones by a heap. */
#include "shard/tokenizer/bpe/merge_word.h"

#include "shard/status.h"
#include "shard/tokenizer/bpe/merge_long.h"

enum { MAX_SHORT = 96 };

static uint32_t rank_at(const struct merge_table *t, const uint32_t *symbols)
{
    const struct merge *m = merge_table_find(t, symbols[0], symbols[1]);

    return m != NULL ? m->rank : MERGE_NONE;
}

static size_t lowest(const uint32_t *ranks, size_t n)
{
    uint32_t rank = ranks[0];
    size_t best = 0;

    for (size_t i = 1; i < n; i++) {
        best = ranks[i] < rank ? i : best;
        rank = ranks[i] < rank ? ranks[i] : rank;
    }
    return best;
}

static size_t merge_short(const struct merge_table *t, uint32_t *symbols, size_t n)
{
    uint32_t ranks[MAX_SHORT]; /* of the pairs that begin at the symbols */

    for (size_t i = 0; i + 1 < n; i++)
        ranks[i] = rank_at(t, symbols + i);
    while (n > 1) {
        const size_t at = lowest(ranks, n - 1);

        if (ranks[at] == MERGE_NONE)
            break;
        symbols[at] = merge_table_find(t, symbols[at], symbols[at + 1])->made;
        n--;
        for (size_t i = at + 1; i < n; i++) {
            symbols[i] = symbols[i + 1];
            ranks[i - 1] = ranks[i];
        }
        if (at > 0)
            ranks[at - 1] = rank_at(t, symbols + at - 1);
        if (at + 1 < n)
            ranks[at] = rank_at(t, symbols + at);
    }
    return n;
}

int merge_word(const struct merge_table *t, uint32_t *symbols, size_t *n)
{
    if (*n > MAX_SHORT)
        return merge_long(t, symbols, n);
    *n = merge_short(t, symbols, *n);
    return SHARD_OK;
}
