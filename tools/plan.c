/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/plan.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "tools/exit_code.h"
#include "tools/manifest.h"
#include "tools/options.h"
#include "tools/print.h"
#include "tools/publish.h"

static int out_of_memory(void)
{
    fputs("error: out of memory\n", stderr);
    return EXIT_FAILED;
}

/* Every shard that the manifest names is there and has its size. */
static int check_shards(const struct publication *p, const struct manifest *m,
                        const char *name)
{
    const json_t *shard;
    size_t i;

    json_array_foreach(m->shards, i, shard)
    {
        const char *file = json_string_value(json_object_get(shard, "name"));
        json_int_t bytes = json_integer_value(json_object_get(shard, "bytes"));
        struct stat st;
        char *path = NULL;
        bool there = file && !strchr(file, '/');

        if (there && asprintf(&path, "%s/%s", p->dir, file) < 0)
            return out_of_memory();
        there = there && stat(path, &st) == 0 && st.st_size == (off_t)bytes;
        free(path);
        if (!there)
            return usage_error("%s: its manifest names %s with %lld bytes, which is not "
                               "there; redo it with --redo",
                               name, file ? file : "a shard", (long long)bytes);
    }
    return 0;
}

static int check_size(const struct manifest *m, const struct input *in)
{
    if (!m->has_input_size || !in->regular || m->input_size == in->bytes)
        return 0;
    return usage_error("%s is %s, made from %s with %" PRIu64
                       " bytes, but %s has %" PRIu64 " bytes now; redo it with %s",
                       in->name, m->status, m->input_path, m->input_size, in->text,
                       in->bytes, manifest_is_bad(m, true) ? "--retry-failed" : "--redo");
}

/* What the manifest of a finished unit says. Sets *redo; returns 0 or an exit code. */
static int judge(struct plan *plan, const struct publication *p, const struct input *in,
                 const struct prepare_options *o, bool *redo)
{
    char *path = publication_final(p, ".manifest.json");
    struct manifest m;
    bool bad;
    int rc = 0;

    if (!path)
        return out_of_memory();
    if (manifest_read(&m, path) != 0) {
        rc = errno == ENOMEM ? out_of_memory()
                             : usage_error("%s; redo it with --redo", m.why);
    } else {
        bad = manifest_is_bad(&m, o->damaged == 0);
        /* Whether or not damage counts for the exit status. */
        *redo = manifest_is_bad(&m, true) && o->retry_failed;
        if (!*redo) {
            rc = check_size(&m, in);
            if (rc == 0)
                rc = check_shards(p, &m, in->name);
            plan->n_bad += bad;
            if (rc == 0 && bad)
                print_to_stderr(
                    "warning: %s: an earlier run found its input %s; do it again "
                    "with --retry-failed",
                    in->name, m.status);
        }
    }
    manifest_free(&m);
    free(path);
    return rc;
}

static int failed(struct publication *p)
{
    print_to_stderr("error: %s", p->why);
    publication_free(p);
    return EXIT_FAILED;
}

static int plan_one(struct plan *plan, const struct input *in,
                    const struct prepare_options *o, char **swept)
{
    struct publication p;
    bool done, redo = o->redo;
    int rc = 0;

    if (publication_init(&p, &publication_shards, o->out, in->name) != PUBLISH_OK)
        return failed(&p);
    publication_sweep(&p, swept);
    done = publication_exists(&p);
    if (done && !redo)
        rc = judge(plan, &p, in, o, &redo);
    if (!done || redo)
        plan->units[plan->n_units++] = (struct unit){.input = in, .withdraw = done};
    else
        plan->n_complete++;
    publication_free(&p);
    return rc;
}

/* Only when all inputs have been judged: a usage error leaves every result as it was. */
static int withdraw_old(const struct plan *plan, const struct prepare_options *o)
{
    for (size_t i = 0; i < plan->n_units; i++) {
        struct publication p;

        if (!plan->units[i].withdraw)
            continue;
        if (publication_init(&p, &publication_shards, o->out,
                             plan->units[i].input->name) != PUBLISH_OK ||
            publication_withdraw(&p) != PUBLISH_OK)
            return failed(&p);
        publication_free(&p);
    }
    return 0;
}

int plan_make(struct plan *plan, const struct input_list *inputs,
              const struct prepare_options *o)
{
    char *swept = NULL;
    int rc = 0;

    *plan = (struct plan){.units = calloc(inputs->n, sizeof(struct unit))};
    if (!plan->units)
        return out_of_memory();
    for (size_t i = 0; i < inputs->n && rc == 0; i++)
        rc = plan_one(plan, &inputs->inputs[i], o, &swept);
    free(swept);
    return rc == 0 ? withdraw_old(plan, o) : rc;
}

void plan_sweep(const struct plan *plan, const struct prepare_options *o)
{
    char *swept = NULL;

    for (size_t i = 0; i < plan->n_units; i++) {
        struct publication p;

        if (publication_init(&p, &publication_shards, o->out,
                             plan->units[i].input->name) == PUBLISH_OK)
            publication_sweep(&p, &swept);
        publication_free(&p);
    }
    free(swept);
}

void plan_free(struct plan *plan)
{
    for (size_t i = 0; i < plan->n_units; i++) {
        unit_drop(&plan->units[i]);
        free(plan->units[i].partial_key);
        free(plan->units[i].failure);
    }
    free(plan->units);
}
