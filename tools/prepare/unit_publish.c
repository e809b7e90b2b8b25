/* SPDX-License-Identifier: Apache-2.0
 * tools/prepare/unit_publish.c - a unit's manifest, and its end.
 *
 * Every group that was read must be found again in exactly one of: the shards, the
 * rejects, or (where the unit as a whole is rejected) `withheld`. That sum is checked
 * before anything gets a final name. */
#include "tools/prepare/unit_publish.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "shard/canonical_json.h"
#include "shard/status.h"
#include "shard/version.h"
#include "tools/prepare/configuration.h"
#include "tools/prepare/job.h"
#include "tools/prepare/rival.h"
#include "tools/prepare/unit_output.h"
#include "tools/store/json_text.h"
#include "tools/store/manifest.h"
#include "tools/store/sha256.h"

/* Of a unit of so many groups nothing is published where too many are rejects; what a
 * smaller one has left is. */
enum { REJECT_RATE_FROM = 100 };

/* NULL, like those below: no memory. */
static json_t *count_reasons(const struct unit_output *out)
{
    json_t *reasons = json_object();

    for (int i = 1; i < N_REJECT_REASONS; i++)
        if (out->by_reason[i] > 0)
            json_put_member(&reasons, reject_name((enum reject_reason)i),
                            json_integer((json_int_t)out->by_reason[i]));
    return reasons;
}

static json_t *count_skipped(const struct ingest_totals *t)
{
    json_t *skipped = json_object();

    for (int i = 0; i < N_SKIP_KINDS; i++)
        if (t->skipped[i] > 0 &&
            json_object_set_new(skipped, skip_name((enum skip_kind)i),
                                json_integer((json_int_t)t->skipped[i])) != 0) {
            json_decref(skipped);
            return NULL;
        }
    return skipped;
}

static json_t *describe_input(const struct unit *u, enum unit_end end)
{
    static const char *const status[] = {"complete", "damaged", "rejected"};
    const struct unit_output *out = u->output;
    const struct ingest_totals *t = &u->totals;
    uint64_t withheld = end == UNIT_REJECTED ? out->n_samples : 0;
    json_t *key = t->partial_key ? json_any_string(t->partial_key) : json_null();
    json_t *damage =
        t->damaged ? json_pack("{s:I, s:o, s:o}", "offset", (json_int_t)t->damage_offset,
                               "what", json_any_string(t->damage), "partial_key", key)
                   : json_null();

    return json_pack(
        "{s:s, s:s, s:I, s:s, s:s, s:s, s:I, s:I, s:I, s:o, s:b, s:I, s:o, s:I, s:I, "
        "s:I, s:I, s:I, s:I, s:b, s:o}",
        "name", u->input->name, "format", u->input->reader->name, "bytes",
        (json_int_t)u->input_bytes, "sha256", u->input_sha256, "probe", u->input_probe,
        "status", status[end], "groups", (json_int_t)t->groups, "samples",
        (json_int_t)(out->n_samples - withheld), "withheld", (json_int_t)withheld,
        "rejects", count_reasons(out), "above_reject_rate", (int)u->above_reject_rate,
        "skipped_members", (json_int_t)t->skipped_members, "skipped", count_skipped(t),
        "blank_lines", (json_int_t)t->blank_lines, "dropped_captions",
        (json_int_t)t->dropped_captions, "dropped_metadata",
        (json_int_t)(t->dropped_metadata + out->dropped_metadata), "unparsed_metadata",
        (json_int_t)t->unparsed_metadata, "upscaled", (json_int_t)out->upscaled,
        "broken_profiles", (json_int_t)out->broken_profiles, "ungrouped",
        (int)u->ungrouped, "damage", damage);
}

static json_t *describe_shards(const struct unit *u, const struct shard_file *files,
                               size_t n)
{
    json_t *shards = json_array();

    for (size_t i = 0; i < n && shards; i++) {
        char suffix[PUBLISH_SUFFIX_CAP], hex[SHA256_HEX_CAP];

        publication_shard_suffix(suffix, (unsigned)i);
        sha256_to_hex(files[i].sha256, hex);
        json_put_element(&shards,
                         json_pack("{s:o, s:I, s:s, s:I}", "name",
                                   json_sprintf("%s%s", u->output->files.base, suffix),
                                   "bytes", (json_int_t)files[i].bytes, "sha256", hex,
                                   "samples", (json_int_t)files[i].n_records));
    }
    return shards;
}

static json_t *describe_rejects(const struct unit *u)
{
    const struct unit_output *out = u->output;
    unsigned char digest[32];
    char hex[SHA256_HEX_CAP];

    if (out->n_rejects == 0)
        return json_null();
    if (EVP_DigestFinal_ex(out->rejects_sha, digest, NULL) != 1)
        return NULL;
    sha256_to_hex(digest, hex);
    return json_pack("{s:o, s:I, s:s}", "name",
                     json_sprintf("%s.rejects.jsonl", out->files.base), "bytes",
                     (json_int_t)out->rejects_bytes, "sha256", hex);
}

static json_t *time_text(time_t t)
{
    struct tm tm;
    char text[32];

    if (!gmtime_r(&t, &tm) ||
        strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
        return json_string("?");
    return json_string(text);
}

/* As it was given on the command line. */
static json_t *input_path(const struct input *in)
{
    char *text;
    json_t *string;

    if (asprintf(&text, "%s%s", input_prefix(in), in->text) < 0)
        return NULL;
    string = json_any_string(text);
    free(text);
    return string;
}

/* The instruction set that encoders use, or NULL. */
static const char *isa_of(const struct job *job)
{
    for (size_t i = 0; i < job->n_encodings; i++)
        if (job->encodings[i].about.isa)
            return job->encodings[i].about.isa;
    return NULL;
}

static json_t *describe_run(const struct unit *u, const struct job *job)
{
    const struct input *in = u->input;
    time_t now = time(NULL);
    double seconds = difftime(now, u->output->started);
    char host[65] = "";

    gethostname(host, sizeof(host) - 1);
    return json_pack(
        "{s:{s:o, s:o}, s:o, s:o, s:f, s:o, s:i, s:s?}", "input", "path", input_path(in),
        "size", in->regular ? json_integer((json_int_t)in->bytes) : json_null(),
        "started", time_text(u->output->started), "finished", time_text(now),
        "samples_per_second", (double)u->output->n_samples / (seconds > 1 ? seconds : 1),
        "host", json_any_string(host), "workers", job->n_workers, "isa", isa_of(job));
}

/* What depends on the input's bytes, its NAME, the configuration and versions alone. */
static json_t *describe_result(const struct unit *u, const struct job *job,
                               enum unit_end end, const struct shard_file *files,
                               size_t n_files)
{
    return json_pack(
        "{s:s, s:s, s:[o], s:o, s:o, s:o}", "software", LATENTMILL_SOFTWARE,
        "config_sha256", configuration_sha256(job_description_of(job, u->input)->config),
        "inputs", describe_input(u, end), "shards", describe_shards(u, files, n_files),
        "rejects", describe_rejects(u), "libraries", manifest_library_versions());
}

/* Gives the manifest's text and its length. */
static char *manifest_text(const struct unit *u, const struct job *job, json_t *result,
                           size_t *len)
{
    json_t *manifest =
        result ? json_pack("{s:O, s:o}", "result", result, "run", describe_run(u, job))
               : NULL;
    char *text = manifest ? shard_json_canonical(manifest) : NULL;

    json_decref(manifest);
    if (text) {
        *len = strlen(text);
        text[(*len)++] = '\n'; /* in place of the NUL */
    }
    return text;
}

/* Of an archive whose members stand in a folder's own order, or all images before all
 * captions, or all metadata at its end, keys come back with a part of their sample. */
static bool is_ungrouped(const struct unit *u)
{
    uint64_t keys = u->totals.groups - u->output->by_reason[REJECT_DUPLICATE_KEY];

    return u->totals.scattered > 1 && 10 * u->totals.scattered >= keys;
}

/* What is damaged is not judged by its rejects: behind a flipped bit a decoder may go on
 * with anything, and what stood before is good. */
static enum unit_end judge(struct unit *u, const struct job *job)
{
    const struct unit_output *out = u->output;
    uint64_t n = out->n_samples + out->n_rejects;

    u->n_rejects = out->n_rejects;
    u->ungrouped = is_ungrouped(u);
    if (u->totals.damaged)
        return UNIT_DAMAGED;
    u->above_reject_rate =
        (double)out->n_rejects > job->select->max_reject_rate * (double)n;
    if (u->above_reject_rate && n >= REJECT_RATE_FROM)
        return UNIT_REJECTED;
    return UNIT_COMPLETE;
}

static int close_rejects(struct unit *u, struct job *job)
{
    struct store_stream *rejects = &u->output->rejects;

    return rejects->file && store_stream_finish(rejects) != 0 ? unit_fail_rejects(u, job)
                                                              : 0;
}

static int check_sum(const struct unit *u, struct job *job)
{
    const struct unit_output *out = u->output;

    if (u->totals.groups == out->n_samples + out->n_rejects)
        return 0;
    return job_fail(job,
                    "%s: the counts do not add up: %" PRIu64 " groups, %" PRIu64
                    " samples, %" PRIu64 " rejects; nothing was published",
                    u->input->name, u->totals.groups, out->n_samples, out->n_rejects);
}

static int publish(struct unit *u, struct job *job, enum unit_end end)
{
    struct unit_output *out = u->output;
    size_t n_files, n_publish, len = 0;
    const struct shard_file *files = shard_writer_files(out->shards, &n_files);
    json_t *result;
    char *text;
    bool renamed = false;
    int rc;

    n_publish = end == UNIT_REJECTED ? 0 : n_files;
    result = describe_result(u, job, end, files, n_publish);
    text = manifest_text(u, job, result, &len);
    if (!text)
        rc = job_fail(job, "%s: out of memory", u->input->name);
    else
        rc = publication_publish(&out->files, (unsigned)n_publish, out->n_rejects > 0,
                                 text, len, &renamed);
    if (rc == PUBLISH_FAILED && text)
        rc = job_fail(job, "%s", out->files.why);
    else if (rc == PUBLISH_EXISTS)
        rc = rival_meet(u, job, &out->files, renamed ? result : NULL);
    else if (rc == PUBLISH_BLOCKED)
        rc = unit_fail(u, job, strdup(out->files.why));
    else if (rc == PUBLISH_LOST)
        rc = rival_lost(u, job);
    else if (rc == PUBLISH_REPLACED)
        rc = rival_check_own(u, job, &out->files, result, end);
    else if (rc == PUBLISH_OK)
        rc = (int)end;
    if (rc == (int)end)
        for (size_t i = 0; i < n_publish; i++)
            atomic_fetch_add(&job->count.shard_bytes, files[i].bytes);
    free(text);
    json_decref(result);
    return rc;
}

/* Somebody else's result counts for this run's exit status like its own. */
static void count_taken(const struct unit *u, struct job *job)
{
    struct manifest theirs;
    char *path = manifest_path(job->options->out, u->input->name);

    if (!path)
        return;
    if (manifest_read(&theirs, path) == 0 &&
        manifest_is_bad(&theirs, job->options->damaged == DAMAGED_FAIL))
        atomic_fetch_add(&job->count.units_bad, 1);
    manifest_free(&theirs);
    free(path);
}

int unit_finish(struct unit *u, struct job *job)
{
    enum unit_end end;
    int rc;

    if (u->failure)
        rc = UNIT_FAILED;
    else if (u->taken)
        rc = UNIT_TAKEN;
    else if ((!u->output && unit_begin(u, job) != 0) || check_sum(u, job) != 0)
        rc = -1;
    else if (shard_writer_finish(u->output->shards) != SHARD_OK)
        rc = job_fail(job, "%s", shard_writer_why(u->output->shards));
    else if (close_rejects(u, job) != 0)
        rc = -1;
    else {
        end = judge(u, job);
        rc = publish(u, job, end);
        if (rc == UNIT_COMPLETE || rc == UNIT_DAMAGED) {
            atomic_fetch_add(&job->count.samples, u->output->n_samples);
            atomic_fetch_add(&job->count.upscaled, u->output->upscaled);
        } else if (rc == UNIT_REJECTED) {
            atomic_fetch_add(&job->count.withheld, u->output->n_samples);
        }
    }
    if (rc == UNIT_TAKEN)
        count_taken(u, job);
    unit_drop(u);
    return rc;
}

bool unit_end_is_bad(const struct unit *u, enum unit_end end, const struct run_options *o)
{
    return end == UNIT_REJECTED || (end == UNIT_COMPLETE && u->above_reject_rate) ||
           (end == UNIT_DAMAGED && o->damaged == DAMAGED_FAIL);
}
