/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/report.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "shard/canonical_json.h"
#include "tools/clock.h"
#include "tools/json_text.h"
#include "tools/print.h"

static const char *const stage_names[] = {"read", "encode", "write"};
enum { N_STAGES = 3 };

void report_log(const struct job *job, json_t *event)
{
    char *line = event && job->log ? shard_json_canonical(event) : NULL;

    if (line) {
        fprintf(job->log, "%s\n", line);
        fflush(job->log);
    }
    free(line);
    json_decref(event);
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
        report_progress_end(job);
    if (end == UNIT_FAILED)
        print_to_stderr("error: %s: %s; nothing of it was published%s", name, u->failure,
                        u->clash ? "" : ", run again");
    else if (end == UNIT_REJECTED)
        print_to_stderr("warning: %s: too many rejects; no shard was published, see "
                        "%s.rejects.jsonl and --max-reject-rate",
                        name, name);
    else if (end == UNIT_DAMAGED)
        explain_damage(u);
    if (end == UNIT_COMPLETE && u->above_reject_rate) {
        report_progress_end(job);
        print_to_stderr("warning: %s: %" PRIu64 " of %" PRIu64
                        " groups are rejects, more than --max-reject-rate; the rest was "
                        "published, see %s.rejects.jsonl",
                        name, u->n_rejects, u->totals.groups, name);
    }
}

static void count_skipped(struct counters *c, const struct unit *u)
{
    for (int i = 0; i < N_SKIP_KINDS; i++)
        atomic_fetch_add(&c->skipped[i], u->totals.skipped[i]);
}

void report_unit(struct job *job, const struct unit *u, enum unit_end end)
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
    report_log(job, json_pack("{s:s, s:s, s:s, s:I, s:I, s:o}", "event", "unit", "name",
                              u->input->name, "status", names[end], "groups",
                              (json_int_t)u->totals.groups, "bytes",
                              (json_int_t)u->input_bytes, "failure",
                              u->failure ? json_any_string(u->failure) : json_null()));
}

uint64_t report_sum_rejects(const struct counters *c)
{
    uint64_t n = 0;

    for (int i = 1; i < N_REJECT_REASONS; i++)
        n += atomic_load(&c->rejects[i]);
    return n;
}

const char *report_bottleneck(const struct counters *c, const struct pipeline *p)
{
    int top = 0;

    if (report_count_done(c) == 0)
        return NULL;
    for (int i = 1; i < N_STAGES; i++)
        if (pipeline_busy_ns(p, i) > pipeline_busy_ns(p, top))
            top = i;
    return stage_names[top];
}

uint64_t report_count_done(const struct counters *c)
{
    return atomic_load(&c->encoded) + atomic_load(&c->documents);
}

const char *report_name_done(const struct counters *c)
{
    if (atomic_load(&c->documents) == 0)
        return "images";
    return atomic_load(&c->encoded) == 0 ? "documents" : "samples";
}

void report_progress_end(struct job *job)
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
    const char *before = "  skipped members: ";

    for (int i = 0; i < N_SKIP_KINDS; i++) {
        uint64_t n = atomic_load(&c->skipped[i]);

        if (n > 0) {
            fprintf(stderr, "%s%" PRIu64 " %s", before, n, skip_name((enum skip_kind)i));
            before = ", ";
        }
    }
    if (*before == ',')
        fputc('\n', stderr);
}

/* Once, whatever the number of such inputs: they come from one hand. */
static void warn_of_ungrouped(const struct job *job)
{
    const struct unit *first = NULL;
    size_t n = 0;
    char more[40] = "";

    for (size_t i = 0; i < job->n_units; i++) {
        if (!job->units[i].ungrouped)
            continue;
        if (n++ == 0)
            first = &job->units[i];
    }
    if (n > 1)
        snprintf(more, sizeof(more), " (and %zu more)", n - 1);
    if (n > 0)
        print_to_stderr(
            "warning: %s%s: the members of a sample are not neighbours: most groups lack "
            "the image or the caption, and their keys come back; pack such inputs "
            "again with tar --sort=name",
            first->input->name, more);
}

static void print_stages(const struct counters *c, const struct pipeline *p,
                         uint64_t wall_ns)
{
    uint64_t decoded = atomic_load(&c->decoded), encoded = atomic_load(&c->encoded);
    uint64_t tokens = atomic_load(&c->tokens), documents = atomic_load(&c->documents);
    const char *bottleneck = report_bottleneck(c, p);

    fprintf(stderr, "  read     %5.1f %% busy   %.1f MB/s\n",
            100 * (double)pipeline_busy_ns(p, 0) / (double)wall_ns,
            rate(atomic_load(&c->bytes_read), wall_ns) / 1e6);
    fprintf(stderr, "  encode   %5.1f %% busy   per worker: ",
            100 * (double)pipeline_busy_ns(p, 1) / (double)wall_ns);
    if (documents > 0)
        fprintf(stderr, "parse %.0f documents/s, ",
                rate(documents, atomic_load(&c->parse_ns)));
    if (decoded > 0)
        fprintf(stderr, "decode %.1f images/s, VAE %.2f images/s, ",
                rate(decoded, atomic_load(&c->decode_ns)),
                rate(encoded, atomic_load(&c->encode_ns)));
    fprintf(stderr, "tokenize %.0f tokens/s\n",
            rate(tokens, atomic_load(&c->tokenize_ns)));
    fprintf(stderr, "  write    %5.1f %% busy   %.2f MB/s\n",
            100 * (double)pipeline_busy_ns(p, 2) / (double)wall_ns,
            rate(atomic_load(&c->shard_bytes), wall_ns) / 1e6);
    if (bottleneck)
        fprintf(stderr, "  bottleneck: %s\n", bottleneck);
}

static void print_nothing_to_do(size_t n_skipped, size_t n_bad)
{
    if (n_bad == 0)
        fprintf(stderr, "nothing to do: all %zu inputs are complete\n", n_skipped);
    else
        fprintf(
            stderr,
            "nothing to do: %zu of %zu inputs complete, %zu damaged or rejected by an "
            "earlier run\n",
            n_skipped - n_bad, n_skipped, n_bad);
}

static void print_totals(const struct job *job, uint64_t wall_ns, size_t n_skipped,
                         size_t n_bad)
{
    const struct counters *c = &job->count;
    uint64_t samples = atomic_load(&c->samples), withheld = atomic_load(&c->withheld);
    uint64_t encoded = atomic_load(&c->encoded);

    if (job->n_units == 0) {
        print_nothing_to_do(n_skipped, n_bad);
        return;
    }
    fprintf(stderr, "%" PRIu64 " of %zu inputs done in %.1f s",
            (uint64_t)atomic_load(&c->units_done), job->n_units, (double)wall_ns / 1e9);
    if (n_skipped > n_bad)
        fprintf(stderr, " (%zu more were complete before)", n_skipped - n_bad);
    fprintf(stderr, "\n%" PRIu64 " samples, %" PRIu64 " rejects", samples,
            report_sum_rejects(c));
    if (withheld > 0)
        fprintf(stderr, ", %" PRIu64 " withheld", withheld);
    fprintf(stderr, ", %.1f %s/s, %.1f MB of shards", rate(report_count_done(c), wall_ns),
            report_name_done(c), (double)atomic_load(&c->shard_bytes) / 1e6);
    if (encoded > 0)
        fprintf(stderr, ", %.1f %% of the images upscaled",
                100.0 * (double)atomic_load(&c->upscaled) / (double)encoded);
    fputc('\n', stderr);
    print_rejects(c);
    print_skipped(c);
}

void report_final(struct job *job, const struct pipeline *p, uint64_t start_ns,
                  size_t n_skipped, size_t n_bad, int exit_code)
{
    const struct counters *c = &job->count;
    uint64_t wall = clock_ns() - start_ns;

    report_progress_end(job);
    if (!job->options->quiet) {
        print_totals(job, wall, n_skipped, n_bad);
        if (p && atomic_load(&c->groups) > 0)
            print_stages(c, p, wall);
    }
    warn_of_ungrouped(job);
    report_log(job, json_pack("{s:s, s:i, s:f, s:I, s:I, s:I}", "event", "end",
                              "exit_status", exit_code, "seconds", (double)wall / 1e9,
                              "inputs", (json_int_t)atomic_load(&c->units_done),
                              "samples", (json_int_t)atomic_load(&c->samples), "rejects",
                              (json_int_t)report_sum_rejects(c)));
}
