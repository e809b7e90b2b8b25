/* SPDX-License-Identifier: Apache-2.0
 * tools/export/export_config.c - DIR/export.json: what all units of a folder share.
 *
 * It tells the trainer what the columns are, the tokenizer and the latents' scale, and
 * later runs what they must not change. A run that first brings latents, or texts,
 * completes it. */
#include "tools/export/export_config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shard/canonical_json.h"
#include "tools/cli/exit_code.h"
#include "tools/export/export_format.h"
#include "tools/export/export_models.h"
#include "tools/cli/json_diff.h"
#include "tools/store/json_text.h"
#include "tools/cli/options.h"
#include "tools/cli/print.h"

enum { EXPORT_VERSION = 1 };

static json_t *describe_options(const struct export_options *o)
{
    const bool mds = o->format == EXPORT_MDS;

    return json_pack("{s:s, s:b, s:o, s:o}", "format", mds ? "mds" : "webdataset",
                     "scaled", (int)o->scaled, "compression",
                     o->compression == EXPORT_ZSTD ? json_string("zstd") : json_null(),
                     "size_limit", mds ? json_integer(o->size_limit) : json_null());
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

/* Adds the members that only `here` has. Returns whether there were any; < 0: no
 * memory. */
static int add_missing(json_t *there, const char *member, json_t *here)
{
    json_t *known = json_object_get(there, member);
    json_t *found = json_object_get(here, member);

    if (!json_is_object(found))
        return 0;
    if (known == NULL || json_is_null(known))
        return json_object_set(there, member, found) == 0 ? 1 : -1;
    if (!json_is_object(known))
        return 0;
    const size_t n = json_object_size(known);
    return json_add_missing(known, found) == 0 ? json_object_size(known) > n : -1;
}

/* What is said of the columns of each kind of samples. */
static int complete_columns(json_t *there, json_t *here)
{
    json_t *columns = json_object_get(there, "columns");
    json_t *found = json_object_get(here, "columns");
    const char *kind;
    json_t *value;
    int changed = 0;

    if (!json_is_object(columns))
        return 0;
    json_object_foreach(found, kind, value)
    {
        const int rc = add_missing(columns, kind, found);
        changed = changed < 0 || rc < 0 ? -1 : changed | rc;
    }
    return changed;
}

/* Adds to `there` what only `here` knows: latents behind texts, or the other way round.
 * Returns whether that was anything; < 0: no memory. */
static int complete(json_t *there, json_t *here)
{
    int latent = 0;

    if (json_is_null(json_object_get(there, "latent")))
        latent = add_missing(there, "latent", here);
    const int encoders = add_missing(there, "encoders", here);
    const int columns = complete_columns(there, here);
    return latent < 0 || encoders < 0 || columns < 0 ? -1 : latent | encoders | columns;
}

/* An encoder is the same model where only `encode` differs, as with libraries of another
 * version. Returns whether `there` has changed; < 0: no memory. */
static int join_encode(json_t *there, json_t *here)
{
    json_t *encoders = json_object_get(here, "encoders"), *value;
    const char *name;
    int rc = export_models_join_encode(json_object_get(there, "latent"),
                                       json_object_get(here, "latent"));

    json_object_foreach(encoders, name, value)
    {
        json_t *known = json_object_get(json_object_get(there, "encoders"), name);
        const int one = export_models_join_encode(known, value);
        rc = rc < 0 || one < 0 ? -1 : rc | one;
    }
    const int own = export_models_join_own(there);
    return rc < 0 || own < 0 || export_models_join_own(here) < 0 ? -1 : rc | own;
}

/* What is there and here once each has what the other knows. */
static int compare_completed(const char *path, json_t *there, json_t *here)
{
    const json_t *other = export_models_clash(there);
    const bool same = json_equal(there, here);

    if (same && other == NULL)
        return 0;
    usage_error("%s was exported with another configuration; use another --out "
                "folder, or these values:",
                path);
    if (same)
        json_diff_print(json_object_get(there, "latent"), other, "in latent",
                        "in encoders");
    else
        json_diff_print(there, here, "there", "here");
    return EXIT_USAGE;
}

static int compare_config(const char *path, json_t *here)
{
    json_error_t error;
    json_t *there = json_load_path(path, JSON_REJECT_DUPLICATES, &error);
    int rc = 0;

    if (!json_is_object(there)) {
        if (there != NULL)
            print_to_stderr("error: %s: is damaged: it is not a JSON object", path);
        else
            print_to_stderr("error: %s: cannot be read: %s", path, error.text);
        json_decref(there);
        return EXIT_FAILED;
    }
    const int completed = complete(there, here), both = complete(here, there);
    const int joined = join_encode(there, here);
    /* What they say of the columns is for people. */
    json_t *columns = json_object_get(there, "columns");
    if (completed < 0 || both < 0 || joined < 0 ||
        (columns != NULL && json_object_set(here, "columns", columns) != 0))
        rc = print_out_of_memory();
    else
        rc = compare_completed(path, there, here);
    if (rc == 0 && (completed > 0 || joined > 0) &&
        write_config(path, there, true) == PUBLISH_FAILED)
        rc = EXIT_FAILED;
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
    json_t *config = json_pack("{s:s, s:i, s:o, s:O}", "format", "latentmill-export",
                               "version", (int)EXPORT_VERSION, "options",
                               describe_options(run->options), "columns", run->columns);
    char *path = NULL;
    int rc;

    if (config == NULL || json_object_update(config, (json_t *)models) != 0 ||
        (run->view != NULL && add_view(config, run) != 0) ||
        asprintf(&path, "%s/" EXPORT_CONFIG, run->options->out) < 0) {
        json_decref(config);
        return print_out_of_memory();
    }
    rc = write_config(path, config, false);
    rc = rc == PUBLISH_EXISTS   ? compare_config(path, config)
         : rc == PUBLISH_FAILED ? EXIT_FAILED
                                : 0;
    free(path);
    json_decref(config);
    return rc;
}
