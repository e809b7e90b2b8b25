/* SPDX-License-Identifier: Apache-2.0
 * tools/export_config.c - DIR/export.json: what all units of a folder share.
 *
 * It tells the trainer what the columns are, the tokenizer and the latents' scale, and
 * later runs what they must not change. A run that first brings latents, or texts,
 * completes it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shard/canonical_json.h"
#include "tools/exit_code.h"
#include "tools/export.h"
#include "tools/json_diff.h"
#include "tools/json_text.h"
#include "tools/options.h"
#include "tools/print.h"

enum { EXPORT_VERSION = 1 };

static json_t *describe_options(const struct export_options *o)
{
    const bool mds = o->format == EXPORT_MDS;

    return json_pack("{s:s, s:b, s:o, s:o}", "format", mds ? "mds" : "webdataset",
                     "scaled", (int)o->scaled, "compression",
                     o->compression == EXPORT_ZSTD ? json_string("zstd") : json_null(),
                     "size_limit", mds ? json_integer(o->size_limit) : json_null());
}

/* The columns of documents and of pairs, those of each that are known. */
static json_t *describe_columns(const struct export_run *run)
{
    json_t *columns = json_object();

    for (size_t i = 0; i < run->n_units; i++) {
        const struct export_shape *shape = &run->units[i].shape;
        const char *kind = shape->latent ? "pairs" : "documents";
        if (shape->known && json_object_get(columns, kind) == NULL)
            json_put_member(&columns, kind,
                            run->format->columns(shape, run->options->scaled));
    }
    return columns;
}

static int write_config(const char *path, const json_t *config, bool replace)
{
    char *text = shard_json_canonical(config), why[600] = "out of memory";
    size_t len = text != NULL ? strlen(text) : 0;
    int rc = PUBLISH_FAILED;

    if (text != NULL) {
        text[len++] = '\n'; /* in place of the NUL */
        rc = replace ? publish_replace(path, text, len, why, sizeof(why))
                     : publish_file(path, text, len, why, sizeof(why));
    }
    free(text);
    if (rc == PUBLISH_FAILED)
        print_to_stderr("error: %s", why);
    return rc;
}

/* Adds to `there` what only `here` knows: latents behind texts, or the other way round.
 * Returns whether that was anything; < 0: no memory. */
static int complete(json_t *there, json_t *here)
{
    json_t *columns = json_object_get(there, "columns");
    json_t *latent = json_object_get(here, "latent");
    const size_t n = json_object_size(columns);
    bool latent_is_new;

    latent_is_new =
        json_is_null(json_object_get(there, "latent")) && json_is_object(latent);
    if ((latent_is_new && json_object_set(there, "latent", latent) != 0) ||
        (json_is_object(columns) &&
         json_object_update_missing(columns, json_object_get(here, "columns")) != 0))
        return -1;
    return latent_is_new || json_object_size(columns) > n;
}

static int compare_config(const char *path, json_t *here)
{
    json_error_t error;
    json_t *there = json_load_path(path, JSON_REJECT_DUPLICATES, &error);
    int rc = 0;

    if (!json_is_object(there)) {
        print_to_stderr("error: %s: cannot be read: %s (line %d)", path, error.text,
                        error.line);
        json_decref(there);
        return EXIT_FAILED;
    }
    const int changed = complete(there, here);
    /* What they say of the columns is for people. */
    json_t *columns = json_object_get(there, "columns");
    if (changed < 0 || complete(here, there) < 0 ||
        (columns != NULL && json_object_set(here, "columns", columns) != 0)) {
        rc = export_out_of_memory();
    } else if (!json_equal(there, here)) {
        usage_error("%s was exported with another configuration; use another --out "
                    "folder, or these values:",
                    path);
        json_diff_print(there, here, "there", "here");
        rc = EXIT_USAGE;
    } else if (changed > 0 && write_config(path, there, true) == PUBLISH_FAILED) {
        rc = EXIT_FAILED;
    }
    json_decref(there);
    return rc;
}

/* Names the view, so that another one's samples are not mixed with its own. Takes
 * nothing. 0, or -1: no memory. */
static int add_view(json_t *config, const struct export_run *run)
{
    const char *slash = strrchr(run->options->view, '/');
    json_t *view =
        json_pack("{s:s, s:o}", "fingerprint", view_file_fingerprint(run->view), "name",
                  json_any_string(slash != NULL ? slash + 1 : run->options->view));

    return json_object_set_new(config, "view", view);
}

int export_config_claim(const struct export_run *run, const json_t *models)
{
    json_t *config =
        json_pack("{s:s, s:i, s:o, s:o}", "format", "latentmill-export", "version",
                  (int)EXPORT_VERSION, "options", describe_options(run->options),
                  "columns", describe_columns(run));
    char *path = NULL;
    int rc;

    if (config == NULL || json_object_update(config, (json_t *)models) != 0 ||
        (run->view != NULL && add_view(config, run) != 0) ||
        asprintf(&path, "%s/" EXPORT_CONFIG, run->options->out) < 0) {
        json_decref(config);
        return export_out_of_memory();
    }
    rc = write_config(path, config, false);
    rc = rc == PUBLISH_EXISTS   ? compare_config(path, config)
         : rc == PUBLISH_FAILED ? EXIT_FAILED
                                : 0;
    free(path);
    json_decref(config);
    return rc;
}
