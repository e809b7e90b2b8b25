/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/prepare/first_shard.h"

#include <sys/timerfd.h>
#include <unistd.h>

#include "ingest/image/image_header.h"
#include "ingest/status.h"
#include "tools/run/input_source.h"
#include "tools/prepare/job.h"
#include "tools/prepare/unit.h"

/* What is read: this many bytes of the input and as many samples, if a second is enough
 * for both. Few bytes can decompress to very many. */
static const uint64_t LOOK_BYTES = 4 << 20, LOOK_SAMPLES = 16;

static const uint64_t MOST = (uint64_t)1 << 30; /* a shard is never much larger */

/* Of an image's tensors: their planes are compressed, and so are files' pixels. */
static uint64_t need_of_tensors(const struct job *job)
{
    return job->room.tensor_bytes * 2 / 3 + job->room.file_bytes / 4;
}

struct look {
    uint64_t need;   /* of the samples that were seen */
    uint64_t groups; /* and how many groups and */
    uint64_t bytes;  /* bytes of the input these were; */
    bool all;        /* of all of it */
};

static uint64_t need_of_image(const struct job *job, const struct ingest_part *image)
{
    struct image_header header;
    struct reject reject;
    uint64_t side;

    if (image_header_read(image->image, image->image_len, &header, &reject) !=
        REJECT_NONE)
        return 0;
    side = header.width < header.height ? header.width : header.height;
    return side < (uint64_t)job->image->min_size ? 0 : need_of_tensors(job);
}

/* What is not parsed yet stands for its texts and ids, compressed; those beside an image
 * count for nothing. */
static uint64_t need_of_sample(const struct job *job, const struct ingest_sample *s)
{
    uint64_t need = s->raw.len / 4;

    for (size_t i = 0; i < s->n_parts; i++)
        if (s->parts[i].kind == INGEST_IMAGE)
            need += need_of_image(job, &s->parts[i]);
    return need;
}

static void look_into(const struct job *job, const struct reader *reader, void *reading,
                      const struct source *source, struct look *look)
{
    struct ingest_sample s = {0};
    int rc = INGEST_OK;

    while (look->bytes < LOOK_BYTES || look->groups < LOOK_SAMPLES) {
        rc = reader->next(reading, &s);
        if (rc != INGEST_OK)
            break;
        look->need += need_of_sample(job, &s);
        look->groups++;
        look->bytes = source_bytes(source);
        ingest_sample_clear(&s);
    }
    ingest_sample_clear(&s);
    look->all = rc == INGEST_END;
}

static void look_at_input(const struct job *job, const struct input *in,
                          struct look *look)
{
    const struct itimerspec second = {.it_value.tv_sec = 1};
    int timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
    struct source *source = NULL;
    void *reading = NULL;

    if (timer >= 0 && timerfd_settime(timer, 0, &second, NULL) == 0 &&
        source_open(&source, in, timer) == INGEST_OK &&
        in->reader->open(&reading, source_callback(source), &job->reading) == INGEST_OK)
        look_into(job, in->reader, reading, source, look);
    in->reader->close(reading);
    source_close(source);
    if (timer >= 0)
        close(timer);
}

uint64_t first_shard_estimate(const struct job *job)
{
    const struct input *in = job->units[0].input;
    const uint64_t limit = (uint64_t)job->select->limit;
    struct look look = {0};
    double need;

    if (in->regular)
        look_at_input(job, in, &look);
    if (look.groups == 0)
        return in->reader->has_images ? need_of_tensors(job) : 0;
    need = (double)look.need;
    if (!look.all) {
        double groups = (double)look.groups * (double)in->bytes / (double)look.bytes;

        if (limit > 0 && groups > (double)limit)
            groups = (double)limit;
        need *= groups / (double)look.groups;
    }
    return need > (double)MOST ? MOST : (uint64_t)need;
}
