/* SPDX-License-Identifier: Apache-2.0
 * tools/export/export_unit.c - one shard into one unit's files.
 *
 * A frame's damage costs its own samples: one line on stderr for all of them, and each in
 * the manifest. Any other error fails the unit: nothing of it gets a final name. */
#include "tools/export/export_unit.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shard/canonical_json.h"
#include "shard/reader.h"
#include "shard/version.h"
#include "tools/export/export_format.h"
#include "tools/export/export_view.h"
#include "tools/store/json_text.h"
#include "tools/store/store.h"
#include "tools/view/loss.h"
#include "tools/cli/print.h"

struct unit_export {
    struct export_run *run;
    const struct export_unit *unit;
    struct publication files;
    struct shard_reader *reader;
    struct export_columns columns;
    void *writer;
    struct export_sample sample;
    struct export_view view; /* where the run has one */
    uint64_t n_samples, n_lost, n_left_out;
    json_t *lost;     /* array of {index, key, why} */
    struct loss loss; /* the last of them, not told yet */
};

static void say_list(struct unit_export *x, const char *fmt, va_list ap)
{
    export_progress_end(x->run);
    print_error_line(fmt, ap);
}

/* Of what is lost; the unit goes on. */
__attribute__((format(printf, 2, 3))) static void say(struct unit_export *x,
                                                      const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    say_list(x, fmt, ap);
    va_end(ap);
}

__attribute__((format(printf, 2, 3))) static int fail(struct unit_export *x,
                                                      const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    say_list(x, fmt, ap);
    va_end(ap);
    return EXPORT_FAILED;
}

static int out_of_memory(struct unit_export *x)
{
    return fail(x, "%s: out of memory", x->unit->path);
}

/* Says of the samples lost for one reason how many and which. */
static int tell_loss(struct unit_export *x)
{
    char *manifest = NULL, *text = NULL;

    if (x->loss.n == 0)
        return EXPORT_DONE;
    if (asprintf(&manifest, "%s%s", x->unit->name, EXPORT_MANIFEST) < 0)
        manifest = NULL;
    else
        text = loss_text(&x->loss, manifest);
    if (text)
        say(x, "%s", text);
    const int end = text ? EXPORT_DONE : out_of_memory(x);
    free(manifest);
    free(text);
    loss_clear(&x->loss);
    return end;
}

/* Gives `why` behind the shard's path, or NULL. */
static char *with_path(const struct unit_export *x, const char *why)
{
    char *text;

    return asprintf(&text, "%s: %s", x->unit->path, why) < 0 ? NULL : text;
}

/* `record` names it as well as the shard's index can; `why` has no path, so that the
 * manifest's result has none. */
static int lose(struct unit_export *x, const struct shard_record *record, const char *why)
{
    char *said = with_path(x, why);
    json_t *entry =
        json_pack("{s:I, s:o, s:o}", "index", (json_int_t)record->index, "key",
                  json_any_string(record->key), "why", json_any_string(why));
    const bool kept = json_array_append_new(x->lost, entry) == 0;
    int end = said != NULL && kept ? EXPORT_DONE : out_of_memory(x);

    x->n_lost++;
    if (end == EXPORT_DONE && !loss_fits(&x->loss, said))
        end = tell_loss(x);
    if (end == EXPORT_DONE && loss_add(&x->loss, said, record) < 0)
        end = out_of_memory(x);
    free(said);
    return end;
}

/* The reader's words without the path before them. */
static const char *reader_why(const struct unit_export *x)
{
    const char *why = shard_reader_why(x->reader);
    const size_t len = strlen(x->unit->path);

    return strncmp(why, x->unit->path, len) == 0 && strncmp(why + len, ": ", 2) == 0
               ? why + len + 2
               : why;
}

static int take_record(struct unit_export *x, const struct shard_record *record)
{
    const struct export_format *format = x->run->format;
    const struct record_view view = record_view(shard_reader_header(x->reader), record);
    const char *why = NULL;

    int rc = export_sample_make(&x->sample, &view, &x->unit->shape,
                                x->run->options->scaled, &why);
    if (rc == EXPORT_SAMPLE_NO_MEMORY)
        return out_of_memory(x);
    if (rc == EXPORT_SAMPLE_UNFIT)
        return lose(x, record, why);
    rc = format->append(x->writer, &x->sample, &why);
    if (rc < 0)
        return fail(x, "%s", format->why(x->writer));
    if (rc == EXPORT_REFUSED)
        return lose(x, record, why);
    x->n_samples++;
    atomic_fetch_add(&x->run->n_samples, 1);
    return EXPORT_DONE;
}

/* What shard_reader_next() gave. */
static int take_next(struct unit_export *x, int rc, struct shard_record *record)
{
    if (rc != SHARD_OK && rc != SHARD_EDAMAGED)
        return fail(x, "%s", shard_reader_why(x->reader));
    if (x->run->view != NULL) {
        if (export_view_next(&x->view, record, rc == SHARD_OK) != VIEW_OK)
            return out_of_memory(x);
        if (x->view.weight == 0) {
            x->n_left_out++;
            return EXPORT_DONE;
        }
        x->sample.weight = x->view.weight;
    }
    return rc == SHARD_OK ? take_record(x, record) : lose(x, record, reader_why(x));
}

static int take_records(struct unit_export *x)
{
    struct shard_record record;
    int end = EXPORT_DONE;

    while (end == EXPORT_DONE) {
        if (atomic_load(&x->run->work.stopping))
            return EXPORT_STOPPED;
        int rc = shard_reader_next(x->reader, &record);
        if (rc == SHARD_EOF)
            break;
        end = take_next(x, rc, &record);
    }
    return end == EXPORT_DONE ? tell_loss(x) : end;
}

/* ---- the manifest ---- */

/* What depends on the shard, the view and the options alone. Takes nothing. NULL: no
 * memory. */
static json_t *describe_result(struct unit_export *x)
{
    json_t *result = json_pack(
        "{s:s, s:{s:o, s:s}, s:I, s:O}", "software", LATENTMILL_SOFTWARE, "source",
        "name", json_any_string(x->unit->name), "fingerprint", x->unit->fingerprint,
        "samples", (json_int_t)x->n_samples, "lost", x->lost);

    if (x->run->view != NULL &&
        json_object_set_new(result, "left_out",
                            json_integer((json_int_t)x->n_left_out)) != 0) {
        json_decref(result);
        return NULL;
    }
    return result;
}

static char *manifest_text(struct unit_export *x, json_t *result, size_t *len)
{
    json_t *manifest = json_pack("{s:O, s:{s:o}}", "result", result, "run", "path",
                                 json_any_string(x->unit->path));
    char *text = manifest != NULL ? shard_json_canonical(manifest) : NULL;

    json_decref(manifest);
    if (text != NULL) {
        *len = strlen(text);
        text[(*len)++] = '\n'; /* in place of the NUL */
    }
    return text;
}

/* Another process was first. Its files must be the same as those we renamed over them. */
static int compare_with_winner(struct unit_export *x, const json_t *result)
{
    char *path = publication_final(&x->files, x->files.kind->manifest);
    json_error_t error;
    json_t *theirs = path != NULL ? json_load_path(path, 0, &error) : NULL;
    const bool no_memory = path == NULL || (theirs == NULL && errno == ENOMEM);
    const bool same = json_equal(json_object_get(theirs, "result"), result);

    json_decref(theirs);
    free(path);
    if (no_memory)
        return out_of_memory(x);
    return same ? EXPORT_DONE
                : fail(x,
                       "%s: another process has exported it with other bytes; redo it "
                       "with --redo",
                       x->unit->name);
}

static int publish(struct unit_export *x, json_t *result)
{
    size_t len = 0;
    char *text = manifest_text(x, result, &len);
    bool renamed = false;

    if (text == NULL)
        return out_of_memory(x);
    int rc = publication_publish(&x->files, x->run->format->n_files(x->writer), false,
                                 text, len, &renamed);
    free(text);
    if (rc == PUBLISH_FAILED || rc == PUBLISH_LOST || rc == PUBLISH_BLOCKED)
        return fail(x, "%s", x->files.why);
    return rc == PUBLISH_EXISTS && renamed ? compare_with_winner(x, result) : EXPORT_DONE;
}

static int finish(struct unit_export *x)
{
    const struct export_format *format = x->run->format;
    json_t *result = describe_result(x);
    int end;

    if (result == NULL)
        return out_of_memory(x);
    if (format->finish(x->writer, result) != 0)
        end = fail(x, "%s", format->why(x->writer));
    else
        end = publish(x, result);
    json_decref(result);
    return end;
}

/* ---- the whole ---- */

int export_fingerprint(char hex[EXPORT_FINGERPRINT_CAP], struct shard_reader *r)
{
    unsigned char fingerprint[16];
    const int rc = shard_reader_fingerprint(r, fingerprint);

    for (size_t i = 0; i < sizeof(fingerprint) && rc == SHARD_OK; i++)
        snprintf(hex + 2 * i, 3, "%02x", fingerprint[i]);
    return rc;
}

static int begin(struct unit_export *x)
{
    const struct export_options *o = x->run->options;
    const struct export_format *format = x->run->format;
    const char *path = x->unit->path;
    char fingerprint[EXPORT_FINGERPRINT_CAP];

    if (publication_init(&x->files, format->kind(o), o->out, x->unit->name) != PUBLISH_OK)
        return fail(x, "%s", x->files.why);
    x->lost = json_array();
    if (x->lost == NULL)
        return out_of_memory(x);
    if (shard_reader_open_from(&x->reader, store_at(path)->input, path) < 0 ||
        export_fingerprint(fingerprint, x->reader) < 0)
        return fail(x, "%s", shard_reader_why(x->reader));
    if (strcmp(fingerprint, x->unit->fingerprint) != 0)
        return fail(x, "%s: it has changed since this run began; run it again", path);
    if (export_columns_make(&x->columns, &x->unit->shape,
                            shard_reader_header(x->reader)) != 0)
        return out_of_memory(x);
    const struct export_target target = {.options = o,
                                         .files = &x->files,
                                         .name = x->unit->name,
                                         .shape = &x->unit->shape,
                                         .columns = &x->columns};
    if (format->open(&x->writer, &target) != 0)
        return fail(x, "%s", format->why(x->writer));
    if (x->run->view != NULL)
        export_view_begin(&x->view, x->run->view, x->unit->view_shard,
                          shard_reader_header(x->reader)->seed);
    return EXPORT_DONE;
}

enum export_end export_unit_run(struct export_run *run, const struct export_unit *u)
{
    struct unit_export x = {.run = run, .unit = u};

    int end = begin(&x);
    if (end == EXPORT_DONE)
        end = take_records(&x);
    if (end == EXPORT_DONE)
        end = finish(&x);
    if (end == EXPORT_DONE) {
        atomic_fetch_add(&run->n_lost, x.n_lost);
        atomic_fetch_add(&run->n_left_out, x.n_left_out);
    } else {
        atomic_fetch_sub(&run->n_samples, x.n_samples);
    }
    if (end != EXPORT_DONE && x.files.dir != NULL)
        publication_drop(&x.files, run->format->n_files(x.writer));
    run->format->close(x.writer);
    export_columns_clear(&x.columns);
    shard_reader_close(x.reader);
    export_sample_clear(&x.sample);
    export_view_end(&x.view);
    json_decref(x.lost);
    loss_clear(&x.loss);
    publication_free(&x.files);
    return end == EXPORT_DONE && x.n_lost > 0 ? EXPORT_LOSSY : (enum export_end)end;
}
