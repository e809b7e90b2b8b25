/* SPDX-License-Identifier: Apache-2.0 */
#include "shard/shard_input.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

struct plain_file {
    int fd;
};

/* By size and time of modification: device and inode are no help, as network file systems
 * do not keep them. */
static int look(int fd, struct shard_input_entry *entry)
{
    struct stat st;

    if (fstat(fd, &st) != 0)
        return -1;
    *entry = (struct shard_input_entry){
        .bytes = (uint64_t)st.st_size,
        .version = {(uint64_t)st.st_mtim.tv_sec, (uint64_t)st.st_mtim.tv_nsec},
        .readable = S_ISREG(st.st_mode)};
    return 0;
}

static int plain_open(void **file, const char *path, struct shard_input_entry *entry)
{
    struct plain_file *f = malloc(sizeof(*f));

    *file = NULL;
    if (f == NULL)
        return -1;
    f->fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* no wait for a FIFO */
    if (f->fd < 0 || look(f->fd, entry) != 0) {
        const int error = errno;
        if (f->fd >= 0)
            close(f->fd);
        free(f);
        errno = error;
        return -1;
    }
    *file = f;
    return 0;
}

static ssize_t plain_read_at(void *file, uint64_t offset, void *to, size_t cap)
{
    const struct plain_file *f = file;
    ssize_t n;

    do
        n = pread(f->fd, to, cap, (off_t)offset);
    while (n < 0 && errno == EINTR);
    return n;
}

static void plain_close(void *file)
{
    struct plain_file *f = file;

    close(f->fd);
    free(f);
}

const struct shard_input shard_plain_input = {
    .open = plain_open,
    .read_at = plain_read_at,
    .close = plain_close,
};
