/* SPDX-License-Identifier: Apache-2.0
 * tests/unit/test_print.c - text from outside, printed for terminals and as JSON. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tools/cli/print.h"

static void escaped_is(const char *text, size_t len, const char *expected, size_t columns)
{
    char *found = NULL;
    size_t found_len;
    FILE *out = open_memstream(&found, &found_len);

    assert_int_equal(print_escaped(out, text, len), columns);
    fclose(out);
    assert_string_equal(found, expected);
    free(found);
}

static void json_is(const char *text, size_t len, const char *expected)
{
    char *found = NULL;
    size_t found_len;
    FILE *out = open_memstream(&found, &found_len);

    print_json_string(out, text, len);
    fclose(out);
    assert_string_equal(found, expected);
    free(found);
}

#define STRING(text) text, sizeof(text) - 1

static void escapes_for_terminals(void **state)
{
    (void)state;
    escaped_is(STRING(""), "", 0);
    escaped_is(STRING("plain \"text\""), "plain \"text\"", 12);
    escaped_is(STRING("▁犬 🦙"), "▁犬 🦙", 4);
    escaped_is(STRING("\t\n\r\\"), "\\t\\n\\r\\\\", 8);
    escaped_is(STRING("\0\x1b[1m\x7f"), "\\u0000\\u001b[1m\\u007f", 21);
    escaped_is(STRING("\xc2\x9b\xe2\x80\xae\xe2\x81\xa6\xe2\x80\xa8\xef\xbb\xbf"),
               "\\u009b\\u202e\\u2066\\u2028\\ufeff", 30);
    escaped_is(STRING("\xff\xc3(\xed\xa0\x80\xe2\x82"),
               "\\xff\\xc3(\\xed\\xa0\\x80\\xe2\\x82", 29);
}

static void writes_json_strings(void **state)
{
    (void)state;
    json_is(STRING(""), "\"\"");
    json_is(STRING("a\"b\\c/"), "\"a\\\"b\\\\c/\"");
    json_is(STRING("\n\t\0\x7f"), "\"\\n\\u0009\\u0000\\u007f\"");
    json_is(STRING("犬\xc2\x9b"), "\"犬\\u009b\"");
    json_is(STRING("\xff!\xe2\x82"), "\"\xef\xbf\xbd!\xef\xbf\xbd\xef\xbf\xbd\"");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(escapes_for_terminals),
        cmocka_unit_test(writes_json_strings),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
