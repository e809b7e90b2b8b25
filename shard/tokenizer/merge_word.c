/* SPDX-License-Identifier: Apache-2.0
 * shard/tokenizer/merge_word.c - short words by a loop over the ranks of all pairs, in
 * place and on the stack; long ones by a heap. */
#include "shard/tokenizer/merge_word.h"

#include "shard/status.h"
#include "shard/tokenizer/merge_long.h"

enum { MAX_SHORT = 96 };

/* The pair that begins at a symbol. */
struct pair {
    uint32_t rank, made;
};

static struct pair pair_at(const struct merge_table *t, const uint32_t *symbols)
{
    const struct merge *m = merge_table_find(t, symbols[0], symbols[1]);

    return m != NULL ? (struct pair){m->rank, m->made} : (struct pair){MERGE_NONE, 0};
}

static size_t lowest(const struct pair *pairs, size_t n)
{
    size_t best = 0;

    for (size_t i = 1; i < n; i++)
        best = pairs[i].rank < pairs[best].rank ? i : best;
    return best;
}

static size_t merge_short(const struct merge_table *t, uint32_t *symbols, size_t n)
{
    struct pair pairs[MAX_SHORT];

    for (size_t i = 0; i + 1 < n; i++)
        pairs[i] = pair_at(t, symbols + i);
    while (n > 1) {
        const size_t at = lowest(pairs, n - 1);

        if (pairs[at].rank == MERGE_NONE)
            break;
        symbols[at] = pairs[at].made;
        n--;
        for (size_t i = at + 1; i < n; i++)
            symbols[i] = symbols[i + 1];
        for (size_t i = at + 1; i + 1 < n; i++)
            pairs[i] = pairs[i + 1];
        if (at > 0)
            pairs[at - 1] = pair_at(t, symbols + at - 1);
        if (at + 1 < n)
            pairs[at] = pair_at(t, symbols + at);
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
