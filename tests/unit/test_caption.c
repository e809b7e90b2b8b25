/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "ingest/text/caption.h"
#include "ingest/status.h"

/* "name=text|name=text|..." of what the JSON gives; "!" in front where it did not parse.
 * In static memory. */
static const char *captions_of(const char *json)
{
    static char out[1024];
    struct caption_list list = {0};
    bool parsed;
    size_t at;

    assert_int_equal(caption_list_add_json(&list, json, strlen(json), &parsed),
                     INGEST_OK);
    at = (size_t)snprintf(out, sizeof(out), "%s", parsed ? "" : "!");
    for (size_t i = 0; i < list.n; i++)
        at += (size_t)snprintf(out + at, sizeof(out) - at, "%s=%s|", list.items[i].name,
                               list.items[i].text);
    caption_list_free(&list);
    return out;
}

static void json_fields_are_tried_in_order(void **state)
{
    (void)state;
    assert_string_equal(
        captions_of("{\"text\":\"t\",\"caption\":\"c\",\"captions\":[\"a\",\"b\"]}"),
        "json.captions[0]=a|json.captions[1]=b|");
    assert_string_equal(captions_of("{\"text\":\"t\",\"caption\":\"c\"}"),
                        "json.caption=c|");
    assert_string_equal(captions_of("{\"text\":\"t\",\"caption\":null}"), "json.text=t|");
    assert_string_equal(captions_of("{\"captions\":[],\"caption\":\"c\"}"),
                        "json.caption=c|");
    assert_string_equal(captions_of("{\"captions\":\"x\",\"text\":\"t\"}"),
                        "json.text=t|");
    assert_string_equal(captions_of("{\"captions\":[1,\"b\",null,\" \",\"b\",\"c\"]}"),
                        "json.captions[1]=b|json.captions[5]=c|");
    assert_string_equal(captions_of("{\"other\":\"x\"}"), "");
    assert_string_equal(captions_of("[\"x\"]"), "");
    assert_string_equal(captions_of("3"), "");
}

static void what_is_no_json_does_not_parse(void **state)
{
    static const char *const broken[] = {"",
                                         "{",
                                         "{\"text\":\"t\"",
                                         "{'text':1}",
                                         "{} {}",
                                         "{\"text\":\"\xFF\"}",
                                         "fooNaN",
                                         "{\"a\":\"\\ud800\"}"};

    (void)state;
    for (size_t i = 0; i < sizeof(broken) / sizeof(*broken); i++)
        assert_string_equal(captions_of(broken[i]), "!");
}

static void what_python_writes_parses(void **state)
{
    (void)state;
    assert_string_equal(captions_of("{\"a\":NaN,\"b\":[Infinity,-Infinity],"
                                    "\"caption\":\"NaN is \\\"NaN\\\", -Infinity \\\\\","
                                    "\"c\":NaN}"),
                        "json.caption=NaN is \"NaN\", -Infinity \\|");
    assert_string_equal(captions_of("{\"caption\":NaN,\"text\":\"t\"}"), "json.text=t|");
    assert_string_equal(captions_of("{\"a\":1e999,\"b\":[-2E+400],\"text\":\"1e999\"}"),
                        "json.text=1e999|");
    assert_string_equal(
        captions_of("{\"id\":123456789012345678901234567890,\"text\":\"t\"}"),
        "json.text=t|");
    assert_string_equal(captions_of("\xEF\xBB\xBF{\"text\":\"t\"}"), "json.text=t|");
    assert_string_equal(captions_of("NaN"), "");
}

static void text_may_hold_nul(void **state)
{
    struct caption_list list = {0};
    bool parsed;
    static const char json[] = "{\"text\":\"a\\u0000b\"}";

    (void)state;
    assert_int_equal(caption_list_add_json(&list, json, sizeof(json) - 1, &parsed), 0);
    assert_true(parsed);
    assert_int_equal(list.n, 1);
    assert_int_equal(list.items[0].text_len, 3);
    assert_memory_equal(list.items[0].text, "a\0b", 4);
    caption_list_free(&list);
}

static void blanks_repeats_and_non_utf8_are_left_out(void **state)
{
    struct caption_list list = {0};

    (void)state;
    assert_int_equal(caption_list_add(&list, "1", " a cat ", 7), INGEST_OK);
    assert_int_equal(caption_list_add(&list, "2", "a cat", 5), INGEST_OK);
    assert_int_equal(caption_list_add(&list, "3", " a cat ", 7), INGEST_OK);
    assert_int_equal(caption_list_add(&list, "4", " \t\r\n\v\f", 6), INGEST_OK);
    assert_int_equal(caption_list_add(&list, "5", "", 0), INGEST_OK);
    assert_int_equal(caption_list_add(&list, "6", "\xE9t\xE9", 3), INGEST_OK);
    assert_int_equal(caption_list_add(&list, "7", "\xC2\xA0", 2), INGEST_OK);
    assert_int_equal(caption_list_add(&list, "8", "\0 \0", 3), INGEST_OK);
    assert_int_equal(list.n, 2);
    assert_string_equal(list.items[0].text, " a cat ");
    assert_string_equal(list.items[1].name, "2");
    assert_int_equal(list.n_blank, 4);
    assert_int_equal(list.n_not_utf8, 1);
    caption_list_free(&list);
    caption_list_free(&list);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(json_fields_are_tried_in_order),
        cmocka_unit_test(what_is_no_json_does_not_parse),
        cmocka_unit_test(what_python_writes_parses),
        cmocka_unit_test(text_may_hold_nul),
        cmocka_unit_test(blanks_repeats_and_non_utf8_are_left_out),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
