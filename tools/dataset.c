/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/dataset.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ingest/decode.h"
#include "shard/canonical_json.h"
#include "tools/exit_code.h"
#include "tools/json_diff.h"
#include "tools/json_text.h"
#include "tools/options.h"
#include "tools/print.h"
#include "tools/publish.h"
#include "tools/sha256.h"
#include "tools/store.h"

enum { DATASET_VERSION = 1 };

static const char *const groups[] = {"encode", "text", "select"};

static json_t *real_array(const double *values, int n)
{
    json_t *array = json_array();

    for (int i = 0; i < n; i++)
        json_put_element(&array, json_real(values[i]));
    return array;
}

static json_t *encode_group(const struct prepare_options *o, const struct vae_info *vae)
{
    json_t *group = json_pack(
        "{s:[II], s:s, s:s, s:s, s:{s:s, s:s, s:o, s:o, s:o}, s:s, s:s, s:s}", "size",
        (json_int_t)o->size, (json_int_t)o->size, "crop", "centre", "resize",
        resize_filter_name((enum resize_filter)o->resize), "icc",
        o->icc == ICC_SRGB ? "srgb" : "ignore", "vae", "family", vae->family, "sha256",
        vae->sha256, "config", json_loads(vae->config, JSON_DECODE_ANY, NULL), "scale",
        real_array(vae->scale, vae->n_scale), "shift",
        real_array(vae->shift, vae->n_scale), "latent", latent_dtype_names[o->latent],
        "moments", moments_names[o->moments], "numerics", vae->numerics);

    if (group && o->jpeg_scale &&
        json_object_set_new(group, "jpeg_scale", json_integer(o->jpeg_scale)) != 0) {
        json_decref(group);
        group = NULL;
    }
    return group;
}

static json_t *text_group(const struct prepare_options *o,
                          const struct shard_tokenizer *t)
{
    json_t *tokenizer = t->present
                            ? json_pack("{s:s, s:I, s:I, s:I}", "sha256", t->sha256,
                                        "n_pieces", (json_int_t)t->n_pieces, "boi",
                                        (json_int_t)t->boi, "eoi", (json_int_t)t->eoi)
                            : json_null();

    return json_pack("{s:o, s:I, s:f, s:I}", "tokenizer", tokenizer, "seed",
                     (json_int_t)o->seed, "caption_first", o->caption_first, "patch",
                     (json_int_t)o->patch);
}

static json_t *select_group(const struct prepare_options *o)
{
    return json_pack(
        "{s:s?, s:s, s:s, s:I, s:I, s:I, s:s, s:s, s:I, s:I, s:I, s:i, s:f, s:I}",
        "image_field", o->image_field, "text_field", o->text_field, "id_field",
        o->id_field, "max_doc_bytes", (json_int_t)o->max_doc_bytes, "name_depth",
        (json_int_t)o->name_depth, "min_size", (json_int_t)o->min_size, "truncated",
        o->truncated ? "keep" : "reject", "metadata", o->metadata ? "none" : "keep",
        "max_metadata", (json_int_t)o->max_metadata, "max_member",
        (json_int_t)o->max_member, "decode_mem", (json_int_t)o->decode_mem,
        "decode_table", (int)DECODE_TABLE_NUMBER, "max_reject_rate", o->max_reject_rate,
        "limit", (json_int_t)o->limit);
}

static json_t *hash_of(const json_t *value)
{
    char hex[65], *text = shard_json_canonical(value);
    json_t *hash = NULL;

    if (text && sha256_hex(text, strlen(text), hex) == 0)
        hash = json_string(hex);
    free(text);
    return hash;
}

json_t *dataset_config(const struct prepare_options *o, const struct vae_info *vae,
                       const struct shard_tokenizer *tokenizer)
{
    json_t *config = json_pack("{s:s, s:i, s:o, s:o, s:o}", "format",
                               "latentmill-dataset", "version", (int)DATASET_VERSION,
                               "encode", vae ? encode_group(o, vae) : json_null(), "text",
                               text_group(o, tokenizer), "select", select_group(o));
    json_t *hashes = json_object();

    if (!config || !hashes)
        goto out_of_memory;
    for (size_t i = 0; i < 3; i++)
        if (json_object_set_new(hashes, groups[i],
                                hash_of(json_object_get(config, groups[i]))) != 0)
            goto out_of_memory;
    if (json_object_set_new(hashes, "all", hash_of(config)) != 0 ||
        json_object_set(config, "sha256", hashes) != 0)
        goto out_of_memory;
    json_decref(hashes);
    return config;
out_of_memory:
    json_decref(hashes);
    json_decref(config);
    return NULL;
}

const char *dataset_config_sha256(const json_t *config)
{
    return json_string_value(json_object_get(json_object_get(config, "sha256"), "all"));
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

static bool differs(const json_t *there, const json_t *here, const char *group,
                    const char *key)
{
    return !json_equal(json_object_get(json_object_get(there, group), key),
                       json_object_get(json_object_get(here, group), key));
}

static const char *vae_sha256(const json_t *config)
{
    const json_t *vae = json_object_get(json_object_get(config, "encode"), "vae");
    const char *sha256 = json_string_value(json_object_get(vae, "sha256"));

    return sha256 ? sha256 : "";
}

/* Of another VAE its hash says enough: all else of it differs too. */
static void tell_assumed_vae(json_t *there, json_t *here)
{
    if (strcmp(vae_sha256(there), vae_sha256(here)) == 0) {
        print_to_stderr("  no --vae was given, so the builtin was assumed");
        return;
    }
    print_to_stderr("  no --vae was given, so the builtin was assumed; name the one of "
                    "there, whose weights have the SHA-256 %s",
                    vae_sha256(there));
    json_object_del(json_object_get(there, "encode"), "vae");
    json_object_del(json_object_get(here, "encode"), "vae");
}

/* A rerun that left out --vae or --tokenizer did not ask for the builtin. */
static void tell_assumed(const struct prepare_options *o, json_t *there, json_t *here)
{
    if (!o->vae && json_is_object(json_object_get(there, "encode")) &&
        json_is_object(json_object_get(here, "encode")) &&
        differs(there, here, "encode", "vae"))
        tell_assumed_vae(there, here);
    if (!o->tokenizer && differs(there, here, "text", "tokenizer"))
        print_to_stderr("  no --tokenizer was given, so the builtin was assumed");
}

static int compare(const char *path, const json_t *config,
                   const struct prepare_options *o)
{
    json_error_t error;
    json_t *there = json_load_path(path, JSON_REJECT_DUPLICATES, &error);
    json_t *here = json_deep_copy(config);
    int rc = 0;

    if (!there || !here) {
        print_to_stderr("error: %s: cannot be read: %s (line %d)", path,
                        there ? "out of memory" : error.text, error.line);
        rc = EXIT_FAILED;
        goto out;
    }
    keep_comparable(there, here);
    if (json_equal(there, here))
        goto out;
    rc = EXIT_USAGE;
    if (json_is_null(json_object_get(there, "encode")))
        usage_error("%s was made for text alone; use another --out folder (or begin with "
                    "a run that names --vae, which makes a folder for both)",
                    path);
    else
        usage_error("%s was made with another configuration; use another --out folder, "
                    "or these values:",
                    path);
    tell_assumed(o, there, here);
    json_diff_print(there, here, "there", "here");
out:
    json_decref(there);
    json_decref(here);
    return rc;
}

static int report_failure(const char *why)
{
    print_to_stderr("error: %s", why);
    return EXIT_FAILED;
}

int dataset_claim(const struct prepare_options *o, const json_t *config)
{
    char *text = shard_json_canonical(config), *path = NULL, why[600] = "out of memory";
    size_t len = text ? strlen(text) : 0;
    int rc = PUBLISH_FAILED;

    if (text && asprintf(&path, "%s/dataset.json", o->out) >= 0) {
        text[len++] = '\n'; /* in place of the NUL */
        rc = publish_file(path, text, len, why, sizeof(why));
    }
    if (rc == PUBLISH_FAILED)
        rc = report_failure(why);
    else if (rc == PUBLISH_EXISTS)
        rc = compare(path, config, o);
    free(path);
    free(text);
    return rc;
}

/* The model that stands at `path` already. */
static int check_placed(const char *path, const void *model, size_t len)
{
    char *there;
    size_t n;
    int rc = store_read(store_at(path), path, len, &there, &n);

    if (rc != 0 && errno != EFBIG) {
        print_to_stderr("error: %s: %s", path, strerror(errno));
        rc = EXIT_FAILED;
    } else if (rc != 0 || n != len || memcmp(there, model, len) != 0) {
        rc = usage_error("%s: is damaged: it is not the tokenizer that its name says; "
                         "remove it and run again, which places it anew",
                         path);
    }
    free(there);
    return rc;
}

int dataset_place_model(const char *out, const char *file, const void *model, size_t len)
{
    char *path = NULL, why[600] = "out of memory";
    int rc = PUBLISH_FAILED;

    if (asprintf(&path, "%s/%s", out, file) >= 0)
        rc = publish_file(path, model, len, why, sizeof(why));
    if (rc == PUBLISH_FAILED)
        rc = report_failure(why);
    else if (rc == PUBLISH_EXISTS)
        rc = check_placed(path, model, len);
    free(path);
    return rc;
}
