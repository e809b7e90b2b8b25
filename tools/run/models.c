/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/run/models.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "shard/canonical_json.h"
#include "shard/status.h"
#include "tools/cli/exit_code.h"
#include "tools/run/code_ids.h"
#include "tools/run/model_advice.h"
#include "tools/cli/options.h"
#include "tools/cli/print.h"
#include "tools/store/sha256.h"
#include "vae_encode/vae.h"

enum { MAX_MODEL_BYTES = 64 << 20 };

static int failed(const char *why)
{
    print_to_stderr("error: %s", why);
    return EXIT_FAILED;
}

/* Readers make patches of whole windows of a latent. */
static int check_patch(const struct encoding *e, int64_t patch)
{
    const int64_t w = (int64_t)e->rendition.target_width / e->about.multiple;
    const int64_t h = (int64_t)e->rendition.target_height / e->about.multiple;

    if (!encoder_has_latents(&e->about) || (w % patch == 0 && h % patch == 0))
        return 0;
    return usage_error("--patch %lld: does not divide the latent grid of %lld x %lld%s%s",
                       (long long)patch, (long long)w, (long long)h,
                       strcmp(e->label, "vae") == 0 ? "" : " that is made by ",
                       strcmp(e->label, "vae") == 0 ? "" : e->label);
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
    int rc = encoding_open(e, r, find_same(m, r), m->isa);

    m->n_encodings++;
    return rc;
}

static bool makes_codes(const struct encoder_description *about)
{
    return about->tensors[0].kind == ENCODER_CODES;
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
        bool (*makes)(const struct encoder_description *about);
    } options[] = {{"scale", "latents", encoder_has_latents},
                   {"moments", "latents", encoder_has_latents},
                   {"latent", "floats", encoder_has_floats},
                   {"id-offset", "codes", makes_codes}};

    for (size_t i = 0; i < sizeof(options) / sizeof(*options); i++) {
        bool any = false;

        for (size_t k = 0; k < m->n_encodings; k++)
            any |= options[i].makes(&m->encodings[k].about);
        if (!any && is_given(requests, options[i].option))
            return usage_error("--%s: no encoder of this run makes %s", options[i].option,
                               options[i].what);
    }
    return 0;
}

int models_open_encoders(struct models *m, const struct encoder_requests *requests,
                         const struct text_options *text)
{
    int rc = 0;

    for (size_t i = 0; i < requests->n && rc == 0; i++) {
        rc = open_encoder(m, &requests->at[i]);
        if (rc == 0)
            rc = check_patch(&m->encodings[i], text->patch);
    }
    if (rc == 0)
        rc = check_concerned(m, requests);
    if (rc == 0)
        rc = code_ids_choose(m->encodings, m->n_encodings, &m->described);
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

static int read_model(struct models *m, const char *path)
{
    FILE *f;
    struct stat st;
    int rc = model_advise_tokenizer(path);

    if (rc != 0)
        return rc;
    f = fopen(path, "rbe");
    if (!f || fstat(fileno(f), &st) != 0)
        rc = model_cannot_open("--tokenizer", path, errno);
    else if (!S_ISREG(st.st_mode) || st.st_size > MAX_MODEL_BYTES)
        rc = usage_error("--tokenizer %s: is not a SentencePiece model", path);
    else if (!(m->model_owned = malloc((size_t)st.st_size + 1)))
        rc = failed("out of memory");
    else if (fread(m->model_owned, 1, (size_t)st.st_size, f) != (size_t)st.st_size)
        rc = ferror(f) ? model_cannot_open("--tokenizer", path, errno)
                       : usage_error("--tokenizer %s: became shorter", path);
    m->model = m->model_owned;
    m->model_len = rc == 0 ? (size_t)st.st_size : 0;
    if (f)
        fclose(f);
    return rc;
}

/* The id of a marker: a named piece, or the `next` id behind the vocabulary. */
static int choose_marker(const struct models *m, const char *option, const char *piece,
                         uint32_t next, uint32_t *id)
{
    int64_t found = piece ? tokenizer_piece_id(m->tokenizer, piece) : (int64_t)next;

    if (found < 0)
        return usage_error("%s %s: the tokenizer has no such piece", option, piece);
    if (found == tokenizer_bos(m->tokenizer) || found == tokenizer_eos(m->tokenizer))
        return usage_error("%s %s: is the tokenizer's BOS or EOS", option, piece);
    *id = (uint32_t)found;
    return 0;
}

/* {"normalizer": name, "charsmap_sha256": of its table, or null} into m->tables. */
static int describe_tables(struct models *m)
{
    char sha256[SHA256_HEX_CAP];
    size_t len;
    const void *charsmap = tokenizer_charsmap(m->tokenizer, &len);
    json_t *tables =
        sha256_hex(charsmap, len, sha256) == 0
            ? json_pack("{s:s, s:s?}", "normalizer", tokenizer_normalizer(m->tokenizer),
                        "charsmap_sha256", len > 0 ? sha256 : NULL)
            : NULL;

    m->tables = tables ? shard_json_canonical(tables) : NULL;
    json_decref(tables);
    return m->tables ? 0 : failed("out of memory");
}

static int describe_tokenizer(struct models *m, const struct text_options *o)
{
    struct shard_tokenizer *d = &m->described;
    uint32_t n = tokenizer_n_pieces(m->tokenizer);
    int rc;

    if (sha256_hex(m->model, m->model_len, m->model_sha256) != 0)
        return failed("out of memory");
    snprintf(m->model_file, sizeof(m->model_file), "tokenizer-%.12s.model",
             m->model_sha256);
    rc = describe_tables(m);
    if (rc != 0)
        return rc;
    *d = (struct shard_tokenizer){.present = true,
                                  .kind = tokenizer_kind(m->tokenizer),
                                  .special = tokenizer_special(m->tokenizer),
                                  .tables = m->tables,
                                  .sha256 = m->model_sha256,
                                  .file = m->model_file,
                                  .n_pieces = n,
                                  .bos = tokenizer_bos(m->tokenizer),
                                  .eos = tokenizer_eos(m->tokenizer)};
    rc = choose_marker(m, "--boi", o->boi, n, &d->boi);
    if (rc == 0)
        rc = choose_marker(m, "--eoi", o->eoi, n + 1, &d->eoi);
    if (rc == 0 && d->boi == d->eoi)
        rc = usage_error("--boi and --eoi are the same piece");
    return rc;
}

static int open_tokenizer(struct models *m, const struct text_options *o)
{
    const char *model = o->tokenizer ? o->tokenizer : "builtin";
    bool builtin = strcmp(model, "builtin") == 0;
    int rc = 0;

    if (strcmp(model, "none") == 0)
        return o->boi || o->eoi ? usage_error("--boi and --eoi need a tokenizer") : 0;
    if (builtin)
        m->model = tokenizer_builtin(&m->model_len);
    else
        rc = read_model(m, model);
    if (rc != 0)
        return rc;
    m->demo_tokenizer = builtin;
    rc = tokenizer_open(&m->tokenizer, m->model, m->model_len, model);
    if (rc == SHARD_ENOMEM)
        return failed("out of memory");
    if (rc != SHARD_OK)
        return usage_error("--tokenizer %s", tokenizer_why(m->tokenizer));
    return describe_tokenizer(m, o);
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
    return rc == 0 ? open_tokenizer(m, text) : rc;
}

void models_close(struct models *m)
{
    tokenizer_close(m->tokenizer);
    for (size_t i = 0; i < m->n_encodings; i++)
        encoding_close(&m->encodings[i]);
    free(m->model_owned);
    free(m->tables);
}
