/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/run/models.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tools/run/child_group.h"
#include "tools/run/code_ids.h"
#include "tools/cli/options.h"
#include "tools/cli/print.h"
#include "vae_encode/encoder.h"
#include "vae_encode/vae.h"

/* Readers make patches of whole windows of a latent, (C, H, W). */
static int check_patch(const struct encoding *e, int64_t patch)
{
    for (size_t i = 0; i < e->about.n_tensors; i++) {
        const struct encoder_tensor *t = &e->about.tensors[i];
        const uint32_t h = t->dims[1], w = t->dims[2];

        if (t->kind == ENCODER_LATENT && (w % patch != 0 || h % patch != 0))
            return usage_error("--patch %lld: does not divide the latent grid of %u x "
                               "%u%s%s",
                               (long long)patch, w, h,
                               strcmp(e->label, "vae") == 0 ? "" : " that is made by ",
                               strcmp(e->label, "vae") == 0 ? "" : e->label);
    }
    return 0;
}

static bool is_equal(const char *a, const char *b)
{
    return a && b ? strcmp(a, b) == 0 : a == b;
}

/* One that is open and works with the same model, or NULL. */
static const struct encoding *find_same(const struct models *m,
                                        const struct encoder_request *r)
{
    for (size_t i = 0; i < m->n_encodings; i++) {
        const struct encoder_request *other = m->encodings[i].request;
        const double a = r->latent.scale, b = other->latent.scale;

        if (strcmp(other->scheme, r->scheme) == 0 && is_equal(other->rest, r->rest) &&
            (a == b || (isnan(a) && isnan(b))))
            return &m->encodings[i];
    }
    return NULL;
}

static int open_encoder(struct models *m, const struct encoder_request *r)
{
    struct encoding *e = &m->encodings[m->n_encodings];
    int rc = encoding_open(e, r, find_same(m, r), m->isa, &m->memory);

    m->n_encodings++;
    return rc;
}

static bool makes_latents(const struct encoding *e)
{
    return encoder_has_latents(&e->about);
}

static bool makes_floats(const struct encoding *e)
{
    return encoder_has_floats(&e->about);
}

static bool makes_codes(const struct encoding *e)
{
    return e->about.tensors[0].kind == ENCODER_CODES;
}

/* One in processes of its own says its scale itself. */
static bool takes_scale(const struct encoding *e)
{
    return makes_latents(e) && !e->children;
}

static bool is_given(const struct encoder_requests *requests, const char *option)
{
    const struct option_list *given = requests->at[0].given;

    for (size_t i = 0; i < given->n; i++)
        if (strcmp(given->given[i].option, option) == 0)
            return true;
    return false;
}

/* An option for all encoders concerns those that make what it is about, but it must have
 * one. */
static int check_concerned(const struct models *m,
                           const struct encoder_requests *requests)
{
    static const struct {
        const char *option, *what;
        bool (*concerns)(const struct encoding *e);
    } options[] = {{"scale", "makes latents in this process", takes_scale},
                   {"moments", "makes latents", makes_latents},
                   {"latent", "makes floats", makes_floats},
                   {"id-offset", "makes codes", makes_codes}};

    for (size_t i = 0; i < sizeof(options) / sizeof(*options); i++) {
        bool any = false;

        for (size_t k = 0; k < m->n_encodings; k++)
            any |= options[i].concerns(&m->encodings[k]);
        if (!any && is_given(requests, options[i].option))
            return usage_error("--%s: no encoder of this run %s", options[i].option,
                               options[i].what);
    }
    return 0;
}

/* An encoder that cannot take the option: which has it by its label, or of which none can
 * take what is `given`; NULL: there is none. */
static const struct encoder_request *find_unable(const struct encoder_requests *requests,
                                                 const char *option, bool given,
                                                 bool (*takes)(const char *scheme))
{
    const struct encoder_request *first = given ? &requests->at[0] : NULL;

    for (size_t i = 0; i < requests->n; i++) {
        const struct encoder_request *r = &requests->at[i];

        if (takes(r->scheme) || !(encoder_find(r->scheme) || child_group_has(r->scheme)))
            first = NULL; /* what no scheme names is told of when it is opened */
        else if (encoder_request_is_named(r, option))
            return r;
    }
    return first;
}

/* The same of options of encoders in processes of their own. */
static int check_processes(const struct encoder_requests *requests)
{
    static const struct {
        const char *option;
        bool (*takes)(const char *scheme);
    } options[] = {{"encoder-args", child_group_ships},
                   {"encoder-processes", child_group_has},
                   {"devices", child_group_has}};
    const bool devices = requests->at[0].process.devices != NULL;

    for (size_t i = 0; i < sizeof(options) / sizeof(*options); i++) {
        const char *option = options[i].option;
        const bool given =
            is_given(requests, option) || (devices && strcmp(option, "devices") == 0);
        const struct encoder_request *r =
            find_unable(requests, option, given, options[i].takes);

        if (r)
            return usage_error("--%s: the encoder %s (%s) has %s", option, r->label,
                               r->scheme,
                               child_group_has(r->scheme) ? "all its words in COMMAND"
                                                          : "no processes of its own");
    }
    return 0;
}

/* Once for all. */
static void tell_of_cpu(const struct models *m)
{
    for (size_t i = 0; i < m->n_encodings; i++)
        if (m->encodings[i].children && m->encodings[i].children->on_cpu) {
            print_to_stderr("no GPU is to be seen: encoders in processes of their own "
                            "work on the CPU (--devices)");
            return;
        }
}

int models_open_encoders(struct models *m, const struct encoder_requests *requests,
                         const struct text_options *text)
{
    int rc = check_processes(requests);

    /* All processes get ready at once. */
    for (size_t i = 0; i < requests->n && rc == 0; i++)
        rc = open_encoder(m, &requests->at[i]);
    if (rc == 0)
        tell_of_cpu(m);
    for (size_t i = 0; i < m->n_encodings && rc == 0; i++) {
        rc = encoding_greet(&m->encodings[i]);
        if (rc == 0)
            rc = check_patch(&m->encodings[i], text->patch);
    }
    if (rc == 0)
        rc = check_concerned(m, requests);
    if (rc == 0)
        rc = code_ids_choose(m->encodings, m->n_encodings, &m->text.described);
    if (rc == 0)
        code_ids_warn(m->encodings, m->n_encodings, m->text.tokenizer);
    for (size_t i = 0; i < m->n_encodings && rc == 0; i++)
        m->headers[i] = encoding_header(&m->encodings[i]);
    return rc;
}

bool models_have_demo_encoder(const struct models *m)
{
    for (size_t i = 0; i < m->n_encodings; i++)
        if (m->encodings[i].about.demo)
            return true;
    return false;
}

/* LATENTMILL_ISA, the user's word on which instruction set is used. Gives *isa, NULL for
 * the best (the variable is unset or empty). Returns 0, or EXIT_USAGE after explaining on
 * stderr that the name is unknown, or that this machine lacks it. */
static int isa_from_environment(const char **isa)
{
    static const char *const names[] = {"portable", "avx2", "avx512"};
    const char *name = getenv("LATENTMILL_ISA");

    *isa = name && *name ? name : NULL;
    if (!*isa || vae_has_isa(name))
        return 0;
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
        if (strcmp(name, names[i]) == 0)
            return usage_error("LATENTMILL_ISA=%s: this machine has no %s", name, name);
    return usage_error("LATENTMILL_ISA=%s: is none of portable, avx2, avx512", name);
}

int models_open(struct models *m, const struct text_options *text)
{
    int rc;

    *m = (struct models){0};
    rc = isa_from_environment(&m->isa);
    return rc == 0 ? tokenization_open(&m->text, text) : rc;
}

void models_close(struct models *m)
{
    tokenization_close(&m->text);
    for (size_t i = 0; i < m->n_encodings; i++)
        encoding_close(&m->encodings[i]);
    shared_memory_close(&m->memory);
}
