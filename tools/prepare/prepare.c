/* SPDX-License-Identifier: Apache-2.0
 * tools/prepare/prepare.c - `latentmill prepare`: check everything, then run the
 * conveyor.
 *
 *     read ---> encode (workers) ---> [devices (encoders in processes) --->] write
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
#include "tools/prepare/configuration.h"
#include "tools/cli/exit_code.h"
#include "tools/prepare/device.h"
#include "tools/prepare/first_shard.h"
#include "tools/prepare/fittings.h"
#include "tools/run/input_list.h"
#include "tools/prepare/input_clash.h"
#include "tools/run/models.h"
#include "tools/run/monitor.h"
#include "tools/cli/options.h"
#include "tools/cli/out_folder.h"
#include "tools/run/pipeline.h"
#include "tools/prepare/work_list.h"
#include "tools/cli/print.h"
#include "tools/prepare/progress.h"
#include "tools/prepare/console.h"
#include "tools/prepare/job.h"
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

    if ((images ? !o->encoders.assumed : o->text.tokenizer.path != NULL) ||
        (inputs->n <= DEMO_INPUTS && total_bytes(inputs) <= DEMO_BYTES))
        return 0;
    return usage_error("%zu inputs with %.1f GB are more than a demonstration: name the "
                       "%s with --%s (or --%s builtin, to use the embedded one all "
                       "the same)",
                       inputs->n, (double)total_bytes(inputs) / 1e9,
                       images ? "VAE" : "tokenizer", model, model);
}

/* Returns 0, or -1: no memory. */
static int describe(struct job_description *d, const struct configuration_parts *parts)
{
    d->config = configuration_json(parts);
    d->header.config = d->config ? shard_json_canonical(d->config) : NULL;
    return d->header.config ? 0 : -1;
}

static int describe_job(struct job *job, const struct models *m,
                        const struct configuration_parts *parts)
{
    const struct text_options *text = job->text;
    struct configuration_parts of_text = *parts;
    struct shard_header *images = &job->with_images.header;
    struct shard_header *texts = &job->without_images.header;

    of_text.n_encodings = 0;
    *texts = (struct shard_header){.software = LATENTMILL_SOFTWARE,
                                   .demo = m->text.demo,
                                   .seed = (uint64_t)text->seed,
                                   .caption_first = text->caption_first,
                                   .patch = (uint32_t)text->patch,
                                   .tokenizer = m->text.described};
    *images = *texts;
    images->demo = models_have_demo_encoder(m) || m->text.demo;
    images->n_encoders = m->n_encodings;
    images->encoders = m->headers;
    return describe(&job->without_images, &of_text) == 0 &&
                   describe(&job->with_images, parts) == 0
               ? 0
               : -1;
}

static void undescribe(struct job_description *d)
{
    free((char *)d->header.config);
    json_decref(d->config);
}

static void samples_free(struct sample **samples, size_t n)
{
    for (size_t i = 0; samples && i < n; i++)
        sample_free(samples[i]);
    free(samples);
}

/* Whether a process would read pixels from memory. */
static bool takes_memory(const struct job *job)
{
    bool takes = false;

    for (size_t i = 0; i < job->n_encodings; i++)
        takes |= job->encodings[i].children && job->encodings[i].children->hello.memory;
    return takes;
}

/* Of a sample, in that memory: whole cache lines. */
static size_t slot_bytes(const struct sample_room *room)
{
    enum { LINE = 64 };

    return (room->pixel_bytes + LINE - 1) / LINE * LINE;
}

/* The conveyor's whole population: enough for each worker to have a batch in hand, one
 * waiting, and as many behind it that wait for an earlier sample; and for each process of
 * an encoder to have its batches, and as many more that wait for those or are made. */
static struct sample **samples_new(const struct job *job, size_t *n)
{
    struct sample **samples;
    unsigned char *pixels = NULL;

    *n = (size_t)job->n_workers * (size_t)job->options->batch * 4 + 16;
    if (job->n_encodings == 0) /* texts alone: those that a block takes, and more */
        *n += 64;
    for (size_t i = 0; i < job->n_encodings; i++)
        if (job->encodings[i].children)
            *n += device_samples(job->encodings[i].children);
    if (takes_memory(job) && shared_memory_size(job->memory, *n * slot_bytes(&job->room)))
        pixels = job->memory->base;
    samples = calloc(*n, sizeof(*samples));
    for (size_t i = 0; samples && i < *n; i++) {
        samples[i] =
            sample_new(&job->room, pixels ? pixels + i * slot_bytes(&job->room) : NULL);
        if (!samples[i]) {
            samples_free(samples, *n);
            return NULL;
        }
    }
    return samples;
}

static int exit_code_of(const struct job *job, const struct work_list *list, int status,
                        bool stopped)
{
    const struct counters *c = &job->count;

    if (status < 0 || atomic_load(&c->units_failed) > 0)
        return EXIT_FAILED;
    /* A signal that came when nothing was left to do has stopped nothing. */
    if ((stopped || status == PIPE_END) && atomic_load(&c->units_done) < job->n_units)
        return EXIT_INTERRUPTED;
    return atomic_load(&c->units_bad) + list->before.n_bad > 0 ? EXIT_BAD_INPUT
                                                               : EXIT_DONE;
}

static void end_waits(void *shared)
{
    job_end_waits(shared);
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
    console_progress_end(((struct progress *)shared)->job);
}

/* Begins no new unit, and gives those in hand --grace that should make it. */
static int finish_run(void *shared)
{
    struct progress *p = shared;
    const int64_t grace = p->job->options->grace;
    struct in_hand hand;

    atomic_store(&p->job->draining, true);
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
    return progress_has_work(((struct progress *)shared)->job);
}

/* What the same command will do again. `failed`: the run ends by an error, which speaks
 * for itself where nothing was encoded. */
static void say_dropped(const struct job *job, bool failed)
{
    size_t n_inputs;
    const uint64_t n = progress_unpublished(job, &n_inputs);

    if (n_inputs > 0 && (n > 0 || !failed))
        print_to_stderr(
            "stopping: dropped %llu encoded %s of %zu unfinished input%s; the "
            "same command does them again",
            (unsigned long long)n, console_name_done(&job->count), n_inputs,
            plural_s(n_inputs));
}

/* Fills the table of stages, and what those of devices share. Returns how many. */
static int make_stages(struct job *job, struct pipe_stage stages[],
                       struct device_stage devices[])
{
    int n = 0;

    stages[n++] = read_stage(job);
    stages[n++] = encode_stage(job);
    for (size_t i = 0; i < job->n_encodings; i++)
        if (job->encodings[i].children) {
            device_stage_init(&devices[i], job, i);
            stages[n++] = device_stage(&devices[i]);
        }
    stages[n++] = write_stage(job);
    return n;
}

static int run_conveyor(struct job *job, const struct work_list *list)
{
    struct pipe_stage stages[3 + ENCODERS_MAX];
    struct device_stage devices[ENCODERS_MAX];
    const int n_stages = make_stages(job, stages, devices);
    struct pipeline *pipeline = NULL;
    struct progress progress;
    struct monitor monitor = {.finish = finish_run,
                              .finishing = is_finishing,
                              .stop = stop_run,
                              .progress_end = end_progress,
                              .shared = &progress};
    size_t n_samples = 0;
    struct sample **samples = samples_new(job, &n_samples);
    int status = -1, code;

    monitor_block_signals();
    const bool made =
        samples && pipeline_new(&pipeline, stages, n_stages, samples, n_samples) == 0;
    progress_init(&progress, job, pipeline);
    if (progress_wanted(&progress))
        monitor.progress = show_progress;
    if (!made) {
        job_fail(job, "out of memory");
    } else {
        pipeline_on_stop(pipeline, end_waits, job);
        const int rc = monitor_start(&monitor);
        if (rc == 0)
            status = pipeline_run(pipeline);
        else
            job_fail(job, "the monitor thread could not start: %s", strerror(rc));
    }
    monitor_stop(&monitor);
    for (size_t i = 0; i < list->n_units; i++)
        unit_drop(&list->units[i]);
    console_progress_end(job);
    code = exit_code_of(job, list, status, atomic_load(&monitor.stopped));
    if (status < 0)
        print_to_stderr("error: %s", job->why[0] ? job->why : "a thread could not start");
    if (status < 0 || atomic_load(&monitor.stopped))
        say_dropped(job, status < 0);
    if (code == EXIT_INTERRUPTED)
        print_to_stderr("stopped: run the same command again to go on");
    console_tell_end(job, status < 0 ? NULL : pipeline, progress.start_ns, &list->before,
                     code);
    pipeline_free(pipeline);
    for (size_t i = 0; i < job->n_encodings; i++)
        if (job->encodings[i].children)
            device_stage_free(&devices[i]);
    samples_free(samples, n_samples);
    return code;
}

/* Of those that this run will use. */
static void warn_of_demo(const struct models *m, const struct input_list *inputs)
{
    if (models_have_demo_encoder(m) && input_list_has(inputs, true))
        fputs("warning: embedded demonstration models are in use; the shards are marked "
              "\"demo\" (see --vae and --tokenizer)\n",
              stderr);
    else if (m->text.demo)
        fputs("warning: the embedded demonstration tokenizer is in use; the shards are "
              "marked \"demo\" (see --tokenizer)\n",
              stderr);
}

/* Claims the folder for this configuration and finds out what is left to do. */
static int prepare_folder(struct job *job, struct work_list *list,
                          const struct input_list *inputs, const struct models *m,
                          const struct configuration_parts *parts)
{
    const char *out = job->options->out;
    int rc = out_folder_make(out);

    if (rc == 0)
        rc = console_open_log(job); /* which may be in that folder */
    if (rc == 0)
        rc = configuration_claim(out, parts, job->with_images.config);
    if (rc == 0 && m->text.tokenizer)
        rc = configuration_place_tokenizer(out, &m->text);
    return rc == 0 ? work_list_make(list, inputs, job->options, job->select->limit) : rc;
}

/* Lends the run what it works with. */
static void fill_job(struct job *job, const struct prepare_options *o, struct models *m)
{
    struct fittings fittings;

    job->options = &o->run;
    job->image = &o->image;
    job->text = &o->text;
    job->select = &o->select;
    job->n_workers = o->run.workers > 0 ? (int)o->run.workers : workers_allowed();
    job->tokenizer = m->text.tokenizer;
    job->isa = m->isa;
    job->encodings = m->encodings;
    job->n_encodings = m->n_encodings;
    job->memory = &m->memory;
    job->reading = select_options_reading(&o->select);
    job->reading.unpack_memory = (uint64_t)o->image.decode_mem;
    fittings_plan(&fittings, m->encodings, m->n_encodings);
    job->room.n_renditions = fittings.n_renditions;
    for (size_t i = 0; i < m->n_encodings; i++) {
        job->room.n_tensors += m->encodings[i].n_tensors;
        job->room.tensor_bytes += m->encodings[i].n_bytes;
        job->has_devices |= m->encodings[i].children != NULL;
        job->room.file_bytes += m->encodings[i].n_file_bytes;
    }
    job->room.pixel_bytes = job->has_devices ? fittings.n_bytes : 0;
    for (size_t i = 0; i < m->n_encodings; i++)
        if (m->encodings[i].children)
            device_limit_batch(&m->encodings[i], &job->room);
}

/* Everything from the opened models to the end of the run. */
static int prepare(struct job *job, const struct prepare_options *o,
                   const struct input_list *inputs, struct models *m)
{
    const struct configuration_parts parts = {.image = &o->image,
                                              .encoder_assumed = o->encoders.assumed,
                                              .text = &o->text,
                                              .select = &o->select,
                                              .tokenizer = &m->text.described,
                                              .encodings = m->encodings,
                                              .n_encodings = m->n_encodings};
    struct work_list list = {0};
    int rc = EXIT_FAILED;

    fill_job(job, o, m);
    if (describe_job(job, m, &parts) == 0)
        rc = prepare_folder(job, &list, inputs, m, &parts);
    else
        print_out_of_memory();
    job->units = list.units;
    job->n_units = list.n_units;
    if (rc == 0 && list.n_units > 0)
        rc = out_folder_check_room(o->run.out, first_shard_estimate(job));
    if (rc == 0) {
        warn_of_demo(m, inputs);
        tokenization_warn(&m->text, o->text.tokenizer.path);
        rc = run_conveyor(job, &list);
        work_list_sweep(&list, o->run.out);
    }
    work_list_free(&list);
    undescribe(&job->without_images);
    undescribe(&job->with_images);
    return rc;
}

static int open_models(struct models *m, const struct prepare_options *o,
                       const struct input_list *inputs)
{
    int rc = models_open(m, &o->text);

    if (rc == 0 && (!o->encoders.assumed || input_list_has(inputs, true)))
        rc = models_open_encoders(m, &o->encoders, &o->text);
    return rc;
}

/* Opens what the run works with, whose words it logs, and works. */
static int open_and_prepare(struct prepare_options *o, const struct input_list *inputs)
{
    struct models models = {0};
    struct job job;
    const struct child_hearer hearer = {.say = device_hear, .ctx = &job};
    int rc = EXIT_FAILED;

    if (job_init(&job, (uint64_t)o->image.decode_mem) != 0) {
        print_to_stderr("error: eventfd: %s", strerror(errno));
        goto out;
    }
    job.options = &o->run;
    for (size_t i = 0; i < o->encoders.n; i++)
        o->encoders.at[i].process.hearer = &hearer;
    rc = open_models(&models, o, inputs);
    if (rc == 0)
        rc = prepare(&job, o, inputs, &models);
out:
    models_close(&models);
    console_end_log(&job);
    job_free(&job);
    return rc;
}

int prepare_main(int argc, char **argv)
{
    struct prepare_options o;
    struct input_list inputs = {0};
    struct input_options names;
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
        rc = open_and_prepare(&o, &inputs);
    input_list_free(&inputs);
    return rc;
}
