/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/store/folder_walk.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "ingest/hash_set.h"
#include "tools/store/path.h"
#include "tools/store/path_list.h"

struct walk {
    const struct folder_walk *w;
    const struct store *store;
    const char *folder;
    const char *below;               /* the one that is listed, from `folder` on */
    struct path_list folders, links; /* still to be listed, from `folder` on */
    struct hash_set seen;            /* the ids of those that were */
};

/* Gives where `name` is from the whole folder on, or NULL. */
static char *path_of(const struct walk *walk, const char *name)
{
    return *walk->below == '\0' ? strdup(name) : path_below(walk->below, name);
}

static bool is_passed_over(const char *name, bool is_folder)
{
    static const char *const folders[] = {".ipynb_checkpoints", ".snapshot",
                                          "lost+found"};

    for (size_t i = 0; i < sizeof(folders) / sizeof(*folders) && is_folder; i++)
        if (strcmp(name, folders[i]) == 0)
            return true;
    return !is_folder && strncmp(name, "._", 2) == 0;
}

/* A name that is no folder's may be a link to one. */
static int found_file(struct walk *walk, const char *path)
{
    char *whole = path_below(walk->folder, path);
    struct store_entry entry;

    if (whole == NULL)
        return ENOMEM;
    const int error = walk->store->look(whole, &entry) == 0 ? 0 : errno;
    free(whole);
    if (error == 0 && entry.folder)
        return path_list_add(&walk->links, strdup(path)) ? 0 : ENOMEM;
    if (error == 0 || error == ENOENT || error == ELOOP)
        return walk->w->file(walk->w->context, path, error == 0 ? &entry : NULL);
    return walk->w->unreadable(walk->w->context, path, error);
}

static int found(void *ctx, const char *name, bool is_folder)
{
    struct walk *walk = ctx;
    char *path;
    int rc;

    if (is_passed_over(name, is_folder))
        return 0;
    path = path_of(walk, name);
    if (path == NULL)
        return ENOMEM;
    if (is_folder)
        return path_list_add(&walk->folders, path) ? 0 : ENOMEM;
    rc = found_file(walk, path);
    free(path);
    return rc;
}

/* Whether a file says that the folder `whole` is another's. < 0: no memory. */
static int is_apart(const struct walk *walk, const char *whole)
{
    struct store_entry entry;

    if (*walk->below == '\0' || walk->w->apart == NULL)
        return 0;
    char *mark = path_below(whole, walk->w->apart);
    const int apart = mark == NULL ? -1 : walk->store->look(mark, &entry) == 0;
    free(mark);
    return apart;
}

/* 0, ENOMEM, or what a callback returned. `whole` is walk->below as it can be listed. */
static int list(struct walk *walk, const char *whole)
{
    const bool is_root = *walk->below == '\0';
    struct store_entry entry;
    int rc = -1;

    if (walk->store->look(whole, &entry) == 0) {
        const int added = hash_set_add(&walk->seen, entry.id, sizeof(entry.id));
        const int apart = is_apart(walk, whole);
        if (added < 0 || apart < 0)
            return ENOMEM;
        rc = added == 0 || apart > 0 ? 0 : walk->store->list(whole, found, walk);
    }
    if (rc >= 0)
        return rc;
    rc = errno;
    return is_root || rc == ENOMEM
               ? rc
               : walk->w->unreadable(walk->w->context, walk->below, rc);
}

/* A link to a folder that the whole one is in leads in a circle. Returns 0 or ENOMEM. */
static int see_parents(struct walk *walk)
{
    struct store_entry entry;
    char *path = path_below(walk->folder, "..");
    int rc = path != NULL ? 1 : -1;

    while (rc > 0 && walk->store->look(path, &entry) == 0) {
        rc = hash_set_add(&walk->seen, entry.id, sizeof(entry.id)); /* 0: it is "/" */
        char *parent = path_below(path, "..");
        free(path);
        path = parent;
        if (path == NULL)
            rc = -1;
    }
    free(path);
    return rc < 0 ? ENOMEM : 0;
}

/* Gives the next one: links last, in their order, so that it is not the file system's
 * which name a folder gets. NULL: none is left. */
static char *next_folder(struct walk *walk)
{
    struct path_list *links = &walk->links;

    if (walk->folders.n > 0)
        return walk->folders.paths[--walk->folders.n];
    if (links->n == 0)
        return NULL;
    path_list_sort(links, "");
    char *first = links->paths[0];
    memmove(links->paths, links->paths + 1, --links->n * sizeof(*links->paths));
    return first;
}

int folder_walk(const char *folder, const struct folder_walk *w)
{
    struct walk walk = {.w = w, .store = store_at(folder), .folder = folder, .below = ""};
    char *below;

    int rc = list(&walk, folder);
    if (rc == 0)
        rc = see_parents(&walk);
    while (rc == 0 && (below = next_folder(&walk)) != NULL) {
        char *whole = path_below(folder, below);
        walk.below = below;
        rc = whole != NULL ? list(&walk, whole) : ENOMEM;
        free(whole);
        free(below);
    }
    path_list_clear(&walk.folders);
    path_list_clear(&walk.links);
    hash_set_free(&walk.seen);
    return rc;
}
