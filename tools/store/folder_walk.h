/* SPDX-License-Identifier: Apache-2.0
 * tools/store/folder_walk.h - every file below a folder, in no order.
 *
 * Links to folders are followed, as `prepare` writes through them, but not upwards; a
 * folder that is found twice is looked into once, under its own name rather than a
 * link's. What others keep
 * beside files is passed over: "._" and a file's name (macOS), the folders
 * .ipynb_checkpoints, .snapshot and lost+found. */
#ifndef TOOLS_STORE_FOLDER_WALK_H
#define TOOLS_STORE_FOLDER_WALK_H

#include "tools/store/store.h"

struct folder_walk {
    /* A folder below that has a file called so is another's and passed over; NULL: none
     * is. */
    const char *apart;
    /* Each file, by its path from the folder on, and what it is (both lent); NULL: it is
     * a link to nothing, or gone again. Returns 0, or an errno that ends the walk. */
    int (*file)(void *context, const char *path, const struct store_entry *entry);
    /* A path below the folder that cannot be read, and why. Returns as file() does. */
    int (*unreadable)(void *context, const char *path, int error);
    void *context;
};

/* Returns 0; what a callback returned; or the errno of the folder itself. */
int folder_walk(const char *folder, const struct folder_walk *w);

#endif
