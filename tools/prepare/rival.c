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

/* Takes `why`, which stands behind "another process has published it meanwhile, ". */
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

int rival_meet_unread(struct unit *u, struct job *job)
{
    struct manifest theirs;
    char *path;
    int rc;

    if (asprintf(&path, "%s/%s.manifest.json", job->options->out, u->input->name) < 0)
        return INGEST_ENOMEM;
    rc = manifest_read(&theirs, path);
    if (rc == 0)
        rc = judge_unread(u, job, &theirs);
    else if (rc == MANIFEST_UNREADABLE && errno == ENOENT)
        rc = 0;
    else
        rc = (u->failure = strdup(theirs.why)) ? 0 : INGEST_ENOMEM;
    manifest_free(&theirs);
    free(path);
    return rc;
}

/* Takes the manifest away unless all that it names is there; *withdrawn says whether it
 * did. Returns 0, or -1 after job_fail(). */
static int withdraw_if_broken(struct job *job, struct publication *files,
                              struct manifest *m, bool *withdrawn)
{
    int rc = manifest_check_files(m, files->dir, true);

    *withdrawn = rc == MANIFEST_WRONG;
    if (rc == MANIFEST_UNREADABLE)
        return job_fail(job, "%s", m->why);
    if (*withdrawn && publication_withdraw(files) != PUBLISH_OK)
        return job_fail(job, "%s", files->why);
    return 0;
}

/* What this run has put under names that their manifest does not name goes, and it is
 * seen whether what it names is still there. */
static int repair(struct job *job, struct publication *files, struct manifest *theirs,
                  bool *withdrawn)
{
    if (publication_remove_beyond(files, (unsigned)json_array_size(theirs->shards),
                                  json_is_object(theirs->rejects)) != PUBLISH_OK)
        return job_fail(job, "%s", files->why);
    return withdraw_if_broken(job, files, theirs, withdrawn);
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
    bool withdrawn = false;

    if (same_input && (!result || json_equal(theirs->result, result)))
        return UNIT_TAKEN;
    if (result && repair(job, files, theirs, &withdrawn) != 0)
        return -1;
    if (clash(u, tell_apart(u, theirs, same_input, withdrawn),
              same_input ? "do it again with --redo"
                         : "give one of the two another --name") != 0)
        return job_fail(job, "%s: out of memory", u->input->name);
    return UNIT_FAILED;
}

int rival_meet(struct unit *u, struct job *job, struct publication *files,
               const json_t *result)
{
    char *path = publication_final(files, files->kind->manifest);
    struct manifest theirs = {0};
    int rc;

    if (!path)
        rc = job_fail(job, "%s: out of memory", u->input->name);
    else if (manifest_read(&theirs, path) != 0)
        rc = job_fail(job, "%s", theirs.why);
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
    bool withdrawn;

    if (withdraw_if_broken(job, files, &own, &withdrawn) != 0)
        return -1;
    if (!withdrawn)
        return (int)end;
    u->clash = true;
    if (asprintf(
            &u->failure,
            "another process has replaced files of it while they were published, and "
            "its input is another than %s%s; give one of the two another --name",
            input_prefix(u->input), u->input->text) < 0)
        u->failure = NULL;
    return u->failure ? UNIT_FAILED : job_fail(job, "%s: out of memory", u->input->name);
}
