/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/run/shared_memory.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#ifndef F_SEAL_FUTURE_WRITE
#define F_SEAL_FUTURE_WRITE 0x0010 /* since Linux 5.1 */
#endif

bool shared_memory_open(struct shared_memory *m)
{
    int fd;

    if (m->fd > 0)
        return true;
    fd = memfd_create("latentmill pixels", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0)
        return false;
    m->fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
    close(fd);
    if (m->fd < 0)
        m->fd = 0;
    return m->fd > 0;
}

bool shared_memory_size(struct shared_memory *m, size_t len)
{
    const int seals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_FUTURE_WRITE | F_SEAL_SEAL;
    void *base;

    if (ftruncate(m->fd, (off_t)len) != 0)
        return false;
    base = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, m->fd, 0);
    if (base == MAP_FAILED)
        return false;
    if (fcntl(m->fd, F_ADD_SEALS, seals) != 0) {
        munmap(base, len);
        return false;
    }
    m->base = base;
    m->len = len;
    return true;
}

void shared_memory_close(struct shared_memory *m)
{
    if (m->base)
        munmap(m->base, m->len);
    if (m->fd > 0)
        close(m->fd);
    *m = (struct shared_memory){0};
}
