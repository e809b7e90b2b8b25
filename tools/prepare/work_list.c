/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/prepare/work_list.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/cli/exit_code.h"
#include "tools/prepare/identity.h"
#include "tools/store/manifest.h"
#include "tools/cli/options.h"
#include "tools/cli/print.h"
#include "tools/store/path.h"
#include "tools/store/publish.h"

static void warn_of_bad(const struct manifest *m, const char *name)
{
    if (strcmp(manifest_state(m), "rejected") != 0)
        print_to_stderr("warning: %s: an earlier run found its input %s; fetch it again, "
                        "and do it again with --retry-failed",
                        name, m->status);
    else if (manifest_is_ungrouped(m))
        print_to_stderr("warning: %s: an earlier run rejected more of it than "
                        "--max-reject-rate: the members of a sample are not neighbours; "
                        "pack it again with tar --sort=name, and do it again with "
                        "--retry-failed",
                        name);
    else
        print_to_stderr("warning: %s: an earlier run rejected more of it than "
                        "--max-reject-rate, see %.*s%s; mend it, and do it "
                        "again with --retry-failed",
                        name, (int)(path_base(name) - name), name,
                        json_string_value(json_object_get(m->rejects, "name")));
}

static int failed(const char *why)
{
    print_to_stderr("error: %s", why);
    return EXIT_FAILED;
}

/* Every shard that the manifest names is there and has its size, and so are the rejects.
 */
static int check_files(const struct publication *p, struct manifest *m, const char *name)
{
    int rc = manifest_check_files(m, p->dir, false);

    if (rc == MANIFEST_UNREADABLE)
        return failed(m->why);
    return rc == 0 ? 0
                   : usage_error("%s: its manifest names %s; redo it with --redo", name,
                                 m->why);
}

/* Whether it was made from the input that is given now. */
static int check_input(const struct manifest *m, const struct input *in,
                       const struct run_options *o, int64_t limit)
{
    char *why;
    enum identity id = identity_compare(m, in, o, limit, &why);
    int rc = 0;

    if (id != IDENTITY_SAME && !why)
        rc = print_out_of_memory();
    else if (id == IDENTITY_FAILED)
        rc = failed(why);
    else if (id != IDENTITY_SAME)
        rc = usage_error("%s is %s, %s; %s, or redo it with %s", in->name,
                         manifest_state(m), why, identity_advice(id),
                         manifest_is_bad(m, true) ? "--retry-failed" : "--redo");
    free(why);
    return rc;
}

/* What the manifest of a finished unit says. Sets *redo, and clears *done where it has
 * gone again; returns 0 or an exit code. */
static int judge(struct work_list *list, const struct publication *p,
                 const struct input *in, const struct run_options *o, int64_t limit,
                 bool *done, bool *redo)
{
    char *path = publication_final(p, p->kind->manifest);
    struct manifest m;
    bool bad;
    int rc;

    if (!path)
        return print_out_of_memory();
    rc = manifest_read(&m, path);
    if (rc == MANIFEST_UNREADABLE && errno == ENOENT) {
        *done = false;
        rc = 0;
    } else if (rc == MANIFEST_UNREADABLE) {
        rc = failed(m.why);
    } else if (rc != 0) {
        rc = usage_error("%s; redo it with --redo", m.why);
    } else {
        bad = manifest_is_bad(&m, o->damaged == DAMAGED_FAIL);
        /* Whether or not damage counts for the exit status. */
        *redo = manifest_is_bad(&m, true) && o->retry_failed;
        if (!*redo) {
            rc = check_input(&m, in, o, limit);
            if (rc == 0)
                rc = check_files(p, &m, in->name);
            list->before.n_bad += bad;
            list->before.n_kept += !bad && manifest_is_bad(&m, true);
            if (rc == 0 && bad)
                warn_of_bad(&m, in->name);
        }
    }
    manifest_free(&m);
    free(path);
    return rc;
}

static int list_one(struct work_list *list, const struct input *in,
                    const struct run_options *o, int64_t limit, struct hash_set *swept)
{
    struct publication p;
    bool done = false, redo = o->redo;
    int rc = 0;

    if (publication_init(&p, &publication_shards, o->out, in->name) != PUBLISH_OK) {
        rc = failed(p.why);
        publication_free(&p);
        return rc;
    }
    publish_sweep_once(p.dir, p.kind, swept);
    if (publication_look(&p, &done) != PUBLISH_OK)
        rc = failed(p.why);
    if (done && !redo)
        rc = judge(list, &p, in, o, limit, &done, &redo);
    if (!done || redo)
        list->units[list->n_units++] = (struct unit){.input = in, .withdraw = done};
    else
        list->before.n++;
    publication_free(&p);
    return rc;
}

/* Only when all inputs have been judged: a usage error leaves every result as it was. */
static int withdraw_old(const struct work_list *list, const char *out)
{
    int rc = 0;

    for (size_t i = 0; i < list->n_units && rc == 0; i++) {
        struct publication p;

        if (!list->units[i].withdraw)
            continue;
        if (publication_init(&p, &publication_shards, out, list->units[i].input->name) !=
                PUBLISH_OK ||
            publication_withdraw(&p) != PUBLISH_OK)
            rc = failed(p.why);
        publication_free(&p);
    }
    return rc;
}

int work_list_make(struct work_list *list, const struct input_list *inputs,
                   const struct run_options *o, int64_t limit)
{
    struct hash_set swept = {0};
    int rc = 0;

    *list = (struct work_list){.units = calloc(inputs->n, sizeof(struct unit))};
    if (!list->units)
        return print_out_of_memory();
    for (size_t i = 0; i < inputs->n && rc == 0; i++)
        rc = list_one(list, &inputs->inputs[i], o, limit, &swept);
    hash_set_free(&swept);
    return rc == 0 ? withdraw_old(list, o->out) : rc;
}

void work_list_sweep(const struct work_list *list, const char *out)
{
    struct hash_set swept = {0};

    for (size_t i = 0; i < list->n_units; i++) {
        struct publication p;

        if (publication_init(&p, &publication_shards, out, list->units[i].input->name) ==
            PUBLISH_OK)
            publish_sweep_once(p.dir, p.kind, &swept);
        publication_free(&p);
    }
    hash_set_free(&swept);
}

void work_list_free(struct work_list *list)
{
    for (size_t i = 0; i < list->n_units; i++) {
        unit_drop(&list->units[i]);
        free(list->units[i].totals.partial_key);
        free(list->units[i].failure);
    }
    free(list->units);
}
