/* SPDX-License-Identifier: Apache-2.0
 * The read stage: what samples are to hold is counted before they are passed on. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ingest/status.h"
#include "tools/prepare/job.h"
#include "tools/prepare/sample.h"
#include "tools/prepare/unit.h"
#include "tools/run/pipeline.h"

enum { IMAGE_BYTES = 10, TENSOR_BYTES = 1000, MOST_IMAGES = 4 };

/* ---- a reader of samples of 0, 1, ... images ---- */

static struct ingest_totals totals;

static int open_reader(void **state, const struct ingest_source *source,
                       const struct reader_options *options)
{
    (void)source;
    (void)options;
    *state = &totals;
    return INGEST_OK;
}

static int next_sample(void *state, struct ingest_sample *s)
{
    (void)state;
    if (totals.groups > MOST_IMAGES)
        return INGEST_END;
    s->key = strdup("k");
    if (ingest_sample_set_parts(s, totals.groups + 1) != INGEST_OK)
        return INGEST_ENOMEM;
    for (size_t i = 0; i < totals.groups; i++) {
        s->parts[i].kind = INGEST_IMAGE;
        s->parts[i].image = malloc(IMAGE_BYTES);
        s->parts[i].image_len = IMAGE_BYTES;
    }
    totals.groups++; /* the last part is a text without alternatives */
    return INGEST_OK;
}

static const struct ingest_totals *totals_so_far(const void *state)
{
    return state;
}

static const char *no_words(const void *state)
{
    (void)state;
    return "";
}

static void close_reader(void *state)
{
    (void)state;
}

static const struct reader images = {.name = "images",
                                     .has_images = true,
                                     .open = open_reader,
                                     .next = next_sample,
                                     .totals = totals_so_far,
                                     .why = no_words,
                                     .close = close_reader};

/* ---- behind it ---- */

static int open_end(void **worker, void *shared)
{
    *worker = shared;
    return PIPE_OK;
}

static void close_end(void *worker)
{
    (void)worker;
}

/* How much each sample held; cmocka's assertions are for the main thread. */
static uint64_t held[MOST_IMAGES + 1];

static int look(void *worker, struct sample **s, int n, struct pipe_out *out)
{
    struct job *job = worker;
    int rc = PIPE_OK;

    for (int i = 0; i < n && rc == PIPE_OK; i++) {
        if (!s[i]->end_of_unit)
            held[s[i]->seq] = s[i]->held;
        if (s[i]->held > 0)
            budget_give_back(&job->read_bytes, s[i]->held);
        sample_clear(s[i]);
        rc = pipe_pass(out, s[i]);
    }
    return rc;
}

static void tensors_of_many_images_are_counted(void **state)
{
    const struct run_options options = {.out = "/nowhere"};
    const struct select_options select = {0};
    const struct input input = {.reader = &images,
                                .text = (char *)"tests/data/scenes-000.tar",
                                .name = (char *)"n"};
    struct unit unit = {.input = &input};
    struct job job;
    struct pipeline *pipeline;
    struct sample *samples[2];

    (void)state;
    assert_int_equal(job_init(&job, 1 << 20), 0);
    job.options = &options;
    job.select = &select;
    job.units = &unit;
    job.n_units = 1;
    job.room = (struct sample_room){1, 1, TENSOR_BYTES, 0, 0};
    samples[0] = sample_new(&job.room, NULL);
    samples[1] = sample_new(&job.room, NULL);
    const struct pipe_stage stages[] = {read_stage(&job),
                                        {.name = "end",
                                         .n_workers = 1,
                                         .batch = 1,
                                         .shared = &job,
                                         .open = open_end,
                                         .work = look,
                                         .close = close_end}};
    assert_int_equal(pipeline_new(&pipeline, stages, 2, samples, 2), 0);
    assert_int_equal(pipeline_run(pipeline), PIPE_OK);
    assert_null(unit.failure);
    assert_int_equal(unit.totals.groups, MOST_IMAGES + 1);
    assert_int_equal(atomic_load(&unit.progress.n_read), MOST_IMAGES + 1);
    for (size_t i = 0; i <= MOST_IMAGES; i++)
        assert_int_equal(held[i], i * IMAGE_BYTES + (i > 1 ? (i - 1) * TENSOR_BYTES : 0));
    assert_int_equal(job.read_bytes.used, 0);
    pipeline_free(pipeline);
    sample_free(samples[0]);
    sample_free(samples[1]);
    job_free(&job);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tensors_of_many_images_are_counted),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
