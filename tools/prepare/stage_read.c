/* SPDX-License-Identifier: Apache-2.0
 * tools/prepare/stage_read.c - the conveyor's first stage: inputs -> samples.
 *
 * Each worker takes the next unit that nobody has taken, reads it to its end and passes
 * an end mark behind its last sample. An input that cannot be read ends its own unit
 * only.
 */
#include <stdlib.h>
#include <string.h>

#include "ingest/status.h"
#include "tools/run/clock.h"
#include "tools/prepare/job.h"
#include "tools/run/pipeline.h"
#include "tools/prepare/rival.h"
#include "tools/prepare/sample.h"
#include "tools/prepare/unit.h"
#include "tools/run/input_source.h"

struct read_worker {
    struct job *job;
    struct unit *unit; /* NULL: take the next one */
    struct source *source;
    const struct reader *reader; /* of the unit */
    void *reading;               /* its state */
    uint64_t seq;
    uint64_t counted; /* bytes of this source that are in the counters */
};

static int open_worker(void **out, void *shared)
{
    struct read_worker *w = *out = calloc(1, sizeof(*w));

    if (!w)
        return job_fail(shared, "out of memory");
    w->job = shared;
    return PIPE_OK;
}

static void leave_unit(struct read_worker *w)
{
    if (w->reader)
        w->reader->close(w->reading);
    source_close(w->source);
    w->reader = NULL;
    w->reading = NULL;
    w->source = NULL;
    w->unit = NULL;
}

static void close_worker(void *worker)
{
    if (worker)
        leave_unit(worker);
    free(worker);
}

/* Takes the next unit and opens its input. PIPE_END: there is none. */
static int take_unit(struct read_worker *w)
{
    struct job *job = w->job;
    size_t i = atomic_fetch_add(&job->next_unit, 1);
    const struct input *input;
    int rc;

    if (i >= job->n_units)
        return PIPE_END;
    /* In this order: who sets `draining` and then looks for begun units misses none. */
    atomic_store(&job->units[i].progress.begun, true);
    if (atomic_load(&job->draining)) {
        atomic_store(&job->units[i].progress.begun, false);
        return PIPE_END;
    }
    w->unit = &job->units[i];
    input = w->unit->input;
    w->reader = input->reader;
    w->seq = 0;
    w->counted = 0;
    rc = rival_meet_unread(w->unit, job);
    if (rc != 0 || w->unit->taken || w->unit->failure)
        return rc != 0 ? rc : INGEST_END;
    rc = source_open(&w->source, input, job->cancel_fd);
    if (rc == INGEST_OK)
        rc = w->reader->open(&w->reading, source_callback(w->source), &job->reading);
    return rc;
}

static void count_bytes(struct read_worker *w)
{
    uint64_t bytes = source_bytes(w->source);

    atomic_fetch_add(&w->job->count.bytes_read, bytes - w->counted);
    atomic_store(&w->unit->progress.read, bytes);
    w->counted = bytes;
}

/* The words for an input that could not be read, from whoever has them. */
static const char *why(const struct read_worker *w)
{
    const char *reader = w->reading ? w->reader->why(w->reading) : "";

    return *source_why(w->source) ? source_why(w->source) : reader;
}

/* Returns 0, or -1: no memory. */
static int keep_totals(struct unit *u, const struct ingest_totals *totals)
{
    u->totals = *totals;
    if (totals->partial_key)
        u->totals.partial_key = strdup(totals->partial_key);
    return !totals->partial_key || u->totals.partial_key ? 0 : -1;
}

/* Fills the unit's totals at the end of its input. `rc` is how reading ended. PIPE_END
 * where the run is being stopped. */
static int end_unit(struct read_worker *w, int rc)
{
    struct unit *u = w->unit;
    uint64_t limit = (uint64_t)w->job->select->limit;

    if (w->reading && !u->taken && keep_totals(u, w->reader->totals(w->reading)) != 0)
        return job_fail(w->job, "out of memory");
    if (w->source && rc == INGEST_END) {
        rc = source_finish(w->source, limit == 0 || u->totals.groups < limit);
        if (source_hashes(w->source, u->input_sha256, u->input_probe) != 0)
            return job_fail(w->job, "out of memory");
        u->input_bytes = source_bytes(w->source);
    }
    if (rc == INGEST_CANCELLED)
        return PIPE_END;
    if (rc < 0 && !(u->failure = strdup(why(w))))
        return job_fail(w->job, "out of memory");
    return PIPE_OK;
}

static int pass_end(struct read_worker *w, struct sample *s, int rc, struct pipe_out *out)
{
    rc = end_unit(w, rc);
    if (rc != PIPE_OK)
        return rc;
    s->unit = w->unit;
    s->seq = w->seq;
    s->end_of_unit = true;
    atomic_store(&w->unit->progress.read_all, true);
    leave_unit(w);
    return pipe_pass(out, s);
}

static uint64_t image_bytes(const struct ingest_sample *in)
{
    uint64_t bytes = 0;

    for (size_t i = 0; i < in->n_parts; i++)
        bytes += in->parts[i].image_len;
    return bytes;
}

/* What a sample keeps in memory but its encoded images: until it is written, its texts
 * and their ids, of which there are at most as many as bytes, and what is made of all
 * images but the one that it has room for. */
static uint64_t memory_of(const struct ingest_sample *in, uint64_t made_of_image)
{
    enum {
        TEXT_AND_IDS = 1 + sizeof(uint32_t),
        ALTERNATIVE = 256 /* its structs and name */
    };
    uint64_t bytes = in->metadata_len + (uint64_t)in->raw.len * TEXT_AND_IDS;
    bool has_room = true;

    for (size_t i = 0; i < in->n_parts; i++) {
        const struct ingest_part *part = &in->parts[i];

        if (part->kind == INGEST_IMAGE && !has_room)
            bytes += made_of_image;
        has_room = has_room && part->kind != INGEST_IMAGE;
        bytes += part->n_alternatives * ALTERNATIVE;
        for (size_t k = 0; k < part->n_alternatives; k++)
            bytes += (uint64_t)part->alternatives[k].text_len * TEXT_AND_IDS;
    }
    return bytes;
}

/* Waits for the later stages where too much is in hand, which is no work of this one. */
static bool take_memory(struct job *job, uint64_t bytes, struct pipe_out *out)
{
    uint64_t start = clock_ns();
    bool taken = budget_take(&job->read_bytes, bytes);

    pipe_waited(out, clock_ns() - start);
    return taken;
}

static int pass_sample(struct read_worker *w, struct sample *s, struct pipe_out *out)
{
    const struct sample_room *room = &w->job->room;

    s->unit = w->unit;
    s->seq = w->seq++;
    s->end_of_unit = false;
    s->held_images = image_bytes(&s->in);
    s->held = s->held_images + memory_of(&s->in, room->tensor_bytes + room->file_bytes +
                                                     room->pixel_bytes);
    if (s->held > 0 && !take_memory(w->job, s->held, out)) {
        s->held = s->held_images = 0;
        return PIPE_END;
    }
    atomic_fetch_add(&w->job->count.groups, 1);
    atomic_fetch_add(&w->unit->progress.n_read, 1);
    count_bytes(w);
    return pipe_pass(out, s);
}

static int work(void *worker, struct sample **s, int n, struct pipe_out *out)
{
    struct read_worker *w = worker;
    int rc = INGEST_OK;

    (void)n; /* the batch is 1 */
    if (w->unit && atomic_load(&w->unit->progress.dropped))
        return PIPE_END; /* without an end mark: no other is begun */
    if (!w->unit)
        rc = take_unit(w);
    if (!w->unit)
        return PIPE_END;
    if (rc == INGEST_OK)
        rc = w->reader->next(w->reading, &s[0]->in);
    if (rc == INGEST_OK)
        return pass_sample(w, s[0], out);
    if (rc == INGEST_CANCELLED)
        return PIPE_END;
    if (rc == INGEST_ENOMEM)
        return job_fail(w->job, "%s: out of memory", w->unit->input->name);
    if (w->source)
        count_bytes(w);
    return pass_end(w, s[0], rc, out);
}

static void say_figures(FILE *out, const void *shared, uint64_t wall_ns)
{
    const struct job *job = shared;
    const double bytes = (double)atomic_load(&job->count.bytes_read);

    fprintf(out, "%.1f MB/s", wall_ns > 0 ? bytes * 1e3 / (double)wall_ns : 0);
}

struct pipe_stage read_stage(struct job *job)
{
    /* Two inputs open: the conveyor stays full while one ends and the next begins. */
    return (struct pipe_stage){.name = "read",
                               .n_workers = job->n_units > 1 ? 2 : 1,
                               .batch = 1,
                               .shared = job,
                               .open = open_worker,
                               .work = work,
                               .close = close_worker,
                               .say_figures = say_figures};
}
