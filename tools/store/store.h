/* SPDX-License-Identifier: Apache-2.0
 * tools/store/store.h - where the files of a data set are: what publishes, lists and
 * reads them goes through one table, so that none of it knows what kind of place that is.
 *
 *     const struct store *store = store_at(folder);
 *     if (store->put_if_absent(path, text, len) != 0 && errno == EEXIST)
 *         somebody_was_first();
 *
 * Files are named by their whole path, folders joined by '/'. A name that is put, or put
 * if absent, has all its bytes from its first moment on; only output's names grow, which
 * is why they are temporary ones (temporary.h).
 *
 * An object store can be behind it: put and put_if_absent are its puts, the latter on a
 * condition; output is a put in parts; rename is a copy and a delete; remove, look,
 * read_at and list are delete, head, a ranged get and a listing by prefix. sync and the
 * folders' two have nothing to do there, and room is not known.
 *
 * Where nothing else is said an entry returns 0, or -1 with errno: ENOENT where there is
 * no such file, EEXIST where there should be none, ENOMEM. Any thread may call them at
 * any time. */
#ifndef TOOLS_STORE_STORE_H
#define TOOLS_STORE_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "shard/shard_input.h"
#include "shard/output.h"

struct store_entry {
    uint64_t bytes;
    /* It stays the same when the file is renamed, and is another one when another file
     * was put in its place. Both 0: the store does not know, and only the bytes of the
     * two can tell. */
    uint64_t id[2];
    bool folder;
};

struct store {
    /* Files too large to be put at once. */
    const struct shard_output *output;
    /* The same read by position, again and again. */
    const struct shard_input *input;

    /* A small file, at once, in place of what is there. It outlasts a crash, and so does
     * what put_if_absent put. */
    int (*put)(const char *path, const void *bytes, size_t len);
    /* The same where nothing is there, or an empty file (store_has()), else EEXIST: of
     * several processes one succeeds, also where others are slow or were killed.
     * give_name.c says what that takes of a file system. It decides on this name alone:
     * files put or renamed before it may be others' by then, which is why publish.c
     * looks at them once more. */
    int (*put_if_absent)(const char *path, const void *bytes, size_t len);

    /* In place of what is there under `to`. It may be lost in a crash until sync. */
    int (*rename)(const char *from, const char *to);
    int (*remove)(const char *path);
    /* A file's bytes, or a folder's names, outlast a crash. */
    int (*sync)(const char *path);

    int (*look)(const char *path, struct store_entry *entry);
    /* At most `cap` bytes from `offset` on. Returns how many, 0 at the end; -1 with
     * errno. */
    ssize_t (*read_at)(const char *path, uint64_t offset, void *to, size_t cap);
    /* Tells `found` of each name in a folder, in any order, until it returns other than
     * 0, which list then returns; -1 with errno also where the listing failed. What
     * `found` is told of it may remove. Links to folders are no folders. */
    int (*list)(const char *folder,
                int (*found)(void *ctx, const char *name, bool is_folder), void *ctx);

    /* One folder below one that is there, unless it is there itself. */
    int (*make_folder)(const char *path);
    /* One that is empty. */
    int (*remove_folder)(const char *path);
    /* Whether files can be made in a folder, and of how many bytes together; UINT64_MAX:
     * it does not tell. */
    int (*room)(const char *folder, uint64_t *bytes);
};

/* The store that a path is in. Never NULL. */
const struct store *store_at(const char *path);

/* A folder of the file system. */
extern const struct store store_folder;

/* Whether a file that is put if absent is there. An empty one is not: a crash of the
 * machine or an earlier version, which claimed names so, may have left it. Returns 0, or
 * -1 with errno where that could not be found out, which says false. */
int store_has(const struct store *store, const char *path, bool *there);

/* All bytes of a file, with a NUL behind them. Gives *bytes; release with free(). EFBIG
 * where there are more than `max`. */
int store_read(const struct store *store, const char *path, size_t max, char **bytes,
               size_t *len);

#endif
