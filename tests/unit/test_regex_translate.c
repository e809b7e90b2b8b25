/* SPDX-License-Identifier: Apache-2.0
 * tests/unit/test_regex_translate.c - regular expressions of Oniguruma, matched by PCRE2.
 *
 * The matches expected are those of PyPI's tokenizers 0.23. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "shard/buffer.h"
#include "shard/status.h"
#include "shard/tokenizer/split/split.h"

static const char text[] =
    "it's 12345 IT'LL aab\nab\xc2\xbd \xe3\x81\x82\xe6\xbc\xa2\xe3\x80\x81"
    "abcd\xe1\xa0\x8e \xe3\x80\x80\x0b\xe2\x84\xaaKk axxb ff0";

/* Matches in `text` that are not empty, joined by |. */
static const char *const cases[][2] = {
    {"(?i:'s|'ll)", "'s|'LL"},
    {"\\p{N}{1,3}", "123|45|\xc2\xbd|0"},
    {"\\p{N}{1,2}+", "12345|\xc2\xbd|0"},
    {"a{2}?", "aa"},
    {"a{,2}b", "aab|ab|ab|b"},
    {"\\h+", "12345|aab|ab|abcd|a|b|ff0"},
    {"[\\w&&[^\\d]]+",
     "it|s|IT|LL|aab|ab|\xe3\x81\x82\xe6\xbc\xa2|abcd|\xe2\x84\xaaKk|axxb|ff"},
    {"[^a-z&&[^aeiou]]+",
     "i|'| 12345 IT'LL aa|\na|\xc2\xbd \xe3\x81\x82\xe6\xbc\xa2\xe3\x80\x81"
     "a|\xe1\xa0\x8e \xe3\x80\x80\x0b\xe2\x84\xaaK| a| |0"},
    {"[[a-c][^\\w]]+", "'| | |'| aab\nab\xc2\xbd |\xe3\x80\x81"
                       "abc|\xe1\xa0\x8e \xe3\x80\x80\x0b| a|b "},
    {"\\w+", "it|s|12345|IT|LL|aab|ab\xc2\xbd|\xe3\x81\x82\xe6\xbc\xa2|abcd|"
             "\xe2\x84\xaaKk|axxb|ff0"},
    {"[\\w]+",
     "it|s|12345|IT|LL|aab|ab|\xe3\x81\x82\xe6\xbc\xa2|abcd|\xe2\x84\xaaKk|axxb|ff0"},
    {"\\s+(?!\\S)", " \xe3\x80\x80"},
    {"\\bab", "ab|ab"},
    {"(?m).", "i|t|'|s| |1|2|3|4|5| |I|T|'|L|L| |a|a|b|\n|a|b|\xc2\xbd| "
              "|\xe3\x81\x82|\xe6\xbc\xa2|\xe3\x80\x81|a|b|c|d|\xe1\xa0\x8e| "
              "|\xe3\x80\x80|\x0b|\xe2\x84\xaa|K|k| |a|x|x|b| |f|f|0"},
    {".", "i|t|'|s| |1|2|3|4|5| |I|T|'|L|L| |a|a|b|a|b|\xc2\xbd| "
          "|\xe3\x81\x82|\xe6\xbc\xa2|\xe3\x80\x81|a|b|c|d|\xe1\xa0\x8e| "
          "|\xe3\x80\x80|\x0b|\xe2\x84\xaa|K|k| |a|x|x|b| |f|f|0"},
    {"^.", "i|a"},
    {".$", "b|0"},
    {"x*", "xx"},
    {"\\p{Han}+", "\xe6\xbc\xa2"},
    {"\\p{^L}+",
     "'| 12345 |'| |\n|\xc2\xbd |\xe3\x80\x81|\xe1\xa0\x8e \xe3\x80\x80\x0b| | |0"},
    {"[[:alpha:]]+",
     "it|s|IT|LL|aab|ab|\xe3\x81\x82\xe6\xbc\xa2|abcd|\xe2\x84\xaaKk|axxb|ff"},
    {"(a|ab)(c|bcd)", "abcd"},
    {"(?>a+)b|a", "aab|ab|ab|a"},
    {"a++", "aa|a|a|a"},
    {"(?<=a)b", "b|b|b"},
    {"[\\x{61}-\\x{63}]+|\\v", "aab|ab|abc|\x0b|a|b"},
    {"(?i)[k]", "\xe2\x84\xaa|K|k"},
};

/* Gives them (release the buffer). */
static struct shard_buffer matches(const char *pattern, const char *in, size_t len)
{
    struct split_regex *r;
    struct shard_buffer found = {NULL, 0, 0};
    char why[256] = "";
    size_t start = 0, end = 0;
    int rc;

    assert_int_equal(split_regex_open(&r, pattern, SPLIT_ONIGURUMA, why, sizeof(why)),
                     SHARD_OK);
    struct split_regex_worker *w = split_regex_worker_new(r);
    assert_non_null(w);
    split_regex_begin(w);
    while ((rc = split_regex_next(w, in, len, &start, &end)) == SHARD_OK) {
        if (start == end)
            continue;
        if (found.len > 0)
            assert_int_equal(shard_buffer_add(&found, "|", 1), SHARD_OK);
        assert_int_equal(shard_buffer_add(&found, in + start, end - start), SHARD_OK);
    }
    assert_int_equal(rc, SHARD_EOF);
    assert_int_equal(shard_buffer_add(&found, "", 1), SHARD_OK);
    split_regex_worker_free(w);
    split_regex_close(r);
    return found;
}

static void matches_as_oniguruma(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct shard_buffer found = matches(cases[i][0], text, sizeof(text) - 1);
        assert_string_equal((const char *)found.data, cases[i][1]);
        shard_buffer_free(&found);
    }
}

static void refuses_what_may_differ(void **state)
{
    static const char *const patterns[][2] = {
        {"(?i:ss)", "at byte 6"},
        {"(?i:\xc3\x9f)", "without regard to case"},
        {"(?i:\\p{L})", "without regard to case"},
        {"(?i)[a\xc3\xa9]", "without regard to case"},
        {"(?i:[[^a]b])", "at byte 6"},
        {"(?i:[^[^a]])", "[^...] in a class"},
        {"(?i)[b-c&&[^c]]", "&& without regard"},
        {"(?i:[a-z&&b])", "&& without regard"},
        {"a(?i)b", "options that begin within"},
        {"(?<n>a)", "this kind of group"},
        {"(?s).", "this kind of group"},
        {"(?#c)a", "this kind of group"},
        {"(?~a)", "this kind of group"},
        {"(a)\\1", "\\1 is not supported"},
        {"\\Ka", "\\K is not supported"},
        {"\\Ga", "\\G is not supported"},
        {"\\Ra", "\\R is not supported"},
        {"\\X", "\\X is not supported"},
        {"\\p{InGreek}", "property \"ingreek\""},
        {"\\p{Punct}", "property \"punct\""},
        {"a\\p{Nonesuch}", "at byte 13 of the regular expression: the property "
                           "\"nonesuch\""},
        {"[[:punct:]]", "[:punct:]"},
        {"\\pL", "\\p without"},
        {"\\p{L", "does not end"},
        {"\\xE3\\x81", "bytes"},
        {"\\x{110000}", "no such character"},
        {"\\ud800", "no such character"},
        {"a{3,2}", "no interval"},
        {"a{100000}", "no interval"},
        {"a{x}", "no interval"},
        {"*a", "nothing to repeat"},
        {"^*", "cannot be repeated"},
        {"a****", "cannot be repeated"},
        {"[a-c-e]", "a hyphen"},
        {"[c-a]", "a range"},
        {"[]a]", "as its first member"},
        {"[a&&]", "as its first member"},
        {"[a", "does not end"},
        {"(a", "does not end"},
        {"a)", "closes no group"},
        {"a\\", "ends in a backslash"},
        {"[a\\", "ends in a backslash"},
        {"(?<=a+)b", "write each length as a branch"},
        {"(?:(?:a{1000}b){1000}c){1000}", "; shorten it"},
        {"\xff", "not UTF-8"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(patterns) / sizeof(*patterns); i++) {
        struct split_regex *r;
        char why[256] = "";
        assert_int_equal(
            split_regex_open(&r, patterns[i][0], SPLIT_ONIGURUMA, why, sizeof(why)),
            SHARD_EMODEL);
        assert_null(r);
        if (strstr(why, patterns[i][1]) == NULL)
            fail_msg("%s: %s", patterns[i][0], why);
    }
}

static void refuses_deep_nesting(void **state)
{
    static const char brackets[] = "([";
    struct split_regex *r;
    char why[256];

    (void)state;
    for (int k = 0; k < 2; k++) {
        char pattern[1001];
        memset(pattern, brackets[k], 1000);
        pattern[1000] = '\0';
        assert_int_equal(split_regex_open(&r, pattern, SPLIT_ONIGURUMA, why, sizeof(why)),
                         SHARD_EMODEL);
        assert_non_null(strstr(why, "nested too deep"));
    }
}

/* One text is too much for it; the next is not. */
static void backtracking_ends(void **state)
{
    static const char long_text[] = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaac";
    struct split_regex *r;
    char why[256];
    size_t start = 0, end = 0;

    (void)state;
    assert_int_equal(
        split_regex_open(&r, "(?:(?:a|aa)+)+b|c", SPLIT_ONIGURUMA, why, sizeof(why)),
        SHARD_OK);
    struct split_regex_worker *w = split_regex_worker_new(r);
    assert_int_equal(split_regex_next(w, long_text, sizeof(long_text) - 1, &start, &end),
                     SHARD_EMATCH);
    start = end = 0;
    split_regex_begin(w);
    assert_int_equal(split_regex_next(w, "xaab", 4, &start, &end), SHARD_OK);
    assert_int_equal(start, 1);
    assert_int_equal(end, 4);
    split_regex_worker_free(w);
    split_regex_close(r);
}

/* Each match looks at all digits that follow: of 3,000 that is little, of a million it is
 * too much, though no match is by itself. */
static void a_text_has_a_limit(void **state)
{
    enum { N = 1000000, FEW = 3000 };
    struct split_regex *r;
    char why[256], *digits = malloc(N);
    size_t start = 0, end = 0, n = 0;
    int rc;

    (void)state;
    assert_non_null(digits);
    memset(digits, '7', N);
    assert_int_equal(
        split_regex_open(&r, "(?=(\\d{3})+(?!\\d))", SPLIT_ONIGURUMA, why, sizeof(why)),
        SHARD_OK);
    struct split_regex_worker *w = split_regex_worker_new(r);
    while ((rc = split_regex_next(w, digits, N, &start, &end)) == SHARD_OK)
        ;
    assert_int_equal(rc, SHARD_EMATCH);
    split_regex_begin(w);
    for (start = end = 0; split_regex_next(w, digits, FEW, &start, &end) == SHARD_OK; n++)
        ;
    assert_int_equal(n, FEW / 3);
    split_regex_worker_free(w);
    split_regex_close(r);
    free(digits);
}

/* A lookahead that goes through all that follows, at each place: no step for PCRE2. Where
 * it ends soon, a long text is not too much. */
static void lookaheads_are_limited(void **state)
{
    static const char *const patterns[] = {"(?=.*z)a", "(?=[^z]*z)a", "(?![^z]*+z)a|b",
                                           "a(?=a{2,}$)"};
    enum { N = 200000 };
    char *run = malloc(N), why[256];
    struct split_regex *r;

    (void)state;
    assert_non_null(run);
    for (size_t i = 0; i < sizeof(patterns) / sizeof(*patterns); i++) {
        assert_int_equal(
            split_regex_open(&r, patterns[i], SPLIT_ONIGURUMA, why, sizeof(why)),
            SHARD_OK);
        struct split_regex_worker *w = split_regex_worker_new(r);
        memset(run, 'a', N);
        for (int twice = 0; twice < 2; twice++) {
            size_t start = 0, end = 0;
            int rc;
            split_regex_begin(w);
            while ((rc = split_regex_next(w, run, N, &start, &end)) == SHARD_OK)
                ;
            assert_int_equal(rc, twice == 0 ? SHARD_EMATCH : SHARD_EOF);
            for (size_t at = 9; at < N; at += 10)
                memcpy(run + at - 1, "z\n", 2);
        }
        split_regex_worker_free(w);
        split_regex_close(r);
    }
    free(run);
}

/* Nothing is left of a text that was not gone through. */
static void a_text_may_be_left(void **state)
{
    struct split_regex *r;
    char why[256];
    size_t start = 0, end = 0;

    (void)state;
    assert_int_equal(split_regex_open(&r, "x*", SPLIT_ONIGURUMA, why, sizeof(why)),
                     SHARD_OK);
    struct split_regex_worker *w = split_regex_worker_new(r);
    split_regex_begin(w);
    assert_int_equal(split_regex_next(w, "ab", 2, &start, &end), SHARD_OK);
    assert_int_equal(end, 0);
    split_regex_begin(w);
    assert_int_equal(split_regex_next(w, "xa", 2, &start, &end), SHARD_OK);
    assert_int_equal(start, 0);
    assert_int_equal(end, 1);
    split_regex_worker_free(w);
    split_regex_close(r);
}

/* A million equal characters are one match for each of the usual patterns. */
static void long_runs_match(void **state)
{
    enum { N = 1000000 };
    static const char pattern[] = "[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}"
                                  "\\p{M}]*[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]+"
                                  "(?i:'s|'t)?|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|(?:ab)+| "
                                  "?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+";
    char *run = malloc(N);

    (void)state;
    assert_non_null(run);
    for (const char *c = "aA .\n"; *c != '\0'; c++) {
        memset(run, *c, N);
        struct shard_buffer found = matches(pattern, run, N);
        assert_int_equal(found.len, N + 1);
        shard_buffer_free(&found);
    }
    for (size_t i = 0; i < N; i++)
        run[i] = "ab"[i % 2];
    struct shard_buffer found = matches("(?:ab)+", run, N);
    assert_int_equal(found.len, N + 1);
    shard_buffer_free(&found);
    free(run);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(matches_as_oniguruma), cmocka_unit_test(refuses_what_may_differ),
        cmocka_unit_test(refuses_deep_nesting), cmocka_unit_test(backtracking_ends),
        cmocka_unit_test(a_text_has_a_limit),   cmocka_unit_test(lookaheads_are_limited),
        cmocka_unit_test(long_runs_match),      cmocka_unit_test(a_text_may_be_left),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
