/* SPDX-License-Identifier: Apache-2.0 */
#include "shard/python/native/pack_documents.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "shard/status.h"

enum {
    LOOKAHEAD = 256,
    SHORTEST_PIECE = 16 /* of a text that is cut, where text and sequence are longer */
};

struct waiter {
    int64_t length;
    size_t item;
};

struct packer {
    const int64_t *lengths;
    const uint8_t *is_text;
    size_t n;
    /* what waits */
    size_t head;    /* everything before it is taken */
    size_t entered; /* everything from it on is beyond the lookahead */
    size_t n_texts; /* that wait within the lookahead */
    uint8_t *taken;
    struct waiter by_length[LOOKAHEAD]; /* ascending by length and item */
    size_t n_waiting;
    /* what is filled */
    struct packing *out;
    int64_t capacity, room, shortest_piece;
    int64_t n_pieces;
    bool failed; /* out of memory */
};

/* ---- what waits ---- */

static bool is_before(const struct waiter *w, int64_t length, size_t item)
{
    return w->length < length || (w->length == length && w->item < item);
}

/* Where the first stands that is not before (length, item). */
static size_t place_of(const struct packer *p, int64_t length, size_t item)
{
    size_t low = 0, high = p->n_waiting;

    while (low < high) {
        const size_t middle = (low + high) / 2;
        if (is_before(&p->by_length[middle], length, item))
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static void refill(struct packer *p)
{
    for (; p->entered < p->n && p->n_waiting < LOOKAHEAD; p->entered++) {
        const int64_t length = p->lengths[p->entered];
        struct waiter *at = p->by_length + place_of(p, length, p->entered);
        memmove(at + 1, at, (size_t)(p->by_length + p->n_waiting - at) * sizeof(*at));
        *at = (struct waiter){length, p->entered};
        p->n_waiting++;
        p->n_texts += p->is_text[p->entered] != 0;
    }
}

/* The first in order that is not taken; n: none. */
static size_t head_of(struct packer *p)
{
    while (p->head < p->entered && p->taken[p->head])
        p->head++;
    return p->head < p->entered ? p->head : p->n;
}

static void take(struct packer *p, size_t item)
{
    struct waiter *at = p->by_length + place_of(p, p->lengths[item], item);

    p->n_waiting--;
    memmove(at, at + 1, (size_t)(p->by_length + p->n_waiting - at) * sizeof(*at));
    p->taken[item] = 1;
    p->n_texts -= p->is_text[item] != 0;
    refill(p);
}

/* The first text in order; n: none. */
static size_t first_text(const struct packer *p)
{
    for (size_t item = p->head; p->n_texts > 0 && item < p->entered; item++)
        if (!p->taken[item] && p->is_text[item])
            return item;
    return p->n;
}

/* The one or two that leave the least room, in their order; how many. */
static int best_fit(const struct packer *p, size_t chosen[2])
{
    const struct waiter *w = p->by_length;
    size_t high = place_of(p, p->room, SIZE_MAX), low = 0;
    int n = 1;

    if (high == 0)
        return 0;
    high--;
    int64_t best = w[high].length;
    chosen[0] = w[high].item;
    while (low < high && best < p->room) {
        const int64_t both = w[low].length + w[high].length;
        if (both > p->room) {
            high--;
            continue;
        }
        if (both > best) {
            best = both;
            n = 2;
            chosen[0] = w[low].item < w[high].item ? w[low].item : w[high].item;
            chosen[1] = w[low].item < w[high].item ? w[high].item : w[low].item;
        }
        low++;
    }
    return n;
}

/* ---- what is filled ---- */

static void put(struct packer *p, size_t item, int64_t start, int64_t length)
{
    if (shard_buffer_add_u64(&p->out->item, item) < 0 ||
        shard_buffer_add_u64(&p->out->start, (uint64_t)start) < 0 ||
        shard_buffer_add_u64(&p->out->length, (uint64_t)length) < 0)
        p->failed = true;
    p->n_pieces++;
    p->room -= length;
}

/* The next piece begins another sequence, unless this one is empty. */
static void end_sequence(struct packer *p)
{
    if (p->room == p->capacity)
        return;
    if (shard_buffer_add_u64(&p->out->first, (uint64_t)p->n_pieces) < 0)
        p->failed = true;
    p->room = p->capacity;
}

/* Puts a text over as many sequences as it needs. */
static void cut(struct packer *p, size_t item)
{
    const int64_t size = p->lengths[item];
    int64_t start = 0;

    take(p, item);
    while (size - start > p->room) {
        const int64_t left = size - start - p->shortest_piece;
        const int64_t length = p->room < left ? p->room : left;
        if (length >= p->shortest_piece) {
            put(p, item, start, length);
            start += length;
        }
        end_sequence(p);
    }
    put(p, item, start, size - start);
}

static void fill_in_order(struct packer *p)
{
    for (size_t item = head_of(p); item < p->n && !p->failed; item = head_of(p)) {
        const int64_t size = p->lengths[item];
        if (size > p->capacity && p->is_text[item] && p->room >= p->shortest_piece) {
            cut(p, item);
        } else if (size <= p->room && (p->room == p->capacity ||
                                       p->room - size >= 2 * p->by_length[0].length)) {
            take(p, item);
            put(p, item, 0, size);
        } else {
            return;
        }
    }
}

static void finish(struct packer *p)
{
    size_t chosen[2];

    while (head_of(p) < p->n && !p->failed) {
        const int n = best_fit(p, chosen);
        if (n == 0)
            return;
        for (int i = 0; i < n; i++) {
            take(p, chosen[i]);
            put(p, chosen[i], 0, p->lengths[chosen[i]]);
        }
    }
}

static void fill(struct packer *p)
{
    while (head_of(p) < p->n && !p->failed) {
        fill_in_order(p);
        finish(p);
        const size_t text = p->room >= p->shortest_piece ? first_text(p) : p->n;
        if (text < p->n)
            cut(p, text);
        else
            end_sequence(p);
    }
    end_sequence(p);
}

/* ---- the whole ---- */

static int check(const int64_t *lengths, const uint8_t *is_text, size_t n,
                 int64_t capacity)
{
    if (capacity < 1)
        return SHARD_EINVAL;
    for (size_t i = 0; i < n; i++)
        if (lengths[i] < 1 || lengths[i] > INT64_MAX / 4 ||
            (lengths[i] > capacity && !is_text[i]))
            return SHARD_EINVAL;
    return SHARD_OK;
}

int packing_make(struct packing *p, const int64_t *lengths, const uint8_t *is_text,
                 size_t n, int64_t capacity)
{
    const int64_t half = capacity / 2 > 1 ? capacity / 2 : 1;
    /* A text that is longer than a sequence always gives two pieces of this length. */
    const int64_t shortest = SHORTEST_PIECE < half ? SHORTEST_PIECE : half;

    *p = (struct packing){.first = {0}};
    if (check(lengths, is_text, n, capacity) < 0)
        return SHARD_EINVAL;
    struct packer *packer = calloc(1, sizeof(*packer));
    if (packer == NULL)
        return SHARD_ENOMEM;
    *packer = (struct packer){.lengths = lengths,
                              .is_text = is_text,
                              .n = n,
                              .taken = calloc(n + 1, 1),
                              .out = p,
                              .capacity = capacity,
                              .room = capacity,
                              .shortest_piece = shortest};
    packer->failed = packer->taken == NULL || shard_buffer_add_u64(&p->first, 0) < 0;
    if (!packer->failed) {
        refill(packer);
        fill(packer);
    }
    const bool failed = packer->failed;
    free(packer->taken);
    free(packer);
    return failed ? SHARD_ENOMEM : SHARD_OK;
}

void packing_clear(struct packing *p)
{
    shard_buffer_free(&p->first);
    shard_buffer_free(&p->item);
    shard_buffer_free(&p->start);
    shard_buffer_free(&p->length);
}
