/* SPDX-License-Identifier: Apache-2.0
 * tools/export/export_format.h - a format's writer: the files of one unit. */
#ifndef TOOLS_EXPORT_EXPORT_FORMAT_H
#define TOOLS_EXPORT_EXPORT_FORMAT_H

#include <jansson.h>
#include <stdbool.h>

#include "tools/export/export_columns.h"
#include "tools/export/export_run.h"
#include "tools/export/export_sample.h"
#include "tools/store/publish.h"

/* What writers are given: where the files go. Lent. */
struct export_target {
    const struct export_options *options;
    const struct publication *files;
    const char *name; /* the unit's, with its folders */
    const struct export_shape *shape;
    const struct export_columns *columns;
};

enum { EXPORT_WRITTEN = 0, EXPORT_REFUSED = 1 };

struct export_format {
    const struct publication_kind *(*kind)(const struct export_options *o);

    /* Gives *writer, NULL where memory is short; close it either way. 0 or -1. */
    int (*open)(void **writer, const struct export_target *target);
    /* EXPORT_WRITTEN; EXPORT_REFUSED: this sample has no place in the format, for *why
     * (static); or -1. */
    int (*append)(void *writer, const struct export_sample *s, const char **why);
    /* Completes the files. Adds "shards" to the manifest's result: an array of what the
     * index says of each. 0 or -1. */
    int (*finish)(void *writer, json_t *result);
    unsigned (*n_files)(void *writer); /* begun so far: parts of the publication */
    const char *(*why)(void *writer);  /* these three accept NULL */
    void (*close)(void *writer);

    /* These columns, of samples of that shape, as an object: name to what it holds. Gives
     * it; NULL: no memory. */
    json_t *(*columns)(const struct export_columns *columns,
                       const struct export_shape *shape, bool scaled);

    /* The file over all units: head, the "shards" of their results, tail. */
    const char *index, *index_head, *index_tail;
};

extern const struct export_format export_mds, export_webdataset;

#endif
