/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/prepare/configuration.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ingest/image/decode.h"
#include "shard/canonical_json.h"
#include "tools/cli/exit_code.h"
#include "tools/cli/json_diff.h"
#include "tools/store/json_text.h"
#include "tools/store/manifest.h"
#include "tools/cli/options.h"
#include "tools/cli/print.h"
#include "tools/store/publish.h"
#include "tools/store/sha256.h"
#include "tools/store/store.h"

enum { CONFIGURATION_VERSION = 2 };

static const char *const groups[] = {"encode", "text", "select"};

static json_t *real_array(const double *values, size_t n)
{
    json_t *array = json_array();

    for (size_t i = 0; i < n; i++)
        json_put_element(&array, json_real(values[i]));
    return array;
}

static json_t *id_array(const uint32_t *ids, size_t n)
{
    json_t *array = n > 0 ? json_array() : json_null();

    for (size_t i = 0; i < n; i++)
        json_put_element(&array, json_integer(ids[i]));
    return array;
}

static json_t *feature_array(const struct encoding *e)
{
    json_t *array = json_array();

    for (size_t i = 0; i < e->n_features; i++) {
        const struct shard_features *f = &e->features[i];
        const size_t width = f->dims[f->n_dims - 1];

        json_put_element(
            &array, json_pack("{s:s, s:o, s:o, s:o}", "what", f->what, "dims",
                              id_array(f->dims, f->n_dims), "mean",
                              f->mean ? real_array(f->mean, width) : json_null(), "std",
                              f->std ? real_array(f->std, width) : json_null()));
    }
    return array;
}

/* What its first tensor's kind has beside all others. */
static json_t *describe_kind(const struct encoding *e)
{
    const struct encoder_description *about = &e->about;

    switch (about->tensors[0].kind) {
    case ENCODER_LATENT:
        return json_pack(
            "{s:o, s:o, s:o*}", "scale", real_array(about->scale, about->n_scale),
            "shift", real_array(about->shift, about->n_scale), "scale_window",
            about->scale_window > 1 ? json_integer(about->scale_window) : NULL);
    case ENCODER_CODES:
        return json_pack("{s:I, s:I, s:o}", "codebook", (json_int_t)about->codebook,
                         "id_offset", (json_int_t)e->id_offset, "id_map",
                         id_array(about->id_map, about->n_id_map));
    case ENCODER_FEATURES:
        return json_pack("{s:o}", "features", feature_array(e));
    default: /* pixels: `config` says it */
        return json_object();
    }
}

/* What an encoder in processes of its own says of itself, whole. Returns 0, or -1: no
 * memory. */
static int add_hello(json_t *encoder, const struct encoding *e)
{
    return e->children
               ? json_object_set(encoder, "hello",
                                 json_object_get(e->children->hello.json, "encoder"))
               : 0;
}

static json_t *describe_encoder(const struct encoding *e)
{
    const struct encoder_description *about = &e->about;
    json_t *of_kind = describe_kind(e);
    json_t *encoder =
        json_pack("{s:s, s:s?, s:o, s:o, s:s*, s:s*, s:s}", "family", about->family,
                  "sha256", about->weights_sha256, "config",
                  about->config ? json_loads(about->config, 0, NULL) : json_null(),
                  "geometry", json_loads(e->geometry, 0, NULL), "latent", e->dtype,
                  "moments", e->moments, "numerics", about->numerics);

    if (!encoder || !of_kind || json_object_update(encoder, of_kind) != 0 ||
        add_hello(encoder, e) != 0) {
        json_decref(encoder);
        encoder = NULL;
    }
    json_decref(of_kind);
    return encoder;
}

/* The first one with latents or codes is what images are seen by: what a member's place
 * in an object does not say. */
static json_t *label_array(const struct configuration_parts *p)
{
    json_t *labels = json_array();

    for (size_t i = 0; i < p->n_encodings; i++)
        json_put_element(&labels, json_string(p->encodings[i].label));
    return labels;
}

/* How pixels are decoded, by its label each encoder, and the order of several. */
static json_t *encode_group(const struct configuration_parts *p)
{
    json_t *encoders = json_object(), *group;

    for (size_t i = 0; i < p->n_encodings; i++)
        json_put_member(&encoders, p->encodings[i].label,
                        describe_encoder(&p->encodings[i]));
    group = json_pack("{s:s, s:o}", "icc", icc_mode_names[p->image->icc], "encoders",
                      encoders);
    if (p->image->jpeg_scale)
        json_put_member(&group, "jpeg_scale", json_integer(p->image->jpeg_scale));
    if (p->n_encodings > 1)
        json_put_member(&group, "encoder_order", label_array(p));
    return group;
}

/* BOS and EOS follow from the file, unless they were chosen. */
static json_t *describe_tokenizer(const struct text_options *o,
                                  const struct shard_tokenizer *t)
{
    json_t *tokenizer = json_pack(
        "{s:s, s:s, s:o, s:s, s:I, s:I, s:I}", "kind", t->kind, "special", t->special,
        "tables", json_loads(t->tables, 0, NULL), "sha256", t->sha256, "n_pieces",
        (json_int_t)t->n_pieces, "boi", (json_int_t)t->boi, "eoi", (json_int_t)t->eoi);

    if (o->bos)
        json_put_member(&tokenizer, "bos", json_integer(t->bos));
    if (o->eos)
        json_put_member(&tokenizer, "eos", json_integer(t->eos));
    if (t->options)
        json_put_member(&tokenizer, "options", json_loads(t->options, 0, NULL));
    return tokenizer;
}

static json_t *text_group(const struct text_options *o, const struct shard_tokenizer *t)
{
    json_t *tokenizer = t->present ? describe_tokenizer(o, t) : json_null();

    return json_pack("{s:o, s:I, s:f, s:I}", "tokenizer", tokenizer, "seed",
                     (json_int_t)o->seed, "caption_first", o->caption_first, "patch",
                     (json_int_t)o->patch);
}

static json_t *select_group(const struct select_options *o,
                            const struct image_options *image)
{
    return json_pack(
        "{s:s?, s:s, s:s, s:I, s:I, s:I, s:s, s:s, s:I, s:I, s:I, s:i, s:f, s:I}",
        "image_field", o->image_field, "text_field", o->text_field, "id_field",
        o->id_field, "max_doc_bytes", (json_int_t)o->max_doc_bytes, "name_depth",
        (json_int_t)o->name_depth, "min_size", (json_int_t)image->min_size, "truncated",
        truncated_names[image->truncated], "metadata", metadata_names[o->metadata],
        "max_metadata", (json_int_t)o->max_metadata, "max_member",
        (json_int_t)o->max_member, "decode_mem", (json_int_t)image->decode_mem,
        "decode_table", (int)DECODE_TABLE_NUMBER, "max_reject_rate", o->max_reject_rate,
        "limit", (json_int_t)o->limit);
}

static json_t *hash_of(const json_t *value)
{
    char hex[SHA256_HEX_CAP], *text = shard_json_canonical(value);
    json_t *hash = NULL;

    if (text && sha256_hex(text, strlen(text), hex) == 0)
        hash = json_string(hex);
    free(text);
    return hash;
}

/* What depends on the libraries, in a configuration whose hashes have been taken. */
static int add_libraries(json_t *config, const struct configuration_parts *p)
{
    json_t *encode = json_object_get(config, "encode");
    json_t *encoders = json_object_get(encode, "encoders");

    for (size_t i = 0; i < p->n_encodings; i++)
        if (json_object_set_new(json_object_get(encoders, p->encodings[i].label),
                                "encode", json_string(p->encodings[i].encode)) != 0)
            return -1;
    return p->n_encodings == 0 || json_object_set_new(encode, "libraries",
                                                      manifest_pixel_libraries()) == 0
               ? 0
               : -1;
}

json_t *configuration_json(const struct configuration_parts *p)
{
    json_t *config = json_pack(
        "{s:s, s:i, s:o, s:o, s:o}", "format", "latentmill-dataset", "version",
        (int)CONFIGURATION_VERSION, "encode",
        p->n_encodings > 0 ? encode_group(p) : json_null(), "text",
        text_group(p->text, p->tokenizer), "select", select_group(p->select, p->image));
    json_t *hashes = json_object();

    if (!config || !hashes)
        goto out_of_memory;
    for (size_t i = 0; i < 3; i++)
        if (json_object_set_new(hashes, groups[i],
                                hash_of(json_object_get(config, groups[i]))) != 0)
            goto out_of_memory;
    if (json_object_set_new(hashes, "all", hash_of(config)) != 0 ||
        json_object_set(config, "sha256", hashes) != 0 || add_libraries(config, p) != 0)
        goto out_of_memory;
    json_decref(hashes);
    return config;
out_of_memory:
    json_decref(hashes);
    json_decref(config);
    return NULL;
}

const char *configuration_sha256(const json_t *config)
{
    return json_string_value(json_object_get(json_object_get(config, "sha256"), "all"));
}

/* What is compared last: it follows from all else, unless latentmill itself, or a
 * library that touches pixels, is another. */
struct derived {
    json_t *libraries; /* NULL: a configuration of text, or an older one */
    json_t *hashes;    /* {label: encode hash} */
};

/* Takes it out of the configuration. Returns 0, or -1: no memory. */
static int take_derived(json_t *config, struct derived *d)
{
    json_t *encode = json_object_get(config, "encode"), *member;
    const char *label;

    d->libraries = json_incref(json_object_get(encode, "libraries"));
    d->hashes = json_object();
    json_object_del(encode, "libraries");
    json_object_foreach(json_object_get(encode, "encoders"), label, member)
    {
        json_t *hash = json_object_get(member, "encode");

        if (hash)
            json_put_member(&d->hashes, label, json_incref(hash));
        json_object_del(member, "encode");
    }
    return d->hashes ? 0 : -1;
}

static void free_derived(struct derived *d)
{
    json_decref(d->libraries);
    json_decref(d->hashes);
}

/* Pixels may differ in places: no reason to stop, but one to know. */
static void warn_of_libraries(const char *path, json_t *there, json_t *here)
{
    const char *name;
    json_t *version;

    json_object_foreach(there, name, version)
    {
        const char *now = json_string_value(json_object_get(here, name));
        const char *then = json_string_value(version);

        if (now && then && strcmp(now, then) != 0)
            print_to_stderr("warning: %s was begun with %s %s, and this is %s: pixels, "
                            "and so latents, may differ a little from those there",
                            path, name, then, now);
    }
}

/* Of configurations that are the same but for this. Returns 0, or EXIT_USAGE. */
static int compare_derived(const char *path, const struct derived *there,
                           const struct derived *here)
{
    if (!there->libraries || !here->libraries)
        return 0;
    if (!json_equal(there->libraries, here->libraries)) {
        warn_of_libraries(path, there->libraries, here->libraries);
        return 0;
    }
    if (json_equal(there->hashes, here->hashes))
        return 0;
    usage_error("%s was made by another version, which makes other pixels of the same "
                "images; use another --out folder. The encoders' hashes:",
                path);
    json_diff_print(there->hashes, here->hashes, "there", "here");
    return EXIT_USAGE;
}

/* Leaves what a run with the configuration `here` must find in `there`. */
static void keep_comparable(json_t *there, json_t *here)
{
    json_object_del(there, "sha256");
    json_object_del(here, "sha256");
    if (json_is_null(json_object_get(here, "encode"))) {
        json_object_del(there, "encode");
        json_object_del(here, "encode");
    }
}

static json_t *encoders_of(const json_t *config)
{
    return json_object_get(json_object_get(config, "encode"), "encoders");
}

/* Of an encoder in a configuration, what no option but --vae or --encoder says. */
static const char *const of_model[] = {"config", "family", "scale", "sha256", "shift"};
enum { N_OF_MODEL = sizeof(of_model) / sizeof(*of_model) };

static bool is_same_model(const json_t *there, const json_t *here)
{
    for (size_t i = 0; i < N_OF_MODEL; i++)
        if (!json_equal(json_object_get(there, of_model[i]),
                        json_object_get(here, of_model[i])))
            return false;
    return true;
}

static void forget_model(json_t *encoder)
{
    for (size_t i = 0; i < N_OF_MODEL; i++)
        json_object_del(encoder, of_model[i]);
}

/* Of another VAE its hash says enough: all else of it differs too. */
static void tell_assumed_vae(json_t *there, json_t *here)
{
    const json_t *sha256 = json_object_get(there, "sha256");

    if (json_equal(sha256, json_object_get(here, "sha256"))) {
        print_to_stderr("  no --vae was given, so the builtin was assumed");
        return;
    }
    print_to_stderr("  no --vae was given, so the builtin was assumed; name the one of "
                    "there, whose weights have the SHA-256 %s",
                    json_is_string(sha256) ? json_string_value(sha256) : "");
    forget_model(there);
    forget_model(here);
}

/* One VAE there is what --vae would have named. */
static void tell_assumed_encoder(json_t *there, json_t *here)
{
    json_t *vae_there = json_object_get(there, "vae");
    json_t *vae_here = json_object_get(here, "vae");
    const char *label;
    json_t *encoder;

    if (vae_there && json_object_size(there) == 1) {
        if (!is_same_model(vae_there, vae_here))
            tell_assumed_vae(vae_there, vae_here);
        return;
    }
    print_to_stderr("  no --encoder was given, so the builtin VAE was assumed; these are "
                    "there:");
    json_object_foreach(there, label, encoder) print_to_stderr(
        "    %s (%s)", label, json_string_value(json_object_get(encoder, "family")));
}

/* A rerun that left out encoders or --tokenizer did not ask for the builtin. */
static void tell_assumed(const struct configuration_parts *p, json_t *there, json_t *here)
{
    if (p->encoder_assumed && encoders_of(there) && encoders_of(here))
        tell_assumed_encoder(encoders_of(there), encoders_of(here));
    if (!p->text->tokenizer.path &&
        !json_equal(json_object_get(json_object_get(there, "text"), "tokenizer"),
                    json_object_get(json_object_get(here, "text"), "tokenizer")))
        print_to_stderr("  no --tokenizer was given, so the builtin was assumed");
}

/* By the first of these members that stands in a path, the option that sets it. */
static const char *option_of(const char *path)
{
    static const char *const options[][2] = {
        {"encoders.vae.config", "--vae"},
        {"encoders.vae.family", "--vae"},
        {"encoders.vae.scale", "--vae, --scale"},
        {"encoders.vae.shift", "--vae"},
        {"encoders.vae.sha256", "--vae"},
        {"bos", "--bos"},
        {"eos", "--eos"},
        {"boi", "--boi"},
        {"eoi", "--eoi"},
        {"special", "--special-tokens"},
        {"pattern", "--pattern"},
        {"special_tokens", "--special-token"},
        {"tokenizer", "--tokenizer"},
        {"id_offset", "--id-offset"},
        {"size", "--size"},
        {"resize", "--resize"},
        {"icc", "--icc"},
        {"jpeg_scale", "--jpeg-scale"},
        {"latent", "--latent"},
        {"moments", "--moments"},
        {"seed", "--seed"},
        {"caption_first", "--caption-first"},
        {"patch", "--patch"},
        {"image_field", "--image-field"},
        {"text_field", "--text-field"},
        {"id_field", "--id-field"},
        {"max_doc_bytes", "--max-doc-bytes"},
        {"name_depth", "--name-depth"},
        {"min_size", "--min-size"},
        {"truncated", "--truncated"},
        {"metadata", "--metadata"},
        {"max_metadata", "--max-metadata"},
        {"max_member", "--max-member"},
        {"decode_mem", "--decode-mem"},
        {"max_reject_rate", "--max-reject-rate"},
        {"limit", "--limit"},
        {"encoders", "--encoder"},
        {"encoder_order", "--encoder"},
    };

    for (size_t i = 0; i < sizeof(options) / sizeof(*options); i++) {
        const char *at = strstr(path, options[i][0]);
        const char *end = at ? at + strlen(options[i][0]) : NULL;

        if (at > path && at[-1] == '.' && (*end == '\0' || *end == '.'))
            return options[i][1];
    }
    return NULL;
}

static int report_failure(const char *why)
{
    print_to_stderr("error: %s", why);
    return EXIT_FAILED;
}

static bool is_configuration(const json_t *config)
{
    const char *format = json_string_value(json_object_get(config, "format"));

    return format != NULL && strcmp(format, "latentmill-dataset") == 0 &&
           json_is_integer(json_object_get(config, "version"));
}

static int compare(const char *path, const json_t *config,
                   const struct configuration_parts *p)
{
    struct derived derived_there = {0}, derived_here = {0};
    json_error_t error;
    json_t *there = json_load_path(path, JSON_REJECT_DUPLICATES, &error);
    json_t *here = json_deep_copy(config);
    int rc = 0;

    if (!there || !here) {
        print_to_stderr("error: %s: cannot be read: %s", path,
                        there ? "out of memory" : error.text);
        rc = EXIT_FAILED;
        goto out;
    }
    if (!is_configuration(there)) {
        rc = usage_error("%s: is damaged: it is no configuration of latentmill; bring it "
                         "back from a copy, or use another --out folder",
                         path);
        goto out;
    }
    if (json_integer_value(json_object_get(there, "version")) < CONFIGURATION_VERSION) {
        rc = usage_error(
            "%s was made by an earlier development version of latentmill, whose "
            "shards this one does not read; use another --out folder and "
            "prepare everything again",
            path);
        goto out;
    }
    if (take_derived(there, &derived_there) != 0 ||
        take_derived(here, &derived_here) != 0) {
        rc = report_failure("out of memory");
        goto out;
    }
    keep_comparable(there, here);
    if (json_equal(there, here)) {
        rc = compare_derived(path, &derived_there, &derived_here);
        goto out;
    }
    rc = EXIT_USAGE;
    if (json_is_null(json_object_get(there, "encode")))
        usage_error("%s was made for text alone; use another --out folder (or begin with "
                    "a run that names --vae, which makes a folder for both)",
                    path);
    else
        usage_error("%s was made with another configuration; use another --out folder, "
                    "or these values:",
                    path);
    tell_assumed(p, there, here);
    json_diff_print_options(there, here, "there", "here", option_of);
out:
    free_derived(&derived_there);
    free_derived(&derived_here);
    json_decref(there);
    json_decref(here);
    return rc;
}

int configuration_claim(const char *out, const struct configuration_parts *p,
                        const json_t *config)
{
    char *text = shard_json_canonical(config), *path = NULL, why[600] = "out of memory";
    size_t len = text ? strlen(text) : 0;
    int rc = PUBLISH_FAILED;

    if (text && asprintf(&path, "%s/dataset.json", out) >= 0) {
        text[len++] = '\n'; /* in place of the NUL */
        rc = publish_file(path, text, len, why, sizeof(why));
    }
    if (rc == PUBLISH_FAILED)
        rc = report_failure(why);
    else if (rc == PUBLISH_EXISTS)
        rc = compare(path, config, p);
    free(path);
    free(text);
    return rc;
}

/* The file that stands at `path` already. */
static int check_placed(const char *path, const struct tokenization *t)
{
    char *there;
    size_t n;
    int rc = store_read(store_at(path), path, t->len, &there, &n);

    if (rc != 0 && errno != EFBIG && errno != EISDIR) {
        print_to_stderr("error: %s: %s", path, strerror(errno));
        rc = EXIT_FAILED;
    } else if (rc != 0 || n != t->len || memcmp(there, t->bytes, n) != 0) {
        rc = usage_error("%s: is damaged: it is not the tokenizer that its name says; "
                         "remove it and run again, which places it anew",
                         path);
    }
    free(there);
    return rc;
}

int configuration_place_tokenizer(const char *out, const struct tokenization *t)
{
    char *path = NULL, why[600] = "out of memory";
    int rc = PUBLISH_FAILED;

    if (asprintf(&path, "%s/%s", out, t->file) >= 0)
        rc = publish_file(path, t->bytes, t->len, why, sizeof(why));
    if (rc == PUBLISH_FAILED)
        rc = report_failure(why);
    else if (rc == PUBLISH_EXISTS)
        rc = check_placed(path, t);
    free(path);
    return rc;
}
