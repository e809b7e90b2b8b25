/* SPDX-License-Identifier: Apache-2.0 */
#include "shard/output.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

struct plain_file {
    int fd;
};

static int plain_open(void **file, const char *path)
{
    struct plain_file *f = malloc(sizeof(*f));

    *file = NULL;
    if (f == NULL)
        return -1;
    f->fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (f->fd < 0) {
        const int error = errno;
        free(f);
        errno = error;
        return -1;
    }
    *file = f;
    return 0;
}

static int plain_write(void *file, const void *data, size_t len)
{
    const struct plain_file *f = file;
    const unsigned char *p = data;

    while (len > 0) {
        const ssize_t n = write(f->fd, p, len);
        if (n < 0 && errno != EINTR)
            return -1;
        if (n > 0) {
            p += n;
            len -= (size_t)n;
        }
    }
    return 0;
}

static int plain_finish(void *file)
{
    struct plain_file *f = file;
    const int fd = f->fd;
    int error = 0;

    free(f);
    if (fsync(fd) != 0)
        error = errno;
    if (close(fd) != 0 && error == 0)
        error = errno;
    errno = error;
    return error == 0 ? 0 : -1;
}

static void plain_close(void *file)
{
    struct plain_file *f = file;

    if (f != NULL)
        close(f->fd);
    free(f);
}

const struct shard_output shard_plain_output = {
    .open = plain_open,
    .write = plain_write,
    .finish = plain_finish,
    .close = plain_close,
};
