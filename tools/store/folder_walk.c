/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/store/folder_walk.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "tools/store/path_list.h"
#include "tools/store/store.h"

struct walk {
    const struct folder_walk *w;
    const struct store *store;
    const char *below;         /* the folder that is listed, from the whole one's on */
    struct path_list *folders; /* still to be listed, from the whole one's on */
};

/* Gives where `name` is from the whole folder on, or NULL. */
static char *path_of(const struct walk *walk, const char *name)
{
    return *walk->below == '\0' ? strdup(name) : path_below(walk->below, name);
}

static int found(void *ctx, const char *name, bool is_folder)
{
    const struct walk *walk = ctx;
    char *path;
    int rc;

    if (!is_folder && strncmp(name, "._", 2) == 0)
        return 0;
    path = path_of(walk, name);
    if (path == NULL)
        return ENOMEM;
    if (is_folder)
        return path_list_take(walk->folders, path) ? 0 : ENOMEM;
    rc = walk->w->file(walk->w->context, path);
    free(path);
    return rc;
}

/* 0, ENOMEM, or what a callback returned. `whole` is walk->below as it can be listed. */
static int list(const struct walk *walk, const char *whole)
{
    const bool is_root = *walk->below == '\0';
    struct store_entry entry;

    if (!is_root && walk->w->apart != NULL) {
        char *mark = path_below(whole, walk->w->apart);
        const bool apart = mark != NULL && walk->store->look(mark, &entry) == 0;
        free(mark);
        if (mark == NULL || apart)
            return mark == NULL ? ENOMEM : 0;
    }
    int rc = walk->store->list(whole, found, (void *)walk);
    if (rc >= 0)
        return rc;
    rc = errno;
    return is_root || rc == ENOMEM
               ? rc
               : walk->w->unreadable(walk->w->context, walk->below, rc);
}

int folder_walk(const char *folder, const struct folder_walk *w)
{
    struct path_list folders = {0};
    struct walk walk = {w, store_at(folder), "", &folders};

    int rc = list(&walk, folder);
    while (rc == 0 && folders.n > 0) {
        char *below = folders.paths[--folders.n], *whole = path_below(folder, below);
        walk.below = below;
        rc = whole != NULL ? list(&walk, whole) : ENOMEM;
        free(whole);
        free(below);
    }
    path_list_clear(&folders);
    return rc;
}
