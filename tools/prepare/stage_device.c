/* SPDX-License-Identifier: Apache-2.0
 * tools/prepare/stage_device.c - images -> tensors, by processes of their own: a stage
 * for each such encoder, with a worker for each of its processes.
 *
 * A worker keeps samples until all their images are answered. It waits for samples, for
 * its child and for the end of the run at once, and never for anything else: what it
 * keeps is limited by its batches, so that of the fixed number of samples enough go
 * round, and an image waits for company no longer than the child's hello says, nor where
 * all the samples there are wait for it. It stays until its stage has no sample any more:
 * another process's suspect may be offered to it. */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "tools/prepare/console.h"
#include "tools/prepare/device.h"
#include "tools/prepare/fittings.h"
#include "tools/prepare/sample.h"
#include "tools/prepare/sample_tensors.h"
#include "tools/prepare/unit.h"
#include "tools/run/clock.h"
#include "tools/store/json_text.h"
#include "tools/cli/print.h"

enum {
    TAKE = 16,    /* samples at once */
    LOOK_MS = 10, /* between looks at what wakes nobody */
    N_BATCHES = 5 /* of samples that go round for each process */
};

/* What these may take for each process. */
static const uint64_t PROCESS_BYTES = (uint64_t)1 << 30;

void device_hear(void *ctx, const struct child_encoder *c, const char *line)
{
    struct job *job = ctx;

    console_progress_end(job);
    print_to_stderr("encoder %s %u: %s", c->setup->label, c->number, line);
    console_log(job, json_pack("{s:s, s:s, s:I, s:o}", "event", "encoder", "encoder",
                               c->setup->label, "process", (json_int_t)c->number, "line",
                               json_any_string(line)));
}

void device_say(const struct device_worker *w, const char *fmt, ...)
{
    char line[CHILD_LINE_CAP];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(line, sizeof(line), fmt, ap);
    va_end(ap);
    device_hear(w->job, w->child, line);
}

struct device_request *device_request_new(size_t n, uint32_t width, uint32_t height)
{
    struct device_request *r = calloc(1, sizeof(*r) + n * sizeof(r->images[0]));

    if (!r)
        return NULL;
    r->n = n;
    r->width = width;
    r->height = height;
    r->iov = calloc(n + 1, sizeof(*r->iov));
    r->offsets = calloc(n, CHILD_OFFSET);
    if (!r->iov || !r->offsets) {
        device_request_free(r);
        return NULL;
    }
    return r;
}

void device_request_free(struct device_request *r)
{
    if (!r)
        return;
    free(r->iov);
    free(r->offsets);
    free(r->grey);
    free(r);
}

/* For the values of one image's largest tensor. Returns 0, or -1: no memory. */
static int make_room(struct device_worker *w)
{
    const struct encoder_description *about = &w->stage->encoding->about;
    size_t most = 0;

    for (size_t i = 0; i < about->n_tensors; i++) {
        const size_t n = encoder_tensor_values(&about->tensors[i]);

        most = n > most ? n : most;
    }
    w->values = calloc(most, sizeof(*w->values));
    w->codes = calloc(most, sizeof(*w->codes));
    return w->values && w->codes ? 0 : -1;
}

static int open_worker(void **out, void *shared)
{
    struct device_stage *stage = shared;
    const struct child_group *group = stage->encoding->children;
    struct device_worker *w = *out = calloc(1, sizeof(*w));

    if (!w)
        return job_fail(stage->job, "out of memory");
    w->stage = stage;
    w->job = stage->job;
    w->child = group->children[atomic_fetch_add(&stage->next_child, 1)];
    w->most = group->hello.batch;
    w->child->most_payload = device_longest_answer(w);
    return make_room(w) == 0 ? PIPE_OK : job_fail(stage->job, "out of memory");
}

static void free_requests(struct device_request *r)
{
    while (r) {
        struct device_request *next = r->next;

        device_request_free(r);
        r = next;
    }
}

static void close_worker(void *worker)
{
    struct device_worker *w = worker;

    if (!w)
        return;
    child_encoder_stop(w->child, CHILD_STOP_MS);
    for (size_t i = 0; i < w->n_under_way; i++)
        device_request_free(w->under_way[i]);
    free_requests(w->suspects);
    company_free(&w->company);
    free(w->values);
    free(w->codes);
    free(w);
}

int device_pass(struct device_worker *w, struct sample *s)
{
    if (w->stage->last)
        sample_encoded(s, w->job);
    return pipe_pass(w->out, s);
}

bool device_lock(struct device_worker *w, const struct sample *s)
{
    if (s->is_shared)
        pthread_mutex_lock(&w->stage->lock);
    return s->is_shared;
}

void device_unlock(struct device_worker *w, bool locked)
{
    if (locked)
        pthread_mutex_unlock(&w->stage->lock);
}

int device_image_done(struct device_worker *w, struct sample *s)
{
    const bool locked = device_lock(w, s);
    const size_t n_left = --s->n_unanswered;

    device_unlock(w, locked);
    atomic_fetch_add(&w->stage->images, 1);
    return n_left == 0 ? device_pass(w, s) : PIPE_OK;
}

/* Returns 0, or -1: no memory. */
static int add_image(struct device_worker *w, struct sample *s,
                     const struct sample_part *part)
{
    const struct device_stage *stage = w->stage;
    const struct shard_rendition *r = &stage->encoding->rendition;
    const struct company_image image = {.sample = s,
                                        .rendition =
                                            part->first_rendition + stage->rendition,
                                        .rgb = part->pixels + stage->at,
                                        .width = r->target_width,
                                        .height = r->target_height,
                                        .since_ns = clock_ns()};

    s->n_unanswered++;
    return company_add(&w->company, &image);
}

/* Its images wait for company; without any it goes on at once. */
static int take_sample(struct device_worker *w, struct sample *s)
{
    s->n_unanswered = 0;
    s->is_shared = false;
    if (s->end_of_unit || !s->parts || s->in.reject.reason != REJECT_NONE ||
        atomic_load(&s->unit->progress.dropped))
        return device_pass(w, s);
    for (uint32_t i = 0; i < s->in.n_parts; i++)
        if (s->parts[i].pixels && add_image(w, s, &s->parts[i]) != 0)
            return job_fail(w->job, "out of memory");
    return s->n_unanswered == 0 ? device_pass(w, s) : PIPE_OK;
}

/* One batch under way, one to follow it, and one that gathers. */
static bool wants_samples(const struct device_worker *w)
{
    return !w->ended && w->company.n < 2 * w->most;
}

static int take_samples(struct device_worker *w)
{
    struct sample *taken[TAKE];
    size_t n = TAKE;
    int rc = PIPE_OK;

    while (rc == PIPE_OK && n > 0 && wants_samples(w)) {
        const size_t room = 2 * w->most - w->company.n;

        n = pipe_take(w->in, taken, room < TAKE ? room : TAKE, &w->ended);
        for (size_t i = 0; i < n && rc == PIPE_OK; i++)
            rc = take_sample(w, taken[i]);
    }
    return rc;
}

/* Whether the child can find all of its pixels: of several images of one sample it can
 * not. */
static bool is_in_memory(const struct device_worker *w, const struct device_request *r)
{
    const struct shared_memory *m = w->job->memory;
    bool in = w->stage->encoding->children->hello.memory && m->base;

    for (size_t i = 0; i < r->n && in; i++)
        in = r->images[i].rgb >= m->base && r->images[i].rgb < m->base + m->len;
    return in;
}

/* Returns how many parts r has to be written. */
static size_t pack_request(const struct device_worker *w, struct device_request *r)
{
    const bool in_memory = is_in_memory(w, r);
    const size_t len = (size_t)r->width * r->height * 3;

    for (size_t i = 0; i < r->n; i++) {
        if (in_memory)
            child_pack_offset(r->offsets + i * CHILD_OFFSET,
                              (uint64_t)(r->images[i].rgb - w->job->memory->base));
        r->iov[i + 1] = (struct iovec){(void *)r->images[i].rgb, len};
    }
    if (in_memory)
        r->iov[1] = (struct iovec){r->offsets, r->n * CHILD_OFFSET};
    child_pack_encode(r->head, r->id, (uint32_t)r->n, r->width, r->height,
                      in_memory ? CHILD_PIXELS_IN_MEMORY : CHILD_PIXELS_FOLLOW,
                      r->n * (in_memory ? CHILD_OFFSET : len));
    r->iov[0] = (struct iovec){r->head, sizeof(r->head)};
    return in_memory ? 2 : r->n + 1;
}

static void send_request(struct device_worker *w, struct device_request *r)
{
    r->id = ++w->next_id;
    if (w->n_under_way == 0)
        w->since_ns = clock_ns();
    w->under_way[w->n_under_way++] = r;
    child_encoder_send(w->child, r->iov, pack_request(w, r));
    atomic_fetch_add(&w->stage->requests, 1);
}

static uint64_t wait_ns(const struct device_worker *w)
{
    return (uint64_t)w->stage->encoding->children->hello.wait_ms * 1000000;
}

/* Gives the batch that is to go now, or NULL where there is none; -1: no memory. */
static int next_batch(struct device_worker *w, struct device_request **r)
{
    /* An idle child waits for nobody where all samples are behind these. */
    const bool go = !wants_samples(w) || (w->n_under_way == 0 && pipe_is_dry(w->in));
    size_t first;
    const size_t n =
        company_ready(&w->company, w->most, clock_ns(), wait_ns(w), go, &first);

    *r = NULL;
    if (n == 0)
        return 0;
    *r = device_request_new(n, w->company.waiting[first].width,
                            w->company.waiting[first].height);
    if (!*r)
        return job_fail(w->job, "out of memory");
    company_take(&w->company, first, n, (*r)->images);
    return 0;
}

/* Suspects go alone, so that it is known who was to blame. */
static int send_what_can(struct device_worker *w)
{
    device_take_offers(w);
    while (w->child->n_out == 0 && w->n_under_way < DEVICE_UNDER_WAY) {
        struct device_request *r = NULL;

        if (w->suspects) {
            if (w->n_under_way > 0)
                return PIPE_OK;
            r = device_next_suspect(w);
            if (!r)
                return job_fail(w->job, "out of memory");
        } else if (next_batch(w, &r) != 0) {
            return -1;
        }
        if (!r)
            return PIPE_OK;
        send_request(w, r);
        if (w->suspects || r->failures > 0 || r->grey)
            return PIPE_OK;
    }
    return PIPE_OK;
}

static uint64_t timeout_ns(const struct device_worker *w)
{
    return (uint64_t)w->child->setup->timeout_ms * 1000000;
}

/* Until the first of: an image has waited long enough; an answer is overdue; the last
 * sample may have come through, perhaps to another worker, or that may have offered one,
 * which wakes nobody. */
static int wait_ms(const struct device_worker *w)
{
    const uint64_t now = clock_ns();
    uint64_t until = UINT64_MAX;

    if (w->n_under_way > 0)
        until = w->since_ns + timeout_ns(w);
    if (w->company.n > 0 && w->n_under_way < DEVICE_UNDER_WAY && w->child->n_out == 0 &&
        !w->suspects && w->company.waiting[0].since_ns + wait_ns(w) < until)
        until = w->company.waiting[0].since_ns + wait_ns(w);
    if ((w->company.n > 0 || w->stage->encoding->children->n > 1) &&
        w->n_under_way == 0 && now + LOOK_MS * 1000000 < until)
        until = now + LOOK_MS * 1000000;
    if (until == UINT64_MAX)
        return -1;
    if (until <= now)
        return 0;
    return (int)((until - now) / 1000000 % INT_MAX) + 1;
}

static int check_timeout(struct device_worker *w)
{
    char why[100];

    if (w->n_under_way == 0 || clock_ns() - w->since_ns < timeout_ns(w))
        return PIPE_OK;
    snprintf(why, sizeof(why), "it has not answered for %lld s (--encoder-timeout)",
             (long long)(w->child->setup->timeout_ms / 1000));
    return device_child_failed(w, why);
}

/* Everything that it has to wait for, once. */
static int wait_and_step(struct device_worker *w)
{
    enum { CANCEL = CHILD_N_POLL, SAMPLES, N_FDS };
    struct pollfd fds[N_FDS];
    const bool idle = w->n_under_way == 0;
    const bool behind = w->n_under_way == DEVICE_UNDER_WAY && w->company.n >= w->most;
    const uint64_t start = clock_ns();
    enum child_event event;

    child_encoder_poll(w->child, fds);
    fds[CANCEL] = (struct pollfd){.fd = w->job->cancel_fd, .events = POLLIN};
    fds[SAMPLES] = (struct pollfd){.fd = wants_samples(w) ? pipe_poll_fd(w->in) : -1,
                                   .events = POLLIN};
    if (poll(fds, N_FDS, wait_ms(w)) < 0 && errno != EINTR)
        return job_fail(w->job, "poll: %s", strerror(errno));
    if (idle)
        atomic_fetch_add(&w->stage->idle_ns, clock_ns() - start);
    else
        pipe_busy(w->in, clock_ns() - start);
    if (behind)
        atomic_fetch_add(&w->stage->behind_ns, clock_ns() - start);
    if (fds[CANCEL].revents)
        return PIPE_END;
    event = child_encoder_step(w->child, fds);
    w->since_ns += w->child->stalled_ns;
    w->child->stalled_ns = 0;
    if (event == CHILD_HAS_FRAME)
        return device_take_frame(w);
    if (event == CHILD_FAILED)
        return device_child_failed(w, w->child->why);
    return check_timeout(w);
}

static int run(void *worker, struct pipe_in *in, struct pipe_out *out)
{
    struct device_worker *w = worker;
    int rc = PIPE_OK;

    w->in = in;
    w->out = out;
    while (rc == PIPE_OK) {
        rc = take_samples(w);
        if (rc == PIPE_OK && w->ended && pipe_is_empty(in))
            return PIPE_END;
        if (rc == PIPE_OK)
            rc = send_what_can(w);
        if (rc == PIPE_OK)
            rc = wait_and_step(w);
    }
    return rc;
}

static void say_figures(FILE *out, const void *shared, uint64_t wall_ns)
{
    const struct device_stage *stage = shared;
    const uint64_t images = atomic_load(&stage->images);
    const uint64_t requests = atomic_load(&stage->requests);
    const unsigned n = stage->encoding->children->n;

    fprintf(out,
            "%u process%s, %.1f images/s in batches of %.1f, waited %.1f s for images; "
            "images waited %.1f s for it",
            n, n == 1 ? "" : "es",
            wall_ns > 0 ? (double)images * 1e9 / (double)wall_ns : 0,
            requests > 0 ? (double)images / (double)requests : 0,
            (double)atomic_load(&stage->idle_ns) * 1e-9 / n,
            (double)atomic_load(&stage->behind_ns) * 1e-9 / n);
}

void device_stage_init(struct device_stage *stage, struct job *job, size_t i)
{
    struct fittings f;

    *stage = (struct device_stage){
        .job = job, .encoding = &job->encodings[i], .number = (uint32_t)i, .last = true};
    pthread_mutex_init(&stage->lock, NULL);
    fittings_plan(&f, job->encodings, job->n_encodings);
    stage->rendition = (uint32_t)f.fittings[f.of[i]].number;
    stage->at = f.fittings[f.of[i]].at;
    for (size_t k = i + 1; k < job->n_encodings; k++)
        stage->last &= !job->encodings[k].children;
}

void device_stage_free(struct device_stage *stage)
{
    free_requests(stage->offers);
    pthread_mutex_destroy(&stage->lock);
}

size_t device_samples(const struct child_group *group)
{
    return (size_t)group->n * group->hello.batch * N_BATCHES;
}

void device_limit_batch(const struct encoding *e, const struct sample_room *room)
{
    struct child_hello *hello = &e->children->hello;
    const uint64_t fits = PROCESS_BYTES / N_BATCHES /
                          (room->tensor_bytes + room->file_bytes + room->pixel_bytes);

    if (hello->batch <= 1 || hello->batch <= fits)
        return;
    print_to_stderr(
        "encoder %s: batches of %u images, not %u, which would take more than "
        "%u MiB for each process",
        e->label, fits > 0 ? (unsigned)fits : 1, hello->batch,
        (unsigned)(PROCESS_BYTES >> 20));
    hello->batch = fits > 0 ? (uint32_t)fits : 1;
}

struct pipe_stage device_stage(struct device_stage *stage)
{
    return (struct pipe_stage){.name = stage->encoding->label,
                               .n_workers = (int)stage->encoding->children->n,
                               .batch = 1,
                               .shared = stage,
                               .open = open_worker,
                               .run = run,
                               .close = close_worker,
                               .say_figures = say_figures};
}
