/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/prepare/run.h"

#include <stdarg.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* Encoded images between reading and decoding, texts between reading and writing. */
static const uint64_t READ_BYTES = (uint64_t)256 << 20;

int run_init(struct run *run, uint64_t decode_mem)
{
    *run = (struct run){.lock = PTHREAD_MUTEX_INITIALIZER};
    budget_init(&run->decode_mem, decode_mem);
    budget_init(&run->read_bytes, READ_BYTES);
    run->cancel_fd = eventfd(0, EFD_CLOEXEC);
    return run->cancel_fd < 0 ? -1 : 0;
}

void run_free(struct run *run)
{
    if (run->cancel_fd >= 0)
        close(run->cancel_fd);
    if (run->log)
        fclose(run->log);
    budget_free(&run->decode_mem);
    budget_free(&run->read_bytes);
}

int run_fail(struct run *run, const char *fmt, ...)
{
    va_list ap;

    pthread_mutex_lock(&run->lock);
    if (!run->why[0]) {
        va_start(ap, fmt);
        vsnprintf(run->why, sizeof(run->why), fmt, ap);
        va_end(ap);
    }
    pthread_mutex_unlock(&run->lock);
    return -1;
}

void run_end_waits(struct run *run)
{
    atomic_store(&run->stopping, true);
    eventfd_write(run->cancel_fd, 1);
    budget_cancel(&run->decode_mem);
    budget_cancel(&run->read_bytes);
}
