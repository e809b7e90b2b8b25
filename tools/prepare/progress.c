/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/prepare/progress.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "tools/run/clock.h"
#include "tools/prepare/job.h"
#include "tools/prepare/unit.h"
#include "tools/cli/print.h"
#include "tools/prepare/remaining.h"
#include "tools/prepare/console.h"

static const uint64_t second_ns = 1000000000u;

void progress_init(struct progress *p, struct job *job, struct pipeline *pipeline)
{
    const char *text = getenv("LATENTMILL_PROGRESS_SECONDS");
    const long seconds = text ? strtol(text, NULL, 10) : 0;
    const bool talk = !job->options->quiet, terminal = isatty(STDERR_FILENO);

    *p = (struct progress){.job = job,
                           .pipeline = pipeline,
                           .start_ns = clock_ns(),
                           .terminal = talk && terminal,
                           .lines = talk && !terminal,
                           .every_ns = 30 * second_ns};
    if (seconds > 0)
        p->every_ns = (uint64_t)seconds * second_ns;
    p->due_ns = p->start_ns + p->every_ns;
}

bool progress_wanted(const struct progress *p)
{
    return p->terminal || p->lines || p->job->log;
}

/* What is written is asked for before what was read, which is never less. */
static struct input_progress input_progress_of(const struct job *job,
                                               const struct unit *u)
{
    const struct unit_progress *from = &u->progress;
    struct input_progress p = {.ended = atomic_load(&from->ended)};

    p.n_written = atomic_load(&from->n_written);
    p.n_read = atomic_load(&from->n_read);
    p.read_all = atomic_load(&from->read_all);
    p.read = atomic_load(&from->read);
    p.size_known = u->input->regular && job->select->limit == 0;
    p.size = u->input->bytes;
    return p;
}

static double seconds_since(uint64_t start_ns)
{
    return (double)(clock_ns() - start_ns) / 1e9;
}

static double seconds_left(const struct progress *p, double seconds)
{
    struct work work = {0};

    for (size_t i = 0; i < p->job->n_units; i++) {
        struct input_progress in = input_progress_of(p->job, &p->job->units[i]);

        work_add(&work, &in);
    }
    return work_seconds_left(&work, seconds);
}

static bool in_hand(const struct unit *u)
{
    return atomic_load(&u->progress.begun) && !atomic_load(&u->progress.ended);
}

struct in_hand progress_drop_long(const struct progress *p, double grace)
{
    const double so_far = seconds_since(p->start_ns);
    struct in_hand hand = {0};
    struct work begun = {0}, kept;

    for (size_t i = 0; i < p->job->n_units; i++) {
        struct input_progress in = input_progress_of(p->job, &p->job->units[i]);

        if (atomic_load(&p->job->units[i].progress.begun))
            work_add(&begun, &in);
    }
    kept = (struct work){.done = begun.done};
    for (size_t i = 0; i < p->job->n_units; i++) {
        struct unit *u = &p->job->units[i];
        struct input_progress in = input_progress_of(p->job, u);
        struct work one = {0}, with = kept;
        double seconds;

        if (!in_hand(u))
            continue;
        hand.n_inputs++;
        work_add(&one, &in);
        with.left += one.left;
        with.unknown = one.unknown;
        seconds = work_seconds_left(&with, so_far);
        if (seconds < 0 || seconds >= grace) {
            atomic_store(&u->progress.dropped, true);
            continue;
        }
        kept = with;
        hand.n_kept++;
        hand.seconds = seconds;
    }
    return hand;
}

bool progress_has_work(const struct job *job)
{
    for (size_t i = 0; i < job->n_units; i++)
        if (in_hand(&job->units[i]) && !atomic_load(&job->units[i].progress.dropped))
            return true;
    return false;
}

uint64_t progress_unpublished(const struct job *job, size_t *n_inputs)
{
    uint64_t n = 0;

    *n_inputs = 0;
    for (size_t i = 0; i < job->n_units; i++) {
        const struct unit_progress *p = &job->units[i].progress;

        if (!atomic_load(&p->begun) || atomic_load(&p->ended))
            continue;
        *n_inputs += 1;
        n += atomic_load(&p->n_encoded);
    }
    return n;
}

/* What both a person and the log are told. */
struct state {
    uint64_t inputs, done, rejects;
    double seconds, rate, left; /* left below 0: unknown */
    const char *bottleneck;     /* NULL: unknown */
};

static struct state look(const struct progress *p)
{
    const struct counters *c = &p->job->count;
    struct state s = {.inputs =
                          atomic_load(&c->units_done) + atomic_load(&c->units_failed),
                      .done = console_count_done(c),
                      .rejects = console_sum_rejects(c),
                      .seconds = seconds_since(p->start_ns),
                      .bottleneck = console_bottleneck(c, p->pipeline)};

    s.rate = s.seconds > 0 ? (double)s.done / s.seconds : 0;
    s.left = seconds_left(p, s.seconds);
    return s;
}

static void say(const struct progress *p, const struct state *s)
{
    const char *what = console_name_done(&p->job->count);
    char left[40] = "", bottleneck[40] = "";

    if (s->left >= 0)
        snprintf(left, sizeof(left), ", %.0f s to go", s->left);
    if (s->bottleneck)
        snprintf(bottleneck, sizeof(bottleneck), ", bottleneck %s", s->bottleneck);
    fprintf(stderr,
            "%s%" PRIu64 " of %zu input%s, %" PRIu64 " %s, %.1f %s/s, %" PRIu64
            " reject%s%s%s%s",
            p->terminal ? "\r\033[K" : "", s->inputs, p->job->n_units,
            plural_s(p->job->n_units), s->done, what, s->rate, what, s->rejects,
            plural_s(s->rejects), left, bottleneck, p->terminal ? "" : "\n");
    fflush(stderr);
    atomic_store(&p->job->progress_shown, p->terminal);
}

static void log_state(const struct progress *p, const struct state *s)
{
    json_t *left = s->left < 0 ? json_null() : json_real(s->left);

    console_log(p->job,
                json_pack("{s:s, s:f, s:I, s:I, s:I, s:s, s:f, s:I, s:o, s:s?}", "event",
                          "progress", "seconds", s->seconds, "inputs",
                          (json_int_t)s->inputs, "of", (json_int_t)p->job->n_units,
                          "done", (json_int_t)s->done, "what",
                          console_name_done(&p->job->count), "per_second", s->rate,
                          "rejects", (json_int_t)s->rejects, "seconds_left", left,
                          "bottleneck", s->bottleneck));
}

void progress_tick(struct progress *p)
{
    const bool due = clock_ns() >= p->due_ns;
    struct state s;

    if (!due && !p->terminal)
        return;
    s = look(p);
    if (p->terminal || (p->lines && due))
        say(p, &s);
    if (!due)
        return;
    log_state(p, &s);
    p->due_ns += p->every_ns;
}
