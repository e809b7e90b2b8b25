/* SPDX-License-Identifier: Apache-2.0
 * tests/unit/test_json_scan.c - the quick look at a line: jansson sees the same, whatever
 * the line, and ordinary lines do not need it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/json_referee.h"

/* In memory as long as the line, for sanitizers. */
static bool is_taken(const char *line, size_t len)
{
    char *copy = malloc(len > 0 ? len : 1);
    bool taken;

    assert_non_null(copy);
    memcpy(copy, line, len);
    taken = referee_check(copy, len, "text", "id");
    free(copy);
    return taken;
}

static const char *const ordinary[] = {
    "{\"text\":\"\"}",
    " { \"text\" : \"a b c d e f g h i j k l m n o p\" , \"id\" : 17 } \t\r",
    "{\"id\":\"a/b\",\"text\":\"say \\\"no\\\", 1\\/2 \\\\ \\b\\f\\n\\r\\t\"}",
    "{\"text\":\"\\u0041\\u00e9\\u3042\\uFeFf\\u0000\\ud83d\\uDE00.\"}",
    "{\"text\":\"\xC3\xA9 \xE3\x81\x82\xE3\x81\x84 \xF0\x9F\x98\x80 \x7F\"}",
    "{\"a\":[1,-0,0.5,12e+3,1E-7,1e999,true,false,null,[],{}],\"text\":\"x\"}",
    "{\"a\":{\"text\":\"y\",\"b\":{\"id\":5}},\"text\":\"x\",\"id\":null}",
    "{\"text\":\"x\",\"text\":\"y\",\"id\":1,\"id\":\"k\"}",
    "{\"text\":null}",
    "{\"id\":-12345678901234567890,\"score\":0.123,\"text\":[\"]\",\"}\"]}",
    "{\"text\":{},\"\":0,\"id\":false}",
    "{\"a\":[ [ ] , { } , [ 1 , 2 ] , { \"b\" : [ ] } ]}",
};
enum { N_ORDINARY = sizeof(ordinary) / sizeof(*ordinary) };

static void ordinary_lines_are_taken(void **state)
{
    (void)state;
    for (size_t i = 0; i < N_ORDINARY; i++)
        if (!is_taken(ordinary[i], strlen(ordinary[i])))
            fail_msg("not taken: %s", ordinary[i]);
}

/* What is at fault, and what is left to jansson. */
static void others_are_not(void **state)
{
    static const char *const lines[] = {
        "",
        " ",
        "{}",
        "[]",
        "\"text\"",
        "{\"text\":\"x\"",
        "{\"text\":\"x\"}}",
        "{\"text\":\"x\"} {}",
        "{\"text\":\"x\",}",
        "{\"text\" \"x\"}",
        "{\"text\":\"x}",
        "{\"text\":\"x\\\"}",
        "{\"text\":\"\\x\"}",
        "{\"text\":\"\\u12g4\"}",
        "{\"text\":\"\\u12",
        "{\"text\":\"\\ud83d\"}",
        "{\"text\":\"\\ud83d\\u0041\"}",
        "{\"text\":\"\\ude00\\ud83d\"}",
        "{\"text\":\"a\tb\"}",
        "{\"text\":\"\xC0\x80\"}",
        "{\"text\":\"\xED\xA0\x80\"}",
        "{\"text\":\"\xF4\x90\x80\x80\"}",
        "{\"text\":\"\xE3\x81\"}",
        "{\"text\":\"x\",\"a\":01}",
        "{\"text\":\"x\",\"a\":+1}",
        "{\"text\":\"x\",\"a\":.5}",
        "{\"text\":\"x\",\"a\":1.}",
        "{\"text\":\"x\",\"a\":1e}",
        "{\"text\":\"x\",\"a\":-}",
        "{\"text\":\"x\",\"a\":1e5.0}",
        "{\"text\":\"x\",\"a\":NaN}",
        "{\"text\":\"x\",\"a\":nul}",
        "{\"text\":\"x\",\"a\":truex}",
        "{\"text\":\"x\",\"a\":[1,]}",
        "{\"text\":\"x\",\"a\":[1 2]}",
        "{\"te\\u0078t\":\"x\"}",
        "{\"a\":{\"\\u0000\":1}}",
        "{\"text\":\"x\"\xC2\xA0}",
        "\xEF\xBB\xBF{\"text\":\"x\"}",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(lines) / sizeof(*lines); i++)
        if (is_taken(lines[i], strlen(lines[i])))
            fail_msg("taken: %s", lines[i]);
    assert_false(is_taken("{\"text\":\"x\"}\0", 13));
    assert_false(is_taken("{\"text\":\"\0\"}", 12));
}

static void deep_values_are_left_to_jansson(void **state)
{
    char line[256];

    (void)state;
    for (int depth = 1; depth < 60; depth++) {
        int n = snprintf(line, sizeof(line), "{\"text\":\"x\",\"a\":");

        memset(line + n, '[', (size_t)depth);
        memset(line + n + depth, ']', (size_t)depth);
        n += 2 * depth;
        line[n++] = '}';
        assert_int_equal(is_taken(line, (size_t)n), depth < 32);
    }
}

/* Cut anywhere, no line is taken; with a byte changed, if jansson takes it as well. */
static void cuts_and_changes(void **state)
{
    static const char bytes[] = "\"\\/{}[]:,0-.eu\t \r\n\x7F\x80\xC3\xED\xF4n";

    (void)state;
    for (size_t i = 0; i < N_ORDINARY; i++) {
        const size_t len = strlen(ordinary[i]);
        char line[200];

        assert_true(len < sizeof(line));
        for (size_t at = 0; at < len; at++) {
            is_taken(ordinary[i], at);
            for (size_t k = 0; k < sizeof(bytes); k++) { /* a NUL too */
                memcpy(line, ordinary[i], len);
                line[at] = bytes[k];
                is_taken(line, len);
            }
        }
    }
}

static uint32_t draw(uint64_t *seed, uint32_t below)
{
    *seed = *seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(*seed >> 33) % below;
}

/* Of pieces of JSON in any order. */
static void any_mixture(void **state)
{
    static const char *const pieces[] = {"{",
                                         "}",
                                         "[",
                                         "]",
                                         ",",
                                         ":",
                                         "\"",
                                         "\\",
                                         "text",
                                         "\"id\":",
                                         "1",
                                         "0",
                                         "-",
                                         ".5",
                                         "e+1",
                                         "true",
                                         "null",
                                         " ",
                                         "\\u0041",
                                         "\\n",
                                         "\\ud8",
                                         "3d\\ude00",
                                         "\xE3\x81\x82",
                                         "\xF0",
                                         "\t",
                                         "x",
                                         "\"text\":\"",
                                         "\",",
                                         "abcdefgh",
                                         "\"a\":"};
    uint64_t seed = 5;

    (void)state;
    for (int i = 0; i < 200000; i++) {
        char line[400] = "{\"text\":\"";
        size_t n = draw(&seed, 3) > 0 ? 9 : 0;

        for (uint32_t k = draw(&seed, 12); k > 0; k--)
            n += (size_t)snprintf(line + n, sizeof(line) - n, "%s",
                                  pieces[draw(&seed, sizeof(pieces) / sizeof(*pieces))]);
        if (draw(&seed, 2))
            n += (size_t)snprintf(line + n, sizeof(line) - n, "\"}");
        is_taken(line, n);
    }
}

/* At each place in a word of eight, each byte; and with what JSON says of it. */
static void bytes_in_a_string(void **state)
{
    (void)state;
    for (int byte = 0; byte < 256; byte++)
        for (int before = 0; before < 17; before++) {
            char line[64] = "{\"text\":\"";
            size_t n = 9 + (size_t)before;

            memset(line + 9, 'a', 40);
            line[n] = (char)byte;
            memcpy(line + 40, "\"}", 2);
            assert_int_equal(is_taken(line, 42),
                             byte >= ' ' && byte < 0x80 && byte != '"' && byte != '\\');
        }
}

/* Escapes at each place, near each end, one behind the other and apart. */
static void escapes_in_a_string(void **state)
{
    static const char *const escapes[] = {"\\n", "\\\\\\\"", "\\u00e9", "\\ud83d\\ude00",
                                          "\\u3042\\t"};

    (void)state;
    for (size_t kind = 0; kind < sizeof(escapes) / sizeof(*escapes); kind++)
        for (int before = 0; before < 20; before++)
            for (int behind = 0; behind < 20; behind++) {
                char line[128];
                int n = snprintf(line, sizeof(line), "{\"text\":\"%.*s%s%.*s%s\"}",
                                 before, "abcdefghijklmnopqrst", escapes[kind], behind,
                                 "ABCDEFGHIJKLMNOPQRST", escapes[kind]);

                assert_true(is_taken(line, (size_t)n));
            }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ordinary_lines_are_taken),
        cmocka_unit_test(others_are_not),
        cmocka_unit_test(deep_values_are_left_to_jansson),
        cmocka_unit_test(cuts_and_changes),
        cmocka_unit_test(any_mixture),
        cmocka_unit_test(bytes_in_a_string),
        cmocka_unit_test(escapes_in_a_string),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
