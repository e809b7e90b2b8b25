/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/store/data_set.h"

#include <stdlib.h>

void data_set_clear(struct data_set *d)
{
    for (size_t i = 0; i < d->n_units; i++)
        free(d->units[i].manifest);
    for (size_t i = 0; i < d->n_shards; i++)
        free(d->shards[i].path);
    for (size_t i = 0; i < d->n_missing; i++)
        free(d->missing[i].path);
    for (size_t i = 0; i < d->n_unreadable; i++) {
        free(d->unreadable[i].path);
        free(d->unreadable[i].why);
    }
    free(d->units);
    free(d->shards);
    free(d->missing);
    free(d->unreadable);
    path_list_clear(&d->unfinished);
    path_list_clear(&d->foreign);
    free(d->folder);
    *d = (struct data_set){0};
}

size_t data_set_n_lacking(const struct data_set *d)
{
    return d->n_missing + d->n_unreadable + d->unfinished.n + d->foreign.n;
}

size_t data_set_n_unfinished(const struct data_set *d)
{
    return d->unfinished.n + (d->configured ? d->foreign.n : 0);
}

bool data_set_may_pass(const struct data_set *d)
{
    for (size_t i = 0; i < d->n_unreadable; i++)
        if (d->unreadable[i].may_pass)
            return true;
    return false;
}

bool data_set_has_no_samples(const struct data_set *d)
{
    return d->has_manifests && d->n_shards + data_set_n_lacking(d) == 0;
}

bool data_set_is_empty(const struct data_set *d)
{
    return !d->has_manifests && d->n_shards + data_set_n_lacking(d) == 0;
}
