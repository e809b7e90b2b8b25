/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/prepare/remaining.h"

void work_add(struct work *w, const struct input_progress *p)
{
    double read = (double)p->read, done = 0, size;

    if (p->ended)
        done = read;
    else if (p->n_read > 0)
        done = read * (double)p->n_written / (double)p->n_read;
    w->done += done;
    if (p->ended)
        return;
    /* A file may have grown since its size was asked for. */
    size = p->read_all || p->size < p->read ? read : (double)p->size;
    w->unknown |= !p->size_known && !p->read_all;
    w->left += size - done;
}

double work_seconds_left(const struct work *w, double seconds)
{
    if (w->unknown || (w->left > 0 && w->done <= 0))
        return -1;
    return w->left > 0 ? seconds * w->left / w->done : 0;
}
