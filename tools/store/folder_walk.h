/* SPDX-License-Identifier: Apache-2.0
 * tools/store/folder_walk.h - every file below a folder, in no order. */
#ifndef TOOLS_STORE_FOLDER_WALK_H
#define TOOLS_STORE_FOLDER_WALK_H

struct folder_walk {
    /* A folder below that has a file called so is another's and passed over; NULL: none
     * is. */
    const char *apart;
    /* Each file, by its path from the folder on (lent); links are files. Those that macOS
     * puts beside others, "._" and their name, are none. Returns 0, or an errno that ends
     * the walk. */
    int (*file)(void *context, const char *path);
    /* A path below the folder that cannot be read, and why. Returns as file() does. */
    int (*unreadable)(void *context, const char *path, int error);
    void *context;
};

/* Returns 0; what a callback returned; or the errno of the folder itself. */
int folder_walk(const char *folder, const struct folder_walk *w);

#endif
