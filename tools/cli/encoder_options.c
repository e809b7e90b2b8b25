/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/cli/encoder_options.h"

#include <stdio.h>
#include <string.h>

/* Those that hold for one encoder, or for all. */
static const char *const of_one[] = {"size",
                                     "resize",
                                     "scale",
                                     "latent",
                                     "moments",
                                     "id-offset",
                                     "encoder-processes",
                                     "encoder-args"};

enum { N_OF_ONE = sizeof(of_one) / sizeof(*of_one) };

static struct option id_offset_option(int64_t *value)
{
    return (struct option){"id-offset",
                           OPTION_INT,
                           value,
                           "N",
                           "token id of code 0 (the first behind pieces, BOI and EOI)",
                           NULL,
                           0,
                           INT32_MAX};
}

/* Those of an encoder in processes that hold for each of them. */
enum { N_EACH_PROCESS = 2 };
static void list_each_process(struct process_options *o,
                              struct option list[N_EACH_PROCESS])
{
    list[0] = (struct option){"encoder-processes",
                              OPTION_INT,
                              &o->processes,
                              "N",
                              "processes of an encoder that has its own (one a device)",
                              NULL,
                              1,
                              64};
    list[1] = (struct option){
        "encoder-args",
        OPTION_STRING,
        &o->args,
        "ARGS",
        "more words for the command of such a one that ships: '--dtype bfloat16'",
        NULL,
        0,
        0};
}

void encoder_options_list(struct option_list *given,
                          struct option list[N_ENCODER_OPTIONS])
{
    struct latent_options none;
    struct process_options no_process;
    int64_t nowhere;
    const struct option options[] = {
        {.type = OPTION_HEADING, .help = "Encoders"},
        {"encoder", OPTION_LIST, given, "[LABEL=]SCHEME:REST",
         "what makes tensors of images; may be repeated. --size, --resize, --scale,\n"
         "--latent, --moments and --id-offset hold for all, or as LABEL=VALUE for one",
         NULL, 0, 0},
        {"vae", OPTION_LIST, given, "PATH",
         "short for --encoder vae:PATH: diffusers AutoencoderKL folder, .safetensors\n"
         "file, or TAESD encoder (builtin: a small demonstration model)",
         NULL, 0, 0},
    };

    _Static_assert(sizeof(options) ==
                       (N_ENCODER_OPTIONS - N_LATENT_OPTIONS - 1 - N_EACH_PROCESS) *
                           sizeof(*options),
                   "its number");
    memcpy(list, options, sizeof(options));
    list += sizeof(options) / sizeof(*options);
    latent_options_list(&none, list);
    list[N_LATENT_OPTIONS] = id_offset_option(&nowhere);
    list_each_process(&no_process, list + N_LATENT_OPTIONS + 1);
    encoder_options_collect(given, list, N_LATENT_OPTIONS + 1 + N_EACH_PROCESS);
}

struct process_options process_options_default(void)
{
    return (struct process_options){.timeout = 600, .restarts = 5};
}

void process_options_list(struct process_options *o,
                          struct option list[N_PROCESS_OPTIONS])
{
    const struct option options[] = {
        {"devices", OPTION_STRING, &o->devices, "auto|LIST",
         "what encoders in processes of their own work on, one each: 0,1 or cpu\n"
         "(auto: each GPU that is to be seen, or the CPU)",
         NULL, 0, 0},
        {"encoder-timeout", OPTION_INT, &o->timeout, "S",
         "start such a process again that has not answered for S seconds (600)", NULL, 1,
         1000000},
        {"encoder-restarts", OPTION_INT, &o->restarts, "N",
         "fail when one was started again N times without any answer (5)", NULL, 0, 1000},
    };

    _Static_assert(sizeof(options) == N_PROCESS_OPTIONS * sizeof(*options), "its number");
    memcpy(list, options, sizeof(options));
}

static bool is_of_one(const char *name)
{
    for (size_t i = 0; i < N_OF_ONE; i++)
        if (strcmp(name, of_one[i]) == 0)
            return true;
    return false;
}

void encoder_options_collect(struct option_list *given, struct option *options, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (options[i].type == OPTION_HEADING || !is_of_one(options[i].name))
            continue;
        options[i].type = OPTION_LIST;
        options[i].value = given;
    }
}

static int refuse(const char *option, const char *value, const char *why)
{
    usage_error("--%s %s: %s", option, value, why);
    return OPTIONS_WRONG;
}

/* 1 to 64 of these. */
static bool is_label(const char *text, size_t len)
{
    return len > 0 && len < ENCODER_LABEL_CAP &&
           strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789_-") >= len;
}

/* What other names in shards end in. */
static bool is_reserved(const char *label)
{
    return strcmp(label, "mirrored") == 0 || strcmp(label, "logvar") == 0;
}

static const struct encoder_request *find(const struct encoder_requests *all,
                                          const char *label, size_t len)
{
    for (size_t i = 0; i < all->n; i++)
        if (strlen(all->at[i].label) == len && memcmp(all->at[i].label, label, len) == 0)
            return &all->at[i];
    return NULL;
}

static int add(struct encoder_requests *all, const char *label, size_t label_len,
               const char *scheme, size_t scheme_len, const char *rest)
{
    struct encoder_request *r = &all->at[all->n];

    if (all->n == ENCODERS_MAX) {
        usage_error("--encoder: more than %d encoders", ENCODERS_MAX);
        return OPTIONS_WRONG;
    }
    snprintf(r->label, sizeof(r->label), "%.*s", (int)label_len, label);
    snprintf(r->scheme, sizeof(r->scheme), "%.*s", (int)scheme_len, scheme);
    r->rest = strcmp(rest, "builtin") == 0 ? NULL : rest;
    if (is_reserved(r->label)) {
        usage_error("--encoder %s=: shards use that name for something else; take "
                    "another label",
                    r->label);
        return OPTIONS_WRONG;
    }
    if (find(all, r->label, label_len)) {
        usage_error("--encoder: two encoders are labelled %s; give each its own, as in "
                    "--encoder LABEL=%s:%s",
                    r->label, r->scheme, rest);
        return OPTIONS_WRONG;
    }
    all->n++;
    return OPTIONS_OK;
}

/* [LABEL=]SCHEME:REST */
static int add_encoder(struct encoder_requests *all, const char *value)
{
    const char *colon = strchr(value, ':');
    const char *scheme = value;
    size_t label_len, scheme_len;

    if (!colon || colon[1] == '\0')
        return refuse("encoder", value, "must be [LABEL=]SCHEME:REST, as vae:PATH is");
    label_len = strcspn(value, "=:");
    if (value[label_len] == '=')
        scheme += label_len + 1;
    scheme_len = (size_t)(colon - scheme);
    if (!is_label(scheme, scheme_len) || !is_label(value, label_len))
        return refuse("encoder", value,
                      "labels and schemes are 1 to 64 of a-z, 0-9, '_' and '-'");
    return add(all, value, label_len, scheme, scheme_len, colon + 1);
}

static int add_encoders(const struct option_list *given, struct encoder_requests *all)
{
    int rc = OPTIONS_OK;

    for (size_t i = 0; i < given->n && rc == OPTIONS_OK; i++) {
        const char *option = given->given[i].option, *value = given->given[i].value;

        if (strcmp(option, "encoder") == 0)
            rc = add_encoder(all, value);
        else if (strcmp(option, "vae") == 0)
            rc = add(all, "vae", 3, "vae", 3, value);
    }
    if (rc == OPTIONS_OK && all->n == 0) {
        all->assumed = true;
        rc = add(all, "vae", 3, "vae", 3, "builtin");
    }
    return rc;
}

static int set(struct encoder_request *r, const char *option, const char *text)
{
    struct option options[N_PIXEL_OPTIONS + N_LATENT_OPTIONS + 1 + N_EACH_PROCESS];
    struct option *next = options;

    image_options_list_pixels(&r->image, next);
    latent_options_list(&r->latent, next += N_PIXEL_OPTIONS);
    *(next += N_LATENT_OPTIONS) = id_offset_option(&r->id_offset);
    list_each_process(&r->process, next + 1);
    for (size_t i = 0; i < sizeof(options) / sizeof(*options); i++)
        if (strcmp(options[i].name, option) == 0)
            return options_set(&options[i], text);
    return OPTIONS_OK;
}

static int unknown_label(const struct encoder_requests *all, const char *option,
                         const char *value)
{
    char labels[ENCODERS_MAX * (ENCODER_LABEL_CAP + 2)] = "";
    size_t len = 0;

    for (size_t i = 0; i < all->n; i++)
        len += (size_t)snprintf(labels + len, sizeof(labels) - len, "%s%s",
                                i > 0 ? ", " : "", all->at[i].label);
    usage_error("--%s %s: no encoder has that label; there %s %s", option, value,
                all->n == 1 ? "is" : "are", labels);
    return OPTIONS_WRONG;
}

/* Those for all encoders, or those for one. */
static int apply(const struct option_list *given, bool for_one,
                 struct encoder_requests *all)
{
    int rc = OPTIONS_OK;

    for (size_t i = 0; i < given->n && rc == OPTIONS_OK; i++) {
        const char *option = given->given[i].option, *value = given->given[i].value;
        const char *equals = strchr(value, '=');

        /* ARGS may have one of their own. */
        if (equals && strcmp(option, "encoder-args") == 0 &&
            !find(all, value, (size_t)(equals - value)))
            equals = NULL;
        if (!is_of_one(option) || (equals != NULL) != for_one)
            continue;
        if (equals && !find(all, value, (size_t)(equals - value)))
            return unknown_label(all, option, value);
        for (size_t k = 0; k < all->n && rc == OPTIONS_OK; k++)
            if (!equals || &all->at[k] == find(all, value, (size_t)(equals - value)))
                rc = set(&all->at[k], option, equals ? equals + 1 : value);
    }
    return rc;
}

int encoder_options_resolve(const struct option_list *given,
                            const struct image_options *image,
                            const struct process_options *process,
                            struct encoder_requests *requests)
{
    int rc;

    *requests = (struct encoder_requests){0};
    rc = add_encoders(given, requests);
    for (size_t i = 0; i < requests->n; i++) {
        requests->at[i].image = *image;
        requests->at[i].latent = latent_options_default();
        requests->at[i].process = *process;
        requests->at[i].id_offset = -1;
        requests->at[i].given = given;
    }
    if (rc == OPTIONS_OK)
        rc = apply(given, false, requests);
    if (rc == OPTIONS_OK)
        rc = apply(given, true, requests);
    for (size_t i = 0; i < requests->n && rc == OPTIONS_OK; i++)
        rc = latent_options_check(&requests->at[i].latent);
    return rc;
}

bool encoder_request_is_named(const struct encoder_request *r, const char *option)
{
    const size_t len = strlen(r->label);

    for (size_t i = 0; r->given && i < r->given->n; i++)
        if (strcmp(r->given->given[i].option, option) == 0 &&
            strncmp(r->given->given[i].value, r->label, len) == 0 &&
            r->given->given[i].value[len] == '=')
            return true;
    return false;
}
