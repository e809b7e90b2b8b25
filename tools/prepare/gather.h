/* SPDX-License-Identifier: Apache-2.0
 * tools/prepare/gather.h - images that wait for company: a batch is of one shape.
 *
 *     while (!gather_has_room(g))
 *         encode(items, gather_take(g, items, &width, &height));
 *     gather_add(g, item, width, height);
 *     ...
 *     while ((n = gather_take(g, items, &width, &height)) > 0)
 *         encode(items, n);
 *
 * What waits is limited in number, which the caller makes of its memory. The shape that
 * has waited longest goes first, with all that wait of it: few, where another shape has
 * filled the rest. One gatherer belongs to one thread. */
#ifndef TOOLS_PREPARE_GATHER_H
#define TOOLS_PREPARE_GATHER_H

#include <stdbool.h>
#include <stddef.h>

struct gathered {
    void *item; /* lent by the caller */
    int width, height;
};

struct gather {
    size_t most; /* that wait at once */
    size_t n;
    struct gathered *waiting; /* n, in the order they came */
};

/* Returns 0, or -1: no memory. Release with gather_free() in either case. */
int gather_init(struct gather *g, size_t most);
void gather_free(struct gather *g);

bool gather_has_room(const struct gather *g);

/* Only where there is room. */
void gather_add(struct gather *g, void *item, int width, int height);

/* Takes those of the oldest shape into items[0..most), in the order they came. Returns
 * how many; 0: none waits. */
size_t gather_take(struct gather *g, void **items, int *width, int *height);

#endif
