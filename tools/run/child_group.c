/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/run/child_group.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shard/version.h"
#include "tools/cli/exit_code.h"
#include "tools/cli/options.h"
#include "tools/cli/print.h"
#include "tools/run/command_words.h"
#include "tools/run/device_list.h"
#include "tools/run/model_advice.h"

#define TRANSFORMERS                                                                     \
    "{python} -m latentmill.encoders.transformers --model {model} --device {device}"

/* What stands behind a scheme. {model} is what stands behind its colon. */
static const struct {
    const char *scheme, *command;
} commands[] = {
    {"cmd", NULL},
    {"diffusers", "{python} -m latentmill.encoders.diffusers --model {model} "
                  "--device {device}"},
    {"clip", TRANSFORMERS " --family clip"},
    {"siglip", TRANSFORMERS " --family siglip"},
    {"dinov2", TRANSFORMERS " --family dinov2"},
    {"chameleon", TRANSFORMERS " --family chameleon"},
};
enum { N_COMMANDS = sizeof(commands) / sizeof(*commands) };

static size_t find(const char *scheme)
{
    size_t i = 0;

    while (i < N_COMMANDS && strcmp(commands[i].scheme, scheme) != 0)
        i++;
    return i;
}

bool child_group_has(const char *scheme)
{
    return find(scheme) < N_COMMANDS;
}

bool child_group_ships(const char *scheme)
{
    return child_group_has(scheme) && commands[find(scheme)].command;
}

void child_group_schemes(char *out, size_t cap)
{
    size_t len = 0;

    out[0] = '\0';
    for (size_t i = 0; i < N_COMMANDS && len < cap; i++)
        len += (size_t)snprintf(out + len, cap - len, "%s%s", i > 0 ? ", " : "",
                                commands[i].scheme);
}

/* Gives the command line, or NULL: no memory. */
static char *command_of(const struct child_group_options *o)
{
    const char *command = commands[find(o->scheme)].command;
    char *text;

    if (!command)
        return strdup(o->rest);
    if (asprintf(&text, "%s %s", command, o->args ? o->args : "") < 0)
        return NULL;
    return text;
}

/* Gives the words that child `i` is started by. Returns as child_group_open() does. */
static int make_words(const struct child_group_options *o, const char *command,
                      unsigned i, const char *device, char ***words)
{
    const char *python = getenv("LATENTMILL_PYTHON");
    const bool ships = child_group_ships(o->scheme);
    char number[16];
    const struct command_value values[] = {
        {"{i}", number},
        {"{device}", device},
        {"{model}", o->rest},
        {"{python}", python && *python ? python : "python3"}};

    snprintf(number, sizeof(number), "%u", i);
    switch (command_split(words, command, values, ships ? 4 : 2)) {
    case COMMAND_OK:
        return 0;
    case COMMAND_EMPTY:
        return usage_error("--encoder %s=%s: there is no command", o->label, o->scheme);
    case COMMAND_OPEN_QUOTE:
        return usage_error("--encoder %s=%s:%s: a quote is not closed", o->label,
                           o->scheme, o->rest);
    default:
        return print_out_of_memory();
    }
}

static json_t *open_json(const struct child_group_options *o, unsigned n)
{
    return json_pack("{s:i, s:s, s:s, s:I, s:[[I, I]], s:s, s:s, s:o*}", "protocol",
                     CHILD_PROTOCOL, "latentmill", LATENTMILL_VERSION, "label", o->label,
                     "children", (json_int_t)n, "sizes", (json_int_t)o->width,
                     (json_int_t)o->height, "dtype", o->dtype, "moments", o->moments,
                     "memory", o->memory > 0 ? json_integer(CHILD_MEMORY_FD) : NULL);
}

/* The user must act, but where it is this machine that lacks something. */
static int cannot_start(const struct child_group *g, const struct child_encoder *c,
                        const char *what)
{
    const bool ships = commands[find(g->options->scheme)].command != NULL;

    if (!c->lacking)
        return usage_error("encoder %s %u: %s%s%s", c->setup->label, c->number, what,
                           c->why,
                           ships && c->is_gone && c->lacks_module
                               ? " (has the Python that is started, python3 or "
                                 "LATENTMILL_PYTHON, the package? pip install "
                                 "'./shard/python[encoders]')"
                               : "");
    print_to_stderr("error: encoder %s %u: %s%s", c->setup->label, c->number, what,
                    c->why);
    return EXIT_FAILED;
}

/* The folder of one that ships, before a Python that takes its time is started. */
static int check_model(const struct child_group_options *o)
{
    const bool has_parts = strcmp(o->scheme, "diffusers") == 0;
    char option[64];

    if (!child_group_ships(o->scheme))
        return 0;
    snprintf(option, sizeof(option), "--encoder %s:", o->scheme);
    return model_check_folder(option, o->rest, has_parts ? "vae" : NULL);
}

static int start_all(struct child_group *g, const struct device_list *devices)
{
    const struct child_group_options *o = g->options;
    char *command = command_of(o);
    int rc = command ? 0 : print_out_of_memory();

    for (unsigned i = 0; i < g->n && rc == 0; i++) {
        char **words = NULL;

        rc = make_words(o, command, i, devices->names[i % devices->n], &words);
        if (rc == 0)
            g->children[i] = child_encoder_new(&g->setup, i, words);
        if (!g->children[i])
            free(words);
        if (rc == 0 && !g->children[i])
            rc = print_out_of_memory();
        if (rc == 0 && child_encoder_start(g->children[i]) != 0)
            rc = cannot_start(g, g->children[i], "cannot start: ");
    }
    free(command);
    return rc;
}

static int greet_all(struct child_group *g)
{
    const struct child_group_options *o = g->options;

    for (unsigned i = 0; i < g->n; i++) {
        struct child_encoder *c = g->children[i];
        const char *other;

        if (child_encoder_greet(c, -1) != GREETING_OK)
            return cannot_start(g, c, "");
        other = child_hello_difference(g->children[0]->hello, c->hello);
        if (other)
            return usage_error(
                "encoder %s %u: its hello has another \"%s\" than that of process 0",
                o->label, i, other);
    }
    return 0;
}

/* Returns 0, or -1: no memory. */
static int copy_features(struct child_group *g)
{
    const struct shard_encoder *e = g->hello.encoder;

    g->features = calloc(e->n_features + 1, sizeof(*g->features));
    for (size_t i = 0; g->features && i < e->n_features; i++) {
        const struct shard_features *said = &e->features[i];
        struct encoder_features *f = &g->features[i];

        *f = (struct encoder_features){.what = said->what,
                                       .n_dims = said->n_dims,
                                       .mean = said->mean,
                                       .std = said->std};
        memcpy(f->dims, said->dims, sizeof(f->dims));
    }
    return g->features ? 0 : -1;
}

static int read_hello(struct child_group *g)
{
    char why[600];
    const int rc =
        child_hello_read(&g->hello, g->children[0]->hello, g->options->width,
                         g->options->height, g->options->moments, why, sizeof(why));

    if (rc == ENOMEM)
        return print_out_of_memory();
    if (rc != 0)
        return usage_error("encoder %s 0: %s", g->options->label, why);
    return copy_features(g) == 0 ? 0 : print_out_of_memory();
}

/* Sets on_cpu, too. */
static int choose_devices(struct child_group *g, struct device_list *d)
{
    const struct child_group_options *o = g->options;
    const bool asks = child_group_ships(o->scheme) || strstr(o->rest, "{device}");
    const bool any = !o->devices || strcmp(o->devices, "auto") == 0;
    const char *wrong =
        device_list_make(d, o->devices, getenv("CUDA_VISIBLE_DEVICES"), "/");

    if (wrong)
        return usage_error("--devices %s: %s", o->devices, wrong);
    g->on_cpu = any && asks && strcmp(d->names[0], "cpu") == 0;
    return 0;
}

int child_group_open(struct child_group *g, const struct child_group_options *options)
{
    struct device_list devices;
    int rc;

    *g = (struct child_group){.options = options,
                              .setup = {.label = options->label,
                                        .hearer = options->hearer,
                                        .timeout_ms = options->timeout_s * 1000,
                                        .memory = options->memory}};
    rc = check_model(options);
    if (rc == 0)
        rc = choose_devices(g, &devices);
    if (rc != 0)
        return rc;
    g->n = options->processes > 0 ? (unsigned)options->processes : (unsigned)devices.n;
    g->setup.open = open_json(options, g->n);
    g->children = calloc(g->n, sizeof(struct child_encoder *));
    if (!g->setup.open || !g->children)
        return print_out_of_memory();
    return start_all(g, &devices);
}

int child_group_greet(struct child_group *g)
{
    const int rc = greet_all(g);

    return rc == 0 ? read_hello(g) : rc;
}

void child_group_close(struct child_group *g)
{
    for (unsigned i = 0; g->children && i < g->n; i++)
        if (g->children[i])
            child_encoder_stop(g->children[i], CHILD_STOP_MS);
    for (unsigned i = 0; g->children && i < g->n; i++)
        child_encoder_free(g->children[i]);
    free(g->children);
    free(g->features);
    json_decref(g->setup.open);
    child_hello_free(&g->hello);
}

static enum encoder_kind kind_of(const struct shard_encoder *e)
{
    if (strcmp(e->kind, "codes") == 0)
        return ENCODER_CODES;
    return strcmp(e->kind, "latent") == 0 ? ENCODER_LATENT : ENCODER_FEATURES;
}

void child_group_describe(const struct child_group *g, struct encoder_description *out)
{
    const struct child_hello *h = &g->hello;
    const struct shard_encoder *e = h->encoder;

    *out = (struct encoder_description){.input = ENCODER_OF_IMAGE,
                                        .family = e->family,
                                        .weights_sha256 = e->weights_sha256,
                                        .config = e->config,
                                        .pixels = e->input,
                                        .numerics = e->numerics,
                                        .reproducible = e->reproducible,
                                        .isa = NULL,
                                        .multiple = (int)h->multiple,
                                        .n_tensors = h->n_tensors,
                                        .channels = e->channels,
                                        .downscale = e->downscale,
                                        .n_outputs = e->n_outputs,
                                        .outputs = e->outputs,
                                        .n_scale = e->n_scale,
                                        .scale_window = e->scale_window,
                                        .scale = e->scale,
                                        .shift = e->shift,
                                        .codebook = e->codebook,
                                        .has_id_offset = h->places_codes,
                                        .id_offset = e->id_offset,
                                        .n_id_map = e->n_id_map,
                                        .id_map = e->id_map,
                                        .n_features = e->n_features,
                                        .features = g->features};
    for (size_t i = 0; i < h->n_tensors; i++) {
        const struct child_hello_tensor *said = &h->tensors[i];
        struct encoder_tensor *t = &out->tensors[i];

        *t = (struct encoder_tensor){.kind = kind_of(e),
                                     .output = said->output,
                                     .logvar = said->logvar,
                                     .n_dims = (int)said->n_dims};
        t->element = t->kind == ENCODER_CODES ? ENCODER_U32 : ENCODER_FP32;
        memcpy(t->dims, said->dims, sizeof(t->dims));
    }
}
