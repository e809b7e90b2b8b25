/* SPDX-License-Identifier: Apache-2.0
 *
 * Cuts tap tables into blocks of four taps and keeps those used last. */
#include "ingest/image/resize_tables.h"

#include <stdlib.h>
#include <string.h>

#include "ingest/status.h"

enum { N_KEPT = 16, MOST_BYTES_KEPT = 64 << 10 };

struct table {
    struct resize_span span;
    enum resize_filter filter;
    uint64_t used; /* number of the call that used it last; 0: never */
    struct resize_blocks blocks;
};

struct resize_tables {
    const struct resize_kernels *kernels;
    uint64_t n_calls;
    struct table tables[N_KEPT];
};

int resize_tables_open(struct resize_tables **out, const struct resize_kernels *kernels)
{
    struct resize_tables *t = calloc(1, sizeof(*t));

    *out = t;
    if (!t)
        return INGEST_ENOMEM;
    t->kernels = kernels;
    return INGEST_OK;
}

const struct resize_kernels *resize_tables_kernels(const struct resize_tables *t)
{
    return t->kernels;
}

static void clear_table(struct table *table)
{
    free(table->blocks.first);
    free(table->blocks.end);
    free(table->blocks.taps);
    memset(table, 0, sizeof(*table));
}

static size_t taps_bytes(const struct resize_blocks *b)
{
    return (size_t)b->n_out * (size_t)b->most * 4 * sizeof(*b->taps);
}

void resize_tables_trim(struct resize_tables *t)
{
    for (int i = 0; i < N_KEPT; i++)
        if (taps_bytes(&t->tables[i].blocks) > MOST_BYTES_KEPT)
            clear_table(&t->tables[i]);
}

void resize_tables_close(struct resize_tables *t)
{
    if (!t)
        return;
    for (int i = 0; i < N_KEPT; i++)
        clear_table(&t->tables[i]);
    free(t);
}

static void place_blocks(struct resize_blocks *b, const struct resize_axis *a)
{
    for (int out = 0; out < a->n_out; out++) {
        b->first[out] = a->first[out] / RESIZE_GROUP;
        b->end[out] = (a->first[out] + a->n_taps[out] - 1) / RESIZE_GROUP + 1;
        if (b->most < b->end[out] - b->first[out])
            b->most = b->end[out] - b->first[out];
    }
}

static void pack_blocks(struct resize_blocks *b, const struct resize_axis *a,
                        const struct resize_kernels *kernels)
{
    for (int out = 0; out < a->n_out; out++) {
        const int32_t *taps = a->taps + (size_t)out * (size_t)a->max_taps;
        uint32_t *packed = b->taps + (size_t)out * (size_t)b->most * RESIZE_GROUP;
        int tap = b->first[out] * RESIZE_GROUP - a->first[out]; /* <= 0 */

        for (int i = b->first[out]; i < b->end[out]; i++, packed += RESIZE_GROUP) {
            int32_t four[RESIZE_GROUP] = {0};
            for (int k = 0; k < RESIZE_GROUP; k++, tap++)
                if (tap >= 0 && tap < a->n_taps[out])
                    four[k] = taps[tap];
            kernels->pack(packed, four);
        }
    }
}

static int cut(struct resize_blocks *b, const struct resize_axis *a,
               const struct resize_kernels *kernels)
{
    b->n_out = a->n_out;
    b->first = calloc((size_t)a->n_out, sizeof(*b->first));
    b->end = calloc((size_t)a->n_out, sizeof(*b->end));
    if (!b->first || !b->end)
        return INGEST_ENOMEM;
    place_blocks(b, a);
    b->taps = malloc(taps_bytes(b));
    if (!b->taps)
        return INGEST_ENOMEM;
    pack_blocks(b, a, kernels);
    return INGEST_OK;
}

static bool is_for(const struct table *table, const struct resize_span *span,
                   enum resize_filter filter)
{
    const struct resize_span *s = &table->span;

    return table->used && table->filter == filter && s->in_size == span->in_size &&
           s->box_start == span->box_start && s->box_size == span->box_size &&
           s->out_size == span->out_size && s->mirrored == span->mirrored;
}

int resize_tables_get(struct resize_tables *t, const struct resize_span *span,
                      enum resize_filter filter, const struct resize_blocks **out)
{
    struct table *table = &t->tables[0];
    struct resize_axis axis;

    for (int i = 0; i < N_KEPT; i++) {
        if (is_for(&t->tables[i], span, filter)) {
            t->tables[i].used = ++t->n_calls;
            *out = &t->tables[i].blocks;
            return INGEST_OK;
        }
        if (t->tables[i].used < table->used)
            table = &t->tables[i];
    }
    clear_table(table);
    int rc = resize_axis_build(&axis, span, filter);
    if (rc == INGEST_OK)
        rc = cut(&table->blocks, &axis, t->kernels);
    resize_axis_clear(&axis);
    if (rc != INGEST_OK)
        return rc; /* a table never used is cleared like any other */
    table->span = *span;
    table->filter = filter;
    table->used = ++t->n_calls;
    *out = &table->blocks;
    return INGEST_OK;
}
