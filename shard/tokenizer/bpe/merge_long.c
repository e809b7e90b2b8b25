/* SPDX-License-Identifier: Apache-2.0
 * shard/tokenizer/bpe/merge_long.c - a heap of pairs by (rank, position).
 *
 * A pair's entry stays in the heap when one of its symbols has become another; it is
 * known then, because the pair that stands there now has another merge, or none. Memory
 * is 12 bytes a symbol for the list and 16 for each entry: at most two are added a
 * merge. */
#include "shard/tokenizer/bpe/merge_long.h"

#include <stdlib.h>

#include "shard/status.h"

enum { END = -1 };

struct node {
    uint32_t symbol; /* MERGE_NONE: it is part of one before it */
    int32_t before, next;
};

/* The merge of the pair at `at`, when it was added. */
struct entry {
    uint64_t key; /* rank, then position */
    uint32_t left, right;
};

struct word {
    const struct merge_table *table;
    struct node *nodes;
    struct entry *heap;
    size_t n_heap, cap_heap;
};

static void sift_up(struct word *w, size_t i)
{
    const struct entry e = w->heap[i];

    for (; i > 0 && w->heap[(i - 1) / 2].key > e.key; i = (i - 1) / 2)
        w->heap[i] = w->heap[(i - 1) / 2];
    w->heap[i] = e;
}

static struct entry pop(struct word *w)
{
    const struct entry top = w->heap[0], e = w->heap[--w->n_heap];
    size_t i = 0, child;

    for (; (child = 2 * i + 1) < w->n_heap; i = child) {
        if (child + 1 < w->n_heap && w->heap[child + 1].key < w->heap[child].key)
            child++;
        if (w->heap[child].key >= e.key)
            break;
        w->heap[i] = w->heap[child];
    }
    w->heap[i] = e;
    return top;
}

/* Adds the pair that begins at node `at`, if it has a merge. */
static int add_pair(struct word *w, int32_t at)
{
    const int32_t next = at == END ? END : w->nodes[at].next;
    const struct merge *m = next == END ? NULL
                                        : merge_table_find(w->table, w->nodes[at].symbol,
                                                           w->nodes[next].symbol);

    if (m == NULL)
        return SHARD_OK;
    if (w->n_heap == w->cap_heap) {
        const size_t cap = 2 * w->cap_heap;
        struct entry *heap = realloc(w->heap, cap * sizeof(*heap));
        if (heap == NULL)
            return SHARD_ENOMEM;
        w->heap = heap;
        w->cap_heap = cap;
    }
    w->heap[w->n_heap++] =
        (struct entry){(uint64_t)m->rank << 32 | (uint32_t)at, m->left, m->right};
    sift_up(w, w->n_heap - 1);
    return SHARD_OK;
}

/* Makes one symbol of the pair at `at`. */
static int merge_pair(struct word *w, int32_t at, uint32_t made)
{
    struct node *left = &w->nodes[at], *right = &w->nodes[left->next];

    left->symbol = made;
    left->next = right->next;
    right->symbol = MERGE_NONE;
    if (left->next != END)
        w->nodes[left->next].before = at;
    const int rc = add_pair(w, left->before);
    return rc == SHARD_OK ? add_pair(w, at) : rc;
}

static int merge_all(struct word *w)
{
    int rc = SHARD_OK;

    while (w->n_heap > 0 && rc == SHARD_OK) {
        const struct entry e = pop(w);
        const int32_t at = (int32_t)(uint32_t)e.key;
        const struct node *left = &w->nodes[at];

        if (left->symbol == e.left && left->next != END &&
            w->nodes[left->next].symbol == e.right)
            rc = merge_pair(w, at, merge_table_find(w->table, e.left, e.right)->made);
    }
    return rc;
}

int merge_long(const struct merge_table *t, uint32_t *symbols, size_t *n)
{
    struct word w = {.table = t, .cap_heap = *n};
    int rc = SHARD_ENOMEM;
    size_t made = 0;

    if (*n < 2)
        return SHARD_OK;
    if (*n > INT32_MAX)
        return SHARD_EINVAL;
    w.nodes = malloc(*n * sizeof(*w.nodes));
    w.heap = malloc(*n * sizeof(*w.heap));
    if (w.nodes == NULL || w.heap == NULL)
        goto out;
    for (size_t i = 0; i < *n; i++)
        w.nodes[i] =
            (struct node){symbols[i], (int32_t)i - 1, i + 1 < *n ? (int32_t)i + 1 : END};
    rc = SHARD_OK;
    for (size_t i = 0; i + 1 < *n && rc == SHARD_OK; i++)
        rc = add_pair(&w, (int32_t)i);
    if (rc == SHARD_OK)
        rc = merge_all(&w);
    for (int32_t at = 0; at != END && rc == SHARD_OK; at = w.nodes[at].next)
        symbols[made++] = w.nodes[at].symbol;
    if (rc == SHARD_OK)
        *n = made;
out:
    free(w.nodes);
    free(w.heap);
    return rc;
}
