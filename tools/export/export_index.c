/* SPDX-License-Identifier: Apache-2.0
 * tools/export/export_index.c - the index of a whole folder, from its units' manifests.
 *
 * Every unit that has a manifest is in it, whichever run or process made it; so several
 * may share a folder, and the last to end writes the index that has all. A folder below
 * it that was exported to by itself has an index of its own. */
#include "tools/export/export_index.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/export/export_format.h"
#include "tools/store/folder_walk.h"
#include "tools/store/json_text.h"
#include "tools/cli/memory_file.h"
#include "tools/cli/print.h"
#include "tools/store/path.h"
#include "tools/store/path_list.h"
#include "tools/store/store.h"

/* Returns how many entries there are behind this manifest's, or -1. */
static long long put_unit(FILE *f, const char *path, long long n)
{
    json_error_t error;
    json_t *manifest = json_load_path(path, 0, &error);
    const json_t *shards = json_object_get(json_object_get(manifest, "result"), "shards");
    const json_t *entry;
    size_t i;

    if (manifest == NULL && errno == ENOENT)
        return n; /* taken away meanwhile, or empty: unfinished */
    if (!json_is_array(shards)) {
        print_to_stderr("error: %s: is not a manifest%s%s", path,
                        manifest == NULL ? ": " : "", manifest == NULL ? error.text : "");
        json_decref(manifest);
        return -1;
    }
    json_array_foreach(shards, i, entry)
    {
        fputs(n > 0 ? ", " : "", f);
        if (json_dumpf(entry, f, JSON_SORT_KEYS | JSON_ENSURE_ASCII) != 0) {
            print_out_of_memory();
            n = -1;
            break;
        }
        n++;
    }
    json_decref(manifest);
    return n;
}

static int put_units(FILE *f, const struct export_run *run,
                     const struct path_list *manifests)
{
    long long n = 0;

    fputs(run->format->index_head, f);
    for (size_t i = 0; i < manifests->n && n >= 0; i++)
        n = put_unit(f, manifests->paths[i], n);
    fputs(run->format->index_tail, f);
    return n < 0 ? -1 : 0;
}

/* Where nothing has changed nothing is written, which a read-only folder would refuse. */
static bool is_there(const char *path, const struct memory_file *text)
{
    char *there;
    size_t n;
    const bool same = store_read(store_at(path), path, text->len, &there, &n) == 0 &&
                      n == text->len && memcmp(there, text->bytes, n) == 0;

    free(there);
    return same;
}

static int publish_index(const struct export_run *run, struct memory_file *text)
{
    char *path = NULL, why[600] = "out of memory";
    int rc = PUBLISH_FAILED;

    if (asprintf(&path, "%s/%s", run->options->out, run->format->index) < 0)
        path = NULL;
    if (path != NULL && memory_file_flush(text) == 0)
        rc = is_there(path, text)
                 ? PUBLISH_OK
                 : publish_replace(path, text->bytes, text->len, why, sizeof(why));
    if (rc != PUBLISH_OK)
        print_to_stderr("error: %s", why);
    free(path);
    return rc == PUBLISH_OK ? 0 : -1;
}

struct search {
    const char *folder;
    struct path_list *manifests;
};

static int note_file(void *context, const char *path, const struct store_entry *entry)
{
    struct search *s = context;

    (void)entry;
    return !path_ends_in(path, EXPORT_MANIFEST) ||
                   path_list_add(s->manifests, path_below(s->folder, path))
               ? 0
               : ENOMEM;
}

/* An index that lacks what is there would be wrong. */
static int refuse_unreadable(void *context, const char *path, int error)
{
    (void)context;
    (void)path;
    return error;
}

static int find_manifests(struct path_list *manifests, const char *folder)
{
    struct search s = {folder, manifests};
    const struct folder_walk walk = {EXPORT_CONFIG, note_file, refuse_unreadable, &s};
    const int error = folder_walk(folder, &walk);

    if (error != 0)
        print_to_stderr("error: %s: %s", folder, strerror(error));
    path_list_sort(manifests, EXPORT_MANIFEST);
    return error == 0 ? 0 : -1;
}

int export_index_write(const struct export_run *run)
{
    struct path_list manifests = {0};
    struct memory_file text = {0};
    int rc = -1;

    if (memory_file_open(&text) != 0)
        print_out_of_memory();
    else if (find_manifests(&manifests, run->options->out) == 0 &&
             put_units(text.file, run, &manifests) == 0)
        rc = publish_index(run, &text);
    memory_file_close(&text);
    path_list_clear(&manifests);
    return rc;
}
