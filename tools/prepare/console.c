/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/prepare/console.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shard/canonical_json.h"
#include "tools/prepare/unit_publish.h"
#include "tools/run/clock.h"
#include "tools/cli/options.h"
#include "tools/store/json_text.h"
#include "tools/cli/print.h"

enum {
    SKIPPED_TEXT =
        40 * N_SKIP_KINDS, /* bytes for all kinds of members with their counts */
    UNLOGGED = 10000       /* events that are kept before the log is open */
};

/* By errno, once. */
static void warn_of_log(struct job *job)
{
    const int error = errno;

    if (atomic_exchange(&job->log_failed, true))
        return;
    console_progress_end(job);
    print_to_stderr("warning: --log %s: %s; events are missing there", job->options->log,
                    strerror(error));
}

static void keep(struct job *job, json_t *event)
{
    if (!job->unlogged)
        job->unlogged = json_array();
    if (json_array_size(job->unlogged) < UNLOGGED &&
        json_array_append(job->unlogged, event) != 0) {
        errno = ENOMEM;
        warn_of_log(job);
    }
}

/* Returns 0, or -1 with errno. */
static int open_log(struct job *job)
{
    json_t *events = job->unlogged, *event;
    size_t i;

    job->log = fopen(job->options->log, "ae");
    job->unlogged = NULL;
    if (job->log)
        json_array_foreach(events, i, event) console_log(job, json_incref(event));
    json_decref(events);
    return job->log ? 0 : -1;
}

int console_open_log(struct job *job)
{
    const char *path = job->options->log;

    return path && open_log(job) != 0 ? file_error(errno, "--log %s", path) : 0;
}

void console_log(struct job *job, json_t *event)
{
    char *line = event && job->log ? shard_json_canonical(event) : NULL;

    if (event && !job->log && job->options->log)
        keep(job, event);

    if (line && (fprintf(job->log, "%s\n", line) < 0 || fflush(job->log) != 0))
        warn_of_log(job);
    free(line);
    json_decref(event);
}

void console_end_log(struct job *job)
{
    if (job->unlogged && open_log(job) != 0)
        warn_of_log(job);
    if (job->log && fclose(job->log) != 0)
        warn_of_log(job);
    job->log = NULL;
}

/* "12 macos, 1 folder"; "": nothing was. */
static void list_skipped(char *text, size_t size, const uint64_t skipped[N_SKIP_KINDS])
{
    size_t len = 0;

    text[0] = '\0';
    for (int i = 0; i < N_SKIP_KINDS && len < size; i++)
        if (skipped[i] > 0)
            len += (size_t)snprintf(text + len, size - len, "%s%" PRIu64 " %s",
                                    len > 0 ? ", " : "", skipped[i],
                                    skip_name((enum skip_kind)i));
}

/* A folder that is a link, an export that went wrong: nobody means to pack nothing. */
static void warn_of_nothing(const struct unit *u)
{
    const struct ingest_totals *t = &u->totals;
    char skipped[SKIPPED_TEXT], blank[40] = "";

    list_skipped(skipped, sizeof(skipped), t->skipped);
    if (t->blank_lines > 0)
        snprintf(blank, sizeof(blank), "%" PRIu64 " blank lines", t->blank_lines);
    print_to_stderr("warning: %s: nothing in it is a sample: %s%s%s%s", u->input->name,
                    t->skipped_members + t->blank_lines > 0 ? "skipped " : "it is empty",
                    skipped, blank,
                    t->skipped[SKIP_LINK] > 0
                        ? "; tar -h (--dereference) packs files in place of links"
                        : "");
}

static void explain_damage(const struct unit *u)
{
    char rejects[80] = "";

    if (u->n_rejects > 0)
        snprintf(rejects, sizeof(rejects),
                 " but for %" PRIu64 " of %" PRIu64 " groups, which are rejects",
                 u->n_rejects, u->totals.groups);
    print_to_stderr("warning: %s: input damaged at byte %" PRIu64 ": %s; %s%s",
                    u->input->name, u->totals.damage_offset, u->totals.damage,
                    u->totals.groups > 0 ? "what was read before it was published"
                                         : "nothing could be read before it",
                    rejects);
}

static void explain_unit(struct job *job, const struct unit *u, enum unit_end end)
{
    const char *name = u->input->name;

    if (end != UNIT_COMPLETE && end != UNIT_TAKEN)
        console_progress_end(job);
    if (end == UNIT_FAILED)
        print_to_stderr("error: %s: %s; nothing of it was published%s", name, u->failure,
                        u->clash ? "" : ", run again");
    else if (end == UNIT_REJECTED)
        print_to_stderr("warning: %s: too many rejects; no shard was published, see "
                        "%s%s.rejects.jsonl and --max-reject-rate",
                        name, name, u->try_name);
    else if (end == UNIT_DAMAGED)
        explain_damage(u);
    if (end == UNIT_COMPLETE && u->totals.groups == 0) {
        console_progress_end(job);
        warn_of_nothing(u);
    }
    if (end == UNIT_COMPLETE && u->above_reject_rate) {
        console_progress_end(job);
        print_to_stderr("warning: %s: %" PRIu64 " of %" PRIu64
                        " groups are rejects, more than --max-reject-rate; %s, see "
                        "%s%s.rejects.jsonl",
                        name, u->n_rejects, u->totals.groups,
                        u->n_rejects < u->totals.groups ? "the rest was published"
                                                        : "nothing is left of it",
                        name, u->try_name);
    }
}

static void count_skipped(struct counters *c, const struct unit *u)
{
    for (int i = 0; i < N_SKIP_KINDS; i++)
        atomic_fetch_add(&c->skipped[i], u->totals.skipped[i]);
}

void console_tell_unit(struct job *job, const struct unit *u, enum unit_end end)
{
    static const char *const names[] = {"complete", "damaged", "rejected",
                                        "published by another process", "failed"};
    struct counters *c = &job->count;

    if (end == UNIT_FAILED)
        atomic_fetch_add(&c->units_failed, 1);
    else
        atomic_fetch_add(&c->units_done, 1);
    if (unit_end_is_bad(u, end, job->options))
        atomic_fetch_add(&c->units_bad, 1);
    if (end != UNIT_FAILED && end != UNIT_TAKEN)
        count_skipped(c, u);
    explain_unit(job, u, end);
    console_log(job, json_pack("{s:s, s:s, s:s, s:I, s:I, s:o}", "event", "unit", "name",
                               u->input->name, "status", names[end], "groups",
                               (json_int_t)u->totals.groups, "bytes",
                               (json_int_t)u->input_bytes, "failure",
                               u->failure ? json_any_string(u->failure) : json_null()));
}

uint64_t console_sum_rejects(const struct counters *c)
{
    uint64_t n = 0;

    for (int i = 1; i < N_REJECT_REASONS; i++)
        n += atomic_load(&c->rejects[i]);
    return n;
}

const char *console_bottleneck(const struct counters *c, const struct pipeline *p)
{
    int top = 0;

    if (console_count_done(c) + console_sum_rejects(c) == 0)
        return NULL;
    for (int i = 1; i < pipeline_n_stages(p); i++)
        if (pipeline_busy_ns(p, i) > pipeline_busy_ns(p, top))
            top = i;
    return pipeline_stage(p, top)->name;
}

uint64_t console_count_done(const struct counters *c)
{
    return atomic_load(&c->done);
}

const char *console_name_done(const struct counters *c)
{
    if (atomic_load(&c->parsed) == 0)
        return "images"; /* of archives, whose samples have one each */
    return atomic_load(&c->encoded) == 0 ? "documents" : "samples";
}

void console_progress_end(struct job *job)
{
    if (atomic_exchange(&job->progress_shown, false))
        fputs("\r\033[K", stderr);
}

static double rate(uint64_t n, uint64_t ns)
{
    return ns > 0 ? (double)n * 1e9 / (double)ns : 0;
}

static void print_rejects(const struct counters *c)
{
    for (int i = 1; i < N_REJECT_REASONS; i++) {
        uint64_t n = atomic_load(&c->rejects[i]);

        if (n > 0)
            fprintf(stderr, "  %-20s %8" PRIu64 "\n", reject_name((enum reject_reason)i),
                    n);
    }
}

/* On one line: "  skipped members: 12 macos, 1 folder". */
static void print_skipped(const struct counters *c)
{
    uint64_t skipped[N_SKIP_KINDS];
    char text[SKIPPED_TEXT];

    for (int i = 0; i < N_SKIP_KINDS; i++)
        skipped[i] = atomic_load(&c->skipped[i]);
    list_skipped(text, sizeof(text), skipped);
    if (text[0] != '\0')
        fprintf(stderr, "  skipped members: %s\n", text);
}

/* Once, whatever the number of such inputs: they come from one hand. */
static void warn_of_ungrouped(const struct job *job)
{
    const struct unit *first = NULL;
    bool all_rejected = true;
    size_t n = 0;
    char more[40] = "";

    for (size_t i = 0; i < job->n_units; i++) {
        if (!job->units[i].ungrouped)
            continue;
        if (n++ == 0)
            first = &job->units[i];
        all_rejected &= job->units[i].above_reject_rate;
    }
    if (n > 1)
        snprintf(more, sizeof(more), " (and %zu more)", n - 1);
    if (n > 0)
        print_to_stderr(
            "warning: %s%s: the members of a sample are not neighbours: keys come back "
            "with a part of it, which is lost; pack such inputs again with tar "
            "--sort=name, and run again with %s",
            first->input->name, more, all_rejected ? "--retry-failed" : "--redo");
}

static void print_stages(const struct counters *c, const struct pipeline *p,
                         uint64_t wall_ns)
{
    const char *bottleneck = console_bottleneck(c, p);

    for (int i = 0; i < pipeline_n_stages(p); i++) {
        const struct pipe_stage *stage = pipeline_stage(p, i);

        fprintf(stderr, "  %-8s %5.1f %% busy   ", stage->name,
                100 * (double)pipeline_busy_ns(p, i) / (double)wall_ns);
        stage->say_figures(stderr, stage->shared, wall_ns);
        fputc('\n', stderr);
    }
    if (bottleneck)
        fprintf(stderr, "  bottleneck: %s\n", bottleneck);
}

/* Of the inputs that an earlier run has finished. */
static size_t count_complete(const struct finished_before *before)
{
    return before->n - before->n_bad - before->n_kept;
}

static void print_nothing_to_do(const struct finished_before *before)
{
    const size_t n = before->n, complete = count_complete(before);

    if (n == 1 && complete == 1) {
        fputs("nothing to do: the input is complete\n", stderr);
        return;
    }
    if (complete == n)
        fprintf(stderr, "nothing to do: all %zu inputs are complete", n);
    else
        fprintf(stderr, "nothing to do: %zu of %zu input%s complete", complete, n,
                plural_s(n));
    if (before->n_bad > 0)
        fprintf(stderr, ", %zu damaged or rejected by an earlier run", before->n_bad);
    if (before->n_kept > 0)
        fprintf(stderr, ", %zu damaged and kept", before->n_kept);
    fputc('\n', stderr);
}

static void print_finished_before(const struct finished_before *before)
{
    const size_t complete = count_complete(before);

    if (complete > 0)
        fprintf(stderr, " (%zu more %s complete before)", complete,
                complete == 1 ? "was" : "were");
    if (before->n_kept > 0)
        fprintf(stderr, " (%zu damaged and kept before)", before->n_kept);
}

static void print_totals(const struct job *job, uint64_t wall_ns,
                         const struct finished_before *before)
{
    const struct counters *c = &job->count;
    uint64_t samples = atomic_load(&c->samples), withheld = atomic_load(&c->withheld);
    uint64_t encoded = atomic_load(&c->encoded), rejects = console_sum_rejects(c);

    if (job->n_units == 0) {
        print_nothing_to_do(before);
        return;
    }
    fprintf(stderr, "%" PRIu64 " of %zu input%s done in %.1f s",
            (uint64_t)atomic_load(&c->units_done), job->n_units, plural_s(job->n_units),
            (double)wall_ns / 1e9);
    print_finished_before(before);
    fprintf(stderr, "\n%" PRIu64 " sample%s, %" PRIu64 " reject%s", samples,
            plural_s(samples), rejects, plural_s(rejects));
    if (withheld > 0)
        fprintf(stderr, ", %" PRIu64 " withheld", withheld);
    fprintf(stderr, ", %.1f %s/s, %.1f MB of shards",
            rate(console_count_done(c), wall_ns), console_name_done(c),
            (double)atomic_load(&c->shard_bytes) / 1e6);
    if (encoded > 0)
        fprintf(stderr, ", %.1f %% of the images upscaled",
                100.0 * (double)atomic_load(&c->upscaled) / (double)encoded);
    fputc('\n', stderr);
    print_rejects(c);
    print_skipped(c);
}

void console_tell_end(struct job *job, const struct pipeline *p, uint64_t start_ns,
                      const struct finished_before *before, int exit_code)
{
    const struct counters *c = &job->count;
    uint64_t wall = clock_ns() - start_ns;

    console_progress_end(job);
    if (!job->options->quiet) {
        print_totals(job, wall, before);
        if (p && atomic_load(&c->groups) > 0)
            print_stages(c, p, wall);
    }
    warn_of_ungrouped(job);
    console_log(job, json_pack("{s:s, s:i, s:f, s:I, s:I, s:I}", "event", "end",
                               "exit_status", exit_code, "seconds", (double)wall / 1e9,
                               "inputs", (json_int_t)atomic_load(&c->units_done),
                               "samples", (json_int_t)atomic_load(&c->samples), "rejects",
                               (json_int_t)console_sum_rejects(c)));
}
