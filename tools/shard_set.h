/* SPDX-License-Identifier: Apache-2.0
 * tools/shard_set.h - which shards a data set has, and what it lacks.
 *
 * All `.lms` files below a folder, compared with the manifests beside them. */
#ifndef TOOLS_SHARD_SET_H
#define TOOLS_SHARD_SET_H

#include <stddef.h>

struct shard_set_entry {
    char *path;       /* as it can be opened */
    const char *name; /* in path: from the folder on */
    int named;        /* a manifest names it, with this size */
};

struct shard_set {
    struct shard_set_entry *shards; /* n of them, in order of NAME and part */
    size_t n, cap;
    char **manifests; /* paths */
    size_t n_manifests, manifests_cap;
    size_t n_unfinished; /* temporaries, explained */
};

/* Finds them below `folder`, with a warning on stderr for each thing that is missing:
 * shards that no manifest names, shards of a manifest that are gone or have another size,
 * units that are still being written. Gives *s (release with shard_set_clear(), also
 * on failure). Returns how many warnings there were, or -1 after explaining why the
 * folder cannot be read. */
long shard_set_find(struct shard_set *s, const char *folder);
void shard_set_clear(struct shard_set *s);

#endif
