/* SPDX-License-Identifier: Apache-2.0
 * tools/export/export_work_list.c - what is to be exported, and whether it goes together.
 *
 * Every shard's header is read before any work. All shards of a folder share the options
 * and what export_models.h says. */
#include "tools/export/export_work_list.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shard/reader.h"
#include "tools/cli/exit_code.h"
#include "tools/export/export_config.h"
#include "tools/export/export_format.h"
#include "tools/export/export_unit.h"
#include "tools/export/export_columns.h"
#include "tools/export/export_models.h"
#include "tools/run/input.h"
#include "tools/cli/json_diff.h"
#include "tools/store/json_text.h"
#include "tools/cli/options.h"
#include "tools/cli/out_folder.h"
#include "tools/cli/print.h"
#include "tools/store/store.h"

/* ---- one shard ---- */

/* What the first sample that can be read has. */
static int find_shape(struct shard_reader *r, struct export_shape *shape)
{
    struct export_contents contents = {0};
    struct shard_record record;
    const char *why;
    int rc, found = EXPORT_SAMPLE_UNFIT;

    shard_reader_text_only(r, true);
    while (found == EXPORT_SAMPLE_UNFIT &&
           ((rc = shard_reader_next(r, &record)) == SHARD_OK || rc == SHARD_EDAMAGED)) {
        if (rc == SHARD_EDAMAGED)
            continue;
        const struct record_view view = record_view(shard_reader_header(r), &record);
        found = export_contents_read(&contents, &view, &why);
    }
    if (found == EXPORT_SAMPLE_OK)
        found = export_shape_copy(shape, &contents.shape);
    export_contents_clear(&contents);
    return found == EXPORT_SAMPLE_NO_MEMORY ? SHARD_ENOMEM : rc;
}

/* Adds columns that are not known yet: edits of two images, then of three. Takes
 * `columns`. */
static int merge_columns(json_t *all, const char *kind, json_t *columns)
{
    json_t *known = json_object_get(all, kind);
    int rc = -1;

    if (columns != NULL)
        rc = known == NULL ? json_object_set(all, kind, columns)
                           : json_add_missing(known, columns);
    json_decref(columns);
    return rc == 0 ? 0 : print_out_of_memory();
}

static const char *kind_of(const struct export_shape *shape)
{
    static const char *const kinds[] = {[SHARD_OTHER] = "others",
                                        [SHARD_PAIR] = "pairs",
                                        [SHARD_LONE_TEXT] = "documents"};

    return kinds[export_shape_arrangement(shape)];
}

/* Adds the columns of a unit to the run's. Returns 0 or an exit code. */
static int look_at_columns(struct export_run *run, const struct export_unit *u,
                           const struct shard_header *h)
{
    struct export_columns columns;
    const char *twice;
    int rc = 0;

    if (!u->shape.known)
        return 0;
    if (export_columns_make(&columns, &u->shape, h) != 0 ||
        export_columns_check(&columns, &twice) != 0)
        rc = print_out_of_memory();
    else if (twice != NULL)
        rc = usage_error("%s: two columns would be called %s: of two arrays by one "
                         "encoder, or by encoders with such names; it cannot be exported",
                         u->path, twice);
    else
        rc = merge_columns(
            run->columns, kind_of(&u->shape),
            run->format->columns(&columns, &u->shape, run->options->scaled));
    export_columns_clear(&columns);
    return rc;
}

/* Gives NAME and part. 0; EXIT_BAD_INPUT: they cannot be used; or EXIT_FAILED. */
static int name_of(char **name, const struct shard_header *h)
{
    if (!input_name_check(h->name))
        return EXIT_BAD_INPUT;
    if (h->part == 0)
        *name = strdup(h->name);
    else if (asprintf(name, "%s+%05" PRIu32, h->name, h->part) < 0)
        *name = NULL;
    return *name != NULL ? 0 : print_out_of_memory();
}

/* What a shard that could be read has. Returns 0 or an exit code. */
static int look_into(struct export_run *run, struct export_unit *u,
                     struct shard_reader *r, json_t **models)
{
    u->n_records = shard_reader_count(r);
    u->shape.weight = run->view != NULL;
    int rc = name_of(&u->name, shard_reader_header(r));
    if (rc == 0)
        rc = look_at_columns(run, u, shard_reader_header(r));
    *models = rc == 0 ? export_models_describe(r, &u->shape) : NULL;
    return rc == 0 && *models == NULL ? print_out_of_memory() : rc;
}

enum { NOT_READ = -1 }; /* no exit code: the file could not be read, but may be later */

/* Reads what the list needs of a shard. 0; EXIT_BAD_INPUT: it is damaged; NOT_READ; or
 * another exit code. */
static int look_at(struct export_run *run, struct export_unit *u, const char *path,
                   json_t **models)
{
    struct shard_reader *r = NULL;
    int rc = 0;

    *u = (struct export_unit){.path = strdup(path)};
    if (u->path == NULL)
        return print_out_of_memory();
    int status = shard_reader_open_from(&r, store_at(path)->input, path);
    if (status == SHARD_OK)
        status = export_fingerprint(u->fingerprint, r);
    if (status == SHARD_OK)
        status = find_shape(r, &u->shape);
    if (status == SHARD_ENOMEM) {
        rc = print_out_of_memory();
    } else if (status < 0) {
        print_to_stderr("error: %s", shard_reader_why(r));
        rc = status == SHARD_EIO ? NOT_READ : EXIT_BAD_INPUT;
    } else {
        rc = look_into(run, u, r, models);
    }
    shard_reader_close(r);
    return rc;
}

/* ---- all shards ---- */

/* Finds the shard in the view. */
static int check_view(const struct export_run *run, struct export_unit *u)
{
    if (run->view == NULL)
        return 0;
    const int64_t number = view_file_find(run->view, u->fingerprint);
    if (number < 0 || view_file_n_records(run->view, (size_t)number) != u->n_records)
        return usage_error("--view %s: was made without %s, or before that changed; make "
                           "it anew, of all shards that are exported",
                           run->options->view, u->path);
    u->view_shard = (size_t)number;
    return 0;
}

static bool has_logvar(const struct export_shape *shape)
{
    for (size_t i = 0; i < shape->n_tensors; i++)
        if (shard_slot_is_logvar(shape->tensors[i].slot))
            return true;
    return false;
}

static int check_unit(const struct export_run *run, struct export_unit *u)
{
    if (run->options->scaled && has_logvar(&u->shape))
        return usage_error("%s holds log-variances, which belong to raw latents: sample "
                           "first, then scale; leave --scaled out",
                           u->path);
    return check_view(run, u);
}

static int by_name(const void *left, const void *right)
{
    const struct export_unit *a = left, *b = right;

    return strcmp(a->name, b->name);
}

/* Whether the run or the folder has a unit of that name; < 0: no memory. */
static int has_unit(const struct export_run *run, char *name)
{
    const struct export_unit key = {.name = name};
    char *path;

    if (bsearch(&key, run->units, run->n_units, sizeof(key), by_name) != NULL)
        return 1;
    if (asprintf(&path, "%s/%s" EXPORT_MANIFEST, run->options->out, name) < 0)
        return -1;
    bool there;
    store_has(store_at(path), path, &there);
    free(path);
    return there;
}

/* NAME.tar.idx is Energon's index of NAME and DALI's of NAME.tar. `len` of `name` is
 * NAME. */
static int check_tar_name(const struct export_run *run, const char *name, size_t len,
                          const char *other_suffix)
{
    char *other;

    if (asprintf(&other, "%.*s%s", (int)len, name, other_suffix) < 0)
        return print_out_of_memory();
    const int found = has_unit(run, other);
    free(other);
    if (found < 0)
        return print_out_of_memory();
    return found == 0 ? 0
                      : usage_error("%.*s and %.*s.tar would both write %.*s.tar.idx; "
                                    "export them to different folders",
                                    (int)len, name, (int)len, name, (int)len, name);
}

static int check_tar_names(const struct export_run *run)
{
    int rc = 0;

    for (size_t i = 0; i < run->n_units && rc == 0; i++) {
        const char *name = run->units[i].name;
        const size_t len = strlen(name);

        rc = check_tar_name(run, name, len, ".tar");
        if (rc == 0 && len > 4 && strcmp(name + len - 4, ".tar") == 0)
            rc = check_tar_name(run, name, len - 4, "");
    }
    return rc;
}

static int check_names(const struct export_run *run)
{
    for (size_t i = 1; i < run->n_units; i++)
        if (strcmp(run->units[i - 1].name, run->units[i].name) == 0)
            return usage_error("%s and %s are both called %s; export them to different "
                               "folders",
                               run->units[i - 1].path, run->units[i].path,
                               run->units[i].name);
    return run->options->format == EXPORT_WEBDATASET ? check_tar_names(run) : 0;
}

static void unit_clear(struct export_unit *u)
{
    free(u->path);
    free(u->name);
    export_shape_clear(&u->shape);
    *u = (struct export_unit){0};
}

/* Fills run->units with all shards that can be read. */
static int look_at_all(struct export_run *run, char **paths, size_t n_paths,
                       struct export_models *all)
{
    int rc = 0;

    run->units = calloc(n_paths + 1, sizeof(*run->units));
    run->columns = json_object();
    if (run->units == NULL || run->columns == NULL)
        return print_out_of_memory();
    for (size_t i = 0; i < n_paths && rc == 0; i++) {
        struct export_unit *u = &run->units[run->n_units];
        json_t *models = NULL;
        rc = look_at(run, u, paths[i], &models);
        if (rc == EXIT_BAD_INPUT || rc == NOT_READ) {
            unit_clear(u);
            run->n_unreadable += rc == EXIT_BAD_INPUT;
            atomic_fetch_add(&run->n_failed, rc == NOT_READ);
            rc = 0;
            continue;
        }
        run->n_units++;
        if (rc == 0)
            rc = export_models_agree(all, models, paths[i]);
        if (rc == 0)
            rc = check_unit(run, u);
    }
    if (rc == 0 && run->n_units > 1)
        qsort(run->units, run->n_units, sizeof(*run->units), by_name);
    return rc == 0 ? check_names(run) : rc;
}

/* ---- what is done already ---- */

/* What the manifest of a finished unit says. Returns 0 or an exit code. */
static int judge(struct export_run *run, const struct publication *p,
                 const struct export_unit *u)
{
    char *path = publication_final(p, EXPORT_MANIFEST);
    json_error_t error;
    json_t *manifest = path != NULL ? json_load_path(path, 0, &error) : NULL;
    const bool no_memory = path == NULL || (manifest == NULL && errno == ENOMEM);
    const json_t *result = json_object_get(manifest, "result");
    const char *fingerprint = json_string_value(
        json_object_get(json_object_get(result, "source"), "fingerprint"));
    const size_t n_lost = json_array_size(json_object_get(result, "lost"));
    int rc = 0;

    if (no_memory)
        rc = print_out_of_memory();
    else if (fingerprint == NULL)
        rc = usage_error("%s: is not a manifest; redo it with --redo", path);
    else if (strcmp(fingerprint, u->fingerprint) != 0)
        rc = usage_error("%s was made from another shard than %s now is; redo it with "
                         "--redo",
                         path, u->path);
    else if (n_lost > 0)
        print_to_stderr("warning: %s: an earlier run lost %zu of its samples; %s names "
                        "them; if the shard was repaired since, --redo exports it again",
                        u->path, n_lost, path);
    run->n_lossy_before += n_lost > 0;
    json_decref(manifest);
    free(path);
    return rc;
}

static int judge_unit(struct export_run *run, struct export_unit *u,
                      struct hash_set *swept)
{
    const struct export_options *o = run->options;
    struct publication p;
    int rc = 0;

    if (publication_init(&p, run->format->kind(o), o->out, u->name) != PUBLISH_OK) {
        print_to_stderr("error: %s", p.why);
        rc = EXIT_FAILED;
    } else {
        publish_sweep_once(p.dir, p.kind, swept);
        bool exists;
        if (publication_look(&p, &exists) != PUBLISH_OK) {
            print_to_stderr("error: %s", p.why);
            rc = EXIT_FAILED;
        }
        u->done = exists && !o->redo;
        u->withdraw = exists && o->redo;
        if (u->done)
            rc = judge(run, &p, u);
    }
    publication_free(&p);
    return rc;
}

static int withdraw(const struct export_run *run, const struct export_unit *u)
{
    const struct export_options *o = run->options;
    struct publication p;
    int rc = 0;

    if (publication_init(&p, run->format->kind(o), o->out, u->name) != PUBLISH_OK ||
        publication_withdraw(&p) != PUBLISH_OK) {
        print_to_stderr("error: %s", p.why);
        rc = EXIT_FAILED;
    }
    publication_free(&p);
    return rc;
}

/* Leaves in run->units those that are to be done. Old results are taken away only when
 * all have been judged: a usage error leaves every one as it was. */
static int select_units(struct export_run *run)
{
    struct hash_set swept = {0};
    size_t n = 0;
    int rc = 0;

    for (size_t i = 0; i < run->n_units && rc == 0; i++)
        rc = judge_unit(run, &run->units[i], &swept);
    hash_set_free(&swept);
    for (size_t i = 0; i < run->n_units && rc == 0; i++)
        if (run->units[i].withdraw)
            rc = withdraw(run, &run->units[i]);
    for (size_t i = 0; i < run->n_units && rc == 0; i++) {
        if (run->units[i].done) {
            unit_clear(&run->units[i]);
            run->n_complete++;
        } else {
            const struct export_unit u = run->units[i];
            run->units[i] = (struct export_unit){0};
            run->units[n++] = u;
        }
    }
    if (rc == 0)
        run->n_units = n;
    return rc;
}

int export_open_view(struct export_run *run)
{
    const char *path = run->options->view;

    if (path == NULL)
        return 0;
    const int rc = view_file_open(&run->view, path);
    if (rc == VIEW_EINVAL)
        return usage_error("--view %s", view_file_why(run->view));
    if (rc != VIEW_OK) {
        print_to_stderr("error: --view %s", view_file_why(run->view));
        return EXIT_FAILED;
    }
    if (view_file_tokenizer(run->view)[0] != '\0')
        return usage_error("--view %s: was built with a tokenizer of Python's, whose ids "
                           "it has not; build it without tokenizer=",
                           path);
    return 0;
}

int export_work_list_make(struct export_run *run, char **paths, size_t n_paths)
{
    struct export_models all = {0};

    int rc = look_at_all(run, paths, n_paths, &all);
    if (rc == 0 && run->n_units == 0)
        rc = atomic_load(&run->n_failed) > 0 ? EXIT_FAILED : EXIT_BAD_INPUT;
    if (rc == 0)
        rc = out_folder_make(run->options->out);
    if (rc == 0)
        rc = export_config_claim(run, all.known);
    if (rc == 0)
        rc = select_units(run);
    if (rc == 0 && run->n_units > 0)
        rc = out_folder_check_room(run->options->out, 0);
    export_models_clear(&all);
    return rc;
}

void export_work_list_sweep(const struct export_run *run)
{
    const struct export_options *o = run->options;
    struct hash_set swept = {0};

    /* Its index is there, too. */
    publish_sweep_once(o->out, run->format->kind(o), &swept);
    for (size_t i = 0; i < run->n_units; i++) {
        struct publication p;

        if (publication_init(&p, run->format->kind(o), o->out, run->units[i].name) ==
            PUBLISH_OK)
            publish_sweep_once(p.dir, p.kind, &swept);
        publication_free(&p);
    }
    hash_set_free(&swept);
}

void export_work_list_free(struct export_run *run)
{
    for (size_t i = 0; i < run->n_units; i++)
        unit_clear(&run->units[i]);
    free(run->units);
    json_decref(run->columns);
}
