/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/store/publish.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/store/json_text.h"
#include "tools/store/manifest.h"
#include "tools/store/store.h"

static size_t shard_base(const char *name, size_t len);

const struct publication_kind publication_shards = {
    .manifest = manifest_suffix,
    .rejects = ".rejects.jsonl",
    .part = publication_shard_suffix,
    .part_base = shard_base,
};

/* Five digits number them. */
enum { MAX_PARTS = 100000 };

static int fail(struct publication *p, const char *what, const char *path)
{
    snprintf(p->why, sizeof(p->why), "%s: cannot %s: %s", path ? path : p->base, what,
             strerror(errno));
    return PUBLISH_FAILED;
}

/* Those below the output folder. That one is never made anew: where somebody has removed
 * it, its dataset.json and its finished units are gone too. */
static int make_folders(struct publication *p, size_t out_len)
{
    char *slash = p->dir + out_len; /* at the first folder's slash, or at the end */

    if (!*slash)
        return PUBLISH_OK;
    while ((slash = strchr(slash + 1, '/')) != NULL) {
        *slash = '\0';
        if (p->store->make_folder(p->dir) != 0)
            return fail(p, "make the folder", p->dir);
        *slash = '/';
    }
    if (p->store->make_folder(p->dir) != 0)
        return fail(p, "make the folder", p->dir);
    return PUBLISH_OK;
}

int publication_init(struct publication *p, const struct publication_kind *kind,
                     const char *out, const char *name)
{
    const char *slash = strrchr(name, '/');
    int folders = slash ? (int)(slash - name) : 0;

    *p = (struct publication){.kind = kind, .store = store_at(out)};
    p->base = strdup(slash ? slash + 1 : name);
    if (asprintf(&p->dir, "%s%s%.*s", out, slash ? "/" : "", folders, name) < 0)
        p->dir = NULL;
    if (!p->dir || !p->base)
        return fail(p, "allocate memory", name);
    temporary_suffix(p->temporary);
    return make_folders(p, strlen(out));
}

void publication_free(struct publication *p)
{
    free(p->dir);
    free(p->base);
    free(p->files);
    p->dir = p->base = NULL;
    p->files = NULL;
}

void publication_name_try(struct publication *p)
{
    snprintf(p->try_name, sizeof(p->try_name), "~%s",
             p->temporary + strlen(p->temporary) - 8);
}

static char *join(const struct publication *p, const char *try_name, const char *suffix,
                  const char *temporary)
{
    char *path;

    return asprintf(&path, "%s/%s%s%s%s", p->dir, p->base, try_name, suffix, temporary) <
                   0
               ? NULL
               : path;
}

static const char *try_of(const struct publication *p, const char *suffix)
{
    return strcmp(suffix, p->kind->manifest) == 0 ? "" : p->try_name;
}

char *publication_final(const struct publication *p, const char *suffix)
{
    return join(p, try_of(p, suffix), suffix, "");
}

char *publication_temporary(const struct publication *p, const char *suffix)
{
    return join(p, try_of(p, suffix), suffix, p->temporary);
}

void publication_shard_suffix(char suffix[PUBLISH_SUFFIX_CAP], unsigned part)
{
    if (part == 0)
        snprintf(suffix, PUBLISH_SUFFIX_CAP, ".lms");
    else
        snprintf(suffix, PUBLISH_SUFFIX_CAP, "+%05u.lms", part);
}

int publication_look(struct publication *p, bool *exists)
{
    char *path = publication_final(p, p->kind->manifest);
    int rc = PUBLISH_OK;

    *exists = false;
    if (!path)
        rc = fail(p, "allocate memory", NULL);
    else if (store_has(p->store, path, exists) != 0)
        rc = fail(p, "look for it", path);
    free(path);
    return rc;
}

/* That `path` could not be put. */
static void say_unput(char *why, size_t cap, const char *path)
{
    if (errno == EBUSY)
        snprintf(why, cap,
                 "%s: cannot write it: %s%s has something else in it; remove that folder",
                 path, path, temporary_claim);
    else
        snprintf(why, cap, "%s: cannot write it: %s", path, strerror(errno));
}

int publish_file(const char *path, const void *bytes, size_t len, char *why, size_t cap)
{
    if (store_at(path)->put_if_absent(path, bytes, len) == 0)
        return PUBLISH_OK;
    if (errno == EEXIST)
        return PUBLISH_EXISTS;
    say_unput(why, cap, path);
    return PUBLISH_FAILED;
}

int publish_replace(const char *path, const void *bytes, size_t len, char *why,
                    size_t cap)
{
    if (store_at(path)->put(path, bytes, len) == 0)
        return PUBLISH_OK;
    snprintf(why, cap, "%s: cannot write it: %s", path, strerror(errno));
    return PUBLISH_FAILED;
}

/* What was to be done with a temporary failed. Whoever saw a manifest has removed those:
 * this unit is theirs, also where it was withdrawn since. */
static int fail_temporary(struct publication *p, const char *what, const char *path)
{
    const int error = errno;
    struct store_entry folder;
    bool exists = false, lost = false;

    if (error == ENOENT && publication_look(p, &exists) != PUBLISH_OK)
        return PUBLISH_FAILED;
    if (error == ENOENT)
        lost = p->store->look(p->dir, &folder) == 0;
    errno = error;
    if (exists)
        return PUBLISH_EXISTS;
    fail(p, what, path);
    return lost ? PUBLISH_LOST : PUBLISH_FAILED;
}

/* One file of the unit, from its temporary to its final name. */
static int rename_one(struct publication *p, const char *suffix)
{
    char *from = publication_temporary(p, suffix), *to = publication_final(p, suffix);
    int rc = PUBLISH_OK;

    if (!from || !to)
        rc = fail(p, "allocate memory", NULL);
    else if (p->store->rename(from, to) != 0)
        rc = fail_temporary(p, "rename", from);
    free(from);
    free(to);
    return rc;
}

static int sync_one(struct publication *p, const char *suffix)
{
    char *path = publication_temporary(p, suffix);
    int rc = PUBLISH_OK;

    if (!path)
        rc = fail(p, "allocate memory", NULL);
    else if (p->store->sync(path) == 0 &&
             p->store->look(path, &p->files[p->n_files]) == 0)
        p->n_files++;
    else
        rc = fail_temporary(p, "fsync", path);
    free(path);
    return rc;
}

static int each_file(struct publication *p, unsigned n_parts, bool has_rejects,
                     int (*act)(struct publication *p, const char *suffix))
{
    char suffix[PUBLISH_SUFFIX_CAP];
    int rc = PUBLISH_OK;

    for (unsigned i = 0; i < n_parts && rc == PUBLISH_OK; i++) {
        p->kind->part(suffix, i);
        rc = act(p, suffix);
    }
    return rc == PUBLISH_OK && has_rejects ? act(p, p->kind->rejects) : rc;
}

static bool is_same_file(const struct store_entry *a, const struct store_entry *b)
{
    return (a->id[0] | a->id[1]) != 0 && a->id[0] == b->id[0] && a->id[1] == b->id[1];
}

/* Of the files in the order of sync_one(). */
static int check_one(struct publication *p, const char *suffix)
{
    char *path = publication_final(p, suffix);
    const struct store_entry *own = &p->files[p->n_files++];
    struct store_entry there;
    int rc = PUBLISH_OK;

    if (!path)
        rc = fail(p, "allocate memory", NULL);
    else if (p->store->look(path, &there) != 0 || !is_same_file(own, &there))
        rc = PUBLISH_REPLACED;
    free(path);
    return rc;
}

static int remove_plain(struct publication *p, const char *suffix)
{
    char *path = join(p, "", suffix, "");
    int rc = PUBLISH_OK;

    if (!path || (p->store->remove(path) != 0 && errno != ENOENT))
        rc = fail(p, "remove what an older result left", path);
    free(path);
    return rc;
}

static bool plain_exists(const struct publication *p, const char *suffix)
{
    char *path = join(p, "", suffix, "");
    struct store_entry entry;
    /* Without memory remove_plain() says so. */
    bool there = !path || p->store->look(path, &entry) == 0;

    free(path);
    return there;
}

/* From the last part to the first, so that a kill in between leaves no gap that would
 * hide the rest. */
int publication_remove_beyond(struct publication *p, unsigned n_parts, bool has_rejects)
{
    char suffix[PUBLISH_SUFFIX_CAP];
    unsigned end = n_parts;
    int rc = PUBLISH_OK;

    p->kind->part(suffix, end);
    while (plain_exists(p, suffix) && end < MAX_PARTS)
        p->kind->part(suffix, ++end);
    while (end-- > n_parts && rc == PUBLISH_OK) {
        p->kind->part(suffix, end);
        rc = remove_plain(p, suffix);
    }
    return rc == PUBLISH_OK && p->kind->rejects && !has_rejects
               ? remove_plain(p, p->kind->rejects)
               : rc;
}

static int put_manifest(struct publication *p, const char *manifest, size_t len)
{
    char *path = publication_final(p, p->kind->manifest);
    int rc = PUBLISH_OK;

    if (!path) {
        rc = fail(p, "allocate memory", NULL);
    } else if (p->store->put_if_absent(path, manifest, len) != 0) {
        rc = errno == EEXIST  ? PUBLISH_EXISTS
             : errno == EBUSY ? PUBLISH_BLOCKED
                              : fail_temporary(p, "write", path);
        if (rc == PUBLISH_BLOCKED)
            say_unput(p->why, sizeof(p->why), path);
    }
    free(path);
    return rc;
}

int publication_publish(struct publication *p, unsigned n_parts, bool has_rejects,
                        const char *manifest, size_t len, bool *renamed)
{
    const bool plain = !p->try_name[0];
    bool exists;
    int rc;

    *renamed = false;
    p->n_files = 0;
    p->files = calloc((size_t)n_parts + 1, sizeof(*p->files));
    rc = p->files ? each_file(p, n_parts, has_rejects, sync_one)
                  : fail(p, "allocate memory", NULL);
    if (rc == PUBLISH_OK && (rc = publication_look(p, &exists)) == PUBLISH_OK && exists)
        rc = PUBLISH_EXISTS;
    if (rc == PUBLISH_OK) {
        *renamed = true;
        rc = each_file(p, n_parts, has_rejects, rename_one);
    }
    if (rc == PUBLISH_OK) {
        rc = publication_remove_beyond(p, plain ? n_parts : 0, plain && has_rejects);
        if (rc == PUBLISH_OK && p->store->sync(p->dir) != 0)
            rc = fail(p, "fsync", p->dir);
    }
    if (rc == PUBLISH_OK)
        rc = put_manifest(p, manifest, len);
    p->n_files = 0;
    if (rc == PUBLISH_OK)
        rc = each_file(p, n_parts, has_rejects, check_one);
    free(p->files);
    p->files = NULL;
    if (rc != PUBLISH_OK)
        publication_drop(p, n_parts);
    return rc;
}

static int remove_temporary(struct publication *p, const char *suffix)
{
    char *path = publication_temporary(p, suffix);

    if (path)
        p->store->remove(path);
    free(path);
    return PUBLISH_OK;
}

void publication_drop(struct publication *p, unsigned n_parts)
{
    each_file(p, n_parts, p->kind->rejects != NULL, remove_temporary);
    remove_temporary(p, p->kind->manifest);
}

int publication_withdraw(struct publication *p)
{
    char *from = publication_final(p, p->kind->manifest),
         *to = publication_temporary(p, p->kind->manifest);
    int rc = PUBLISH_OK;

    if (!from || !to || (p->store->rename(from, to) != 0 && errno != ENOENT))
        rc = fail(p, "withdraw the manifest", from);
    else if (p->store->sync(p->dir) != 0)
        rc = fail(p, "fsync", p->dir);
    free(from);
    free(to);
    return rc;
}

int publication_restore(struct publication *p)
{
    char *away = publication_temporary(p, p->kind->manifest), *bytes = NULL;
    size_t len;
    int rc;

    if (!away)
        rc = fail(p, "allocate memory", NULL);
    else if (store_read(p->store, away, JSON_FILE_BYTES, &bytes, &len) != 0)
        rc = fail_temporary(p, "read", away);
    else
        rc = put_manifest(p, bytes, len);
    if (rc != PUBLISH_FAILED)
        p->store->remove(away);
    free(bytes);
    free(away);
    return rc;
}

static bool ends_in(const char *name, size_t len, const char *suffix)
{
    const size_t n = strlen(suffix);

    return len > n && memcmp(name + len - n, suffix, n) == 0;
}

static bool is_number(const char *digits, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (digits[i] < '0' || digits[i] > '9')
            return false;
    return true;
}

/* Of what stands before a try's "~8hex". */
static size_t before_try(const char *name, size_t len)
{
    const size_t n = PUBLISH_TRY_CAP - 1;

    if (len <= n || name[len - n] != '~' || name[len - n - 1] == '/')
        return len;
    for (const char *c = name + len - n + 1; c < name + len; c++)
        if (!memchr("0123456789abcdef", *c, 16))
            return len;
    return len - n;
}

/* "base.lms", "base+00001.lms", and "base~8hex" for "base". */
size_t publication_shard_base(const char *path, size_t len, uint32_t *part)
{
    enum { DIGITS = 5 };
    uint32_t number = 0;

    if (!ends_in(path, len, ".lms"))
        return 0;
    len -= strlen(".lms");
    if (path[len - 1] == '/')
        return 0;
    if (len > DIGITS + 1 && path[len - DIGITS - 1] == '+' &&
        path[len - DIGITS - 2] != '/' && is_number(path + len - DIGITS, DIGITS)) {
        number = (uint32_t)strtoul(path + len - DIGITS, NULL, 10);
        len -= DIGITS + 1;
    }
    if (part)
        *part = number;
    return before_try(path, len);
}

static size_t shard_base(const char *name, size_t len)
{
    return publication_shard_base(name, len, NULL);
}

size_t publication_base_length(const struct publication_kind *kind, const char *name,
                               size_t len)
{
    if (ends_in(name, len, kind->manifest))
        return len - strlen(kind->manifest);
    if (kind->rejects && ends_in(name, len, kind->rejects))
        return before_try(name, len - strlen(kind->rejects));
    return kind->part_base(name, len);
}

struct sweep {
    const struct store *store;
    const char *dir;
    const struct publication_kind *kind;
    const char *base; /* of this unit alone; NULL: of all */
};

struct sweep_folder {
    const struct store *store;
    const char *folder, *final;
};

/* What is in a temporary folder may be about to get the final name (give_name.c), so that
 * one must be there when this is seen. */
static int sweep_inside(void *ctx, const char *name, bool is_folder)
{
    const struct sweep_folder *s = ctx;
    bool complete;
    char *path;

    if (is_folder || temporary_final_length(name) == 0 ||
        store_has(s->store, s->final, &complete) != 0 || !complete ||
        asprintf(&path, "%s/%s", s->folder, name) < 0)
        return 0;
    s->store->remove(path);
    free(path);
    return 0;
}

/* Of the file `final`, or of the unit whose manifest that is. */
static void sweep_temporary(const struct sweep *s, const char *final, const char *name,
                            bool is_folder)
{
    char *path;

    if (asprintf(&path, "%s/%s", s->dir, name) < 0)
        return;
    if (is_folder) {
        struct sweep_folder inside = {s->store, path, final};
        s->store->list(path, sweep_inside, &inside);
        s->store->remove_folder(path);
    } else {
        s->store->remove(path);
    }
    free(path);
}

/* Removes a try's file where a manifest is there that does not name it: that try has
 * lost, or will when it comes to put its own. (A redo may take the manifest away at the
 * very moment. Then the try may be published, looks at its files once more, and is
 * withdrawn.)
 */
static int sweep_try(void *ctx, const char *name, bool is_folder)
{
    const struct sweep *s = ctx;
    const size_t base = publication_base_length(s->kind, name, strlen(name));
    char *manifest, *path = NULL;
    struct manifest m = {0};

    if (is_folder || base == 0 || name[base] != '~' ||
        (s->base && (strlen(s->base) != base || memcmp(name, s->base, base) != 0)) ||
        asprintf(&manifest, "%s/%.*s%s", s->dir, (int)base, name, s->kind->manifest) < 0)
        return 0;
    if (asprintf(&path, "%s/%s", s->dir, name) < 0)
        path = NULL;
    if (path && manifest_read(&m, manifest) == 0 && !manifest_names(&m, name))
        s->store->remove(path);
    manifest_free(&m);
    free(path);
    free(manifest);
    return 0;
}

void publication_sweep_tries(const struct publication *p)
{
    struct sweep sweep = {p->store, p->dir, p->kind, p->base};

    p->store->list(p->dir, sweep_try, &sweep);
}

/* Removes a temporary whose unit, or file, is complete. */
static int sweep_one(void *ctx, const char *name, bool is_folder)
{
    const struct sweep *s = ctx;
    const size_t len = temporary_final_length(name);
    const size_t base = publication_base_length(s->kind, name, len);
    char *final;
    bool complete = false;

    if (len == 0)
        return sweep_try(ctx, name, is_folder);
    if (asprintf(&final, "%s/%.*s%s", s->dir, (int)(base > 0 ? base : len), name,
                 base > 0 ? s->kind->manifest : "") < 0)
        return 0;
    store_has(s->store, final, &complete);
    if (complete)
        sweep_temporary(s, final, name, is_folder);
    free(final);
    return 0;
}

void publish_sweep(const char *dir, const struct publication_kind *kind)
{
    struct sweep sweep = {store_at(dir), dir, kind, NULL};

    sweep.store->list(dir, sweep_one, &sweep);
}

void publish_sweep_once(const char *dir, const struct publication_kind *kind,
                        struct hash_set *swept)
{
    /* Without memory to know it by, once more. */
    if (hash_set_add(swept, dir, strlen(dir)) != 0)
        publish_sweep(dir, kind);
}
