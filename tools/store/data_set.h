/* SPDX-License-Identifier: Apache-2.0
 * tools/store/data_set.h - what is in a folder of shards, and what it lacks.
 *
 * The folder and all below it are one data set. Finished shards are those that a manifest
 * names, with the size it says: a name alone may be left over from a run that was killed.
 * Where neither a manifest nor a dataset.json is, somebody has put shards alone there,
 * and each of them counts as finished, unless they are of two tries of one unit. A try's
 * shard that its unit's manifest does not name is no more than a temporary. The package's
 * data_set.py judges the same way.
 *
 * `prepare` may be at work in the folder meanwhile: what was listed is looked at again
 * before it is called missing, unfinished or foreign.
 *
 * No shard is opened, nothing is printed (data_set_report.h does). What is wrong with the
 * folder is data, not an error. */
#ifndef TOOLS_STORE_DATA_SET_H
#define TOOLS_STORE_DATA_SET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tools/store/path_list.h"

enum data_set_state { DATA_SET_COMPLETE, DATA_SET_DAMAGED, DATA_SET_REJECTED };

/* A unit whose manifest could be read. */
struct data_set_unit {
    char *manifest;  /* its path: NAME.manifest.json below the unit's folder */
    size_t name_len; /* of NAME, with that folder, in `manifest` */
    enum data_set_state state;
    size_t n_shards; /* that it names */
};

/* A finished shard. */
struct data_set_shard {
    char *path;           /* NAME.lms, NAME+00001.lms */
    size_t name_len;      /* of NAME, with its folder, in `path` */
    uint32_t part;        /* as its file's name says */
    uint64_t bytes;       /* of the file */
    uint64_t samples;     /* as the manifest says */
    const char *manifest; /* that names it; lent by its unit; NULL: there are none */
};

/* A shard that a manifest names, but that is gone or of another size. */
struct data_set_missing {
    char *path;
    const char *manifest; /* lent by its unit */
    uint64_t bytes;       /* that it should have */
    bool there;
    uint64_t there_bytes; /* that it has */
};

/* A manifest or a folder that could not be read, or a shard not even looked at or without
 * the manifest that would say whether it counts. */
struct data_set_unreadable {
    char *path;
    int error;     /* errno; 0: it was read, but is of no use as `why` says */
    bool may_pass; /* as a lack of rights does; not that it links to nothing */
    char *why;     /* in words, without the path */
};

/* Paths are from the folder on. All arrays but `unreadable` are sorted by NAME and
 * part. Everything is the struct's own. Of one unit the manifest that cannot be read is
 * named and not its shards too. */
struct data_set {
    char *folder; /* without slashes at its end */
    bool has_manifests;
    bool configured; /* there is a dataset.json: `prepare` works or worked here */
    struct data_set_unit *units;
    size_t n_units;
    struct data_set_shard *shards;
    size_t n_shards;
    struct data_set_missing *missing;
    size_t n_missing;
    struct data_set_unreadable *unreadable;
    size_t n_unreadable;
    /* Temporaries of units that have no manifest, and manifests that say nothing yet or
     * were taken away meanwhile. */
    struct path_list unfinished;
    struct path_list foreign; /* shards that no manifest names, where there are some */
};

/* Looks below `folder`. Gives *d; release it with data_set_clear(), also on failure.
 * Returns 0, or the errno for which the folder itself could not be read (ENOMEM: memory
 * was short). */
int data_set_find(struct data_set *d, const char *folder);
void data_set_clear(struct data_set *d);

/* How many things it lacks or has unfinished. 0: nothing is wrong with it. */
size_t data_set_n_lacking(const struct data_set *d);

/* How many of these belong to units that `prepare` has not finished yet. */
size_t data_set_n_unfinished(const struct data_set *d);

/* Whether another look may find what this one could not read. */
bool data_set_may_pass(const struct data_set *d);

/* There is nothing of a data set in the folder. */
bool data_set_is_empty(const struct data_set *d);

/* All units are finished, and none has a shard. */
bool data_set_has_no_samples(const struct data_set *d);

#endif
