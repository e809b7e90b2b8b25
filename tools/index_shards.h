/* SPDX-License-Identifier: Apache-2.0
 * tools/index_shards.h - which shards a data set has, and what it lacks.
 *
 * All `.lms` files below a folder, compared with the manifests beside them. */
#ifndef TOOLS_INDEX_SHARDS_H
#define TOOLS_INDEX_SHARDS_H

#include <stddef.h>

struct index_shard {
    char *path;       /* as it can be opened */
    const char *name; /* in path: from the folder on */
    int named;        /* a manifest names it, with this size */
};

struct index_shards {
    struct index_shard *shards; /* n of them, in order of NAME and part */
    size_t n, cap;
    char **manifests; /* paths */
    size_t n_manifests, manifests_cap;
    size_t n_unfinished; /* temporaries, explained */
};

/* Finds them below `folder`, with a warning on stderr for each thing that is missing:
 * shards that no manifest names, shards of a manifest that are gone or have another size,
 * units that are still being written. Gives *s (release with index_shards_clear(), also
 * on failure). Returns how many warnings there were, or -1 after explaining why the
 * folder cannot be read. */
long index_shards_find(struct index_shards *s, const char *folder);
void index_shards_clear(struct index_shards *s);

#endif
