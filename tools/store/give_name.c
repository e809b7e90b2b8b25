/* SPDX-License-Identifier: Apache-2.0
 * tools/store/give_name.c - of many processes one gets the name.
 *
 * Where nothing is there link() decides, or a rename() that replaces nothing. A file
 * system may know neither; and neither helps where an empty file has the name, as a crash
 * of the machine or a full disk leaves it. Then the name is claimed: each makes a folder
 * of its own, moves its finished file in, and renames the folder to the claim's name.
 * rename() replaces an empty folder at most, so one of them holds the claim, and as long
 * as its file is in there nobody else does. The holder looks whether the name is free and
 * moves the file there.
 *
 * Nobody waits for a holder that was killed or is slow: whoever finds the claim held does
 * the same for it. The file in the claim has a name that no other file ever has, so who
 * comes too late finds nothing to move, and the name changes once, by the one file that
 * was in the claim. So a name is not there (or empty, as before) or complete.
 *
 * It takes a rename() of folders that is atomic. Where there is none (some object stores
 * shown as folders) it fails, which is told. And all that share a folder must be told the
 * same of link(): what is not claimed is decided by that. */
#include "tools/store/give_name.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tools/store/store.h"
#include "tools/store/temporary.h"

/* More than that many others cannot have come before. */
enum { TRIES = 1000 };

struct claim {
    const char *path;
    char *own, *own_file;   /* this process's folder, and its file in there */
    char *held, *held_file; /* the same when it holds the claim */
};

/* What a file system says that knows no such link(), or renameat2(). */
static bool is_unsupported(int error)
{
    return error == EPERM || error == EOPNOTSUPP || error == ENOSYS || error == EMLINK ||
           error == EINVAL;
}

static int name_absent(const char *from, const char *to)
{
    if (link(from, to) == 0) {
        unlink(from);
        return 0;
    }
    return is_unsupported(errno)
               ? renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE)
               : -1;
}

static bool is_taken(const char *path)
{
    bool there;

    return store_has(&store_folder, path, &there) == 0 && there;
}

/* From a claim to the name, unless that is taken: EEXIST. */
static int move_out(const char *from, const char *to)
{
    struct stat st;
    int rc = -1;

    errno = EEXIST;
    for (int tries = TRIES; rc != 0 && errno == EEXIST && tries > 0; tries--) {
        bool there;

        if (store_has(&store_folder, to, &there) != 0)
            return -1;
        if (there) {
            errno = EEXIST;
            return -1;
        }
        if (lstat(to, &st) == 0)
            return rename(from, to); /* in place of what says nothing */
        rc = name_absent(from, to);
        if (rc != 0 && is_unsupported(errno))
            rc = rename(from, to);
    }
    return rc;
}

static int move_held(void *ctx, const char *name, bool is_folder)
{
    const struct claim *c = ctx;
    char *file;

    if (is_folder || temporary_final_length(name) == 0 ||
        asprintf(&file, "%s/%s", c->held, name) < 0)
        return 0;
    move_out(file, c->path);
    free(file);
    return 0;
}

static bool is_same(int fd, const char *path)
{
    struct stat own, there;

    return fstat(fd, &own) == 0 && stat(path, &there) == 0 &&
           own.st_dev == there.st_dev && own.st_ino == there.st_ino;
}

/* Holds the claim. Another one may have moved the file, so what move_out() says is not
 * yet all. */
static int settle(const struct claim *c, int fd)
{
    const int rc = move_out(c->held_file, c->path);
    const int error = errno;

    unlink(c->held_file);
    rmdir(c->held);
    if (rc == 0 || is_same(fd, c->path))
        return 0;
    errno = error;
    return -1;
}

static int claim(const struct claim *c, const char *temporary, int fd)
{
    if (mkdir(c->own, 0777) != 0 || rename(temporary, c->own_file) != 0)
        return -1;
    for (int tries = TRIES; tries > 0; tries--) {
        if (rename(c->own, c->held) == 0)
            return settle(c, fd);
        if (errno != EEXIST && errno != ENOTEMPTY)
            return -1;
        store_folder.list(c->held, move_held, (void *)c);
        rmdir(c->held);
        if (is_taken(c->path)) {
            errno = EEXIST;
            return -1;
        }
    }
    errno = EBUSY; /* somebody has put something else in there */
    return -1;
}

/* The folders' names. */
static int name_folders(struct claim *c, const char *temporary)
{
    const char *slash = strrchr(temporary, '/'), *file = slash ? slash + 1 : temporary;
    char suffix[TEMPORARY_SUFFIX_CAP];

    temporary_suffix(suffix);
    if (asprintf(&c->own, "%s%s", c->path, suffix) < 0)
        c->own = NULL;
    if (asprintf(&c->held, "%s%s", c->path, temporary_claim) < 0)
        c->held = NULL;
    if (!c->own || !c->held)
        return -1;
    if (asprintf(&c->own_file, "%s/%s", c->own, file) < 0)
        c->own_file = NULL;
    if (asprintf(&c->held_file, "%s/%s", c->held, file) < 0)
        c->held_file = NULL;
    return c->own_file && c->held_file ? 0 : -1;
}

static int name_by_claim(const char *temporary, const char *path)
{
    struct claim c = {.path = path};
    const int fd = open(temporary, O_RDONLY | O_CLOEXEC); /* so that it stays the same */
    int rc = -1, error;

    if (fd >= 0 && name_folders(&c, temporary) == 0) {
        rc = claim(&c, temporary, fd);
        error = errno;
        if (rc != 0) {
            unlink(c.own_file);
            rmdir(c.own);
        }
    } else {
        error = errno;
    }
    if (fd >= 0)
        close(fd);
    free(c.own);
    free(c.own_file);
    free(c.held);
    free(c.held_file);
    errno = error;
    return rc;
}

int give_name(const char *temporary, const char *path)
{
    if (name_absent(temporary, path) == 0)
        return 0;
    if (errno != EEXIST && !is_unsupported(errno))
        return -1;
    if (errno == EEXIST && is_taken(path)) {
        errno = EEXIST;
        return -1;
    }
    return name_by_claim(temporary, path);
}
