/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/shard_files.h"

#include <errno.h>
#include <fts.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <jansson.h>

#include "tools/manifest.h"
#include "tools/print.h"

static const char manifest_suffix[] = ".manifest.json";

/* Takes `path`, which may be NULL for want of memory. */
static bool append(struct shard_files *files, char *path)
{
    if (path == NULL)
        return false;
    if (files->n == files->cap) {
        const size_t cap = files->cap > 0 ? 2 * files->cap : 16;
        char **paths = reallocarray(files->paths, cap, sizeof(*paths));
        if (paths == NULL) {
            free(path);
            return false;
        }
        files->paths = paths;
        files->cap = cap;
    }
    files->paths[files->n++] = path;
    return true;
}

__attribute__((format(printf, 1, 2))) static size_t problem(const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    print_error_line(fmt, ap);
    va_end(ap);
    return 1;
}

static size_t out_of_memory(struct shard_files *files, const char *where)
{
    files->no_memory = true;
    return problem("%s: out of memory", where);
}

/* `a/b.manifest.json` and "b+00001.lms" -> "a/b+00001.lms". */
static char *beside(const char *manifest, const char *name)
{
    const char *slash = strrchr(manifest, '/');
    const int folder_len = slash != NULL ? (int)(slash - manifest) + 1 : 0;
    char *path;

    return asprintf(&path, "%.*s%s", folder_len, manifest, name) < 0 ? NULL : path;
}

static size_t add_named(struct shard_files *files, const char *path)
{
    struct manifest manifest;
    size_t i, problems = 0;
    json_t *shard;

    if (manifest_read(&manifest, path) < 0) {
        files->no_memory |= errno == ENOMEM;
        problems += problem("%s", manifest.why);
    }
    json_array_foreach(manifest.shards, i, shard)
    {
        const char *name = json_string_value(json_object_get(shard, "name"));
        if (name == NULL || strchr(name, '/') != NULL)
            problems += problem("%s: shard %zu has no file name", path, i);
        else if (!append(files, beside(path, name)))
            problems += out_of_memory(files, path);
    }
    manifest_free(&manifest);
    return problems;
}

static bool ends_in(const char *name, const char *suffix)
{
    const size_t len = strlen(name), n = strlen(suffix);

    return len > n && strcmp(name + len - n, suffix) == 0;
}

bool shard_files_is_twin(const char *file)
{
    return strncmp(file, "._", 2) == 0;
}

/* By NAME: "a" before "a+b" before "a/b". */
static int by_name(const void *left, const void *right, void *suffix)
{
    const char *a = *(char *const *)left, *b = *(char *const *)right;
    const size_t a_len = strlen(a) - strlen(suffix), b_len = strlen(b) - strlen(suffix);
    const int order = memcmp(a, b, a_len < b_len ? a_len : b_len);

    return order != 0 ? order : (a_len > b_len) - (a_len < b_len);
}

static size_t pass_over(struct shard_files *files, FTS *walk, FTSENT *folder,
                        const char *apart)
{
    char *path;

    if (asprintf(&path, "%s/%s", folder->fts_path, apart) < 0)
        return out_of_memory(files, folder->fts_path);
    if (access(path, F_OK) == 0)
        fts_set(walk, folder, FTS_SKIP);
    free(path);
    return 0;
}

/* What fts says of a file, or where it has none. */
static size_t walk_problem(struct shard_files *files, const char *where, int error)
{
    return error == ENOMEM ? out_of_memory(files, where)
                           : problem("%s: %s", where, strerror(error));
}

static size_t walk_folder(struct shard_files *files, char *folder, const char *suffix,
                          const char *apart)
{
    char *const roots[] = {folder, NULL};
    size_t problems = 0;
    FTSENT *entry;

    FTS *walk = fts_open(roots, FTS_PHYSICAL | FTS_COMFOLLOW | FTS_NOCHDIR, NULL);
    if (walk == NULL)
        return walk_problem(files, folder, errno);
    while ((entry = fts_read(walk)) != NULL) {
        switch (entry->fts_info) {
        case FTS_DNR:
        case FTS_ERR:
        case FTS_NS:
            problems += walk_problem(files, entry->fts_path, entry->fts_errno);
            break;
        case FTS_D:
            if (apart != NULL && entry->fts_level > FTS_ROOTLEVEL)
                problems += pass_over(files, walk, entry, apart);
            break;
        case FTS_F:
        case FTS_SL:
            if (ends_in(entry->fts_name, suffix) &&
                !shard_files_is_twin(entry->fts_name) &&
                !append(files, strdup(entry->fts_path)))
                problems += out_of_memory(files, entry->fts_path);
            break;
        default:
            break;
        }
    }
    if (errno != 0) /* it ended before the folder did */
        problems += walk_problem(files, folder, errno);
    fts_close(walk);
    return problems;
}

size_t shard_files_find(struct shard_files *files, const char *folder, const char *suffix,
                        const char *apart)
{
    const size_t n_before = files->n;
    char *root = strdup(folder);

    if (root == NULL)
        return out_of_memory(files, folder);
    for (size_t len = strlen(root); len > 1 && root[len - 1] == '/'; len--)
        root[len - 1] = '\0';
    size_t problems = walk_folder(files, root, suffix, apart);
    free(root);
    if (files->n > n_before)
        qsort_r(files->paths + n_before, files->n - n_before, sizeof(*files->paths),
                by_name, (void *)suffix);
    return problems;
}

static size_t add_folder(struct shard_files *files, const char *folder)
{
    struct shard_files manifests = {0};

    size_t problems = shard_files_find(&manifests, folder, manifest_suffix, NULL);
    if (manifests.n == 0 && problems == 0)
        problems += problem("%s: no finished shards: no manifest is below it", folder);
    for (size_t i = 0; i < manifests.n; i++)
        problems += add_named(files, manifests.paths[i]);
    files->no_memory |= manifests.no_memory;
    shard_files_clear(&manifests);
    return problems;
}

size_t shard_files_add(struct shard_files *files, const char *operand)
{
    struct stat st;

    if (stat(operand, &st) != 0)
        return problem("%s: %s", operand, strerror(errno));
    if (S_ISDIR(st.st_mode))
        return add_folder(files, operand);
    return append(files, strdup(operand)) ? 0 : out_of_memory(files, operand);
}

void shard_files_clear(struct shard_files *files)
{
    for (size_t i = 0; i < files->n; i++)
        free(files->paths[i]);
    free(files->paths);
    *files = (struct shard_files){0};
}
