/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/shard_set.h"

#include <errno.h>
#include <fts.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <jansson.h>

#include "tools/manifest.h"
#include "tools/print.h"
#include "tools/shard_files.h"

static const char shard_suffix[] = ".lms", manifest_suffix[] = ".manifest.json",
                  temporary_mark[] = ".lms.tmp.";

static bool ends_in(const char *name, const char *suffix)
{
    size_t len = strlen(name), n = strlen(suffix);

    return len > n && strcmp(name + len - n, suffix) == 0;
}

/* ---- what is there ---- */

/* Room for one element more in an array of *cap. */
static bool grow(void **array, size_t n, size_t *cap, size_t width)
{
    if (n < *cap)
        return true;
    size_t more = *cap > 0 ? 2 * *cap : 64;
    void *larger = reallocarray(*array, more, width);
    if (larger == NULL)
        return false;
    *array = larger;
    *cap = more;
    return true;
}

static bool add_shard(struct shard_set *s, const char *path, size_t folder_len)
{
    if (!grow((void **)&s->shards, s->n, &s->cap, sizeof(s->shards[0])))
        return false;
    char *copy = strdup(path);
    if (copy == NULL)
        return false;
    s->shards[s->n++] =
        (struct shard_set_entry){.path = copy, .name = copy + folder_len + 1};
    return true;
}

static bool add_manifest(struct shard_set *s, const char *path)
{
    if (!grow((void **)&s->manifests, s->n_manifests, &s->manifests_cap,
              sizeof(s->manifests[0])))
        return false;
    s->manifests[s->n_manifests] = strdup(path);
    return s->manifests[s->n_manifests++] != NULL;
}

/* What a killed run left of a unit that was finished later means nothing. < 0: no memory.
 */
static int unit_is_finished(const char *temporary, const char *mark)
{
    size_t len = (size_t)(mark - temporary);
    char *manifest;

    if (len > 6 && temporary[len - 6] == '+' &&
        strspn(temporary + len - 5, "0123456789") >= 5)
        len -= 6;
    if (asprintf(&manifest, "%.*s%s", (int)len, temporary, manifest_suffix) < 0)
        return -1;
    int finished = access(manifest, F_OK) == 0;
    free(manifest);
    return finished;
}

static bool add_file(struct shard_set *s, const char *path, size_t folder_len)
{
    const char *mark = strstr(path + folder_len, temporary_mark);

    if (ends_in(path, shard_suffix))
        return add_shard(s, path, folder_len);
    if (ends_in(path, manifest_suffix))
        return add_manifest(s, path);
    const int finished = mark != NULL ? unit_is_finished(path, mark) : 1;
    if (finished == 0) {
        print_to_stderr("warning: %s: its unit is unfinished", path);
        s->n_unfinished++;
    }
    return finished >= 0;
}

static int out_of_memory(void)
{
    print_to_stderr("error: out of memory");
    return -1;
}

/* 0, or -1 after explaining. */
static int walk_folder(struct shard_set *s, char *folder)
{
    char *const roots[] = {folder, NULL};
    const size_t folder_len = strlen(folder);
    FTS *walk = fts_open(roots, FTS_PHYSICAL | FTS_COMFOLLOW | FTS_NOCHDIR, NULL);
    FTSENT *entry;
    int rc = 0;

    if (walk == NULL) {
        print_to_stderr("error: %s: %s", folder, strerror(errno));
        return -1;
    }
    while (rc == 0 && (entry = fts_read(walk)) != NULL) {
        switch (entry->fts_info) {
        case FTS_DNR:
        case FTS_ERR:
        case FTS_NS:
            print_to_stderr("error: %s: %s", entry->fts_path, strerror(entry->fts_errno));
            rc = -1;
            break;
        case FTS_F:
        case FTS_SL:
            if (!shard_files_is_twin(entry->fts_name) &&
                !add_file(s, entry->fts_path, folder_len))
                rc = out_of_memory();
            break;
        default:
            break;
        }
    }
    if (rc == 0 && errno != 0) { /* it ended before the folder did */
        print_to_stderr("error: %s: %s", folder, strerror(errno));
        rc = -1;
    }
    fts_close(walk);
    return rc;
}

/* By NAME and part: "a" before "a+00001" before "a/b". */
static int by_name(const void *left, const void *right)
{
    const char *a = ((const struct shard_set_entry *)left)->name;
    const char *b = ((const struct shard_set_entry *)right)->name;
    const size_t a_len = strlen(a) - (sizeof(shard_suffix) - 1);
    const size_t b_len = strlen(b) - (sizeof(shard_suffix) - 1);
    const int order = memcmp(a, b, a_len < b_len ? a_len : b_len);

    return order != 0 ? order : (a_len > b_len) - (a_len < b_len);
}

static int by_text(const void *left, const void *right)
{
    return strcmp(*(char *const *)left, *(char *const *)right);
}

/* ---- what should be there ---- */

static struct shard_set_entry *find_shard(const struct shard_set *s, const char *name)
{
    const struct shard_set_entry key = {.name = name};

    if (s->n == 0)
        return NULL;
    return bsearch(&key, s->shards, s->n, sizeof(s->shards[0]), by_name);
}

/* Gives the number of warnings, as those below; < 0 after explaining. `folder` is that of
 * the manifest, from the data set's on, with its slash. */
static long check_named(struct shard_set *s, const char *folder, int folder_len,
                        const char *manifest, const json_t *entry)
{
    const char *file = json_string_value(json_object_get(entry, "name"));
    const json_int_t bytes = json_integer_value(json_object_get(entry, "bytes"));
    struct stat st;
    char *name = NULL;

    if (file == NULL || strchr(file, '/') != NULL || !ends_in(file, shard_suffix)) {
        print_to_stderr("warning: %s: names a shard that is no shard's name", manifest);
        return 1;
    }
    if (asprintf(&name, "%.*s%s", folder_len, folder, file) < 0)
        return out_of_memory();
    struct shard_set_entry *shard = find_shard(s, name);
    long warnings = 0;
    if (shard == NULL) {
        print_to_stderr("warning: %s is missing; %s names it", name, manifest);
        warnings = 1;
    } else {
        shard->named = 1;
        if (stat(shard->path, &st) != 0 || st.st_size != (off_t)bytes) {
            print_to_stderr("warning: %s has not the %" PRId64 " bytes that %s says",
                            shard->path, (int64_t)bytes, manifest);
            warnings = 1;
        }
    }
    free(name);
    return warnings;
}

static long check_manifest(struct shard_set *s, const char *path, size_t folder_len)
{
    const char *name = path + folder_len + 1;
    const char *slash = strrchr(name, '/');
    const int len = slash != NULL ? (int)(slash - name) + 1 : 0;
    struct manifest manifest;
    const json_t *entry;
    long warnings = 0;
    size_t i;

    if (manifest_read(&manifest, path) < 0) {
        warnings = errno == ENOMEM ? out_of_memory() : 1;
        if (warnings > 0)
            print_to_stderr("warning: %s", manifest.why);
    }
    json_array_foreach(manifest.shards, i, entry)
    {
        const long more = check_named(s, name, len, path, entry);
        if (more < 0) {
            warnings = more;
            break;
        }
        warnings += more;
    }
    manifest_free(&manifest);
    return warnings;
}

static long check_all(struct shard_set *s, size_t folder_len)
{
    long warnings = (long)s->n_unfinished;

    if (s->n > 0)
        qsort(s->shards, s->n, sizeof(s->shards[0]), by_name);
    if (s->n_manifests > 0)
        qsort(s->manifests, s->n_manifests, sizeof(s->manifests[0]), by_text);
    for (size_t i = 0; i < s->n_manifests; i++) {
        const long more = check_manifest(s, s->manifests[i], folder_len);
        if (more < 0)
            return more;
        warnings += more;
    }
    for (size_t i = 0; i < s->n; i++) {
        if (s->shards[i].named)
            continue;
        print_to_stderr("warning: %s: no manifest names it, its unit is unfinished",
                        s->shards[i].path);
        warnings++;
    }
    return warnings;
}

long shard_set_find(struct shard_set *s, const char *folder)
{
    char *root = strdup(folder);
    long rc = -1;

    *s = (struct shard_set){0};
    if (root == NULL)
        return out_of_memory();
    size_t len = strlen(root);
    while (len > 1 && root[len - 1] == '/')
        root[--len] = '\0';
    if (walk_folder(s, root) == 0)
        rc = check_all(s, len);
    free(root);
    return rc;
}

void shard_set_clear(struct shard_set *s)
{
    for (size_t i = 0; i < s->n; i++)
        free(s->shards[i].path);
    for (size_t i = 0; i < s->n_manifests; i++)
        free(s->manifests[i]);
    free(s->shards);
    free(s->manifests);
    *s = (struct shard_set){0};
}
