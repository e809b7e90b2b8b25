/* SPDX-License-Identifier: Apache-2.0
 * ingest/image/resize_set.c - rows are written for the first resizer, and copied for the
 * others. */
#include "ingest/image/resize_set.h"

static int least(int a, int b)
{
    return a < b ? a : b;
}

static int most(int a, int b)
{
    return a > b ? a : b;
}

struct resize_box resize_set_window(const struct resize_set *s)
{
    struct resize_box all = resizer_window(s->resizers[0]);

    for (size_t i = 1; i < s->n; i++) {
        const struct resize_box one = resizer_window(s->resizers[i]);
        const int right = most(all.left + all.width, one.left + one.width);
        const int bottom = most(all.top + all.height, one.top + one.height);

        all.left = least(all.left, one.left);
        all.top = least(all.top, one.top);
        all.width = right - all.left;
        all.height = bottom - all.top;
    }
    return all;
}

uint8_t *resize_set_row(struct resize_set *s)
{
    return resizer_row(s->resizers[0]);
}

void resize_set_row_done(struct resize_set *s)
{
    const uint8_t *row = resizer_row(s->resizers[0]);

    for (size_t i = 1; i < s->n; i++)
        resizer_take_row(s->resizers[i], row);
    resizer_row_done(s->resizers[0]);
}

void resize_set_skip(struct resize_set *s, int n)
{
    for (size_t i = 0; i < s->n; i++)
        resizer_skip(s->resizers[i], n);
}
