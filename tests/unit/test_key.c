/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "ingest/hash_set.h"
#include "ingest/archive/key.h"
#include "ingest/text/utf8.h"

static void key_ends_at_the_first_dot_of_the_file_name(void **state)
{
    static const struct {
        const char *name, *key; /* key "": none */
    } cases[] = {
        {"0001.jpg", "0001"},
        {"dir.v1/0001.seg.PNG", "dir.v1/0001"},
        {"22.05.png", "22"},
        {"./0001.jpg", "./0001"},
        {"a/b/c.txt", "a/b/c"},
        {"/abs.txt", "/abs"},
        {"x.", "x"},
        {"nodot", ""},
        {"", ""},
        {".", ""},
        {".hidden", ""},
        {".hidden.jpg", ""},
        {"a/.hidden", "a/"},
        {"a/.hidden.jpg", "a/"},
        {"a//.x", "a//"},
        {"a.b/.x", ""},
        {"./.x", ""},
        {"a.b/c/.x", "a.b/c/"},
        {"/.x", "/"},
        {"dir.d/nodot", ""},
        {"a.d/", ""},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
        assert_int_equal(key_length(cases[i].name, strlen(cases[i].name)),
                         strlen(cases[i].key));
    assert_int_equal(key_length("a\0b.jpg", 7), 3);
}

static void private_names_start_with_their_mark(void **state)
{
    static const char *const yes[] = {"__meta__", "__x__/0001.jpg", "____", "__a.json__"};
    static const char *const no[] = {"__x_",      "x__y__/a.jpg", "a/__x__/b.jpg",
                                     "__x__.jpg", "___",          ""};

    (void)state;
    for (size_t i = 0; i < sizeof(yes) / sizeof(*yes); i++)
        assert_true(key_is_private(yes[i], strlen(yes[i])));
    for (size_t i = 0; i < sizeof(no) / sizeof(*no); i++)
        assert_false(key_is_private(no[i], strlen(no[i])));
}

static void macos_names_are_known(void **state)
{
    static const char *const yes[] = {"._a.jpg",         "a/b/._c",     "._",
                                      ".DS_Store",       "a/.DS_Store", "__MACOSX/a",
                                      "a/__MACOSX/b.jpg"};
    static const char *const no[] = {"_a.jpg",    "a._b", "._a/b.jpg", "a.DS_Store",
                                     ".",         "",     "__MACOSX",  "x__MACOSX/a.jpg",
                                     ".DS_Store2"};

    (void)state;
    for (size_t i = 0; i < sizeof(yes) / sizeof(*yes); i++)
        assert_true(key_is_macos(yes[i], strlen(yes[i])));
    for (size_t i = 0; i < sizeof(no) / sizeof(*no); i++)
        assert_false(key_is_macos(no[i], strlen(no[i])));
}

static void good_keys_are_utf8_without_controls(void **state)
{
    char longest[KEY_MAX_BYTES + 1];

    (void)state;
    memset(longest, 'k', sizeof(longest));
    assert_null(key_problem(longest, KEY_MAX_BYTES));
    assert_string_equal(key_problem(longest, KEY_MAX_BYTES + 1),
                        "the key is longer than 1024 bytes");
    assert_null(key_problem("caf\xC3\xA9 \\", 7));
    assert_null(key_problem("cafe\xCC\x81", 6));
    assert_string_equal(key_problem("caf\xE9", 4), "the key is not UTF-8");
    assert_string_equal(key_problem("a\nb", 3), "the key has a control character");
    assert_string_equal(key_problem("a\0b", 3), "the key has a control character");
    assert_string_equal(key_problem("a\x7F", 2), "the key has a control character");
    assert_string_equal(key_problem("\xC2\x85", 2), "the key has a control character");
}

static void bad_keys_are_escaped(void **state)
{
    char long_key[KEY_MAX_BYTES + 9];
    char *text;

    (void)state;
    text = key_escape("a\xE9\n\\\xC3\xA9", 6);
    assert_string_equal(text, "a\\xE9\\x0A\\\\\xC3\xA9");
    free(text);
    memset(long_key, 0xFF, sizeof(long_key));
    text = key_escape(long_key, sizeof(long_key));
    assert_int_equal(strlen(text), 4 * KEY_MAX_BYTES + 3);
    assert_string_equal(text + 4 * KEY_MAX_BYTES - 4, "\\xFF...");
    free(text);
    memset(long_key, 'k', sizeof(long_key));
    memcpy(long_key + KEY_MAX_BYTES - 1, "\xC3\xA9", 2); /* not cut in its middle */
    text = key_escape(long_key, sizeof(long_key));
    assert_string_equal(text + KEY_MAX_BYTES - 2, "k...");
    free(text);
}

static void utf8_is_strict(void **state)
{
    static const char *const good[] = {"",
                                       "a",
                                       "\xC2\x80",
                                       "\xE0\xA0\x80",
                                       "\xED\x9F\xBF",
                                       "\xEF\xBF\xBF",
                                       "\xF0\x90\x80\x80",
                                       "\xF4\x8F\xBF\xBF"};
    static const char *const bad[] = {
        "\x80", "\xC0\x80", "\xC1\xBF",         "\xE0\x9F\xBF",     "\xED\xA0\x80",
        "\xC3", "\xE2\x82", "\xF0\x8F\xBF\xBF", "\xF4\x90\x80\x80", "\xF5\x80\x80\x80",
        "\303A"};

    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++)
        assert_true(utf8_valid(good[i], strlen(good[i])));
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
        assert_false(utf8_valid(bad[i], strlen(bad[i])));
}

static bool is_blank_alone(uint32_t c)
{
    const char text[3] = {(char)(0xE0 | c >> 12), (char)(0x80 | (c >> 6 & 63)),
                          (char)(0x80 | (c & 63))};

    if (c < 0x80)
        return is_blank((char[]){(char)c}, 1);
    if (c < 0x800)
        return is_blank((char[]){(char)(0xC0 | c >> 6), text[2]}, 2);
    return is_blank(text, 3);
}

/* All of the plane that has white space; surrogates are no characters. */
static void blank_is_white_space_of_unicode(void **state)
{
    static const uint32_t expected[] = {
        0x09,   0x0A,   0x0B,   0x0C,   0x0D,   0x20,   0x85,   0xA0,   0x1680,
        0x2000, 0x2001, 0x2002, 0x2003, 0x2004, 0x2005, 0x2006, 0x2007, 0x2008,
        0x2009, 0x200A, 0x2028, 0x2029, 0x202F, 0x205F, 0x3000};
    size_t n = 0;

    (void)state;
    for (uint32_t c = 0; c < 0x10000; c++)
        if (is_blank_alone(c))
            assert_int_equal(c, expected[n++]);
    assert_int_equal(n, sizeof(expected) / sizeof(*expected));
    assert_true(is_blank(" \xC2\xA0\n", 4));
    assert_false(is_blank(" \xC2\xA0.", 4));
    assert_false(is_blank("\xA0", 1));
    assert_true(is_blank(NULL, 0));
}

static void marks_are_measured(void **state)
{
    (void)state;
    assert_int_equal(utf8_marks("\xEF\xBB\xBFx", 4), 3);
    assert_int_equal(utf8_marks("\xEF\xBB\xBF\xEF\xBB\xBF\xEF\xBB", 8), 6);
    assert_int_equal(utf8_marks("x\xEF\xBB\xBF", 4), 0);
    assert_int_equal(utf8_marks(NULL, 0), 0);
}

static void hash_set_remembers(void **state)
{
    struct hash_set set = {0};

    (void)state;
    for (uint32_t i = 0; i < 100000; i++)
        assert_int_equal(hash_set_add(&set, &i, sizeof(i)), 1);
    for (uint32_t i = 0; i < 100000; i++)
        assert_int_equal(hash_set_add(&set, &i, sizeof(i)), 0);
    assert_int_equal(set.n, 100000);
    assert_true(set.cap <= 131072);
    hash_set_clear(&set);
    assert_int_equal(hash_set_add(&set, "", 0), 1);
    assert_int_equal(hash_set_add(&set, "", 0), 0);
    hash_set_clear(&set);
    assert_int_equal(hash_set_add(&set, "", 0), 1);
    hash_set_free(&set);
    hash_set_free(&set);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(key_ends_at_the_first_dot_of_the_file_name),
        cmocka_unit_test(private_names_start_with_their_mark),
        cmocka_unit_test(macos_names_are_known),
        cmocka_unit_test(good_keys_are_utf8_without_controls),
        cmocka_unit_test(bad_keys_are_escaped),
        cmocka_unit_test(utf8_is_strict),
        cmocka_unit_test(blank_is_white_space_of_unicode),
        cmocka_unit_test(marks_are_measured),
        cmocka_unit_test(hash_set_remembers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
