/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/prepare/fittings.h"

#include <assert.h>

/* As renditions stand in a record: of one image, fits and targets tell them apart. */
static int compare_renditions(const struct shard_rendition *a,
                              const struct shard_rendition *b)
{
    const uint32_t left[] = {a->mirrored, a->fit, a->target_width, a->target_height};
    const uint32_t right[] = {b->mirrored, b->fit, b->target_width, b->target_height};

    for (size_t i = 0; i < sizeof(left) / sizeof(*left); i++)
        if (left[i] != right[i])
            return left[i] < right[i] ? -1 : 1;
    return 0;
}

static int compare(const struct fitting *a, const struct fitting *b)
{
    const int order = compare_renditions(&a->rendition, &b->rendition);

    return order != 0 ? order : (int)a->filter - (int)b->filter;
}

static struct fitting wanted_by(const struct encoding *e)
{
    const size_t pixels =
        (size_t)e->rendition.target_width * (size_t)e->rendition.target_height;

    return (struct fitting){
        .rendition = e->rendition, .filter = e->filter, .len = 3 * pixels};
}

/* Keeps them in order. */
static void add(struct fittings *f, const struct fitting *one)
{
    size_t at = 0;

    while (at < f->n && compare(&f->fittings[at], one) < 0)
        at++;
    if (at < f->n && compare(&f->fittings[at], one) == 0)
        return;
    for (size_t i = f->n++; i > at; i--)
        f->fittings[i] = f->fittings[i - 1];
    f->fittings[at] = *one;
}

void fittings_plan(struct fittings *f, const struct encoding *encodings, size_t n)
{
    assert(n <= ENCODERS_MAX);
    *f = (struct fittings){0};
    for (size_t i = 0; i < n; i++) {
        const struct fitting one = wanted_by(&encodings[i]);

        add(f, &one);
    }
    for (size_t i = 0; i < f->n; i++) {
        struct fitting *one = &f->fittings[i];

        f->n_renditions +=
            i == 0 || compare_renditions(&one[-1].rendition, &one->rendition) != 0;
        one->number = f->n_renditions - 1;
        one->at = f->n_bytes;
        f->n_bytes += one->len;
    }
    for (size_t i = 0; i < n; i++) {
        const struct fitting one = wanted_by(&encodings[i]);

        while (compare(&f->fittings[f->of[i]], &one) != 0)
            f->of[i]++;
    }
}

void fittings_target(const struct fittings *f, uint8_t *pixels,
                     struct image_target targets[ENCODERS_MAX])
{
    for (size_t i = 0; i < f->n; i++)
        targets[i] =
            (struct image_target){.width = (int)f->fittings[i].rendition.target_width,
                                  .height = (int)f->fittings[i].rendition.target_height,
                                  .filter = f->fittings[i].filter,
                                  .rgb = pixels + f->fittings[i].at};
}
