/* SPDX-License-Identifier: Apache-2.0
 * tests/unit/test_plan.c - a plan's JSON: canonical, the same both ways, and checked. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "shard/plan.h"
#include "shard/status.h"

#define SEEN                                                                             \
    "{\"advance\":true,\"encoder\":null,\"loss\":true,\"markers\":true,\"output\":0,"    \
    "\"row_end\":null,\"size\":null,\"visible\":true,\"window\":null}"
#define RULE(part, see)                                                                  \
    "{\"flag\":null,\"last\":false,\"part\":" part ",\"role\":null,\"see\":[" see "]}"

static const char transfusion[] = "{\"ends\":\"sequence\",\"rules\":[" RULE(
    "\"text\"", SEEN) "," RULE("\"image\"", SEEN) "," RULE("\"data\"", "") "]}";

/* With a default that is said and one that is not. */
static const char full[] =
    "{\"ends\":\"text\",\"rules\":[{\"flag\":\"loss\",\"last\":true,\"part\":77,"
    "\"role\":\"user\",\"see\":[{\"advance\":false,\"encoder\":\"vae\",\"loss\":false,"
    "\"markers\":false,\"output\":255,\"row_end\":2147483647,"
    "\"size\":{\"height\":5,\"unit\":2,\"width\":2147483647},\"visible\":false,"
    "\"window\":8}]},{\"flag\":\"context\",\"last\":false,\"part\":\"image\","
    "\"role\":null,\"see\":[" SEEN "," SEEN "]}]}";

static struct shard_plan *parse(const char *json)
{
    struct shard_plan *plan;
    char why[200] = "";

    if (shard_plan_from_json(json, strlen(json), &plan, why, sizeof(why)) != SHARD_OK)
        fail_msg("%s: %s", json, why);
    return plan;
}

static void becomes(const char *json, const char *canonical)
{
    struct shard_plan *plan = parse(json);
    char *text;

    assert_int_equal(shard_plan_to_json(plan, &text), SHARD_OK);
    assert_string_equal(text, canonical);
    free(text);
    shard_plan_free(plan);
}

static void test_default(void **state)
{
    char *text;

    (void)state;
    assert_int_equal(shard_plan_to_json(shard_plan_default(), &text), SHARD_OK);
    assert_string_equal(text, transfusion);
    free(text);
    /* As FORMAT.md has it. */
    becomes("{\"ends\": \"sequence\", \"rules\": [{\"part\": \"text\", \"see\": [{}]}, "
            "{\"part\": \"image\", \"see\": [{}]}, {\"part\": \"data\", \"see\": []}]}",
            transfusion);
}

static void test_round_trip(void **state)
{
    (void)state;
    becomes(transfusion, transfusion);
    becomes(full, full);
    becomes("{\"rules\":[]}", "{\"ends\":\"sequence\",\"rules\":[]}");
    becomes(
        "{\"rules\":[{\"part\":1,\"see\":[]}]}", /* the number of a kind with a name */
        "{\"ends\":\"sequence\",\"rules\":[" RULE("\"image\"", "") "]}");
}

static void test_fields(void **state)
{
    struct shard_plan *plan = parse(full);
    const struct shard_rule *r = &plan->rules[0];

    (void)state;
    assert_true(plan->ends_of_texts && plan->n_rules == 2);
    assert_int_equal(r->part, 77);
    assert_string_equal(r->role, "user");
    assert_int_equal(r->flag, SHARD_FLAG_LOSS);
    assert_true(r->last && r->n_see == 1);
    const struct shard_appearance *a = &r->see[0];
    assert_string_equal(a->encoder, "vae");
    assert_int_equal(a->output, 255);
    assert_int_equal(a->window, 8);
    assert_int_equal(a->row_end, INT32_MAX);
    assert_true(a->size.height == 5 && a->size.width == INT32_MAX && a->size.unit == 2);
    assert_false(a->loss || a->visible || a->advance || a->markers);
    r = &plan->rules[1];
    assert_int_equal(r->flag, SHARD_FLAG_CONTEXT);
    assert_true(r->role == NULL && !r->last && r->n_see == 2);
    assert_true(r->see[0].row_end == -1 && r->see[0].window == 0 &&
                r->see[0].size.unit == 0);
    shard_plan_free(plan);
}

static void refused(const char *json, const char *names)
{
    struct shard_plan *plan;
    char why[200] = "";

    if (shard_plan_from_json(json, strlen(json), &plan, why, sizeof(why)) != SHARD_EINVAL)
        fail_msg("%s is taken", json);
    assert_null(plan);
    if (strstr(why, names) == NULL)
        fail_msg("%s: \"%s\" does not name %s", json, why, names);
}

static void test_refused(void **state)
{
    static const char *const bad[][2] = {
        {"", "JSON"},
        {"[]", "JSON"},
        {"{}", "rules"},
        {"{\"rules\":{}}", "rules"},
        {"{\"rules\":[],\"rules\":[]}", "JSON"},
        {"{\"rules\":[],\"end\":\"text\"}", "\"end\""},
        {"{\"rules\":[],\"ends\":\"both\"}", "ends"},
        {"{\"rules\":[],\"ends\":1}", "ends"},
        {"{\"rules\":[0]}", "rule"},
        {"{\"rules\":[{\"see\":[]}]}", "part"},
        {"{\"rules\":[{\"part\":\"sound\",\"see\":[]}]}", "part"},
        {"{\"rules\":[{\"part\":-1,\"see\":[]}]}", "part"},
        {"{\"rules\":[{\"part\":4294967296,\"see\":[]}]}", "part"},
        {"{\"rules\":[{\"part\":\"text\"}]}", "see"},
        {"{\"rules\":[{\"part\":\"text\",\"see\":{}}]}", "see"},
        {"{\"rules\":[{\"part\":\"text\",\"see\":[],\"role\":1}]}", "role"},
        {"{\"rules\":[{\"part\":\"text\",\"see\":[],\"flag\":\"x\"}]}", "flag"},
        {"{\"rules\":[{\"part\":\"text\",\"see\":[],\"last\":1}]}", "last"},
        {"{\"rules\":[{\"part\":\"text\",\"see\":[],\"first\":true}]}", "first"},
        {"{\"rules\":[{\"part\":\"text\",\"see\":[1]}]}", "appearance"},
        {"{\"rules\":[{\"part\":\"text\",\"see\":[{\"encoder\":1}]}]}", "encoder"},
        {"{\"rules\":[{\"part\":\"text\",\"see\":[{\"output\":256}]}]}", "output"},
        {"{\"rules\":[{\"part\":\"text\",\"see\":[{\"output\":-1}]}]}", "output"},
        {"{\"rules\":[{\"part\":\"text\",\"see\":[{\"window\":1.5}]}]}", "window"},
        {"{\"rules\":[{\"part\":\"text\",\"see\":[{\"window\":0}]}]}", "window"},
        {"{\"rules\":[{\"part\":\"image\",\"see\":[{\"size\":{\"height\":1}}]}]}",
         "no ids"},
        {"{\"rules\":[{\"part\":\"image\",\"see\":[{\"size\":{\"height\":1,"
         "\"width\":1,\"unit\":0}}]}]}",
         "unit"},
        {"{\"rules\":[{\"part\":\"image\",\"see\":[{\"size\":7}]}]}", "not an object"},
        {"{\"rules\":[{\"part\":\"text\",\"see\":[{\"row_end\":2147483648}]}]}",
         "row_end"},
        {"{\"rules\":[{\"part\":\"text\",\"see\":[{\"loss\":null}]}]}", "loss"},
        {"{\"rules\":[{\"part\":\"text\",\"see\":[{\"slot\":1}]}]}", "slot"},
        {"{\"rules\":[[[[[[[[[[]]]]]]]]]]}", "nested"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        refused(bad[i][0], bad[i][1]);
    shard_plan_free(NULL);
}

/* At most so many rules. */
static void test_many_rules(void **state)
{
    static const char head[] = "{\"rules\":[", rule[] = "{\"part\":9,\"see\":[]},";
    char *json = malloc(1 << 16);

    (void)state;
    for (size_t n = 256; n <= 257; n++) {
        struct shard_plan *plan = NULL;
        char why[200] = "";
        size_t length = sizeof(head) - 1;

        memcpy(json, head, length);
        for (size_t i = 0; i < n; i++, length += sizeof(rule) - 1)
            memcpy(json + length, rule, sizeof(rule) - 1);
        memcpy(json + length - 1, "]}", 2); /* over the last comma */
        assert_int_equal(shard_plan_from_json(json, length + 1, &plan, why, sizeof(why)),
                         n == 256 ? SHARD_OK : SHARD_EINVAL);
        shard_plan_free(plan);
    }
    free(json);
}

static void test_names_that_json_cannot_say(void **state)
{
    const struct shard_appearance see = {.encoder = "\xFF", .row_end = -1};
    struct shard_rule rule = {.flag = SHARD_ANY, .role = "\xC3", .n_see = 1, .see = &see};
    const struct shard_plan plan = {.n_rules = 1, .rules = &rule};
    char *text;

    (void)state;
    assert_int_equal(shard_plan_to_json(&plan, &text), SHARD_EINVAL);
    rule.role = NULL;
    assert_int_equal(shard_plan_to_json(&plan, &text), SHARD_EINVAL);
    rule.n_see = 0;
    assert_int_equal(shard_plan_to_json(&plan, &text), SHARD_OK);
    free(text);
}

static void test_check(void **state)
{
    const struct shard_encoder encoders[2] = {{.name = "vae"}, {.name = "siglip"}};
    struct shard_header header = {.n_encoders = 2, .encoders = encoders};
    char why[200] = "";

    (void)state;
    assert_int_equal(shard_plan_check(shard_plan_default(), &header, why, sizeof(why)),
                     SHARD_OK);
    struct shard_plan *plan = parse("{\"rules\":[{\"part\":\"image\",\"see\":[{},"
                                    "{\"encoder\":\"siglip\"}]}]}");
    assert_int_equal(shard_plan_check(plan, &header, why, sizeof(why)), SHARD_OK);
    header.n_encoders = 1;
    assert_int_equal(shard_plan_check(plan, &header, why, sizeof(why)), SHARD_EINVAL);
    assert_string_equal(why, "the plan names an encoder \"siglip\", which the shard has "
                             "not: its encoders are vae");
    header.n_encoders = 0; /* texts alone, beside others */
    assert_int_equal(shard_plan_check(plan, &header, why, sizeof(why)), SHARD_OK);
    shard_plan_free(plan);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_check),
        cmocka_unit_test(test_default),
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_fields),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_many_rules),
        cmocka_unit_test(test_names_that_json_cannot_say),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
