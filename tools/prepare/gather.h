/* SPDX-License-Identifier: Apache-2.0
 * tools/prepare/gather.h - images that wait for company: a batch is of one shape.
 *
 *     while (!gather_has_room(g, bytes))
 *         encode(items, gather_take(g, items, &width, &height));
 *     gather_add(g, item, width, height, bytes);
 *     ...
 *     while ((n = gather_take(g, items, &width, &height)) > 0)
 *         encode(items, n);
 *
 * What waits is limited in number and memory. The shape that has waited longest goes
 * first, with all that wait of it: few, where another shape has filled the rest. One
 * gatherer belongs to one thread. */
#ifndef TOOLS_PREPARE_GATHER_H
#define TOOLS_PREPARE_GATHER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct gathered {
    void *item; /* lent by the caller */
    int width, height;
    uint64_t bytes;
};

struct gather {
    size_t most;         /* that wait at once */
    uint64_t most_bytes; /* that they hold; one alone may hold more */
    size_t n;
    uint64_t bytes;
    struct gathered *waiting; /* n, in the order they came */
};

/* Returns 0, or -1: no memory. Release with gather_free() in either case. */
int gather_init(struct gather *g, size_t most, uint64_t most_bytes);
void gather_free(struct gather *g);

bool gather_has_room(const struct gather *g, uint64_t bytes);

/* Only where there is room. */
void gather_add(struct gather *g, void *item, int width, int height, uint64_t bytes);

/* Takes those of the oldest shape into items[0..most), in the order they came. Returns
 * how many; 0: none waits. */
size_t gather_take(struct gather *g, void **items, int *width, int *height);

#endif
