/* SPDX-License-Identifier: Apache-2.0
 * shard/plan.c - a plan's two forms. A parsed plan points into its JSON tree, which lives
 * as long. */
#include "shard/plan.h"

#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "shard/canonical_json.h"
#include "shard/file/format.h"
#include "shard/json_read.h"
#include "shard/parts.h"
#include "shard/record_check.h"
#include "shard/status.h"

enum {
    MAX_RULES = 256,
    MAX_SEE = 64,
    MAX_DEPTH = 8,
    MAX_OUTPUT = 255,
    MAX_WINDOW = 1024
};

/* ---- use ---- */

const struct shard_plan *shard_plan_default(void)
{
    static const struct shard_appearance seen = {
        .row_end = -1, .loss = true, .visible = true, .advance = true, .markers = true};
    static const struct shard_rule rules[] = {
        {.part = SHARD_PART_TEXT, .flag = SHARD_ANY, .n_see = 1, .see = &seen},
        {.part = SHARD_PART_IMAGE, .flag = SHARD_ANY, .n_see = 1, .see = &seen},
        {.part = SHARD_PART_DATA, .flag = SHARD_ANY}};
    static const struct shard_plan plan = {.n_rules = 3, .rules = rules};

    return &plan;
}

static bool is_last(const struct shard_record *rec, size_t i)
{
    for (size_t j = i + 1; j < rec->n_parts; j++)
        if (rec->parts[j].kind == rec->parts[i].kind)
            return false;
    return true;
}

const struct shard_rule *shard_plan_rule(const struct shard_plan *plan,
                                         const struct shard_record *rec, size_t i)
{
    const struct shard_part *part = &rec->parts[i];

    for (size_t j = 0; j < plan->n_rules; j++) {
        const struct shard_rule *r = &plan->rules[j];
        if (r->part == part->kind && (r->flag == SHARD_ANY || r->flag == part->flags) &&
            (r->role == NULL || strcmp(r->role, part->role) == 0) &&
            (!r->last || is_last(rec, i)))
            return r;
    }
    return NULL;
}

uint32_t shard_plan_encoder(const struct shard_appearance *a,
                            const struct shard_header *h)
{
    return a->encoder != NULL ? shard_find_encoder(h, a->encoder)
                              : shard_default_encoder(h);
}

bool shard_plan_shows(const struct shard_plan *plan, const struct shard_header *h,
                      uint32_t encoder, uint32_t slot)
{
    if (shard_slot_is_logvar(slot))
        return false;
    for (size_t i = 0; i < plan->n_rules; i++)
        for (size_t j = 0; j < plan->rules[i].n_see; j++) {
            const struct shard_appearance *a = &plan->rules[i].see[j];
            const bool own_ids =
                plan->rules[i].part == SHARD_PART_TEXT && a->encoder == NULL;
            if (!own_ids && a->output == shard_slot_output(slot) &&
                shard_plan_encoder(a, h) == encoder)
                return true;
        }
    return false;
}

/* The names of the header's encoders, as far as there is room. */
static void list_encoders(const struct shard_header *h, char *names, size_t cap)
{
    size_t len = 0;

    for (size_t i = 0; i < h->n_encoders && len < cap; i++)
        len += (size_t)snprintf(names + len, cap - len, "%s%s", i > 0 ? ", " : "",
                                h->encoders[i].name);
}

int shard_plan_check(const struct shard_plan *plan, const struct shard_header *h,
                     char *why, size_t cap)
{
    char names[256] = "";

    for (size_t i = 0; i < plan->n_rules && h->n_encoders > 0; i++)
        for (size_t j = 0; j < plan->rules[i].n_see; j++) {
            const char *encoder = plan->rules[i].see[j].encoder;
            if (encoder == NULL || shard_find_encoder(h, encoder) != SHARD_NONE)
                continue;
            list_encoders(h, names, sizeof(names));
            snprintf(why, cap,
                     "the plan names an encoder \"%.64s\", which the shard has not: its "
                     "encoders are %s",
                     encoder, names);
            return SHARD_EINVAL;
        }
    return SHARD_OK;
}

/* ---- to JSON ---- */

/* Whether JSON can say its roles and encoders. */
static int check_names(const struct shard_plan *plan)
{
    int rc = SHARD_OK;

    for (size_t i = 0; i < plan->n_rules && rc == SHARD_OK; i++) {
        const struct shard_rule *r = &plan->rules[i];
        if (r->role != NULL)
            rc = shard_json_check_string(r->role);
        for (size_t j = 0; j < r->n_see && rc == SHARD_OK; j++)
            if (r->see[j].encoder != NULL)
                rc = shard_json_check_string(r->see[j].encoder);
    }
    return rc;
}

static json_t *size_to_json(const struct shard_size_tokens *s)
{
    if (s->unit == 0)
        return json_null();
    return json_pack("{s:I, s:I, s:I}", "height", (json_int_t)s->height, "width",
                     (json_int_t)s->width, "unit", (json_int_t)s->unit);
}

static json_t *appearance_to_json(const struct shard_appearance *a)
{
    return json_pack("{s:s?, s:I, s:o, s:o, s:o, s:b, s:b, s:b, s:b}", "encoder",
                     a->encoder, "output", (json_int_t)a->output, "window",
                     a->window > 0 ? json_integer(a->window) : json_null(), "row_end",
                     a->row_end >= 0 ? json_integer(a->row_end) : json_null(), "size",
                     size_to_json(&a->size), "loss", (int)a->loss, "visible",
                     (int)a->visible, "advance", (int)a->advance, "markers",
                     (int)a->markers);
}

static json_t *rule_to_json(const struct shard_rule *r)
{
    const char *flag = r->flag == SHARD_FLAG_LOSS      ? "loss"
                       : r->flag == SHARD_FLAG_CONTEXT ? "context"
                                                       : NULL;
    json_t *see = json_array();

    for (size_t i = 0; i < r->n_see && see != NULL; i++)
        if (json_array_append_new(see, appearance_to_json(&r->see[i])) != 0) {
            json_decref(see);
            see = NULL;
        }
    const char *part = shard_part_name(r->part);
    return json_pack("{s:o, s:s?, s:s?, s:b, s:o}", "part",
                     part != NULL ? json_string(part) : json_integer(r->part), "role",
                     r->role, "flag", flag, "last", (int)r->last, "see", see);
}

int shard_plan_to_json(const struct shard_plan *plan, char **json)
{
    int rc = check_names(plan);

    *json = NULL;
    if (rc < 0)
        return rc;
    json_t *rules = json_array();
    for (size_t i = 0; i < plan->n_rules && rules != NULL; i++)
        if (json_array_append_new(rules, rule_to_json(&plan->rules[i])) != 0) {
            json_decref(rules);
            rules = NULL;
        }
    json_t *root = json_pack("{s:s, s:o}", "ends",
                             plan->ends_of_texts ? "text" : "sequence", "rules", rules);
    *json = root != NULL ? shard_json_canonical(root) : NULL;
    json_decref(root);
    return *json != NULL ? SHARD_OK : SHARD_ENOMEM;
}

/* ---- from JSON ---- */

struct parsed_plan {
    struct shard_plan plan; /* first: what the caller holds */
    json_t *root;
    struct shard_rule *rules;
};

/* Refuses an object with a member that is none of `names`, which ends with NULL. */
static void refuse_others(struct shard_json *j, json_t *object, const char *const *names)
{
    const char *key;
    json_t *value;

    if (!json_is_object(object))
        shard_json_refuse(j, "%s is not an object", j->where);
    json_object_foreach(object, key, value)
    {
        size_t i = 0;
        while (names[i] != NULL && strcmp(names[i], key) != 0)
            i++;
        if (names[i] == NULL)
            shard_json_refuse(j, "%s has no member \"%.64s\"", j->where, key);
    }
}

/* What may be absent, and where it says so null. */
static const char *get_string(struct shard_json *j, const json_t *object, const char *key)
{
    return shard_json_has(object, key) ? shard_json_string(j, object, key) : NULL;
}

static int64_t get_integer(struct shard_json *j, const json_t *object, const char *key,
                           int64_t max, int64_t otherwise)
{
    return shard_json_has(object, key) ? shard_json_integer(j, object, key, max)
                                       : otherwise;
}

static bool get_bool(struct shard_json *j, const json_t *object, const char *key,
                     bool otherwise)
{
    return json_object_get(object, key) != NULL ? shard_json_bool(j, object, key)
                                                : otherwise;
}

static void parse_size(struct shard_json *j, json_t *object, struct shard_size_tokens *s)
{
    static const char *const names[] = {"height", "width", "unit", NULL};

    if (object == NULL || json_is_null(object))
        return;
    j->where = "\"size\"";
    refuse_others(j, object, names);
    const int64_t height = get_integer(j, object, "height", SHARD_MAX_ID, -1);
    const int64_t width = get_integer(j, object, "width", SHARD_MAX_ID, -1);
    const int64_t unit = get_integer(j, object, "unit", MAX_WINDOW, 1);
    if (height < 0 || width < 0 || unit < 1)
        shard_json_refuse(
            j, "\"size\" has no ids \"height\" and \"width\", or a \"unit\" of 0");
    j->where = "an appearance";
    *s = (struct shard_size_tokens){(uint32_t)height, (uint32_t)width, (uint32_t)unit};
}

static void parse_appearance(struct shard_json *j, json_t *object,
                             struct shard_appearance *a)
{
    static const char *const names[] = {"encoder", "output", "window",  "row_end",
                                        "size",    "loss",   "visible", "advance",
                                        "markers", NULL};

    j->where = "an appearance";
    refuse_others(j, object, names);
    a->encoder = get_string(j, object, "encoder");
    if (a->encoder != NULL && (a->encoder[0] == 0 || !shard_role_fits(a->encoder)))
        shard_json_refuse(j, "\"encoder\" is not 1 to %d bytes of [a-z0-9_.-]",
                          SHARD_MAX_ROLE);
    a->output = (uint32_t)get_integer(j, object, "output", MAX_OUTPUT, 0);
    a->window = (uint32_t)get_integer(j, object, "window", MAX_WINDOW, 0);
    if (a->window == 0 && shard_json_has(object, "window"))
        shard_json_refuse(j, "\"window\" is neither null nor 1 to %d", MAX_WINDOW);
    a->row_end = get_integer(j, object, "row_end", SHARD_MAX_ID, -1);
    parse_size(j, json_object_get(object, "size"), &a->size);
    a->loss = get_bool(j, object, "loss", true);
    a->visible = get_bool(j, object, "visible", true);
    a->advance = get_bool(j, object, "advance", true);
    a->markers = get_bool(j, object, "markers", true);
}

static uint32_t get_part(struct shard_json *j, const json_t *object)
{
    const json_t *value = json_object_get(object, "part");
    const uint32_t known =
        json_is_string(value) ? shard_part_number(json_string_value(value)) : SHARD_NONE;

    if (known != SHARD_NONE)
        return known;
    if (json_is_integer(value))
        return (uint32_t)get_integer(j, object, "part", UINT32_MAX, 0);
    shard_json_refuse(j, "\"part\" of a rule is not text, image, data or a number");
    return 0;
}

static uint32_t get_flag(struct shard_json *j, const json_t *object)
{
    const char *flag = get_string(j, object, "flag");

    if (flag == NULL)
        return SHARD_ANY;
    if (strcmp(flag, "loss") != 0 && strcmp(flag, "context") != 0)
        shard_json_refuse(j, "\"flag\" of a rule is not loss, context or null");
    return strcmp(flag, "loss") == 0 ? SHARD_FLAG_LOSS : SHARD_FLAG_CONTEXT;
}

static void parse_rule(struct shard_json *j, json_t *object, struct shard_rule *r)
{
    static const char *const names[] = {"part", "role", "flag", "last", "see", NULL};

    j->where = "a rule";
    refuse_others(j, object, names);
    r->part = get_part(j, object);
    r->role = get_string(j, object, "role");
    if (r->role != NULL && !shard_role_fits(r->role))
        shard_json_refuse(j, "\"role\" of a rule is not 0 to %d bytes of [a-z0-9_.-]",
                          SHARD_MAX_ROLE);
    r->flag = get_flag(j, object);
    r->last = get_bool(j, object, "last", false);
    const json_t *see = shard_json_array(j, object, "see", MAX_SEE, &r->n_see);
    struct shard_appearance *all = shard_json_alloc(j, r->n_see, sizeof(all[0]));
    r->see = all;
    for (size_t i = 0; i < r->n_see && all != NULL; i++)
        parse_appearance(j, json_array_get(see, i), &all[i]);
}

static void parse_plan(struct shard_json *j, struct parsed_plan *parsed)
{
    static const char *const names[] = {"ends", "rules", NULL};
    const char *ends = get_string(j, parsed->root, "ends");
    size_t n;

    refuse_others(j, parsed->root, names);
    if (ends != NULL && strcmp(ends, "sequence") != 0 && strcmp(ends, "text") != 0)
        shard_json_refuse(j, "\"ends\" is neither sequence nor text");
    parsed->plan.ends_of_texts = ends != NULL && strcmp(ends, "text") == 0;
    const json_t *rules = shard_json_array(j, parsed->root, "rules", MAX_RULES, &n);
    parsed->rules = shard_json_alloc(j, n, sizeof(parsed->rules[0]));
    parsed->plan.rules = parsed->rules;
    parsed->plan.n_rules = parsed->rules != NULL ? n : 0;
    for (size_t i = 0; i < parsed->plan.n_rules; i++)
        parse_rule(j, json_array_get(rules, i), &parsed->rules[i]);
}

int shard_plan_from_json(const char *json, size_t len, struct shard_plan **out, char *why,
                         size_t cap)
{
    struct shard_json j = {
        .where = "the plan", .refused = SHARD_EINVAL, .why = why, .cap = cap};
    struct parsed_plan *parsed = calloc(1, sizeof(*parsed));

    *out = NULL;
    if (parsed == NULL)
        return SHARD_ENOMEM;
    parsed->root = shard_json_parse(&j, json, len, MAX_DEPTH);
    if (parsed->root != NULL)
        parse_plan(&j, parsed);
    if (j.rc != SHARD_OK) {
        shard_plan_free(&parsed->plan);
        return j.rc;
    }
    *out = &parsed->plan;
    return SHARD_OK;
}

void shard_plan_free(struct shard_plan *plan)
{
    struct parsed_plan *parsed = (struct parsed_plan *)plan;

    if (plan == NULL)
        return;
    for (size_t i = 0; i < plan->n_rules; i++)
        free((void *)plan->rules[i].see);
    free(parsed->rules);
    json_decref(parsed->root);
    free(parsed);
}
