/* SPDX-License-Identifier: Apache-2.0
 * tools/export/export.c - `latentmill export`: shards into what other loaders read.
 *
 * The list of work is made and everything refused that can be before work starts; then
 * each worker takes one unit after the other, and the index is written when all are done.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tools/export/export_format.h"
#include "tools/export/export_index.h"
#include "tools/export/export_unit.h"
#include "tools/export/export_work_list.h"
#include "tools/run/clock.h"
#include "tools/commands.h"
#include "tools/cli/exit_code.h"
#include "tools/run/monitor.h"
#include "tools/cli/options.h"
#include "tools/cli/print.h"
#include "tools/cli/shard_operands.h"
#include "tools/store/path.h"
#include "tools/store/store.h"
#include "tools/run/workers.h"

/* What the loaders' own writer takes for a good size. */
static const int64_t SIZE_LIMIT = 1 << 26;

static const char about[] =
    "Writes the samples of shards (.lms; a DIR stands for the finished shards below it)\n"
    "to DIR as mds (StreamingDataset, PyPI mosaicml-streaming) or webdataset (tars, "
    "with\n"
    "indexes for Energon, DALI and wids). Run again, it does only what is missing.\n"
    "DIR/export.json says what the columns are, the latents' scale and the marker ids.\n";

static int parse(struct export_options *o, int argc, char **argv, int *n_operands)
{
    static const char *const formats[] = {"mds", "webdataset", NULL};
    static const char *const compressions[] = {"none", "zstd", NULL};
    const struct option options[] = {
        {"format", OPTION_CHOICE, &o->format, NULL, "what to write (needed)", formats, 0,
         0},
        {"out", OPTION_STRING, &o->out, "DIR", "where it goes (needed)", NULL, 0, 0},
        {"view", OPTION_STRING, &o->view, "FILE",
         "only the samples of a view (build_view() of the Python package),\n"
         "with its captions, and its weights as a column",
         NULL, 0, 0},
        {"scaled", OPTION_FLAG, &o->scaled, NULL,
         "latents as (raw - shift) * scale, with the shard's scale and\n"
         "shift (raw)",
         NULL, 0, 0},
        {"compression", OPTION_CHOICE, OPTION_ENUM(o->compression), NULL,
         "of whole mds files (none)", compressions, 0, 0},
        {"size-limit", OPTION_BYTES, &o->size_limit, "BYTES",
         "of an mds file before compression (64M); each worker\n"
         "holds one in memory",
         NULL, 1, UINT32_MAX},
        {"workers", OPTION_INT, &o->workers, "N",
         "shards at once (what affinity, cgroup and Slurm allow)", NULL, 1, 1024},
        {"incomplete", OPTION_FLAG, &o->incomplete, NULL,
         "what a DIR lacks or has unfinished is no fault (exit status 0)", NULL, 0, 0},
        {"redo", OPTION_FLAG, &o->redo, NULL,
         "do the given shards again, also where they are complete", NULL, 0, 0},
        {"quiet", OPTION_FLAG, &o->quiet, NULL, "no progress and no final report", NULL,
         0, 0},
    };
    const struct option_table table = {
        "latentmill export --format mds|webdataset --out DIR [OPTION]... SHARD|DIR...",
        about, options, sizeof(options) / sizeof(options[0])};

    *o = (struct export_options){.format = -1, .size_limit = SIZE_LIMIT};
    int rc = options_parse(&table, argc, argv, n_operands);
    if (rc != OPTIONS_OK)
        return rc;
    if (o->format < 0)
        usage_error("--format mds or --format webdataset is needed (see --help)");
    else if (o->out == NULL)
        usage_error("--out DIR is needed (see --help)");
    else if (*n_operands == 0)
        usage_error("export needs a SHARD or a DIR (see latentmill export --help)");
    else if (o->format == EXPORT_WEBDATASET && o->compression != EXPORT_PLAIN)
        usage_error("--compression zstd: readers of webdataset open plain tars only");
    else
        return OPTIONS_OK;
    return OPTIONS_WRONG;
}

/* ---- work ---- */

/* A unit that fails loses nothing of the others. */
static bool do_unit(void *shared, size_t i)
{
    struct export_run *run = shared;
    const enum export_end end = export_unit_run(run, &run->units[i]);

    atomic_fetch_add(&run->n_done, end == EXPORT_DONE || end == EXPORT_LOSSY);
    atomic_fetch_add(&run->n_lossy, end == EXPORT_LOSSY);
    atomic_fetch_add(&run->n_failed, end == EXPORT_FAILED);
    return true;
}

/* ---- talk ---- */

static void show_progress(void *shared)
{
    struct export_run *run = shared;
    const double seconds = (double)(clock_ns() - run->work.start_ns) / 1e9;
    const uint64_t n = atomic_load(&run->n_samples);

    fprintf(stderr,
            "\r\033[K%" PRIu64 " of %zu shard%s, %" PRIu64 " sample%s, %.0f samples/s",
            (uint64_t)(atomic_load(&run->n_done) + atomic_load(&run->n_failed)),
            run->n_units, plural_s(run->n_units), n, plural_s(n), (double)n / seconds);
    fflush(stderr);
}

static void clear_progress(void *shared)
{
    (void)shared;
    fputs("\r\033[K", stderr);
}

static void report(const struct export_run *run)
{
    const double seconds = (double)(clock_ns() - run->work.start_ns) / 1e9;
    const uint64_t n = atomic_load(&run->n_samples), lost = atomic_load(&run->n_lost);
    const uint64_t done = atomic_load(&run->n_done), failed = atomic_load(&run->n_failed);

    fprintf(stderr,
            "%" PRIu64 " sample%s of %" PRIu64 " shard%s in %.1f s (%.0f samples/s)", n,
            plural_s(n), done, plural_s(done), seconds,
            (double)n / (seconds > 0 ? seconds : 1));
    if (atomic_load(&run->n_left_out) > 0)
        fprintf(stderr, ", %" PRIu64 " left out by the view",
                (uint64_t)atomic_load(&run->n_left_out));
    if (lost > 0)
        fprintf(stderr, ", %" PRIu64 " sample%s lost", lost, plural_s(lost));
    if (failed > 0)
        fprintf(stderr, ", %" PRIu64 " shard%s failed", failed, plural_s(failed));
    if (run->n_missing > 0)
        fprintf(stderr, ", %zu missing or unfinished", run->n_missing);
    if (run->n_unreadable > 0)
        fprintf(stderr, ", %zu shard%s unreadable", run->n_unreadable,
                plural_s(run->n_unreadable));
    if (run->n_complete > 0)
        fprintf(stderr, ", %zu shard%s complete before", run->n_complete,
                plural_s(run->n_complete));
    fputc('\n', stderr);
}

/* ---- the run ---- */

static int exit_code_of(const struct export_run *run, int status)
{
    if (status != 0 || atomic_load(&run->n_failed) > 0)
        return EXIT_FAILED;
    if (run->work.interrupted)
        return EXIT_INTERRUPTED;
    const size_t n_missing = run->options->incomplete ? 0 : run->n_missing;
    const bool whole = atomic_load(&run->n_lossy) + run->n_lossy_before + n_missing +
                           run->n_unreadable ==
                       0;
    return whole ? EXIT_DONE : EXIT_BAD_INPUT;
}

static int run_units(struct export_run *run)
{
    const struct export_options *o = run->options;
    struct parallel *work = &run->work;

    work->n_units = run->n_units;
    work->n_workers = (size_t)(o->workers > 0 ? o->workers : workers_allowed());
    work->work = do_unit;
    work->progress = isatty(STDERR_FILENO) && !o->quiet ? show_progress : NULL;
    work->progress_end = clear_progress;
    work->shared = run;
    int status = parallel_run(work);
    const bool ran = status == 0;
    if (!ran)
        print_to_stderr("error: a thread could not start: %s", strerror(status));
    if (ran && !work->interrupted && atomic_load(&run->n_failed) == 0)
        status = export_index_write(run);
    export_work_list_sweep(run);
    if (ran && !o->quiet)
        report(run);
    const int code = exit_code_of(run, status);
    if (code == EXIT_INTERRUPTED)
        print_to_stderr("stopped: run the same command again to go on");
    return code;
}

static int is_of_data_set(void *ctx, const char *name, bool is_folder)
{
    (void)ctx;
    return !is_folder &&
           (strcmp(name, "dataset.json") == 0 || path_ends_in(name, ".manifest.json") ||
            path_ends_in(name, ".lms"));
}

/* A folder of shards stays what `prepare` made it. */
static int check_out(const char *out)
{
    return store_at(out)->list(out, is_of_data_set, NULL) > 0
               ? usage_error("--out %s: is a folder of shards; use another", out)
               : 0;
}

/* Nor does it become one, where it has folders alone. */
static int check_operand(const char *out, const char *operand)
{
    const struct store *store = store_at(out);
    struct store_entry a, b;

    return store->look(out, &a) == 0 && store->look(operand, &b) == 0 &&
                   a.id[0] == b.id[0] && a.id[1] == b.id[1]
               ? usage_error("--out %s: is the folder to export; use another", out)
               : 0;
}

int export_main(int argc, char **argv)
{
    struct export_options o;
    struct shard_operands shards = {0};
    int n_operands;

    int rc = parse(&o, argc, argv, &n_operands);
    if (rc != OPTIONS_OK)
        return rc == OPTIONS_HELP ? EXIT_DONE : EXIT_USAGE;
    struct export_run run = {.options = &o,
                             .format = o.format == EXPORT_MDS ? &export_mds
                                                              : &export_webdataset};
    monitor_exit_on_signals();
    rc = export_open_view(&run);
    if (rc == 0)
        rc = check_out(o.out);
    for (int i = 0; i < n_operands && rc == 0; i++) {
        rc = check_operand(o.out, argv[i]);
        if (rc == 0)
            rc = shard_operands_add(&shards, argv[i]);
    }
    run.n_missing = shards.n_lacking;
    /* Folders without samples, as has been said, are exported with this. */
    const bool nothing_to_do = shards.files.n + shards.n_lacking == 0;
    if (rc == 0 && !nothing_to_do)
        rc = export_work_list_make(&run, shards.files.paths, shards.files.n);
    if (rc == 0 && !nothing_to_do)
        rc = run_units(&run);
    export_work_list_free(&run);
    view_file_close(run.view);
    shard_operands_clear(&shards);
    return rc;
}
