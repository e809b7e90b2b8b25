/* SPDX-License-Identifier: Apache-2.0
 * tools/store/data_set_find.c - lists a folder, reads its manifests, and compares. */
#include "tools/store/data_set.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ingest/hash_set.h"
#include "tools/store/folder_walk.h"
#include "tools/store/manifest.h"
#include "tools/store/path.h"
#include "tools/store/publish.h"
#include "tools/store/store.h"
#include "tools/store/temporary.h"

static const char shard_suffix[] = ".lms", configuration[] = "dataset.json";

/* A shard's file, finished or not. */
struct found {
    char *path;
    const char *manifest; /* the first one that names it */
    uint64_t bytes, samples;
    bool finished; /* it has the bytes that the manifest says */
};

struct found_list {
    struct found *found;
    size_t n, cap;
};

struct search {
    struct data_set *d;
    const struct store *store;
    struct path_list manifests, temporaries;
    struct found_list listed, late; /* late: not there when the folder was listed */
    size_t units_cap, missing_cap, unreadable_cap;
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

/* Frees `path` on failure. */
static int add_found(struct found_list *list, struct found found)
{
    if (found.path == NULL ||
        !grow((void **)&list->found, list->n, &list->cap, sizeof(found))) {
        free(found.path);
        return ENOMEM;
    }
    list->found[list->n++] = found;
    return 0;
}

/* The length of the shard's name that a temporary's begins with; 0: it is none. */
static size_t shard_length(const char *path)
{
    const char *base = path_base(path);
    const size_t len = temporary_final_length(base);

    return publication_shards.part_base(base, len) > 0 ? (size_t)(base - path) + len : 0;
}

static int note_file(void *context, const char *path, const struct store_entry *entry)
{
    struct search *s = context;
    struct path_list *list = NULL;

    if (path_ends_in(path, shard_suffix))
        return entry == NULL
                   ? 0
                   : add_found(&s->listed, (struct found){.path = strdup(path),
                                                          .bytes = entry->bytes});
    if (path_ends_in(path, manifest_suffix))
        list = &s->manifests;
    else if (shard_length(path) > 0)
        list = &s->temporaries;
    else if (strcmp(path_base(path), configuration) == 0)
        s->d->configured = true;
    return list == NULL || path_list_add(list, strdup(path)) ? 0 : ENOMEM;
}

static int add_unreadable(struct search *s, const char *path, int error, const char *why)
{
    struct data_set *d = s->d;
    const bool may_pass =
        error != 0 && error != ENOENT && error != ENOTDIR && error != ELOOP;

    if (!grow((void **)&d->unreadable, d->n_unreadable, &s->unreadable_cap,
              sizeof(*d->unreadable)))
        return ENOMEM;
    struct data_set_unreadable *u = &d->unreadable[d->n_unreadable++];
    *u = (struct data_set_unreadable){strdup(path), error, may_pass, strdup(why)};
    return u->path != NULL && u->why != NULL ? 0 : ENOMEM;
}

static bool is_unreadable(const struct data_set *d, const char *path)
{
    for (size_t i = 0; i < d->n_unreadable; i++)
        if (strcmp(d->unreadable[i].path, path) == 0)
            return true;
    return false;
}

static int note_unreadable(void *context, const char *path, int error)
{
    return add_unreadable(context, path, error, strerror(error));
}

static int by_found_path(const void *left, const void *right)
{
    const struct found *a = left, *b = right;

    return path_compare(a->path, b->path, strlen(shard_suffix));
}

static void sort_found(struct found_list *list)
{
    if (list->n > 1)
        qsort(list->found, list->n, sizeof(*list->found), by_found_path);
}

/* ---- what the manifests say ---- */

/* Frees `path` on failure. */
static int add_missing(struct search *s, struct data_set_missing missing)
{
    struct data_set *d = s->d;

    if (!grow((void **)&d->missing, d->n_missing, &s->missing_cap, sizeof(*d->missing))) {
        free(missing.path);
        return ENOMEM;
    }
    d->missing[d->n_missing++] = missing;
    return 0;
}

/* Compares with a shard's file what its manifest says: since the folder was listed it may
 * have come, or another in its place. Owns `path`, of what is not in s->listed. */
static int check_again(struct search *s, char *path, struct found said,
                       struct found *found)
{
    char *whole = path_below(s->d->folder, path);
    struct store_entry now;

    if (whole == NULL) {
        free(path);
        return ENOMEM;
    }
    const int error = s->store->look(whole, &now) == 0 ? 0 : errno;
    const bool there = error == 0 && !now.folder;
    free(whole);
    if (there && now.bytes == said.bytes && found == NULL) {
        said.path = path;
        return add_found(&s->late, said);
    }
    if (there && now.bytes == said.bytes) {
        found->bytes = said.bytes;
        found->samples = said.samples;
        found->finished = true;
    } else if (error == 0 || error == ENOENT || error == ENOTDIR || error == ELOOP) {
        return add_missing(s, (struct data_set_missing){path, said.manifest, said.bytes,
                                                        there, there ? now.bytes : 0});
    }
    const int rc = error == 0 || is_unreadable(s->d, path)
                       ? 0
                       : add_unreadable(s, path, error, strerror(error));
    free(path);
    return rc;
}

/* Compares with the file what a manifest says of a shard beside it. */
static int check_shard(struct search *s, const char *manifest, const json_t *entry)
{
    const json_int_t samples = json_integer_value(json_object_get(entry, "samples"));
    const struct found said = {
        .manifest = manifest,
        .bytes = (uint64_t)json_integer_value(json_object_get(entry, "bytes")),
        .samples = samples > 0 ? (uint64_t)samples : 0,
        .finished = true};
    const int folder_len = (int)(path_base(manifest) - manifest);
    char *path;

    if (asprintf(&path, "%.*s%s", folder_len, manifest,
                 json_string_value(json_object_get(entry, "name"))) < 0)
        return ENOMEM;
    const struct found key = {.path = path};
    struct found *found = s->listed.n == 0 ? NULL
                                           : bsearch(&key, s->listed.found, s->listed.n,
                                                     sizeof(key), by_found_path);
    if (found != NULL && found->manifest == NULL)
        found->manifest = manifest;
    if (found == NULL || found->bytes != said.bytes)
        return check_again(s, path, said, found);
    found->finished = true;
    found->samples = said.samples;
    free(path);
    return 0;
}

static enum data_set_state state_of(const struct manifest *m)
{
    static const char *const states[] = {"complete", "damaged", "rejected"};
    size_t i = 0;

    while (strcmp(manifest_state(m), states[i]) != 0)
        i++;
    return (enum data_set_state)i;
}

/* Of a manifest that is sound; frees `path`, its own, on failure. */
static int add_unit(struct search *s, char *path, const struct manifest *m)
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
    d->units[d->n_units++] =
        (struct data_set_unit){path, strlen(path) - strlen(manifest_suffix), state_of(m),
                               json_array_size(m->shards)};
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

static int add_unfinished(struct search *s, const char *path)
{
    return path_list_add(&s->d->unfinished, strdup(path)) ? 0 : ENOMEM;
}

static int is_called(void *context, const char *name, bool folder)
{
    (void)folder;
    return strcmp(name, context) == 0;
}

/* Whether what could not be found has gone since the folder was listed: a link to nothing
 * is still there. */
static bool is_gone(const struct search *s, const char *whole)
{
    const char *base = path_base(whole);
    char *folder = strndup(whole, (size_t)(base - whole));
    const bool gone =
        folder != NULL && s->store->list(folder, is_called, (void *)base) == 0;

    free(folder);
    return gone;
}

static int add_unread(struct search *s, const char *path, const char *whole, int error,
                      bool *unfinished)
{
    *unfinished = error == ENOENT && is_gone(s, whole);
    if (error == ENOMEM)
        return ENOMEM;
    return *unfinished ? add_unfinished(s, path)
                       : add_unreadable(s, path, error, strerror(error));
}

/* The unit of a sound manifest, which was `before` when it was read. Where it is another
 * by now the unit is being made again, and what seems missing is not lost. */
static int read_unit(struct search *s, const char *path, const char *whole,
                     const struct store_entry *before, const struct manifest *m)
{
    struct data_set *d = s->d;
    const size_t n_missing = d->n_missing;
    const int rc = add_unit(s, strdup(path), m);
    struct store_entry now;

    if (rc != 0 || d->n_missing == n_missing ||
        (s->store->look(whole, &now) == 0 && now.bytes == before->bytes &&
         now.id[0] == before->id[0] && now.id[1] == before->id[1]))
        return rc;
    while (d->n_missing > n_missing)
        free(d->missing[--d->n_missing].path);
    return add_unfinished(s, path);
}

/* Leaves in *unfinished whether it says nothing yet, for who publishes it has only
 * claimed its name, or has gone, for its unit is made again. Nor does a pipe say a thing,
 * which is not opened: that may wait for ever. */
static int read_manifest(struct search *s, const char *path, bool *unfinished)
{
    char *whole = path_below(s->d->folder, path);
    struct manifest m = {0};
    struct store_entry entry;
    int rc;

    if (whole == NULL)
        return ENOMEM;
    if (s->store->look(whole, &entry) != 0)
        rc = add_unread(s, path, whole, errno, unfinished);
    else if ((*unfinished = entry.bytes == 0))
        rc = add_unfinished(s, path);
    else if ((rc = manifest_read(&m, whole)) == MANIFEST_UNREADABLE)
        rc = add_unread(s, path, whole, errno, unfinished);
    else if (rc < 0)
        rc = add_unreadable(s, path, 0, without_path(m.why, whole));
    else
        rc = read_unit(s, path, whole, &entry, &m);
    manifest_free(&m);
    free(whole);
    return rc;
}

/* Leaves those in `manifests` whose units are done. */
static int read_manifests(struct search *s, struct path_list *manifests)
{
    size_t n = 0;
    int rc = 0;

    path_list_sort(manifests, manifest_suffix);
    s->d->has_manifests |= manifests->n > 0;
    for (size_t i = 0; i < manifests->n; i++) {
        char *path = manifests->paths[i];
        bool unfinished = false;

        if (rc == 0)
            rc = read_manifest(s, path, &unfinished);
        if (unfinished)
            free(path);
        else
            manifests->paths[n++] = path;
    }
    manifests->n = n;
    return rc;
}

/* ---- what follows ---- */

/* Gives the path of the manifest that names a shard, `len` bytes of `path`, or NULL. */
static char *manifest_of(const char *path, size_t len)
{
    const int name_len = (int)publication_shard_base(path, len, NULL);
    char *manifest;

    return asprintf(&manifest, "%.*s%s", name_len, path, manifest_suffix) < 0 ? NULL
                                                                              : manifest;
}

/* Notes the manifest of a shard where it has come since the folder was listed. */
static int look_for_manifest(struct search *s, const char *path, size_t len,
                             struct path_list *late)
{
    char *manifest = manifest_of(path, len);
    char *whole = manifest != NULL ? path_below(s->d->folder, manifest) : NULL;
    const bool noted = late->n > 0 && manifest != NULL &&
                       strcmp(late->paths[late->n - 1], manifest) == 0;
    struct store_entry entry;
    bool there = false;
    int rc = whole != NULL ? 0 : ENOMEM;

    if (rc == 0 && !noted && !path_list_has(&s->manifests, manifest, manifest_suffix) &&
        !path_list_has(&s->d->unfinished, manifest, manifest_suffix))
        there = s->store->look(whole, &entry) == 0 && !entry.folder && entry.bytes > 0;
    if (there)
        rc = path_list_add(late, manifest) ? 0 : ENOMEM;
    else
        free(manifest);
    free(whole);
    return rc;
}

static void drop_double(struct path_list *list)
{
    size_t n = 0;

    for (size_t i = 0; i < list->n; i++)
        if (n > 0 && strcmp(list->paths[n - 1], list->paths[i]) == 0)
            free(list->paths[i]);
        else
            list->paths[n++] = list->paths[i];
    list->n = n;
}

static int by_manifest(const void *left, const void *right)
{
    const struct data_set_unit *a = left, *b = right;

    return path_compare(a->manifest, b->manifest, strlen(manifest_suffix));
}

/* The unit of a shard that no manifest names may have been finished in the meantime. */
static int find_late_manifests(struct search *s)
{
    struct data_set *d = s->d;
    struct path_list late = {0};
    int rc = 0;

    for (size_t i = 0; i < s->listed.n && rc == 0; i++)
        if (s->listed.found[i].manifest == NULL)
            rc = look_for_manifest(s, s->listed.found[i].path,
                                   strlen(s->listed.found[i].path), &late);
    for (size_t i = 0; i < s->temporaries.n && rc == 0; i++)
        rc = look_for_manifest(s, s->temporaries.paths[i],
                               shard_length(s->temporaries.paths[i]), &late);
    path_list_sort(&late, manifest_suffix);
    drop_double(&late);
    if (rc == 0)
        rc = read_manifests(s, &late);
    for (size_t i = 0; i < late.n && rc == 0; i++) {
        rc = path_list_add(&s->manifests, late.paths[i]) ? 0 : ENOMEM;
        late.paths[i] = NULL;
    }
    path_list_clear(&late);
    path_list_sort(&s->manifests, manifest_suffix);
    if (d->n_units > 1)
        qsort(d->units, d->n_units, sizeof(*d->units), by_manifest);
    return rc;
}

/* Of what stands before ".lms" or ".manifest.json". */
static size_t stem_length(const char *path)
{
    const size_t len = shard_length(path);

    return len > 0 ? len - strlen(shard_suffix) : strlen(path) - strlen(manifest_suffix);
}

static int by_stem(const void *left, const void *right)
{
    const char *a = *(char *const *)left, *b = *(char *const *)right;
    const size_t a_len = stem_length(a), b_len = stem_length(b);
    int order = memcmp(a, b, a_len < b_len ? a_len : b_len);

    if (order == 0)
        order = (a_len > b_len) - (a_len < b_len);
    return order != 0 ? order : strcmp(a, b);
}

/* What a killed run left of a unit that was finished later means nothing. */
static int sort_temporaries(struct search *s)
{
    struct path_list *unfinished = &s->d->unfinished;

    for (size_t i = 0; i < s->temporaries.n; i++) {
        char *path = s->temporaries.paths[i];
        char *manifest = manifest_of(path, shard_length(path));

        if (manifest == NULL)
            return ENOMEM;
        const bool done = path_list_has(&s->manifests, manifest, manifest_suffix);
        free(manifest);
        if (!done && !path_list_add(unfinished, strdup(path)))
            return ENOMEM;
    }
    if (unfinished->n > 1)
        qsort(unfinished->paths, unfinished->n, sizeof(*unfinished->paths), by_stem);
    return 0;
}

/* The length of NAME, with its folder, in a shard's path, and in *len that of the try's
 * name: the same where it has none. */
static size_t name_length(const char *path, size_t *len)
{
    const size_t name = publication_shard_base(path, strlen(path), NULL);

    *len = path[name] == '~' ? name + PUBLISH_TRY_CAP - 1 : name;
    return name;
}

/* Gives the NAMEs of which shards of several tries are there. */
static int find_tries(const struct found_list *list, struct hash_set *several)
{
    struct hash_set names = {0}, tries = {0};
    int rc = 0;

    for (size_t i = 0; i < list->n && rc >= 0; i++) {
        const char *path = list->found[i].path;
        size_t len;
        const size_t name = name_length(path, &len);

        rc = list->found[i].bytes > 0 ? hash_set_add(&tries, path, len) : 0;
        if (rc > 0)
            rc = hash_set_add(&names, path, name) == 0;
        if (rc > 0)
            rc = hash_set_add(several, path, name);
    }
    hash_set_free(&names);
    hash_set_free(&tries);
    return rc < 0 ? ENOMEM : 0;
}

/* Moves f->path. */
static void add_shard(struct data_set *d, struct found *f)
{
    struct data_set_shard *shard = &d->shards[d->n_shards++];

    *shard = (struct data_set_shard){.path = f->path,
                                     .bytes = f->bytes,
                                     .samples = f->samples,
                                     .manifest = f->manifest};
    shard->name_len = publication_shard_base(f->path, strlen(f->path), &shard->part);
    f->path = NULL;
}

/* Gives the manifests that could not be read, sorted. */
static bool list_unread(const struct data_set *d, struct path_list *unread)
{
    for (size_t i = 0; i < d->n_unreadable; i++)
        if (path_ends_in(d->unreadable[i].path, manifest_suffix) &&
            !path_list_add(unread, strdup(d->unreadable[i].path)))
            return false;
    path_list_sort(unread, manifest_suffix);
    return true;
}

/* A shard that no manifest names, unless its unit's is `unread`, which is said, or it is
 * of a try that has lost and as good as a temporary. */
static int add_foreign(struct search *s, const char *path, const struct path_list *unread)
{
    char *manifest = manifest_of(path, strlen(path));
    size_t len;

    if (manifest == NULL)
        return ENOMEM;
    const bool said = path_list_has(unread, manifest, manifest_suffix) ||
                      (name_length(path, &len) < len &&
                       path_list_has(&s->manifests, manifest, manifest_suffix));
    free(manifest);
    return said || path_list_add(&s->d->foreign, strdup(path)) ? 0 : ENOMEM;
}

/* A shard that stands for itself, but not beside another try of its unit. */
static int add_alone(struct search *s, struct found *f, const struct hash_set *several)
{
    size_t len;

    if (hash_set_has(several, f->path, name_length(f->path, &len)))
        return add_unreadable(s, f->path, 0,
                              "shards of two tries of its unit are here, and no manifest "
                              "says which counts; leave those of one, or bring it back");
    add_shard(s->d, f);
    return 0;
}

static int by_shard(const void *left, const void *right)
{
    const struct data_set_shard *a = left, *b = right;

    return path_compare(a->path, b->path, strlen(shard_suffix));
}

static int sort_shards(struct search *s, bool shards_alone)
{
    struct data_set *d = s->d;
    struct path_list unread = {0};
    struct hash_set several = {0};
    int rc = list_unread(d, &unread) ? 0 : ENOMEM;

    if (rc == 0 && shards_alone)
        rc = find_tries(&s->listed, &several);

    d->shards = calloc(s->listed.n + s->late.n + 1, sizeof(*d->shards));
    if (d->shards == NULL)
        rc = ENOMEM;
    for (size_t i = 0; i < s->listed.n && rc == 0; i++) {
        struct found *f = &s->listed.found[i];

        if (f->finished)
            add_shard(d, f);
        else if (shards_alone && f->bytes > 0)
            rc = add_alone(s, f, &several);
        else if (f->manifest == NULL)
            rc = add_foreign(s, f->path, &unread);
    }
    hash_set_free(&several);
    path_list_clear(&unread);
    for (size_t i = 0; i < s->late.n && rc == 0; i++)
        add_shard(d, &s->late.found[i]);
    if (s->late.n > 0 && d->n_shards > 1)
        qsort(d->shards, d->n_shards, sizeof(*d->shards), by_shard);
    return rc;
}

static int by_missing_path(const void *left, const void *right)
{
    const struct data_set_missing *a = left, *b = right;

    return path_compare(a->path, b->path, strlen(shard_suffix));
}

static void found_list_clear(struct found_list *list)
{
    for (size_t i = 0; i < list->n; i++)
        free(list->found[i].path);
    free(list->found);
}

static void search_clear(struct search *s)
{
    found_list_clear(&s->listed);
    found_list_clear(&s->late);
    path_list_clear(&s->manifests);
    path_list_clear(&s->temporaries);
}

/* What follows from the files that were listed. */
static int judge(struct search *s)
{
    struct data_set *d = s->d;

    sort_found(&s->listed);
    int rc = read_manifests(s, &s->manifests);
    const bool shards_alone = !d->has_manifests && !d->configured;
    if (rc == 0 && !shards_alone)
        rc = find_late_manifests(s);
    if (rc == 0)
        rc = sort_temporaries(s);
    if (rc == 0)
        rc = sort_shards(s, shards_alone);
    if (d->n_missing > 1)
        qsort(d->missing, d->n_missing, sizeof(*d->missing), by_missing_path);
    return rc;
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
        rc = judge(&s);
    search_clear(&s);
    return rc;
}
