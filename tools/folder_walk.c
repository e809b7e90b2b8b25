/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/folder_walk.h"

#include <errno.h>
#include <fts.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tools/path_list.h"

/* 0 or ENOMEM. */
static int pass_over(FTS *walk, FTSENT *folder, const char *apart)
{
    char *path = path_below(folder->fts_path, apart);

    if (path == NULL)
        return ENOMEM;
    if (access(path, F_OK) == 0)
        fts_set(walk, folder, FTS_SKIP);
    free(path);
    return 0;
}

static int visit(const struct folder_walk *w, FTS *walk, FTSENT *entry, size_t folder_len)
{
    const char *path = entry->fts_path + folder_len;

    while (*path == '/')
        path++;
    switch (entry->fts_info) {
    case FTS_DNR:
    case FTS_ERR:
    case FTS_NS:
        if (entry->fts_level == FTS_ROOTLEVEL || entry->fts_errno == ENOMEM)
            return entry->fts_errno;
        return w->unreadable(w->context, path, entry->fts_errno);
    case FTS_D:
        return w->apart != NULL && entry->fts_level > FTS_ROOTLEVEL
                   ? pass_over(walk, entry, w->apart)
                   : 0;
    case FTS_F:
    case FTS_SL:
    case FTS_DEFAULT:
        return strncmp(entry->fts_name, "._", 2) == 0 ? 0 : w->file(w->context, path);
    default:
        return 0;
    }
}

int folder_walk(const char *folder, const struct folder_walk *w)
{
    char *root = strdup(folder);
    char *const roots[] = {root, NULL};
    FTSENT *entry;
    int rc = 0;

    if (root == NULL)
        return ENOMEM;
    FTS *walk = fts_open(roots, FTS_PHYSICAL | FTS_COMFOLLOW | FTS_NOCHDIR, NULL);
    if (walk == NULL)
        rc = errno;
    while (rc == 0 && (entry = fts_read(walk)) != NULL)
        rc = visit(w, walk, entry, strlen(folder));
    if (rc == 0 && errno != 0) /* it ended before the folder did */
        rc = errno;
    if (walk != NULL)
        fts_close(walk);
    free(root);
    return rc;
}
