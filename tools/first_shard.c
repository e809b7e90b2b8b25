/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/first_shard.h"

#include <sys/timerfd.h>
#include <unistd.h>

#include "ingest/decode.h"
#include "ingest/status.h"
#include "tools/input_source.h"
#include "tools/intake.h"
#include "tools/run.h"
#include "tools/sample.h"

/* What is read: this many bytes of the input and as many samples, if a second is enough
 * for both. Few bytes can decompress to very many. */
static const uint64_t LOOK_BYTES = 4 << 20, LOOK_SAMPLES = 16;

static const uint64_t MOST = (uint64_t)1 << 30; /* a shard is never much larger */

/* Of a sample's tensors; their planes are compressed. */
static uint64_t need_of_latents(const struct run *run)
{
    return run->tensor_bytes * 2 / 3;
}

struct look {
    uint64_t need;   /* of the samples that were seen */
    uint64_t groups; /* and how many groups and */
    uint64_t bytes;  /* bytes of the input these were; */
    bool all;        /* of all of it */
};

static uint64_t need_of_pair(const struct run *run, const struct pair *p)
{
    struct decode_info info;
    struct reject reject = p->reject;
    uint64_t side;

    if (reject.reason != REJECT_NONE ||
        decode_probe(p->image, p->image_len, &info, &reject) != REJECT_NONE)
        return 0;
    side = info.width < info.height ? info.width : info.height;
    return side < (uint64_t)run->image->min_size ? 0 : need_of_latents(run);
}

/* Its text and ids, compressed. */
static uint64_t need_of_line(const struct document_line *line)
{
    return line->len / 4;
}

static void look_into(const struct run *run, struct intake *intake,
                      const struct source *source, enum input_format format,
                      struct look *look)
{
    struct sample s = {0};
    int rc = INGEST_OK;

    while (look->bytes < LOOK_BYTES || look->groups < LOOK_SAMPLES) {
        rc = intake_next(intake, &s);
        if (rc != INGEST_OK)
            break;
        look->need +=
            format == INPUT_PAIRS ? need_of_pair(run, &s.pair) : need_of_line(&s.line);
        look->groups++;
        look->bytes = source_bytes(source);
        sample_clear(&s);
    }
    sample_clear(&s);
    look->all = rc == INGEST_END;
}

static void look_at_input(const struct run *run, const struct input *in,
                          struct look *look)
{
    const struct itimerspec second = {.it_value.tv_sec = 1};
    int timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
    struct source *source = NULL;
    struct intake *intake = NULL;

    if (timer >= 0 && timerfd_settime(timer, 0, &second, NULL) == 0 &&
        source_open(&source, in, timer) == INGEST_OK &&
        intake_open(&intake, in->format, source_callback(source), run->select,
                    (uint64_t)run->image->decode_mem) == INGEST_OK)
        look_into(run, intake, source, in->format, look);
    intake_close(intake);
    source_close(source);
    if (timer >= 0)
        close(timer);
}

uint64_t first_shard_estimate(const struct run *run)
{
    const struct input *in = run->units[0].input;
    const uint64_t limit = (uint64_t)run->select->limit;
    struct look look = {0};
    double need;

    if (in->regular)
        look_at_input(run, in, &look);
    if (look.groups == 0)
        return in->format == INPUT_PAIRS ? need_of_latents(run) : 0;
    need = (double)look.need;
    if (!look.all) {
        double groups = (double)look.groups * (double)in->bytes / (double)look.bytes;

        if (limit > 0 && groups > (double)limit)
            groups = (double)limit;
        need *= groups / (double)look.groups;
    }
    return need > (double)MOST ? MOST : (uint64_t)need;
}
