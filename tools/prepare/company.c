/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/prepare/company.h"

#include <stdlib.h>

void company_free(struct company *c)
{
    free(c->waiting);
    *c = (struct company){0};
}

int company_add(struct company *c, const struct company_image *image)
{
    if (c->n == c->cap) {
        const size_t cap = c->cap > 0 ? 2 * c->cap : 64;
        struct company_image *grown = realloc(c->waiting, cap * sizeof(*grown));

        if (!grown)
            return -1;
        c->waiting = grown;
        c->cap = cap;
    }
    c->waiting[c->n++] = *image;
    return 0;
}

static bool same_shape(const struct company_image *a, const struct company_image *b)
{
    return a->width == b->width && a->height == b->height;
}

static bool is_first_of_shape(const struct company *c, size_t i)
{
    for (size_t k = 0; k < i; k++)
        if (same_shape(&c->waiting[k], &c->waiting[i]))
            return false;
    return true;
}

static size_t count_shape(const struct company *c, size_t first, size_t most)
{
    size_t n = 0;

    for (size_t i = first; i < c->n && n < most; i++)
        n += same_shape(&c->waiting[i], &c->waiting[first]);
    return n;
}

size_t company_ready(const struct company *c, size_t most, uint64_t now_ns,
                     uint64_t wait_ns, bool go, size_t *first)
{
    *first = 0;
    if (c->n == 0)
        return 0;
    for (size_t i = 0; i + most <= c->n; i++)
        if (is_first_of_shape(c, i) && count_shape(c, i, most) == most) {
            *first = i;
            return most;
        }
    return go || now_ns - c->waiting[0].since_ns >= wait_ns ? count_shape(c, 0, most) : 0;
}

void company_take(struct company *c, size_t first, size_t n, struct company_image *images)
{
    const struct company_image shape = c->waiting[first];
    size_t n_taken = 0, n_kept = first;

    for (size_t i = first; i < c->n; i++) {
        if (n_taken < n && same_shape(&c->waiting[i], &shape))
            images[n_taken++] = c->waiting[i];
        else
            c->waiting[n_kept++] = c->waiting[i];
    }
    c->n = n_kept;
}
