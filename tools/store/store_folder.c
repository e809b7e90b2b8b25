/* SPDX-License-Identifier: Apache-2.0
 * tools/store/store_folder.c - a folder of the file system as a store.
 *
 * What is put is written under a temporary name, fsynced, then given its own: by rename()
 * where it replaces, by give_name() where nothing may be there. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "tools/store/give_name.h"
#include "tools/store/store.h"
#include "tools/store/temporary.h"

static int folder_look(const char *path, struct store_entry *entry)
{
    struct stat st;

    if (stat(path, &st) != 0)
        return -1;
    *entry = (struct store_entry){.bytes = (uint64_t)st.st_size,
                                  .id = {(uint64_t)st.st_dev, (uint64_t)st.st_ino},
                                  .folder = S_ISDIR(st.st_mode)};
    return 0;
}

static int folder_sync(const char *path)
{
    const int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return -1;
    const int error = fsync(fd) != 0 ? errno : 0;
    if (close(fd) != 0)
        return -1;
    errno = error;
    return error == 0 ? 0 : -1;
}

static int sync_folder_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    char *folder = slash ? strndup(path, (size_t)(slash - path) + 1) : strdup(".");
    const int rc = folder ? folder_sync(folder) : -1;
    const int error = errno;

    free(folder);
    errno = error;
    return rc;
}

/* Creates a file with these bytes, fsynced. On failure nothing is left of it. */
static int write_file(const char *path, const void *bytes, size_t len)
{
    const struct shard_output *output = &shard_plain_output;
    void *file;
    int error = 0;

    if (output->open(&file, path) != 0)
        return -1;
    if (output->write(file, bytes, len) != 0) {
        error = errno;
        output->close(file);
    } else if (output->finish(file) != 0) {
        error = errno;
    }
    if (error == 0)
        return 0;
    unlink(path);
    errno = error;
    return -1;
}

/* Gives memory; NULL with errno. */
static char *temporary_name(const char *path)
{
    char suffix[TEMPORARY_SUFFIX_CAP], *temporary;

    temporary_suffix(suffix);
    return asprintf(&temporary, "%s%s", path, suffix) < 0 ? NULL : temporary;
}

static int folder_put(const char *path, const void *bytes, size_t len)
{
    enum { TRIES = 100 };
    char *temporary = temporary_name(path);
    int rc = -1, error = ENOENT;

    if (!temporary)
        return -1;
    /* Whoever sees the file that is to be replaced may sweep our temporary. */
    for (int tries = TRIES; rc != 0 && error == ENOENT && tries > 0; tries--) {
        rc = write_file(temporary, bytes, len);
        if (rc == 0)
            rc = rename(temporary, path);
        error = errno;
    }
    if (rc != 0)
        unlink(temporary);
    free(temporary);
    errno = error;
    return rc == 0 ? sync_folder_of(path) : rc;
}

static int folder_put_if_absent(const char *path, const void *bytes, size_t len)
{
    bool there;
    char *temporary;
    int rc, error;

    if (store_has(&store_folder, path, &there) == 0 && there) {
        errno = EEXIST; /* the disk may be full: do not write in vain */
        return -1;
    }
    temporary = temporary_name(path);
    if (!temporary)
        return -1;
    rc = write_file(temporary, bytes, len);
    if (rc == 0)
        rc = give_name(temporary, path);
    error = errno;
    unlink(temporary);
    free(temporary);
    if (rc == 0)
        return sync_folder_of(path);
    /* Whoever saw the other's file may have swept our temporary. */
    if (error == ENOENT && store_has(&store_folder, path, &there) == 0 && there)
        error = EEXIST;
    errno = error;
    return -1;
}

static ssize_t folder_read_at(const char *path, uint64_t offset, void *to, size_t cap)
{
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n;
    int error;

    if (fd < 0)
        return -1;
    do
        n = pread(fd, to, cap, (off_t)offset);
    while (n < 0 && errno == EINTR);
    error = errno;
    close(fd);
    errno = error;
    return n;
}

static bool is_folder(DIR *d, const struct dirent *e)
{
    struct stat st;

    if (e->d_type != DT_UNKNOWN)
        return e->d_type == DT_DIR;
    return fstatat(dirfd(d), e->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
           S_ISDIR(st.st_mode);
}

static int folder_list(const char *folder,
                       int (*found)(void *ctx, const char *name, bool is_folder),
                       void *ctx)
{
    DIR *d = opendir(folder);
    struct dirent *e;
    int rc = 0, error;

    if (!d)
        return -1;
    while (errno = 0, rc == 0 && (e = readdir(d)) != NULL)
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
            rc = found(ctx, e->d_name, is_folder(d, e));
    error = errno; /* where it ended before the folder did */
    closedir(d);
    errno = error;
    return rc == 0 && error != 0 ? -1 : rc;
}

static int folder_make(const char *path)
{
    return mkdir(path, 0777) == 0 || errno == EEXIST ? 0 : -1;
}

static int folder_room(const char *folder, uint64_t *bytes)
{
    struct statvfs fs;

    if (access(folder, W_OK | X_OK) != 0 || statvfs(folder, &fs) != 0)
        return -1;
    /* Without blocks it is a file system that does not tell. */
    *bytes = fs.f_blocks > 0 ? (uint64_t)fs.f_bavail * fs.f_frsize : UINT64_MAX;
    return 0;
}

const struct store store_folder = {
    .output = &shard_plain_output,
    .input = &shard_plain_input,
    .put = folder_put,
    .put_if_absent = folder_put_if_absent,
    .rename = rename,
    .remove = unlink,
    .sync = folder_sync,
    .look = folder_look,
    .read_at = folder_read_at,
    .list = folder_list,
    .make_folder = folder_make,
    .remove_folder = rmdir,
    .room = folder_room,
};
