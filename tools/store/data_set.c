/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/store/data_set.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/store/folder_walk.h"
#include "tools/store/manifest.h"
#include "tools/store/store.h"

static const char shard_suffix[] = ".lms", temporary_mark[] = ".lms.tmp.",
                  configuration[] = "dataset.json";

/* A shard's file, finished or not. */
struct found {
    char *path;
    const char *manifest; /* the first one that names it */
    uint64_t bytes, samples;
    bool finished; /* it has the bytes that the manifest says */
};

struct search {
    struct data_set *d;
    const struct store *store;
    struct path_list paths, manifests, temporaries;
    struct found *found; /* of `paths`, in their order */
    size_t units_cap, missing_cap, unreadable_cap;
    bool configured; /* there is a dataset.json */
};

/* Room for one element more in an array of *cap. */
static bool grow(void **array, size_t n, size_t *cap, size_t width)
{
    if (n < *cap)
        return true;
    const size_t more = *cap > 0 ? 2 * *cap : 16;
    void *larger = reallocarray(*array, more, width);
    if (larger == NULL)
        return false;
    *array = larger;
    *cap = more;
    return true;
}

/* ---- what is there ---- */

static int note_file(void *context, const char *path)
{
    struct search *s = context;
    struct path_list *list = NULL;

    if (path_ends_in(path, shard_suffix))
        list = &s->paths;
    else if (path_ends_in(path, manifest_suffix))
        list = &s->manifests;
    else if (strstr(path_base(path), temporary_mark) != NULL)
        list = &s->temporaries;
    else if (strcmp(path_base(path), configuration) == 0)
        s->configured = true;
    return list == NULL || path_list_take(list, strdup(path)) ? 0 : ENOMEM;
}

static int add_unreadable(struct search *s, const char *path, int error, const char *why)
{
    struct data_set *d = s->d;

    if (!grow((void **)&d->unreadable, d->n_unreadable, &s->unreadable_cap,
              sizeof(*d->unreadable)))
        return ENOMEM;
    struct data_set_unreadable *u = &d->unreadable[d->n_unreadable++];
    *u = (struct data_set_unreadable){strdup(path), error, strdup(why)};
    return u->path != NULL && u->why != NULL ? 0 : ENOMEM;
}

static int note_unreadable(void *context, const char *path, int error)
{
    return add_unreadable(context, path, error, strerror(error));
}

/* Looks at the files that are called like shards. What only links to nothing is none. */
static int look_at_shards(struct search *s)
{
    struct store_entry entry;
    size_t n = 0;

    s->found = calloc(s->paths.n + 1, sizeof(*s->found));
    if (s->found == NULL)
        return ENOMEM;
    path_list_sort(&s->paths, shard_suffix);
    for (size_t i = 0; i < s->paths.n; i++) {
        char *whole = path_below(s->d->folder, s->paths.paths[i]);
        if (whole == NULL)
            return ENOMEM;
        if (s->store->look(whole, &entry) == 0 && !entry.folder)
            s->found[n++] =
                (struct found){.path = s->paths.paths[i], .bytes = entry.bytes};
        else
            free(s->paths.paths[i]);
        free(whole);
        s->paths.paths[i] = NULL;
    }
    s->paths.n = n;
    return 0;
}

/* ---- what the manifests say ---- */

static int by_path(const void *key, const void *element)
{
    const struct found *found = element;

    return path_compare(key, found->path, sizeof(shard_suffix) - 1);
}

/* NULL: it is none. */
static const char *name_of(const json_t *shard)
{
    const char *name = json_string_value(json_object_get(shard, "name"));
    const json_t *bytes = json_object_get(shard, "bytes");

    return name != NULL && strchr(name, '/') == NULL &&
                   path_ends_in(name, shard_suffix) && json_is_integer(bytes) &&
                   json_integer_value(bytes) > 0
               ? name
               : NULL;
}

static int add_missing(struct search *s, char *path, const char *manifest, uint64_t bytes,
                       const struct found *there)
{
    struct data_set *d = s->d;

    if (!grow((void **)&d->missing, d->n_missing, &s->missing_cap, sizeof(*d->missing))) {
        free(path);
        return ENOMEM;
    }
    d->missing[d->n_missing++] = (struct data_set_missing){
        path, manifest, bytes, there != NULL, there != NULL ? there->bytes : 0};
    return 0;
}

/* Compares with the file what a manifest says of a shard beside it. */
static int check_shard(struct search *s, const char *manifest, const json_t *entry)
{
    const json_int_t samples = json_integer_value(json_object_get(entry, "samples"));
    const uint64_t bytes = (uint64_t)json_integer_value(json_object_get(entry, "bytes"));
    const int folder_len = (int)(path_base(manifest) - manifest);
    char *path;

    if (asprintf(&path, "%.*s%s", folder_len, manifest, name_of(entry)) < 0)
        return ENOMEM;
    struct found *found = bsearch(path, s->found, s->paths.n, sizeof(*s->found), by_path);
    if (found != NULL && found->manifest == NULL)
        found->manifest = manifest;
    if (found == NULL || found->bytes != bytes)
        return add_missing(s, path, manifest, bytes, found);
    found->finished = true;
    found->samples = samples > 0 ? (uint64_t)samples : 0;
    free(path);
    return 0;
}

static bool find_state(const struct manifest *m, enum data_set_state *state)
{
    static const char *const states[] = {"complete", "damaged", "rejected"};

    for (size_t i = 0; i < sizeof(states) / sizeof(states[0]); i++)
        if (strcmp(manifest_state(m), states[i]) == 0) {
            *state = (enum data_set_state)i;
            return true;
        }
    return false;
}

static bool is_sound(const struct manifest *m, enum data_set_state *state)
{
    const json_t *shard;
    size_t i;

    json_array_foreach(m->shards, i, shard)
    {
        if (name_of(shard) == NULL)
            return false;
    }
    return find_state(m, state);
}

/* Takes `path`, that of a manifest that is sound. */
static int add_unit(struct search *s, char *path, const struct manifest *m,
                    enum data_set_state state)
{
    struct data_set *d = s->d;
    const json_t *shard;
    size_t i;
    int rc = 0;

    if (path == NULL ||
        !grow((void **)&d->units, d->n_units, &s->units_cap, sizeof(*d->units))) {
        free(path);
        return ENOMEM;
    }
    d->units[d->n_units++] = (struct data_set_unit){
        path, strlen(path) - strlen(manifest_suffix), state, json_array_size(m->shards)};
    json_array_foreach(m->shards, i, shard)
    {
        if (rc == 0)
            rc = check_shard(s, path, shard);
    }
    return rc;
}

/* `why` without `path` before it. */
static const char *without_path(const char *why, const char *path)
{
    const size_t len = strlen(path);

    return strncmp(why, path, len) == 0 && strncmp(why + len, ": ", 2) == 0
               ? why + len + 2
               : why;
}

/* Leaves in *empty whether it says nothing yet: who publishes it has only claimed its
 * name. Nor does a pipe, which is not opened: that may wait for ever. */
static int read_manifest(struct search *s, const char *path, bool *empty)
{
    char *whole = path_below(s->d->folder, path);
    struct manifest m = {0};
    enum data_set_state state;
    struct store_entry entry;
    int rc;

    if (whole == NULL)
        return ENOMEM;
    if (s->store->look(whole, &entry) != 0)
        rc = add_unreadable(s, path, errno, strerror(errno));
    else if (entry.folder)
        rc = add_unreadable(s, path, 0, "it is a folder");
    else if ((*empty = entry.bytes == 0))
        rc = path_list_take(&s->d->unfinished, strdup(path)) ? 0 : ENOMEM;
    else if ((rc = manifest_read(&m, whole)) == MANIFEST_UNREADABLE)
        rc = errno == ENOMEM ? ENOMEM : add_unreadable(s, path, errno, strerror(errno));
    else if (rc < 0 && m.json == NULL)
        rc = add_unreadable(s, path, 0, without_path(m.why, whole));
    else if (rc < 0 || !is_sound(&m, &state))
        rc = add_unreadable(s, path, 0, "its members are not those of a manifest");
    else
        rc = add_unit(s, strdup(path), &m, state);
    manifest_free(&m);
    free(whole);
    return rc;
}

/* Leaves those in s->manifests whose units are done. */
static int read_manifests(struct search *s)
{
    size_t n = 0, i;
    int rc = 0;

    path_list_sort(&s->manifests, manifest_suffix);
    s->d->has_manifests = s->manifests.n > 0;
    for (i = 0; i < s->manifests.n && rc == 0; i++) {
        char *path = s->manifests.paths[i];
        bool empty = false;

        rc = read_manifest(s, path, &empty);
        s->manifests.paths[i] = NULL;
        if (empty)
            free(path);
        else
            s->manifests.paths[n++] = path;
    }
    if (rc == 0)
        s->manifests.n = n;
    return rc;
}

/* ---- what follows ---- */

/* The length of what stands before +00001, and the number: 0 where there is none. */
static size_t split_part(const char *path, size_t stem_len, uint32_t *part)
{
    size_t at = stem_len;

    *part = 0;
    while (at > 0 && stem_len - at < 9 && path[at - 1] >= '0' && path[at - 1] <= '9')
        at--;
    if (stem_len - at < 5 || at < 2 || path[at - 1] != '+' || path[at - 2] == '/')
        return stem_len;
    *part = (uint32_t)strtoul(path + at, NULL, 10);
    return at - 1;
}

/* What a killed run left of a unit that was finished later means nothing. */
static int sort_temporaries(struct search *s)
{
    for (size_t i = 0; i < s->temporaries.n; i++) {
        char *path = s->temporaries.paths[i], *manifest;
        const char *mark = strstr(path_base(path), temporary_mark);
        uint32_t part;
        const int len = (int)split_part(path, (size_t)(mark - path), &part);

        if (asprintf(&manifest, "%.*s%s", len, path, manifest_suffix) < 0)
            return ENOMEM;
        const bool done = path_list_has(&s->manifests, manifest, manifest_suffix);
        free(manifest);
        if (done)
            continue;
        s->temporaries.paths[i] = NULL;
        if (!path_list_take(&s->d->unfinished, path))
            return ENOMEM;
    }
    path_list_sort(&s->d->unfinished, "");
    return 0;
}

/* Takes f->path. */
static void add_shard(struct data_set *d, struct found *f)
{
    struct data_set_shard *shard = &d->shards[d->n_shards++];

    *shard = (struct data_set_shard){.path = f->path,
                                     .bytes = f->bytes,
                                     .samples = f->samples,
                                     .manifest = f->manifest};
    shard->name_len =
        split_part(f->path, strlen(f->path) - strlen(shard_suffix), &shard->part);
    f->path = NULL;
}

static int sort_shards(struct search *s)
{
    struct data_set *d = s->d;
    const bool shards_alone = !d->has_manifests && !s->configured;

    d->shards = calloc(s->paths.n + 1, sizeof(*d->shards));
    if (d->shards == NULL)
        return ENOMEM;
    for (size_t i = 0; i < s->paths.n; i++) {
        struct found *f = &s->found[i];

        if (f->finished || (shards_alone && f->bytes > 0)) {
            add_shard(d, f);
        } else if (f->manifest == NULL) {
            char *path = f->path;
            f->path = NULL;
            if (!path_list_take(&d->foreign, path))
                return ENOMEM;
        }
    }
    return 0;
}

static int by_missing_path(const void *left, const void *right)
{
    const struct data_set_missing *a = left, *b = right;

    return path_compare(a->path, b->path, strlen(shard_suffix));
}

static void search_clear(struct search *s)
{
    for (size_t i = 0; s->found != NULL && i < s->paths.n; i++)
        free(s->found[i].path);
    free(s->found);
    path_list_clear(&s->paths);
    path_list_clear(&s->manifests);
    path_list_clear(&s->temporaries);
}

int data_set_find(struct data_set *d, const char *folder)
{
    struct search s = {.d = d, .store = store_at(folder)};
    const struct folder_walk walk = {
        .file = note_file, .unreadable = note_unreadable, .context = &s};
    int rc = ENOMEM;

    *d = (struct data_set){.folder = strdup(folder)};
    if (d->folder != NULL) {
        for (size_t len = strlen(folder); len > 1 && d->folder[len - 1] == '/'; len--)
            d->folder[len - 1] = '\0';
        rc = folder_walk(d->folder, &walk);
    }
    if (rc == 0)
        rc = look_at_shards(&s);
    if (rc == 0)
        rc = read_manifests(&s);
    if (rc == 0)
        rc = sort_temporaries(&s);
    if (rc == 0)
        rc = sort_shards(&s);
    if (d->n_missing > 1)
        qsort(d->missing, d->n_missing, sizeof(*d->missing), by_missing_path);
    search_clear(&s);
    return rc;
}

void data_set_clear(struct data_set *d)
{
    for (size_t i = 0; i < d->n_units; i++)
        free(d->units[i].manifest);
    for (size_t i = 0; i < d->n_shards; i++)
        free(d->shards[i].path);
    for (size_t i = 0; i < d->n_missing; i++)
        free(d->missing[i].path);
    for (size_t i = 0; i < d->n_unreadable; i++) {
        free(d->unreadable[i].path);
        free(d->unreadable[i].why);
    }
    free(d->units);
    free(d->shards);
    free(d->missing);
    free(d->unreadable);
    path_list_clear(&d->unfinished);
    path_list_clear(&d->foreign);
    free(d->folder);
    *d = (struct data_set){0};
}

size_t data_set_n_lacking(const struct data_set *d)
{
    return d->n_missing + d->n_unreadable + d->unfinished.n + d->foreign.n;
}

bool data_set_is_empty(const struct data_set *d)
{
    return !d->has_manifests && d->n_shards + data_set_n_lacking(d) == 0;
}
