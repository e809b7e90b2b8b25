/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/cli/print.h"
#include "tools/export/export_models.h"

#include <stdio.h>
#include <stdlib.h>

#include "tools/cli/exit_code.h"
#include "tools/export/export_columns.h"
#include "tools/export/export_run.h"
#include "tools/cli/json_diff.h"
#include "tools/store/json_text.h"
#include "tools/cli/options.h"

/* ---- one shard ---- */

/* The type of what an encoder gives; of several outputs, of each. */
static int note_type(json_t *about, const struct shard_encoder *e,
                     const struct export_slot *slot)
{
    json_t *type = json_string(export_dtype_name(slot->dtype));

    if (e->n_outputs <= 1)
        return json_object_set_new(about, "dtype", type);
    char *name = export_output_name(e, slot->slot);
    json_t *types = json_object_get(about, "dtypes");
    int rc = -1;
    if (types == NULL && json_object_set_new(about, "dtypes", json_object()) == 0)
        types = json_object_get(about, "dtypes");
    if (name != NULL)
        rc = json_object_set(types, name, type);
    free(name);
    json_decref(type);
    return rc;
}

/* Adds what one tensor says of its encoder. 0, or -1: no memory. */
static int add_slot(json_t *encoders, const struct shard_header *h, const json_t *header,
                    const struct export_slot *slot)
{
    const struct shard_encoder *e = &h->encoders[slot->encoder];
    json_t *about = json_object_get(encoders, e->name);

    if (about == NULL) {
        json_t *config =
            json_array_get(json_object_get(header, "encoders"), slot->encoder);
        if (json_object_set_new(encoders, e->name,
                                json_pack("{s:O}", "encoder", config)) != 0)
            return -1;
        about = json_object_get(encoders, e->name);
    }
    if (slot->kind != SHARD_LATENT)
        return note_type(about, e, slot);
    const bool logvar = shard_slot_is_logvar(slot->slot);
    if ((logvar || json_object_get(about, "logvar") == NULL) &&
        json_object_set_new(about, "logvar", json_boolean(logvar)) != 0)
        return -1;
    return note_type(about, e, slot);
}

/* Moves the encoder of a single latent from *encoders to `latent`. 0, or -1: no memory.
 */
static int take_single(json_t *models, json_t *encoders, const struct export_shape *shape,
                       const struct shard_header *h)
{
    const struct export_slot *single = export_shape_single(shape, h);

    if (single == NULL || single->kind != SHARD_LATENT)
        return json_object_set_new(models, "latent", json_null());
    const char *name = h->encoders[single->encoder].name;
    if (json_object_set(models, "latent", json_object_get(encoders, name)) != 0)
        return -1;
    return json_object_del(encoders, name);
}

json_t *export_models_describe(struct shard_reader *r, const struct export_shape *shape)
{
    const struct shard_header *h = shard_reader_header(r);
    size_t len;
    const char *text = shard_reader_header_json(r, &len);
    json_t *header = json_loadb(text, len, JSON_ALLOW_NUL, NULL);
    json_t *models =
        json_pack("{s:O}", "tokenizer", json_object_get(header, "tokenizer"));
    json_t *encoders = json_object();
    int rc = models != NULL && encoders != NULL ? 0 : -1;

    for (size_t i = 0; i < shape->n_tensors && rc == 0; i++)
        rc = add_slot(encoders, h, header, &shape->tensors[i]);
    if (rc == 0)
        rc = take_single(models, encoders, shape, h);
    if (rc == 0 && json_object_size(encoders) > 0)
        rc = json_object_set(models, "encoders", encoders);
    json_decref(encoders);
    json_decref(header);
    if (rc == 0)
        return models;
    json_decref(models);
    return NULL;
}

/* ---- all shards ---- */

static int differ(const char *what, const json_t *a, const json_t *b, const char *a_path,
                  const char *b_path)
{
    char a_name[600], b_name[600];

    usage_error("%s and %s have different %s; export them to different folders:", a_path,
                b_path, what);
    snprintf(a_name, sizeof(a_name), "in %s", a_path);
    snprintf(b_name, sizeof(b_name), "in %s", b_path);
    json_diff_print(a, b, a_name, b_name);
    return EXIT_USAGE;
}

int export_models_join_encode(json_t *a, json_t *b)
{
    json_t *left = json_object_get(a, "encoder"), *right = json_object_get(b, "encoder");

    if (!json_is_object(left) || !json_is_object(right) ||
        json_equal(json_object_get(left, "encode"), json_object_get(right, "encode")))
        return 0;
    const bool changed = !json_is_null(json_object_get(left, "encode"));
    return json_object_set_new(left, "encode", json_null()) == 0 &&
                   json_object_set_new(right, "encode", json_null()) == 0
               ? changed
               : -1;
}

/* Member `key` of what is known, which `from` says the paths of. `what`: in words. */
static int agree_on(json_t *known, json_t *from, const char *key, json_t *value,
                    const char *what, const char *path)
{
    json_t *there = json_object_get(known, key);
    const char *there_from = json_string_value(json_object_get(from, key));

    if (there_from == NULL)
        return json_object_set(known, key, value) == 0 &&
                       json_object_set_new(from, key, json_any_string(path)) == 0
                   ? 0
                   : print_out_of_memory();
    if (export_models_join_encode(there, value) < 0)
        return print_out_of_memory();
    return json_equal(there, value) ? 0 : differ(what, there, value, there_from, path);
}

/* What a single latent says is so, or is not so, of an encoder of that name. */
static int agree_on_both(const struct export_models *all)
{
    if (export_models_join_own(all->known) < 0)
        return print_out_of_memory();
    const json_t *other = export_models_clash(all->known);
    if (other == NULL)
        return 0;
    const json_t *latent = json_object_get(all->known, "latent");
    const char *name =
        json_string_value(json_object_get(json_object_get(latent, "encoder"), "name"));
    return differ("latents", latent, other,
                  json_string_value(json_object_get(all->models_from, "latent")),
                  json_string_value(json_object_get(all->encoders_from, name)));
}

static int begin(struct export_models *all)
{
    if (all->known != NULL)
        return 0;
    all->known = json_pack("{s:n, s:n}", "tokenizer", "latent");
    all->models_from = json_object();
    all->encoders_from = json_object();
    return all->known != NULL && all->models_from != NULL && all->encoders_from != NULL
               ? 0
               : print_out_of_memory();
}

static int agree_on_encoders(struct export_models *all, json_t *encoders,
                             const char *path)
{
    const char *name;
    json_t *value;
    int rc = 0;

    if (encoders == NULL)
        return 0;
    if (json_object_get(all->known, "encoders") == NULL &&
        json_object_set_new(all->known, "encoders", json_object()) != 0)
        return print_out_of_memory();
    json_t *known = json_object_get(all->known, "encoders");
    json_object_foreach(encoders, name, value)
    {
        if (rc == 0)
            rc = agree_on(known, all->encoders_from, name, value, "encoders", path);
    }
    return rc;
}

int export_models_agree(struct export_models *all, json_t *models, const char *path)
{
    json_t *latent = json_object_get(models, "latent");
    int rc = begin(all);

    if (rc == 0)
        rc = agree_on(all->known, all->models_from, "tokenizer",
                      json_object_get(models, "tokenizer"), "tokenizers", path);
    if (rc == 0 && !json_is_null(latent))
        rc = agree_on(all->known, all->models_from, "latent", latent, "latents", path);
    if (rc == 0)
        rc = agree_on_encoders(all, json_object_get(models, "encoders"), path);
    if (rc == 0)
        rc = agree_on_both(all);
    json_decref(models);
    return rc;
}

void export_models_clear(struct export_models *all)
{
    json_decref(all->known);
    json_decref(all->models_from);
    json_decref(all->encoders_from);
    *all = (struct export_models){0};
}

/* What encoders say of the latent's; NULL: nothing. */
static json_t *other_of(const json_t *models)
{
    const json_t *latent = json_object_get(models, "latent");
    const char *name =
        json_string_value(json_object_get(json_object_get(latent, "encoder"), "name"));

    return name != NULL ? json_object_get(json_object_get(models, "encoders"), name)
                        : NULL;
}

int export_models_join_own(json_t *models)
{
    return export_models_join_encode(json_object_get(models, "latent"), other_of(models));
}

const json_t *export_models_clash(const json_t *models)
{
    const json_t *latent = json_object_get(models, "latent");
    const json_t *other = other_of(models);

    return other != NULL && !json_equal(latent, other) ? other : NULL;
}
