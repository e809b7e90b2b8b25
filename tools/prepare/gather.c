/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/prepare/gather.h"

#include <assert.h>
#include <stdlib.h>

int gather_init(struct gather *g, size_t most)
{
    *g = (struct gather){.most = most, .waiting = calloc(most, sizeof(*g->waiting))};
    return g->waiting ? 0 : -1;
}

void gather_free(struct gather *g)
{
    free(g->waiting);
    g->waiting = NULL;
}

bool gather_has_room(const struct gather *g)
{
    return g->n < g->most;
}

void gather_add(struct gather *g, void *item, int width, int height)
{
    assert(g->n < g->most);
    g->waiting[g->n++] = (struct gathered){item, width, height};
}

size_t gather_take(struct gather *g, void **items, int *width, int *height)
{
    size_t n_taken = 0, n_kept = 0;

    if (g->n == 0)
        return 0;
    *width = g->waiting[0].width;
    *height = g->waiting[0].height;
    for (size_t i = 0; i < g->n; i++) {
        const struct gathered one = g->waiting[i];

        if (one.width == *width && one.height == *height) {
            items[n_taken++] = one.item;
        } else {
            g->waiting[n_kept++] = one;
        }
    }
    g->n = n_kept;
    return n_taken;
}
