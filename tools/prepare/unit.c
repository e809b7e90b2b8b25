/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/prepare/unit.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ingest/status.h"
#include "shard/canonical_json.h"
#include "shard/status.h"
#include "tools/prepare/job.h"
#include "tools/prepare/sample.h"
#include "tools/prepare/sample_record.h"
#include "tools/prepare/unit_output.h"
#include "tools/store/json_text.h"

static int shard_path(void *ctx, uint32_t part, char *path, size_t cap)
{
    struct unit_output *out = ctx;
    char suffix[PUBLISH_SUFFIX_CAP];
    char *temporary;
    int n;

    publication_shard_suffix(suffix, part);
    temporary = publication_temporary(&out->files, suffix);
    n = temporary ? snprintf(path, cap, "%s", temporary) : -1;
    free(temporary);
    return n >= 0 && (size_t)n < cap ? 0 : -1;
}

static bool is_reproducible(const struct shard_header *h)
{
    for (size_t i = 0; i < h->n_encoders; i++)
        if (!h->encoders[i].reproducible)
            return false;
    return true;
}

int unit_begin(struct unit *u, struct job *job)
{
    struct unit_output *out = u->output = calloc(1, sizeof(*out));
    struct shard_writer_options options = {.path = shard_path, .ctx = out};

    if (!out)
        return job_fail(job, "out of memory");
    out->started = time(NULL);
    out->header = job_description_of(job, u->input)->header;
    out->header.name = u->input->name;
    options.header = &out->header;
    if (publication_init(&out->files, &publication_shards, job->options->out,
                         u->input->name) != PUBLISH_OK)
        return job_fail(job, "%s", out->files.why);
    if (!is_reproducible(&out->header))
        publication_name_try(&out->files);
    snprintf(u->try_name, sizeof(u->try_name), "%s", out->files.try_name);
    options.output = out->files.store->output;
    if (shard_writer_open(&out->shards, &options) != SHARD_OK)
        return job_fail(job, "%s", shard_writer_why(out->shards));
    return 0;
}

static int open_rejects(struct unit_output *out, struct job *job)
{
    char *path = publication_temporary(&out->files, ".rejects.jsonl");
    int rc = 0;

    out->rejects_sha = EVP_MD_CTX_new();
    if (!path || store_stream_open(&out->rejects, out->files.store, path) != 0)
        rc = job_fail(job, "%s: %s", path ? path : "rejects", strerror(errno));
    else if (!out->rejects_sha ||
             EVP_DigestInit_ex(out->rejects_sha, EVP_sha256(), NULL) != 1)
        rc = job_fail(job, "%s: SHA-256: out of memory", path);
    free(path);
    return rc;
}

int unit_fail(struct unit *u, struct job *job, char *why)
{
    u->failure = why;
    return why ? UNIT_FAILED : job_fail(job, "%s: out of memory", u->input->name);
}

int unit_fail_rejects(const struct unit *u, struct job *job)
{
    return job_fail(job, "%s/%s.rejects.jsonl: %s", job->options->out, u->input->name,
                    strerror(errno));
}

static int append_reject(struct unit *u, struct job *job, const struct sample *s)
{
    struct unit_output *out = u->output;
    const struct ingest_sample *in = &s->in;
    json_t *object;
    char *line;
    size_t len;
    int rc = 0;

    if (!out->rejects.file && open_rejects(out, job) != 0)
        return -1;
    object = json_pack("{s:s, s:s, s:I, s:s, s:o}", "name", u->input->name, "key",
                       in->key, "index", (json_int_t)in->index, "reason",
                       reject_name(in->reject.reason), "detail",
                       json_any_string(in->reject.detail));
    line = object ? shard_json_canonical(object) : NULL;
    json_decref(object);
    if (!line)
        return job_fail(job, "%s: a reject could not be written as JSON", u->input->name);
    len = strlen(line);
    line[len] = '\n'; /* in place of the NUL */
    if (fwrite(line, 1, len + 1, out->rejects.file) != len + 1)
        rc = unit_fail_rejects(u, job);
    else if (EVP_DigestUpdate(out->rejects_sha, line, len + 1) != 1)
        rc = job_fail(job, "%s: SHA-256 failed", u->input->name);
    out->rejects_bytes += len + 1;
    out->n_rejects++;
    out->by_reason[in->reject.reason]++;
    atomic_fetch_add(&job->count.rejects[in->reject.reason], 1);
    free(line);
    return rc;
}

static int append_record(struct unit *u, struct job *job, const struct sample *s)
{
    struct unit_output *out = u->output;
    struct sample_record sr;
    int rc;

    if (sample_record_build(&sr, u->input->name, job->text, s) != 0)
        return job_fail(job, "out of memory");
    rc = shard_writer_append(out->shards, &sr.record);
    sample_record_free(&sr);
    if (rc != SHARD_OK)
        return job_fail(job, "%s: %s", u->input->name, shard_writer_why(out->shards));
    out->n_samples++;
    for (size_t i = 0; i < s->in.n_parts; i++) {
        out->upscaled += s->parts[i].upscaled;
        out->broken_profiles += s->parts[i].broken_profile;
    }
    out->dropped_metadata += s->in.dropped_metadata;
    return 0;
}

int unit_append(struct unit *u, struct job *job, struct sample *s)
{
    if (!u->output && unit_begin(u, job) != 0)
        return -1;
    /* Only here are samples in order again. */
    if (ingest_sample_check_key(&s->in, &u->output->keys) != INGEST_OK)
        return job_fail(job, "out of memory");
    return s->in.reject.reason == REJECT_NONE ? append_record(u, job, s)
                                              : append_reject(u, job, s);
}

void unit_drop(struct unit *u)
{
    struct unit_output *out = u->output;
    size_t n_files = 0;

    if (out) {
        if (out->shards)
            shard_writer_files(out->shards, &n_files);
        shard_writer_close(out->shards);
        store_stream_close(&out->rejects);
        EVP_MD_CTX_free(out->rejects_sha);
        hash_set_free(&out->keys);
        /* One more than are finished: the file in hand. */
        if (out->files.base)
            publication_drop(&out->files, (unsigned)n_files + 1);
        publication_free(&out->files);
        free(out);
        u->output = NULL;
    }
}
