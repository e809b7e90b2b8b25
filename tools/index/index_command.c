/* SPDX-License-Identifier: Apache-2.0
 * tools/index/index_command.c - `latentmill index`: all shards of a data set in one file.
 *
 * DIR/index.lmi is made from the shards alone and can be made again at any time; the
 * manifests only tell which are finished and whether something is missing. It replaces an
 * older one at once, and the same shards give the same bytes. */
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shard/index/dataset_index.h"
#include "tools/commands.h"
#include "tools/store/data_set.h"
#include "tools/cli/data_set_report.h"
#include "tools/cli/exit_code.h"
#include "tools/run/monitor.h"
#include "tools/cli/options.h"
#include "tools/cli/print.h"
#include "tools/store/path.h"
#include "tools/store/publish.h"
#include "tools/store/store.h"

static int parse(bool *incomplete, int argc, char **argv, int *n_operands)
{
    const struct option options[] = {
        {"incomplete", OPTION_FLAG, incomplete, NULL,
         "index what is there, though shards are missing or unfinished", NULL, 0, 0},
    };
    const struct option_table table = {
        "latentmill index [--incomplete] DIR",
        "Write DIR/index.lmi: what a trainer must know of all shards below DIR before "
        "it\n"
        "opens one. Make it again when shards were added.\n",
        options, sizeof(options) / sizeof(options[0])};

    return options_parse(&table, argc, argv, n_operands);
}

static int failed(const char *why)
{
    print_to_stderr("error: %s", why);
    return EXIT_FAILED;
}

/* Where what is there is enough, a file that cannot be read is left out. */
static int add_shards(struct dataset_index_writer *w, const struct data_set *d,
                      bool allowed, size_t *n_added)
{
    for (size_t i = 0; i < d->n_shards; i++) {
        const char *name = d->shards[i].path;
        char *path = path_below(d->folder, name);
        if (path == NULL)
            return failed("out of memory");
        int rc = dataset_index_writer_add(w, path, name);
        free(path);
        bool damaged = rc == SHARD_EFORMAT || rc == SHARD_EVERSION;
        if (rc < 0 && !(damaged && allowed)) {
            failed(dataset_index_writer_why(w));
            return damaged ? EXIT_BAD_INPUT : EXIT_FAILED;
        }
        if (rc < 0)
            print_to_stderr("warning: %s: left out", dataset_index_writer_why(w));
        else
            ++*n_added;
    }
    return EXIT_DONE;
}

static int publish(struct dataset_index_writer *w, const char *folder, bool incomplete,
                   size_t n_shards)
{
    unsigned char *bytes = NULL;
    size_t len;
    char why[600], *path = NULL;
    int rc = EXIT_DONE;

    if (dataset_index_writer_finish(w, incomplete, &bytes, &len) < 0)
        return failed(dataset_index_writer_why(w));
    if (asprintf(&path, "%s/index.lmi", folder) < 0)
        rc = failed("out of memory");
    else if (publish_replace(path, bytes, len, why, sizeof(why)) != PUBLISH_OK)
        rc = failed(why);
    else
        print_to_stderr("%s: %zu shard%s%s, %zu bytes", path, n_shards,
                        plural_s(n_shards), incomplete ? " of an incomplete set" : "",
                        len);
    if (rc == EXIT_DONE)
        publish_sweep(folder, &publication_shards); /* of runs that were killed */
    free(path);
    free(bytes);
    return rc;
}

/* `missing`: things are, and that is allowed. */
static int index_folder(const char *folder, const struct data_set *d, bool allowed,
                        bool missing)
{
    struct dataset_index_writer *w;
    size_t n_added = 0;

    if (dataset_index_writer_open(&w, store_at(folder)->input) < 0)
        return failed("out of memory");
    int rc = add_shards(w, d, allowed, &n_added);
    if (rc == EXIT_DONE)
        rc = publish(w, folder, missing || n_added < d->n_shards, n_added);
    dataset_index_writer_close(w);
    return rc;
}

int index_main(int argc, char **argv)
{
    struct data_set d;
    bool incomplete = false;
    struct store_entry entry;
    int n_operands;

    int rc = parse(&incomplete, argc, argv, &n_operands);
    if (rc != OPTIONS_OK)
        return rc == OPTIONS_HELP ? EXIT_DONE : EXIT_USAGE;
    monitor_exit_on_signals();
    if (n_operands != 1)
        return usage_error("index needs one DIR (see latentmill index --help)");
    if (store_at(argv[0])->look(argv[0], &entry) != 0 || !entry.folder)
        return usage_error("%s is not a folder", argv[0]);

    rc = data_set_look(&d, argv[0]);
    const bool lacking = data_set_n_lacking(&d) > 0;
    if (rc == 0 && lacking && !incomplete) {
        print_to_stderr("error: %s is incomplete; --incomplete indexes what is there",
                        argv[0]);
        rc = EXIT_BAD_INPUT;
    } else if (rc == 0 && d.n_shards == 0 && !d.has_manifests) {
        print_to_stderr("error: %s: no finished shards below it", argv[0]);
        rc = EXIT_BAD_INPUT;
    } else if (rc == 0) {
        rc = index_folder(argv[0], &d, incomplete, lacking);
    }
    data_set_clear(&d);
    return rc;
}
