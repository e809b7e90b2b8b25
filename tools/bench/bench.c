/* SPDX-License-Identifier: Apache-2.0
 * tools/bench/bench.c - `latentmill bench`: what this machine makes of each part of the
 * work.
 */
#include "tools/bench/bench_section.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "shard/version.h"
#include "tools/commands.h"
#include "tools/cli/exit_code.h"
#include "tools/store/json_text.h"
#include "tools/store/manifest.h"
#include "tools/cli/options.h"
#include "tools/cli/image_options.h"
#include "tools/run/model_advice.h"
#include "tools/cli/run_options.h"
#include "tools/cli/print.h"
#include "tools/run/workers.h"
#include "vae_encode/status.h"

static const char about[] =
    "Measures on this machine, with nothing else running at best: the VAE's encoder and\n"
    "decoder (each layer, the whole, its error), decoding and resizing, the tokenizer,\n"
    "writing and reading shards, and `prepare` end to end. SECTION is one of encoder,\n"
    "decoder, images, tokenizer, shard, prepare or all (the default); images and "
    "prepare\n"
    "need TARs of yours. Each work is done once to warm up, then --repeats times: the "
    "median is\n"
    "printed, and the fastest run as ..._best; `prepare` runs once. `bench tokenizer` "
    "takes\n"
    "files of text (.txt), too, which it cuts into documents of 10 kB.";

static const struct bench_section {
    const char *name;
    json_t *(*measure)(struct bench *b);
    bool needs_vae, needs_tars;
} sections[] = {
    {"encoder", bench_encoder, true, false}, {"decoder", bench_decoder, true, false},
    {"images", bench_images, false, true},   {"tokenizer", bench_tokenizer, false, false},
    {"shard", bench_shard, false, false},    {"prepare", bench_prepare, true, true}};
enum { N_SECTIONS = sizeof(sections) / sizeof(*sections) };

static int parse(struct bench_options *o, int argc, char **argv, int *n_operands)
{
    enum { PIXELS = 1 }; /* where prepare's options of pixels and the tokenizer stand */
    struct option options[] = {
        {"vae", OPTION_STRING, &o->vae, "PATH",
         "as for prepare (builtin); random-sd: Stable Diffusion's VAE with 8 latent "
         "channels\n"
         "and pseudo-random weights",
         NULL, 0, 0},
        [PIXELS + N_PIXEL_OPTIONS +
            N_TOKENIZER_OPTIONS] = {"limit", OPTION_INT, &o->limit, "N",
                                    "take only N pairs of each TAR", NULL, 1, INT64_MAX},
        {"workers", OPTION_INT, &o->workers, "N",
         "encoding threads (what affinity, cgroup and Slurm allow)", NULL, 1, 1024},
        {"batch", OPTION_INT, &o->batch, "N",
         "images a worker encodes at once (as prepare)", NULL, 1, 64},
        {"repeats", OPTION_INT, &o->repeats, "N", "timed runs of each work (5)", NULL, 1,
         BENCH_MAX_REPEATS},
        {"json", OPTION_FLAG, &o->json, NULL, "print one JSON object", NULL, 0, 0},
    };
    const struct option_table table = {
        .usage = "latentmill bench [OPTION]... [SECTION] [TAR|TXT]...",
        .about = about,
        .options = options,
        .n_options = sizeof(options) / sizeof(*options)};

    *o = (struct bench_options){.tokenizer = {.path = "builtin"},
                                .image = image_options_default(),
                                .batch = RUN_DEFAULT_BATCH,
                                .repeats = 5};
    image_options_list_pixels(&o->image, options + PIXELS);
    tokenizer_options_list(&o->tokenizer, options + PIXELS + N_PIXEL_OPTIONS);
    return options_parse(&table, argc, argv, n_operands);
}

/* What stands in a section's place and cannot be read: a misspelt one? */
static int unknown_section(const char *operand)
{
    char names[128] = "";
    size_t len = 0;

    for (int i = 0; i < N_SECTIONS; i++)
        len +=
            (size_t)snprintf(names + len, sizeof(names) - len, "%s, ", sections[i].name);
    return usage_error("%s: is neither a file nor a section (%sall)", operand, names);
}

/* Names that input_list_expand() understands otherwise than as a file are left to it. */
static bool may_be_section(const char *operand)
{
    return !strpbrk(operand, "/.:{@") && strcmp(operand, "-") != 0 &&
           access(operand, F_OK) != 0;
}

/* The first operand, if it names a section; NULL: all of them. */
static int take_section(int *n, char ***operands, const struct bench_section **only)
{
    *only = NULL;
    if (*n == 0)
        return 0;
    for (int i = 0; i < N_SECTIONS; i++)
        if (strcmp(**operands, sections[i].name) == 0)
            *only = &sections[i];
    if (*only || strcmp(**operands, "all") == 0) {
        (*operands)++;
        (*n)--;
    } else if (may_be_section(**operands)) {
        return unknown_section(**operands);
    }
    return *only && (*only)->needs_tars && *n == 0
               ? usage_error("bench %s needs TARs", (*only)->name)
               : 0;
}

/* Texts for the tokenizer, which it alone can do with. */
static bool are_text_files(const struct bench *b, int n, char *const *operands)
{
    if (!b->only || b->only->measure != bench_tokenizer || n == 0)
        return false;
    for (int i = 0; i < n; i++) {
        const size_t len = strlen(operands[i]);

        if (len < 4 || strcmp(operands[i] + len - 4, ".txt") != 0)
            return false;
    }
    return true;
}

static int open_vae(struct bench *b, enum vae_part part)
{
    const char *path;
    int rc;

    if (bench_vae_path(b, part, &path) != 0)
        return EXIT_FAILED;
    rc = path ? model_check_vae(path) : 0;
    if (rc != 0)
        return rc;
    rc = bench_open_vae(b, part, NULL, &b->vae);
    if (rc == VAE_ENOMEM || rc == VAE_EIO) {
        bench_fail("%s", vae_why(b->vae));
        return EXIT_FAILED;
    }
    if (rc != VAE_OK)
        return usage_error("%s", vae_why(b->vae));
    if (b->options.image.size % vae_info(b->vae)->downscale != 0)
        return usage_error("--size %lld: must be a multiple of %d, the VAE's downscale",
                           (long long)b->options.image.size, vae_info(b->vae)->downscale);
    return 0;
}

/* What is wrong with --vae or --tokenizer is said before any work. Where all sections
 * run, the VAE is its encoder: it may have no decoder. */
static int open_models(struct bench *b)
{
    enum vae_part part =
        b->only && b->only->measure == bench_decoder ? VAE_DECODER : VAE_ENCODER;
    const struct text_options text = {.tokenizer = b->options.tokenizer, .patch = 1};
    int rc = models_open(&b->models, &text);

    if (rc != 0 || (b->only && !b->only->needs_vae))
        return rc;
    return open_vae(b, part);
}

/* "model name" of the first processor; "unknown" where the system does not tell. */
static void read_cpu_model(char *model, size_t cap)
{
    FILE *f = fopen("/proc/cpuinfo", "re");
    char line[256];

    snprintf(model, cap, "unknown");
    while (f && fgets(line, sizeof(line), f)) {
        char *value = strstr(line, ": ");

        if (strncmp(line, "model name", 10) != 0 || !value)
            continue;
        value[strcspn(value, "\n")] = '\0';
        snprintf(model, cap, "%s", value + 2);
        break;
    }
    if (f)
        fclose(f);
}

static json_t *describe_run(const struct bench *b)
{
    const struct bench_options *o = &b->options;
    char model[256];

    read_cpu_model(model, sizeof(model));
    return json_pack("{s:s, s:s, s:s, s:i, s:I, s:I, s:I}", "software",
                     LATENTMILL_SOFTWARE, "compiler", __VERSION__, "cpu", model,
                     "processors_allowed", workers_allowed(), "workers",
                     (json_int_t)o->workers, "batch", (json_int_t)o->batch, "repeats",
                     (json_int_t)o->repeats);
}

/* Measures one section and adds it to `all`, or prints it. */
static int measure(struct bench *b, const struct bench_section *s, json_t **all)
{
    json_t *o = s->measure(b);

    if (!o)
        return EXIT_FAILED;
    if (json_is_null(o)) /* left out */
        return EXIT_DONE;
    if (!b->options.json)
        bench_print_text(s->name, o);
    json_put_member(all, s->name, o);
    return EXIT_DONE;
}

static int print_json(const json_t *all)
{
    const int rc = json_dumpf(all, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(6));

    putchar('\n');
    return ferror(stdout) ? 0 : rc; /* print_finish() has words for that */
}

static int measure_all(struct bench *b)
{
    json_t *all = json_object(), *run = describe_run(b),
           *libraries = manifest_library_versions();
    int rc = EXIT_DONE;

    if (!b->options.json) {
        bench_print_text("run", run);
        bench_print_text("libraries", libraries);
    }
    json_put_member(&all, "run", run);
    json_put_member(&all, "libraries", libraries);
    for (int i = 0;
         i < N_SECTIONS && rc == EXIT_DONE && !ferror(stdout) && !bench_stopped(); i++)
        if (b->only ? b->only == &sections[i]
                    : !sections[i].needs_tars || b->inputs.n > 0)
            rc = measure(b, &sections[i], &all);
    if (bench_stopped())
        rc = EXIT_INTERRUPTED;
    if (!all || (b->options.json && rc == EXIT_DONE && print_json(all) != 0))
        rc = EXIT_FAILED;
    json_decref(all);
    return rc == EXIT_DONE ? print_finish() : rc;
}

static void close_bench(struct bench *b)
{
    for (size_t i = 0; b->tars && i < b->inputs.n; i++) {
        for (size_t k = 0; k < b->tars[i].n; k++)
            ingest_sample_clear(&b->tars[i].samples[k]);
        free(b->tars[i].samples);
    }
    free(b->tars);
    vae_close(b->vae);
    models_close(&b->models);
    input_list_free(&b->inputs);
}

int bench_main(int argc, char **argv)
{
    struct bench b = {0};
    int n, rc = parse(&b.options, argc, argv, &n);

    if (rc != OPTIONS_OK)
        return rc == OPTIONS_HELP ? EXIT_DONE : EXIT_USAGE;
    bench_stop_on_signals();
    b.vae_scale = NAN;
    if (b.options.vae && strcmp(b.options.vae, "builtin") == 0)
        b.options.vae = NULL;
    if (b.options.vae && strcmp(b.options.vae, "random-sd") == 0)
        b.vae_scale = 1;
    if (b.options.workers == 0)
        b.options.workers = workers_allowed();
    if (strcmp(b.options.tokenizer.path, "none") == 0)
        return usage_error("--tokenizer none: there would be nothing to measure");
    rc = take_section(&n, &argv, &b.only);
    if (rc == 0 && are_text_files(&b, n, argv)) {
        b.text_files = argv;
        b.n_text_files = (size_t)n;
    } else if (rc == 0 && n > 0)
        rc = input_list_expand(&b.inputs, n, argv,
                               &(struct input_options){.name_depth = 1});
    if (rc == 0 && input_list_has(&b.inputs, false))
        rc = usage_error("bench measures image-caption pairs: give TARs");
    for (size_t i = 0; i < b.inputs.n && rc == 0; i++)
        if (b.inputs.inputs[i].kind != INPUT_PATH)
            rc = usage_error("%s: bench reads its inputs more than once: give files",
                             b.inputs.inputs[i].text);
    if (rc == 0)
        rc = open_models(&b);
    if (rc == 0)
        rc = measure_all(&b);
    close_bench(&b);
    if (bench_stopped()) {
        print_to_stderr("stopping: signal; nothing is left behind");
        return EXIT_INTERRUPTED;
    }
    return rc;
}
