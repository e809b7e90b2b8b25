/* SPDX-License-Identifier: Apache-2.0
 * tools/prepare.c - `latentmill prepare`: check everything, then run the conveyor.
 *
 *     read ---> encode (workers) ---> write
 *
 * Whatever can be refused is refused here, before any work starts. */
#include "tools/prepare.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "shard/canonical_json.h"
#include "shard/version.h"
#include "tools/commands.h"
#include "tools/dataset.h"
#include "tools/exit_code.h"
#include "tools/first_shard.h"
#include "tools/input.h"
#include "tools/input_clash.h"
#include "tools/job.h"
#include "tools/models.h"
#include "tools/monitor.h"
#include "tools/options.h"
#include "tools/out_folder.h"
#include "tools/pipeline.h"
#include "tools/plural.h"
#include "tools/prepare_plan.h"
#include "tools/prepare_options.h"
#include "tools/print.h"
#include "tools/progress.h"
#include "tools/report.h"
#include "tools/sample.h"
#include "tools/workers.h"

/* With embedded models: more than this is no demonstration any more. */
static const uint64_t DEMO_INPUTS = 100, DEMO_BYTES = 10000000000u;

/* Encoded images between reading and decoding, texts between reading and writing. */
static const uint64_t READ_BYTES = (uint64_t)256 << 20;

int job_fail(struct job *job, const char *fmt, ...)
{
    va_list ap;

    pthread_mutex_lock(&job->lock);
    if (!job->why[0]) {
        va_start(ap, fmt);
        vsnprintf(job->why, sizeof(job->why), fmt, ap);
        va_end(ap);
    }
    pthread_mutex_unlock(&job->lock);
    return -1;
}

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

    if ((images ? o->vae : o->tokenizer) ||
        (inputs->n <= DEMO_INPUTS && total_bytes(inputs) <= DEMO_BYTES))
        return 0;
    return usage_error("%zu inputs with %.1f GB are more than a demonstration: name the "
                       "%s with --%s (or --%s builtin, to use the embedded one all "
                       "the same)",
                       inputs->n, (double)total_bytes(inputs) / 1e9,
                       images ? "VAE" : "tokenizer", model, model);
}

static void describe_latents(struct job *job)
{
    const struct prepare_options *o = job->options;
    const struct vae_info *vae = vae_info(job->vae);
    size_t side = (size_t)(o->size / vae->downscale);
    size_t n_tensors = o->moments == MOMENTS_MEAN_LOGVAR ? 2 : 1;

    job->latent_values = (size_t)vae->latent_channels * side * side;
    job->latent_bytes =
        job->latent_values * n_tensors * (o->latent == LATENT_FP32 ? 4 : 2);
    job->room = (struct sample_room){1, n_tensors, job->latent_bytes};
}

/* Returns 0, or -1: no memory. */
static int describe_job(struct job *job, const struct models *m)
{
    const struct prepare_options *o = job->options;
    const struct vae_info *vae = m->vae ? vae_info(m->vae) : NULL;
    struct shard_header *images = &job->header[true], *texts = &job->header[false];

    job->vae = m->vae;
    job->tokenizer = m->tokenizer;
    job->reading = prepare_reader_options(o);
    if (vae)
        describe_latents(job);
    job->n_workers = o->workers > 0 ? (int)o->workers : workers_allowed();
    *texts = (struct shard_header){.software = LATENTMILL_SOFTWARE,
                                   .demo = m->demo_tokenizer,
                                   .seed = (uint64_t)o->seed,
                                   .caption_first = o->caption_first,
                                   .patch = (uint32_t)o->patch,
                                   .tokenizer = m->described};
    *images = *texts;
    images->demo = m->demo_vae || m->demo_tokenizer;
    images->n_encoders = vae ? 1 : 0;
    images->encoders = &m->encoder;
    job->config[false] = dataset_config(o, NULL, &m->described);
    job->config[true] = dataset_config(o, vae, &m->described);
    for (int i = 0; i < 2; i++) {
        job->header[i].config =
            job->config[i] ? shard_json_canonical(job->config[i]) : NULL;
        if (!job->header[i].config)
            return -1;
    }
    return 0;
}

static void undescribe_job(struct job *job)
{
    for (int i = 0; i < 2; i++) {
        free((char *)job->header[i].config);
        json_decref(job->config[i]);
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
static struct sample **samples_new(const struct job *job, size_t *n)
{
    struct sample **samples;

    *n = (size_t)job->n_workers * (size_t)job->options->batch * 4 + 16;
    samples = calloc(*n, sizeof(*samples));
    for (size_t i = 0; samples && i < *n; i++) {
        samples[i] = sample_new(&job->room);
        if (!samples[i]) {
            samples_free(samples, *n);
            return NULL;
        }
    }
    return samples;
}

static int exit_code_of(const struct job *job, const struct plan *plan, int status,
                        bool stopped)
{
    const struct counters *c = &job->count;

    if (status < 0 || atomic_load(&c->units_failed) > 0)
        return EXIT_FAILED;
    /* A signal that came when nothing was left to do has stopped nothing. */
    if ((stopped || status == PIPE_END) && atomic_load(&c->units_done) < job->n_units)
        return EXIT_INTERRUPTED;
    return atomic_load(&c->units_bad) + plan->n_bad > 0 ? EXIT_BAD_INPUT : EXIT_DONE;
}

/* Wakes whoever waits for an input or for a budget. */
static void end_waits(void *shared)
{
    struct job *job = shared;

    atomic_store(&job->stopping, true);
    eventfd_write(job->cancel_fd, 1);
    budget_cancel(&job->decode_mem);
    budget_cancel(&job->read_bytes);
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
    report_progress_end(((struct progress *)shared)->job);
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
            (unsigned long long)n, report_name_done(&job->count), n_inputs,
            plural_s(n_inputs));
}

static int run_conveyor(struct job *job, const struct plan *plan)
{
    struct pipe_stage stages[] = {read_stage(job), encode_stage(job), write_stage(job)};
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
        samples && pipeline_new(&pipeline, stages, 3, samples, n_samples) == 0;
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
    for (size_t i = 0; i < plan->n_units; i++)
        unit_drop(&plan->units[i]);
    report_progress_end(job);
    code = exit_code_of(job, plan, status, atomic_load(&monitor.stopped));
    if (status < 0)
        print_to_stderr("error: %s", job->why[0] ? job->why : "a thread could not start");
    if (status < 0 || atomic_load(&monitor.stopped))
        say_dropped(job, status < 0);
    if (code == EXIT_INTERRUPTED)
        print_to_stderr("stopped: run the same command again to go on");
    report_final(job, status < 0 ? NULL : pipeline, progress.start_ns, plan, code);
    pipeline_free(pipeline);
    samples_free(samples, n_samples);
    return code;
}

static int open_log(struct job *job)
{
    const char *path = job->options->log;

    job->log = path ? fopen(path, "ae") : NULL;
    return path && !job->log ? file_error(errno, "--log %s", path) : 0;
}

/* Of those that this run will use. */
static void warn_of_demo(const struct models *m, const struct input_list *inputs)
{
    if (m->demo_vae && input_list_has(inputs, true))
        fputs("warning: embedded demonstration models are in use; the shards are marked "
              "\"demo\" (see --vae and --tokenizer)\n",
              stderr);
    else if (m->demo_tokenizer)
        fputs("warning: the embedded demonstration tokenizer is in use; the shards are "
              "marked \"demo\" (see --tokenizer)\n",
              stderr);
}

/* Claims the folder for this configuration and finds out what is left to do. */
static int prepare_folder(struct job *job, struct plan *plan,
                          const struct input_list *inputs, const struct models *m)
{
    const struct prepare_options *o = job->options;
    int rc = out_folder_make(o->out);

    if (rc == 0)
        rc = open_log(job); /* which may be in that folder */
    if (rc == 0)
        rc = dataset_claim(o, job->config[true]);
    if (rc == 0 && m->tokenizer)
        rc = dataset_place_model(o->out, m->model_file, m->model, m->model_len);
    return rc == 0 ? plan_make(plan, inputs, o) : rc;
}

/* Everything from the opened models to the end of the run. */
static int prepare(const struct prepare_options *o, const struct input_list *inputs,
                   const struct models *m)
{
    struct job job = {.options = o, .cancel_fd = -1, .lock = PTHREAD_MUTEX_INITIALIZER};
    struct plan plan = {0};
    int rc;

    budget_init(&job.decode_mem, (uint64_t)o->decode_mem);
    budget_init(&job.read_bytes, READ_BYTES);
    job.cancel_fd = eventfd(0, EFD_CLOEXEC);
    if (describe_job(&job, m) == 0 && job.cancel_fd >= 0) {
        rc = prepare_folder(&job, &plan, inputs, m);
    } else {
        fputs("error: out of memory or descriptors\n", stderr);
        rc = EXIT_FAILED;
    }
    job.units = plan.units;
    job.n_units = plan.n_units;
    if (rc == 0 && plan.n_units > 0)
        rc = out_folder_check_room(o->out, first_shard_estimate(&job));
    if (rc == 0) {
        warn_of_demo(m, inputs);
        rc = run_conveyor(&job, &plan);
        plan_sweep(&plan, o);
    }
    plan_free(&plan);
    undescribe_job(&job);
    if (job.cancel_fd >= 0)
        close(job.cancel_fd);
    if (job.log)
        fclose(job.log);
    budget_free(&job.decode_mem);
    budget_free(&job.read_bytes);
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
    names = (struct input_options){
        .name = o.name, .name_depth = (int)o.name_depth, .format = o.input_format};
    rc = input_list_expand(&inputs, n, argv, &names);
    if (rc == 0)
        rc = input_clash_check(&inputs, o.out, o.log);
    if (rc == 0)
        rc = check_demo(&o, &inputs);
    if (rc == 0)
        rc = models_open(&models, &o, o.vae || input_list_has(&inputs, true));
    if (rc == 0)
        rc = prepare(&o, &inputs, &models);
    models_close(&models);
    input_list_free(&inputs);
    return rc;
}
