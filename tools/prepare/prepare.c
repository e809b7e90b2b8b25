/* SPDX-License-Identifier: Apache-2.0
 * tools/prepare/prepare.c - `latentmill prepare`: check everything, then run the
 * conveyor.
 *
 *     read ---> encode (workers) ---> write
 *
 * Whatever can be refused is refused here, before any work starts. */
#include "tools/prepare/prepare.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shard/canonical_json.h"
#include "shard/version.h"
#include "tools/commands.h"
#include "tools/prepare/dataset.h"
#include "tools/cli/exit_code.h"
#include "tools/prepare/first_shard.h"
#include "tools/run/input.h"
#include "tools/prepare/input_clash.h"
#include "tools/run/models.h"
#include "tools/run/monitor.h"
#include "tools/cli/options.h"
#include "tools/cli/out_folder.h"
#include "tools/run/pipeline.h"
#include "tools/prepare/prepare_plan.h"
#include "tools/cli/print.h"
#include "tools/prepare/progress.h"
#include "tools/prepare/report.h"
#include "tools/prepare/run.h"
#include "tools/prepare/sample.h"
#include "tools/run/workers.h"

/* With embedded models: more than this is no demonstration any more. */
static const uint64_t DEMO_INPUTS = 100, DEMO_BYTES = 10000000000u;

static uint64_t total_bytes(const struct input_list *inputs)
{
    uint64_t bytes = 0;

    for (size_t i = 0; i < inputs->n; i++)
        bytes += inputs->inputs[i].bytes;
    return bytes;
}

static int check_demo(const struct prepare_options *o, const struct input_list *inputs)
{
    bool images = input_list_has(inputs, true);
    const char *model = images ? "vae" : "tokenizer";

    if ((images ? o->latent.vae : o->text.tokenizer) ||
        (inputs->n <= DEMO_INPUTS && total_bytes(inputs) <= DEMO_BYTES))
        return 0;
    return usage_error("%zu inputs with %.1f GB are more than a demonstration: name the "
                       "%s with --%s (or --%s builtin, to use the embedded one all "
                       "the same)",
                       inputs->n, (double)total_bytes(inputs) / 1e9,
                       images ? "VAE" : "tokenizer", model, model);
}

/* Returns 0, or -1: no memory. */
static int describe_run(struct run *run, const struct models *m,
                        const struct dataset_parts *parts)
{
    const struct text_options *text = run->text;
    struct dataset_parts of_text = *parts;
    struct shard_header *images = &run->header[true], *texts = &run->header[false];

    of_text.n_encodings = 0;
    *texts = (struct shard_header){.software = LATENTMILL_SOFTWARE,
                                   .demo = m->demo_tokenizer,
                                   .seed = (uint64_t)text->seed,
                                   .caption_first = text->caption_first,
                                   .patch = (uint32_t)text->patch,
                                   .tokenizer = m->described};
    *images = *texts;
    images->demo = models_have_demo_encoder(m) || m->demo_tokenizer;
    images->n_encoders = m->n_encodings;
    images->encoders = m->headers;
    run->config[false] = dataset_config(&of_text);
    run->config[true] = dataset_config(parts);
    for (int i = 0; i < 2; i++) {
        run->header[i].config =
            run->config[i] ? shard_json_canonical(run->config[i]) : NULL;
        if (!run->header[i].config)
            return -1;
    }
    return 0;
}

static void undescribe_run(struct run *run)
{
    for (int i = 0; i < 2; i++) {
        free((char *)run->header[i].config);
        json_decref(run->config[i]);
    }
}

static void samples_free(struct sample **samples, size_t n)
{
    for (size_t i = 0; samples && i < n; i++)
        sample_free(samples[i]);
    free(samples);
}

/* The conveyor's whole population: enough for each worker to have a batch in hand, one
 * waiting, and as many behind it that wait for an earlier sample. */
static struct sample **samples_new(const struct run *run, size_t *n)
{
    struct sample **samples;

    *n = (size_t)run->n_workers * (size_t)run->options->batch * 4 + 16;
    samples = calloc(*n, sizeof(*samples));
    for (size_t i = 0; samples && i < *n; i++) {
        samples[i] = sample_new(&run->room);
        if (!samples[i]) {
            samples_free(samples, *n);
            return NULL;
        }
    }
    return samples;
}

static int exit_code_of(const struct run *run, const struct plan *plan, int status,
                        bool stopped)
{
    const struct counters *c = &run->count;

    if (status < 0 || atomic_load(&c->units_failed) > 0)
        return EXIT_FAILED;
    /* A signal that came when nothing was left to do has stopped nothing. */
    if ((stopped || status == PIPE_END) && atomic_load(&c->units_done) < run->n_units)
        return EXIT_INTERRUPTED;
    return atomic_load(&c->units_bad) + plan->before.n_bad > 0 ? EXIT_BAD_INPUT
                                                               : EXIT_DONE;
}

static void end_waits(void *shared)
{
    run_end_waits(shared);
}

/* The monitor's thread calls these; `shared` is the struct progress. */

static void stop_run(void *shared)
{
    pipeline_cancel(((struct progress *)shared)->pipeline);
}

static void show_progress(void *shared)
{
    progress_tick(shared);
}

static void end_progress(void *shared)
{
    report_progress_end(((struct progress *)shared)->run);
}

/* Begins no new unit, and gives those in hand --grace that should make it. */
static int finish_run(void *shared)
{
    struct progress *p = shared;
    const int64_t grace = p->run->options->grace;
    struct in_hand hand;

    atomic_store(&p->run->draining, true);
    hand = progress_drop_long(p, (double)grace);
    if (hand.n_kept == 0)
        return 0;
    print_to_stderr(
        "stopping: finishing %zu of %zu input%s in hand: about %.0f s, at most "
        "%lld (--grace); another signal drops them",
        hand.n_kept, hand.n_inputs, plural_s(hand.n_inputs), hand.seconds,
        (long long)grace);
    return (int)(grace * 1000);
}

static bool is_finishing(void *shared)
{
    return progress_has_work(((struct progress *)shared)->run);
}

/* What the same command will do again. `failed`: the run ends by an error, which speaks
 * for itself where nothing was encoded. */
static void say_dropped(const struct run *run, bool failed)
{
    size_t n_inputs;
    const uint64_t n = progress_unpublished(run, &n_inputs);

    if (n_inputs > 0 && (n > 0 || !failed))
        print_to_stderr(
            "stopping: dropped %llu encoded %s of %zu unfinished input%s; the "
            "same command does them again",
            (unsigned long long)n, report_name_done(&run->count), n_inputs,
            plural_s(n_inputs));
}

static int run_conveyor(struct run *run, const struct plan *plan)
{
    struct pipe_stage stages[] = {read_stage(run), encode_stage(run), write_stage(run)};
    struct pipeline *pipeline = NULL;
    struct progress progress;
    struct monitor monitor = {.finish = finish_run,
                              .finishing = is_finishing,
                              .stop = stop_run,
                              .progress_end = end_progress,
                              .shared = &progress};
    size_t n_samples = 0;
    struct sample **samples = samples_new(run, &n_samples);
    int status = -1, code;

    monitor_block_signals();
    const bool made =
        samples && pipeline_new(&pipeline, stages, 3, samples, n_samples) == 0;
    progress_init(&progress, run, pipeline);
    if (progress_wanted(&progress))
        monitor.progress = show_progress;
    if (!made) {
        run_fail(run, "out of memory");
    } else {
        pipeline_on_stop(pipeline, end_waits, run);
        const int rc = monitor_start(&monitor);
        if (rc == 0)
            status = pipeline_run(pipeline);
        else
            run_fail(run, "the monitor thread could not start: %s", strerror(rc));
    }
    monitor_stop(&monitor);
    for (size_t i = 0; i < plan->n_units; i++)
        unit_drop(&plan->units[i]);
    report_progress_end(run);
    code = exit_code_of(run, plan, status, atomic_load(&monitor.stopped));
    if (status < 0)
        print_to_stderr("error: %s", run->why[0] ? run->why : "a thread could not start");
    if (status < 0 || atomic_load(&monitor.stopped))
        say_dropped(run, status < 0);
    if (code == EXIT_INTERRUPTED)
        print_to_stderr("stopped: run the same command again to go on");
    report_final(run, status < 0 ? NULL : pipeline, progress.start_ns, &plan->before,
                 code);
    pipeline_free(pipeline);
    samples_free(samples, n_samples);
    return code;
}

static int open_log(struct run *run)
{
    const char *path = run->options->log;

    run->log = path ? fopen(path, "ae") : NULL;
    return path && !run->log ? file_error(errno, "--log %s", path) : 0;
}

/* Of those that this run will use. */
static void warn_of_demo(const struct models *m, const struct input_list *inputs)
{
    if (models_have_demo_encoder(m) && input_list_has(inputs, true))
        fputs("warning: embedded demonstration models are in use; the shards are marked "
              "\"demo\" (see --vae and --tokenizer)\n",
              stderr);
    else if (m->demo_tokenizer)
        fputs("warning: the embedded demonstration tokenizer is in use; the shards are "
              "marked \"demo\" (see --tokenizer)\n",
              stderr);
}

/* Claims the folder for this configuration and finds out what is left to do. */
static int prepare_folder(struct run *run, struct plan *plan,
                          const struct input_list *inputs, const struct models *m,
                          const struct dataset_parts *parts)
{
    const char *out = run->options->out;
    int rc = out_folder_make(out);

    if (rc == 0)
        rc = open_log(run); /* which may be in that folder */
    if (rc == 0)
        rc = dataset_claim(out, parts, run->config[true]);
    if (rc == 0 && m->tokenizer)
        rc = dataset_place_model(out, m->model_file, m->model, m->model_len);
    return rc == 0 ? plan_make(plan, inputs, run->options, run->select->limit) : rc;
}

/* Lends the run what it works with. */
static void fill_run(struct run *run, const struct prepare_options *o,
                     const struct models *m)
{
    run->options = &o->run;
    run->image = &o->image;
    run->text = &o->text;
    run->select = &o->select;
    run->n_workers = o->run.workers > 0 ? (int)o->run.workers : workers_allowed();
    run->tokenizer = m->tokenizer;
    run->encodings = m->encodings;
    run->n_encodings = m->n_encodings;
    run->reading = select_options_reading(&o->select);
    run->reading.unpack_memory = (uint64_t)o->image.decode_mem;
    run->room.n_renditions = m->n_encodings > 0 ? 1 : 0;
    for (size_t i = 0; i < m->n_encodings; i++) {
        run->room.n_tensors += m->encodings[i].n_tensors;
        run->room.tensor_bytes += m->encodings[i].n_bytes;
    }
}

/* Everything from the opened models to the end of the run. */
static int prepare(const struct prepare_options *o, const struct input_list *inputs,
                   const struct models *m)
{
    const struct dataset_parts parts = {.image = &o->image,
                                        .latent = &o->latent,
                                        .text = &o->text,
                                        .select = &o->select,
                                        .tokenizer = &m->described,
                                        .encodings = m->encodings,
                                        .n_encodings = m->n_encodings};
    struct run run;
    struct plan plan = {0};
    int rc = run_init(&run, (uint64_t)o->image.decode_mem);

    fill_run(&run, o, m);
    if (rc == 0 && describe_run(&run, m, &parts) == 0) {
        rc = prepare_folder(&run, &plan, inputs, m, &parts);
    } else {
        fputs("error: out of memory or descriptors\n", stderr);
        rc = EXIT_FAILED;
    }
    run.units = plan.units;
    run.n_units = plan.n_units;
    if (rc == 0 && plan.n_units > 0)
        rc = out_folder_check_room(o->run.out, first_shard_estimate(&run));
    if (rc == 0) {
        warn_of_demo(m, inputs);
        rc = run_conveyor(&run, &plan);
        plan_sweep(&plan, o->run.out);
    }
    plan_free(&plan);
    undescribe_run(&run);
    run_free(&run);
    return rc;
}

static int open_models(struct models *m, const struct prepare_options *o,
                       const struct input_list *inputs)
{
    int rc = models_open(m, &o->text);

    if (rc == 0 && (o->latent.vae || input_list_has(inputs, true)))
        rc = models_open_encoders(m, &o->image, &o->latent, &o->text);
    return rc;
}

int prepare_main(int argc, char **argv)
{
    struct prepare_options o;
    struct input_list inputs = {0};
    struct input_options names;
    struct models models = {0};
    int n = 0, rc = prepare_options_parse(&o, argc, argv, &n);

    if (rc != OPTIONS_OK)
        return rc == OPTIONS_HELP ? EXIT_DONE : EXIT_USAGE;
    monitor_exit_on_signals();
    budget_tame_malloc();
    names = (struct input_options){.name = o.select.name,
                                   .name_depth = (int)o.select.name_depth,
                                   .format = o.select.input_format};
    rc = input_list_expand(&inputs, n, argv, &names);
    if (rc == 0)
        rc = input_clash_check(&inputs, o.run.out, o.run.log);
    if (rc == 0)
        rc = check_demo(&o, &inputs);
    if (rc == 0)
        rc = open_models(&models, &o, &inputs);
    if (rc == 0)
        rc = prepare(&o, &inputs, &models);
    models_close(&models);
    input_list_free(&inputs);
    return rc;
}
