/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/prepare/rival.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ingest/status.h"
#include "tools/prepare/identity.h"
#include "tools/store/manifest.h"
#include "tools/store/store.h"

/* What a manifest is found to be: all that it names is there; it is not; and so it was
 * taken away. */
enum left { WHOLE, BROKEN, WITHDRAWN };

/* Frees `why`, which stands behind "another process has published it meanwhile, ". */
static int clash(struct unit *u, char *why, const char *advice)
{
    u->clash = true;
    if (!why ||
        asprintf(&u->failure, "another process has published it meanwhile, %s; %s", why,
                 advice) < 0)
        u->failure = NULL;
    free(why);
    return u->failure ? 0 : -1;
}

static int judge_unread(struct unit *u, struct job *job, const struct manifest *theirs)
{
    char *why;
    enum identity id =
        identity_compare(theirs, u->input, job->options, job->select->limit, &why);

    if (id == IDENTITY_FAILED)
        u->failure = why;
    else if (id != IDENTITY_SAME)
        return clash(u, why, identity_advice(id)) == 0 ? 0 : INGEST_ENOMEM;
    else
        u->taken = true;
    return u->taken || u->failure ? 0 : INGEST_ENOMEM;
}

static int read_unread(struct unit *u, struct job *job, const char *path)
{
    struct manifest theirs;
    int rc = manifest_read(&theirs, path);

    if (rc == 0)
        rc = judge_unread(u, job, &theirs);
    else if (rc == MANIFEST_UNREADABLE && errno == ENOENT)
        rc = 0; /* it has gone again */
    else
        rc = (u->failure = strdup(theirs.why)) ? 0 : INGEST_ENOMEM;
    manifest_free(&theirs);
    return rc;
}

int rival_meet_unread(struct unit *u, struct job *job)
{
    char *path = manifest_path(job->options->out, u->input->name);
    bool there;
    int rc = 0;

    if (!path)
        return INGEST_ENOMEM;
    if (store_has(store_at(path), path, &there) == 0)
        rc = there ? read_unread(u, job, path) : 0;
    else if (asprintf(&u->failure, "%s: %s", path, strerror(errno)) < 0) {
        u->failure = NULL;
        rc = INGEST_ENOMEM;
    }
    free(path);
    return rc;
}

static bool name_the_same(const struct manifest *a, const struct manifest *b)
{
    return json_equal(a->shards, b->shards) &&
           (a->rejects == b->rejects || json_equal(a->rejects, b->rejects));
}

/* What the manifest at `path` is: WITHDRAWN where there is none. Unless it is `any` that
 * counts, one that names other files than *m is WHOLE. Returns 0, or -1 after job_fail().
 */
static int judge_there(struct job *job, struct publication *files, const char *path,
                       const struct manifest *m, bool any, enum left *left)
{
    struct manifest there;
    int rc = manifest_read(&there, path);

    const bool gone = rc == MANIFEST_UNREADABLE && errno == ENOENT;

    if (rc == 0 && (any || name_the_same(&there, m)))
        rc = manifest_check_files(&there, files->dir, true);
    *left = gone ? WITHDRAWN : rc == 0 ? WHOLE : BROKEN;
    if (rc == MANIFEST_UNREADABLE && !gone)
        rc = job_fail(job, "%s", there.why);
    else
        rc = 0;
    manifest_free(&there);
    return rc;
}

/* Takes away the manifest at `final`, which is broken, to `away`. In the meantime another
 * process may have put a whole one there, which must not get lost. */
static int withdraw(struct job *job, struct publication *files, const char *final,
                    const char *away, const struct manifest *m, enum left *left)
{
    int rc = judge_there(job, files, final, m, false, left);

    if (rc != 0 || *left == WITHDRAWN)
        return rc;
    if (*left == WHOLE) { /* another one */
        *left = BROKEN;
        return 0;
    }
    if (publication_withdraw(files) != PUBLISH_OK)
        return job_fail(job, "%s", files->why);
    rc = judge_there(job, files, away, m, true, left);
    if (rc == 0 && *left == WHOLE) {
        rc = publication_restore(files);
        *left = rc == PUBLISH_OK ? BROKEN : WITHDRAWN;
        return rc == PUBLISH_FAILED ? job_fail(job, "%s", files->why) : 0;
    }
    *left = WITHDRAWN;
    return rc;
}

/* Takes the manifest *m away unless all that it names is there. Returns 0, or -1 after
 * job_fail(). */
static int withdraw_if_broken(struct job *job, struct publication *files,
                              struct manifest *m, enum left *left)
{
    char *final = publication_final(files, files->kind->manifest),
         *away = publication_temporary(files, files->kind->manifest);
    int rc = manifest_check_files(m, files->dir, true);

    *left = WHOLE;
    if (!final || !away)
        rc = job_fail(job, "%s: out of memory", files->base);
    else if (rc == MANIFEST_UNREADABLE)
        rc = job_fail(job, "%s", m->why);
    else if (rc != 0)
        rc = withdraw(job, files, final, away, m, left);
    free(final);
    free(away);
    return rc;
}

/* Whether what it names are no try's own names. -1: no memory. */
static int names_plainly(const struct manifest *m, const char *base)
{
    char *shard, *rejects;
    int plain;

    if (asprintf(&shard, "%s.lms", base) < 0)
        return -1;
    if (asprintf(&rejects, "%s.rejects.jsonl", base) < 0) {
        free(shard);
        return -1;
    }
    plain = manifest_names(m, shard) || manifest_names(m, rejects);
    free(shard);
    free(rejects);
    return plain;
}

/* What this run has put under names that their manifest does not name goes, and it is
 * seen whether what it names is still there. */
static int repair(struct job *job, struct publication *files, struct manifest *theirs,
                  enum left *left)
{
    const int plain = names_plainly(theirs, files->base);
    const unsigned n_shards = (unsigned)json_array_size(theirs->shards);

    if (plain < 0)
        return job_fail(job, "%s: out of memory", files->base);
    if (publication_remove_beyond(files, plain ? n_shards : 0,
                                  plain && json_is_object(theirs->rejects)) != PUBLISH_OK)
        return job_fail(job, "%s", files->why);
    return withdraw_if_broken(job, files, theirs, left);
}

static char *tell_apart(const struct unit *u, const struct manifest *theirs,
                        bool same_input, bool withdrawn)
{
    const char *broken =
        withdrawn ? ", and this run had replaced its files, so that it is unfinished now"
                  : "";
    char *why;
    int n;

    if (same_input)
        n = asprintf(&why, "from the same input, but with another result%s", broken);
    else
        n = asprintf(&why,
                     "made from %s (%" PRIu64 " bytes, SHA-256 %.12s...), but this run's "
                     "input is %s%s (%" PRIu64 " bytes, SHA-256 %.12s...)%s",
                     theirs->input_path, theirs->input_bytes,
                     theirs->sha256 ? theirs->sha256 : "unknown", input_prefix(u->input),
                     u->input->text, u->input_bytes, u->input_sha256, broken);
    return n < 0 ? NULL : why;
}

static int compare(struct unit *u, struct job *job, struct publication *files,
                   const json_t *result, struct manifest *theirs)
{
    bool same_input = theirs->sha256 && theirs->input_bytes == u->input_bytes &&
                      strcmp(theirs->sha256, u->input_sha256) == 0;
    enum left left = WHOLE;

    /* What has names of its own may well have other bytes, and replaces nothing. */
    if (same_input &&
        (!result || files->try_name[0] || json_equal(theirs->result, result)))
        return UNIT_TAKEN;
    if (result && repair(job, files, theirs, &left) != 0)
        return -1;
    if (clash(u, tell_apart(u, theirs, same_input, left == WITHDRAWN),
              same_input ? "do it again with --redo"
                         : "give one of the two another --name") != 0)
        return job_fail(job, "%s: out of memory", u->input->name);
    return UNIT_FAILED;
}

int rival_lost(struct unit *u, struct job *job)
{
    u->clash = true;
    return unit_fail(
        u, job,
        strdup(
            "another process has taken it over meanwhile, and may not have finished it; "
            "run this again, or give one of the two another --name"));
}

/* What cannot be read ends this unit alone. */
static int fail_unread(struct unit *u, struct job *job, int rc,
                       const struct manifest *theirs)
{
    if (rc == MANIFEST_UNREADABLE && errno == ENOENT)
        return rival_lost(u, job); /* it has gone again */
    return unit_fail(u, job, strdup(theirs->why));
}

int rival_meet(struct unit *u, struct job *job, struct publication *files,
               const json_t *result)
{
    char *path = publication_final(files, files->kind->manifest);
    struct manifest theirs = {0};
    int rc;

    if (!path)
        rc = job_fail(job, "%s: out of memory", u->input->name);
    else if ((rc = manifest_read(&theirs, path)) != 0)
        rc = fail_unread(u, job, rc, &theirs);
    else
        rc = compare(u, job, files, result, &theirs);
    manifest_free(&theirs);
    free(path);
    return rc;
}

int rival_check_own(struct unit *u, struct job *job, struct publication *files,
                    const json_t *result, enum unit_end end)
{
    struct manifest own = {.shards = json_object_get(result, "shards"),
                           .rejects = json_object_get(result, "rejects")};
    enum left left;
    char *why;

    if (withdraw_if_broken(job, files, &own, &left) != 0)
        return -1;
    if (left == WHOLE)
        return (int)end;
    if (files->try_name[0])
        return rival_lost(u, job); /* only who saw a manifest removes such files */
    u->clash = true;
    if (asprintf(
            &why,
            "another process has replaced files of it while they were published, and "
            "its input is another than %s%s; give one of the two another --name",
            input_prefix(u->input), u->input->text) < 0)
        why = NULL;
    return unit_fail(u, job, why);
}
