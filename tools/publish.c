/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/publish.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static size_t shard_base(const char *name, size_t len);

const struct publication_kind publication_shards = {
    .manifest = ".manifest.json",
    .rejects = ".rejects.jsonl",
    .part = publication_shard_suffix,
    .part_base = shard_base,
};

struct publication_file {
    dev_t dev;
    ino_t ino;
};

/* Five digits number them. */
enum { MAX_PARTS = 100000 };

static int fail(struct publication *p, const char *what, const char *path)
{
    snprintf(p->why, sizeof(p->why), "%s: cannot %s: %s", path ? path : p->base, what,
             strerror(errno));
    return PUBLISH_FAILED;
}

/* ".tmp.<host>.<pid>.<random>", where host is at most 32 harmless characters. */
static void temporary_suffix(char *out, size_t cap)
{
    char host[33] = "";
    uint32_t random = 0;

    if (gethostname(host, sizeof(host) - 1) != 0 || !host[0])
        snprintf(host, sizeof(host), "host");
    for (char *c = host; *c; c++)
        if (*c == '/' || *c == '.' || *c <= ' ')
            *c = '-';
    if (getrandom(&random, sizeof(random), 0) != (ssize_t)sizeof(random))
        random = (uint32_t)time(NULL);
    snprintf(out, cap, ".tmp.%s.%ld.%08x", host, (long)getpid(), random);
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
        if (mkdir(p->dir, 0777) != 0 && errno != EEXIST)
            return fail(p, "make the folder", p->dir);
        *slash = '/';
    }
    if (mkdir(p->dir, 0777) != 0 && errno != EEXIST)
        return fail(p, "make the folder", p->dir);
    return PUBLISH_OK;
}

int publication_init(struct publication *p, const struct publication_kind *kind,
                     const char *out, const char *name)
{
    const char *slash = strrchr(name, '/');
    int folders = slash ? (int)(slash - name) : 0;

    *p = (struct publication){.kind = kind};
    p->base = strdup(slash ? slash + 1 : name);
    if (asprintf(&p->dir, "%s%s%.*s", out, slash ? "/" : "", folders, name) < 0)
        p->dir = NULL;
    if (!p->dir || !p->base)
        return fail(p, "allocate memory", name);
    temporary_suffix(p->temporary, sizeof(p->temporary));
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

static char *join(const struct publication *p, const char *suffix, const char *temporary)
{
    char *path;

    return asprintf(&path, "%s/%s%s%s", p->dir, p->base, suffix, temporary) < 0 ? NULL
                                                                                : path;
}

char *publication_final(const struct publication *p, const char *suffix)
{
    return join(p, suffix, "");
}

char *publication_temporary(const struct publication *p, const char *suffix)
{
    return join(p, suffix, p->temporary);
}

void publication_shard_suffix(char suffix[PUBLISH_SUFFIX_CAP], unsigned part)
{
    if (part == 0)
        snprintf(suffix, PUBLISH_SUFFIX_CAP, ".lms");
    else
        snprintf(suffix, PUBLISH_SUFFIX_CAP, "+%05u.lms", part);
}

bool publication_exists(const struct publication *p)
{
    char *path = publication_final(p, p->kind->manifest);
    bool exists = path && access(path, F_OK) == 0;

    free(path);
    return exists;
}

int publication_look(struct publication *p, bool *exists)
{
    char *path = publication_final(p, p->kind->manifest);
    int rc = PUBLISH_OK;

    *exists = path && access(path, F_OK) == 0;
    if (!path)
        rc = fail(p, "allocate memory", NULL);
    else if (!*exists && errno != ENOENT)
        rc = fail(p, "look for it", path);
    free(path);
    return rc;
}

bool publication_done(const char *out, const char *name)
{
    char *path;
    bool done = asprintf(&path, "%s/%s%s", out, name, publication_shards.manifest) >= 0;

    if (done) {
        done = access(path, F_OK) == 0;
        free(path);
    }
    return done;
}

static int sync_path(const char *path, int flags)
{
    int fd = open(path, flags | O_CLOEXEC);
    int rc;

    if (fd < 0)
        return -1;
    rc = fsync(fd);
    return close(fd) == 0 ? rc : -1;
}

static int write_all(int fd, const char *bytes, size_t len)
{
    while (len > 0) {
        ssize_t n = write(fd, bytes, len);

        if (n < 0 && errno != EINTR)
            return -1;
        if (n > 0) {
            bytes += n;
            len -= (size_t)n;
        }
    }
    return 0;
}

/* Creates `path` with these bytes, fsynced. On failure nothing is left of it. */
static int create_file(const char *path, const void *bytes, size_t len)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    int rc, saved;

    if (fd < 0)
        return -1;
    rc = write_all(fd, bytes, len) == 0 ? fsync(fd) : -1;
    saved = errno;
    if (close(fd) != 0 && rc == 0) {
        rc = -1;
        saved = errno;
    }
    if (rc != 0) {
        unlink(path);
        errno = saved;
    }
    return rc;
}

static int sync_folder_of(const char *path, char *why, size_t cap)
{
    const char *slash = strrchr(path, '/');
    char *dir = slash ? strndup(path, (size_t)(slash - path) + 1) : strdup(".");
    int rc = PUBLISH_OK;

    if (!dir || sync_path(dir, O_RDONLY | O_DIRECTORY) != 0) {
        snprintf(why, cap, "%s: cannot fsync its folder: %s", path, strerror(errno));
        rc = PUBLISH_FAILED;
    }
    free(dir);
    return rc;
}

int publish_file(const char *path, const void *bytes, size_t len, char *why, size_t cap)
{
    char suffix[96], *temporary;
    int rc = PUBLISH_OK;

    if (access(path, F_OK) == 0)
        return PUBLISH_EXISTS; /* the disk may be full: do not write in vain */
    temporary_suffix(suffix, sizeof(suffix));
    if (asprintf(&temporary, "%s%s", path, suffix) < 0) {
        snprintf(why, cap, "%s: out of memory", path);
        return PUBLISH_FAILED;
    }
    if (create_file(temporary, bytes, len) != 0 || link(temporary, path) != 0) {
        int error = errno;
        /* Whoever saw the other's file may have swept our temporary. */
        bool exists = error == EEXIST || (error == ENOENT && access(path, F_OK) == 0);

        rc = exists ? PUBLISH_EXISTS : PUBLISH_FAILED;
        snprintf(why, cap, "%s: cannot write it: %s", path, strerror(error));
    }
    unlink(temporary);
    free(temporary);
    return rc == PUBLISH_OK ? sync_folder_of(path, why, cap) : rc;
}

int publish_replace(const char *path, const void *bytes, size_t len, char *why,
                    size_t cap)
{
    enum { TRIES = 100 };
    char suffix[96], *temporary;
    int rc = PUBLISH_OK, replaced;

    temporary_suffix(suffix, sizeof(suffix));
    if (asprintf(&temporary, "%s%s", path, suffix) < 0) {
        snprintf(why, cap, "%s: out of memory", path);
        return PUBLISH_FAILED;
    }
    /* Whoever sees the file that is to be replaced may sweep our temporary. */
    for (int tries = TRIES; tries > 0; tries--) {
        replaced = create_file(temporary, bytes, len);
        if (replaced == 0)
            replaced = rename(temporary, path);
        if (replaced == 0 || errno != ENOENT)
            break;
    }
    if (replaced != 0) {
        rc = PUBLISH_FAILED;
        snprintf(why, cap, "%s: cannot write it: %s", path, strerror(errno));
        unlink(temporary);
    }
    free(temporary);
    return rc == PUBLISH_OK ? sync_folder_of(path, why, cap) : rc;
}

/* One file of the unit, from its temporary to its final name. */
static int rename_one(struct publication *p, const char *suffix)
{
    char *from = publication_temporary(p, suffix), *to = publication_final(p, suffix);
    int rc = PUBLISH_OK;

    if (!from || !to)
        rc = fail(p, "allocate memory", NULL);
    else if (rename(from, to) != 0)
        /* Whoever saw a manifest has removed our temporaries: this unit is theirs. */
        rc = errno == ENOENT && publication_exists(p) ? PUBLISH_EXISTS
                                                      : fail(p, "rename", from);
    free(from);
    free(to);
    return rc;
}

static int sync_one(struct publication *p, const char *suffix)
{
    char *path = publication_temporary(p, suffix);
    struct stat st;
    int rc = PUBLISH_OK;

    if (!path)
        rc = fail(p, "allocate memory", NULL);
    else if (sync_path(path, O_RDONLY) == 0 && stat(path, &st) == 0)
        p->files[p->n_files++] =
            (struct publication_file){.dev = st.st_dev, .ino = st.st_ino};
    else
        rc = errno == ENOENT && publication_exists(p) ? PUBLISH_EXISTS
                                                      : fail(p, "fsync", path);
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

/* Of the files in the order of sync_one(). */
static int check_one(struct publication *p, const char *suffix)
{
    char *path = publication_final(p, suffix);
    const struct publication_file *own = &p->files[p->n_files++];
    struct stat st;
    int rc = PUBLISH_OK;

    if (!path)
        rc = fail(p, "allocate memory", NULL);
    else if (stat(path, &st) != 0 || st.st_dev != own->dev || st.st_ino != own->ino)
        rc = PUBLISH_REPLACED;
    free(path);
    return rc;
}

static int remove_final(struct publication *p, const char *suffix)
{
    char *path = publication_final(p, suffix);
    int rc = PUBLISH_OK;

    if (!path || (unlink(path) != 0 && errno != ENOENT))
        rc = fail(p, "remove what an older result left", path);
    free(path);
    return rc;
}

static bool final_exists(const struct publication *p, const char *suffix)
{
    char *path = publication_final(p, suffix);
    bool there = !path || access(path, F_OK) == 0; /* no memory: remove_final() says so */

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
    while (final_exists(p, suffix) && end < MAX_PARTS)
        p->kind->part(suffix, ++end);
    while (end-- > n_parts && rc == PUBLISH_OK) {
        p->kind->part(suffix, end);
        rc = remove_final(p, suffix);
    }
    return rc == PUBLISH_OK && p->kind->rejects && !has_rejects
               ? remove_final(p, p->kind->rejects)
               : rc;
}

static int link_manifest(struct publication *p, const char *manifest, size_t len)
{
    char *temporary = publication_temporary(p, p->kind->manifest);
    char *final = publication_final(p, p->kind->manifest);
    int rc = PUBLISH_OK;

    if (!temporary || !final)
        rc = fail(p, "allocate memory", NULL);
    else if (create_file(temporary, manifest, len) != 0)
        rc = fail(p, "write", temporary);
    else if (link(temporary, final) != 0)
        rc = errno == EEXIST || (errno == ENOENT && publication_exists(p))
                 ? PUBLISH_EXISTS
                 : fail(p, "link the manifest", final);
    if (temporary)
        unlink(temporary);
    free(temporary);
    free(final);
    return rc;
}

int publication_publish(struct publication *p, unsigned n_parts, bool has_rejects,
                        const char *manifest, size_t len, bool *renamed)
{
    int rc;

    *renamed = false;
    p->n_files = 0;
    p->files = calloc((size_t)n_parts + 1, sizeof(*p->files));
    rc = p->files ? each_file(p, n_parts, has_rejects, sync_one)
                  : fail(p, "allocate memory", NULL);
    if (rc == PUBLISH_OK && publication_exists(p))
        rc = PUBLISH_EXISTS;
    if (rc == PUBLISH_OK) {
        *renamed = true;
        rc = each_file(p, n_parts, has_rejects, rename_one);
    }
    if (rc == PUBLISH_OK) {
        rc = publication_remove_beyond(p, n_parts, has_rejects);
        if (rc == PUBLISH_OK && sync_path(p->dir, O_RDONLY | O_DIRECTORY) != 0)
            rc = fail(p, "fsync", p->dir);
    }
    if (rc == PUBLISH_OK)
        rc = link_manifest(p, manifest, len);
    if (rc == PUBLISH_OK && sync_path(p->dir, O_RDONLY | O_DIRECTORY) != 0)
        rc = fail(p, "fsync", p->dir);
    p->n_files = 0;
    if (rc == PUBLISH_OK)
        rc = each_file(p, n_parts, has_rejects, check_one);
    free(p->files);
    p->files = NULL;
    if (rc != PUBLISH_OK)
        publication_drop(p, n_parts);
    return rc;
}

static int unlink_one(struct publication *p, const char *suffix)
{
    char *path = publication_temporary(p, suffix);

    if (path)
        unlink(path);
    free(path);
    return PUBLISH_OK;
}

void publication_drop(struct publication *p, unsigned n_parts)
{
    each_file(p, n_parts, p->kind->rejects != NULL, unlink_one);
    unlink_one(p, p->kind->manifest);
}

int publication_withdraw(struct publication *p)
{
    char *from = publication_final(p, p->kind->manifest),
         *to = publication_temporary(p, p->kind->manifest);
    int rc = PUBLISH_OK;

    if (!from || !to || (rename(from, to) != 0 && errno != ENOENT))
        rc = fail(p, "withdraw the manifest", from);
    else if (sync_path(p->dir, O_RDONLY | O_DIRECTORY) != 0)
        rc = fail(p, "fsync", p->dir);
    free(from);
    free(to);
    return rc;
}

/* Where `name` ends in ".tmp.<host>.<pid>.<8 hex digits>": the length before that. */
static size_t final_length(const char *name)
{
    size_t len = strlen(name);
    const char *found = NULL;

    for (const char *p = name; (p = strstr(p, ".tmp.")) != NULL; p++) {
        size_t host = strcspn(p + 5, ".");
        const char *pid = p + 5 + host;
        size_t digits = *pid ? strspn(pid + 1, "0123456789") : 0;
        const char *random = pid + 1 + digits;

        if (host > 0 && digits > 0 && *random == '.' && random + 9 == name + len &&
            strspn(random + 1, "0123456789abcdef") == 8)
            found = p;
    }
    return found ? (size_t)(found - name) : 0;
}

static bool ends_in(const char *name, size_t len, const char *suffix)
{
    const size_t n = strlen(suffix);

    return len > n && memcmp(name + len - n, suffix, n) == 0;
}

/* "base.lms" and "base+00001.lms". */
static size_t shard_base(const char *name, size_t len)
{
    if (!ends_in(name, len, ".lms"))
        return 0;
    len -= strlen(".lms");
    if (len > 6 && name[len - 6] == '+' && strspn(name + len - 5, "0123456789") >= 5)
        len -= 6;
    return len;
}

/* Length of the unit's base in a final name such as "base+00001.lms"; 0: no unit's file.
 */
static size_t base_length(const struct publication_kind *kind, const char *name,
                          size_t len)
{
    if (ends_in(name, len, kind->manifest))
        return len - strlen(kind->manifest);
    if (kind->rejects && ends_in(name, len, kind->rejects))
        return len - strlen(kind->rejects);
    return kind->part_base(name, len);
}

void publish_sweep(const char *dir, const struct publication_kind *kind)
{
    DIR *d = opendir(dir);
    struct dirent *e;

    if (!d)
        return;
    while ((e = readdir(d)) != NULL) {
        size_t len = final_length(e->d_name);
        size_t base = base_length(kind, e->d_name, len);
        char path[1024];
        int n = base ? snprintf(path, sizeof(path), "%.*s%s", (int)base, e->d_name,
                                kind->manifest)
                     : snprintf(path, sizeof(path), "%.*s", (int)len, e->d_name);

        if (len > 0 && n < (int)sizeof(path) && faccessat(dirfd(d), path, F_OK, 0) == 0)
            unlinkat(dirfd(d), e->d_name, 0);
    }
    closedir(d);
}

void publication_sweep(const struct publication *p, struct hash_set *swept)
{
    /* Without memory to know it by, once more. */
    if (hash_set_add(swept, p->dir, strlen(p->dir)) != 0)
        publish_sweep(p->dir, p->kind);
}
