/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/prepare/job.h"

#include <stdarg.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* Encoded images between reading and decoding, texts between reading and writing. */
static const uint64_t READ_BYTES = (uint64_t)256 << 20;

int job_init(struct job *job, uint64_t decode_mem)
{
    *job = (struct job){.lock = PTHREAD_MUTEX_INITIALIZER};
    budget_init(&job->decode_mem, decode_mem);
    budget_init(&job->read_bytes, READ_BYTES);
    job->cancel_fd = eventfd(0, EFD_CLOEXEC);
    return job->cancel_fd < 0 ? -1 : 0;
}

void job_free(struct job *job)
{
    if (job->cancel_fd >= 0)
        close(job->cancel_fd);
    budget_free(&job->decode_mem);
    budget_free(&job->read_bytes);
    json_decref(job->unlogged);
}

const struct job_description *job_description_of(const struct job *job,
                                                 const struct input *in)
{
    return in->reader->has_images ? &job->with_images : &job->without_images;
}

int job_fail(struct job *job, const char *fmt, ...)
{
    va_list ap;

    pthread_mutex_lock(&job->lock);
    if (!job->why[0]) {
        va_start(ap, fmt);
        vsnprintf(job->why, sizeof(job->why), fmt, ap);
        va_end(ap);
    }
    pthread_mutex_unlock(&job->lock);
    return -1;
}

void job_end_waits(struct job *job)
{
    atomic_store(&job->stopping, true);
    eventfd_write(job->cancel_fd, 1);
    budget_cancel(&job->decode_mem);
    budget_cancel(&job->read_bytes);
}
