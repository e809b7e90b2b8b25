/* SPDX-License-Identifier: Apache-2.0
 * tests/unit/test_split.c - matchers by hand against PCRE2, with the same patterns: all
 * characters in places of all kinds, and random strings. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "shard/status.h"
#include "shard/tokenizer/split/split.h"
#include "shard/tokenizer/split/split_known.h"

#define SPACES                                                                           \
    "\\x09-\\x0d\\x20\\x85\\xa0\\x{1680}\\x{2000}-\\x{200a}\\x{2028}\\x{2029}\\x{202f}"  \
    "\\x{205f}\\x{3000}"

/* White space is spelled out: PCRE2's own has U+180E. */
static void spell_spaces(const char *pattern, char *out, size_t cap)
{
    bool in_set = false;
    size_t len = 0;

    for (const char *p = pattern; *p != '\0' && len < cap; p++) {
        if (p[0] == '\\' && (p[1] == 's' || p[1] == 'S')) {
            len += (size_t)snprintf(out + len, cap - len,
                                    in_set ? "%.0s" SPACES : "[%s" SPACES "]",
                                    p[1] == 'S' ? "^" : "");
            p++;
            continue;
        }
        if (*p == '[' || *p == ']')
            in_set = *p == '[';
        const int n = *p == '\\' ? 2 : 1;
        len += (size_t)snprintf(out + len, cap - len, "%.*s", n, p);
        p += n - 1;
    }
}

struct referee {
    const char *pattern;
    pcre2_code *code;
    pcre2_match_data *data;
    struct split *split;
    struct split_worker *worker;
};

static struct referee open_referee(const char *pattern)
{
    char spelled[4096], why[200];
    struct referee r = {.pattern = pattern};
    int error;
    size_t offset;

    spell_spaces(pattern, spelled, sizeof(spelled));
    r.code = pcre2_compile((const unsigned char *)spelled, PCRE2_ZERO_TERMINATED,
                           PCRE2_UTF | PCRE2_DOLLAR_ENDONLY, &error, &offset, NULL);
    assert_non_null(r.code);
    pcre2_jit_compile(r.code, PCRE2_JIT_COMPLETE);
    r.data = pcre2_match_data_create_from_pattern(r.code, NULL);
    assert_non_null(split_known(pattern, SPLIT_FANCY_REGEX));
    assert_int_equal(split_open(&r.split, pattern, SPLIT_FANCY_REGEX, why, sizeof(why)),
                     SHARD_OK);
    r.worker = split_worker_new(r.split);
    assert_non_null(r.worker);
    return r;
}

static void close_referee(struct referee *r)
{
    split_worker_free(r->worker);
    split_close(r->split);
    pcre2_match_data_free(r->data);
    pcre2_code_free(r->code);
}

static void differ(const struct referee *r, const char *text, size_t len, size_t at,
                   size_t start, size_t end)
{
    printf("# %s\n# at %zu (%zu..%zu or %zu..%zu) of", r->pattern, at,
           pcre2_get_ovector_pointer(r->data)[0], pcre2_get_ovector_pointer(r->data)[1],
           start, end);
    for (size_t i = 0; i < len; i++)
        printf(" %02x", (unsigned char)text[i]);
    printf("\n");
    fail();
}

/* Exactly as long, so that the sanitizers see any byte read behind. */
static void compare(const struct referee *r, const char *text, size_t len)
{
    char *copy = malloc(len + (len == 0));
    const size_t *found = pcre2_get_ovector_pointer(r->data);
    size_t start = 0, end = 0, at = 0;

    memcpy(copy, text, len);
    split_begin(r->worker);
    for (int rc = SHARD_OK; rc == SHARD_OK; at = end) {
        const int n = pcre2_match(r->code, (const unsigned char *)copy, len, at,
                                  PCRE2_NO_UTF_CHECK, r->data, NULL);

        rc = split_next(r->worker, copy, len, &start, &end);
        if ((n > 0) != (rc == SHARD_OK) || (n <= 0 && n != PCRE2_ERROR_NOMATCH) ||
            (n > 0 && (found[0] != start || found[1] != end)))
            differ(r, text, len, at, start, end);
    }
    free(copy);
}

static size_t put_character(char *out, uint32_t c)
{
    unsigned char *at = (unsigned char *)out;

    if (c < 0x80)
        *at++ = (unsigned char)c;
    else if (c < 0x800)
        *at++ = (unsigned char)(0xc0 | c >> 6);
    else if (c < 0x10000)
        *at++ = (unsigned char)(0xe0 | c >> 12);
    else
        *at++ = (unsigned char)(0xf0 | c >> 18);
    for (int shift = c < 0x80      ? -6
                     : c < 0x800   ? 0
                     : c < 0x10000 ? 6
                                   : 12;
         shift >= 0; shift -= 6)
        *at++ = (unsigned char)(0x80 | (c >> shift & 0x3f));
    return (size_t)(at - (unsigned char *)out);
}

static void compare_character(const struct referee *r, uint32_t c)
{
    static const char *const around[][2] = {
        {"", ""}, {"A", "b"}, {" ", "!"}, {"\n", "1"}, {"'", "s"}};

    for (size_t i = 0; i < sizeof(around) / sizeof(*around); i++) {
        char text[16];
        size_t len = strlen(around[i][0]);

        memcpy(text, around[i][0], len);
        len += put_character(text + len, c);
        memcpy(text + len, around[i][1], strlen(around[i][1]));
        compare(r, text, len + strlen(around[i][1]));
    }
}

static void knows_all_characters(void **state)
{
    const char *pattern;

    (void)state;
    for (size_t i = 0; (pattern = split_known_pattern(i)) != NULL; i++) {
        struct referee r = open_referee(pattern);

        for (uint32_t c = 0; c < 0x110000; c++)
            if ((c < 0xd800 || c > 0xdfff) &&
                (c < 0x3400 || c > 0x10ffff || c % 16 == i % 16 || (c & 0xfff) < 2 ||
                 (c >= 0xa000 && c < 0x20000 && c % 4 == i % 4)))
                compare_character(&r, c);
        close_referee(&r);
    }
}

static uint64_t next_random(uint64_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return *seed;
}

/* Characters that patterns tell apart, so that short strings have all their neighbours.
 */
static size_t random_text(char *text, uint64_t *seed)
{
    static const char *const parts[] = {
        "a",      "b",      "s",      "S",  "T",   "ll",    "Re", "'",
        "'",      " ",      " ",      "  ", "\n",  "\r",    "\t", "/",
        "!",      "-",      "1",      "23", "456", "ſ",     "é",  "É",
        "ǅ",      "ʰ",      "あ",     "漢", "ー",  "́",      "٣",  "²",
        "\u00a0", "\u3000", "\u2028", "😀",  "𝐀",   "$",     "_",  "\x01",
        "\u180e", "\u200b", "한",     "d",  "M",   "\u0378"};
    const size_t n = next_random(seed) % 12;
    size_t len = 0;

    for (size_t i = 0; i < n; i++) {
        const char *part = parts[next_random(seed) % (sizeof(parts) / sizeof(*parts))];
        memcpy(text + len, part, strlen(part));
        len += strlen(part);
    }
    return len;
}

static void splits_random_strings(void **state)
{
    uint64_t seed = 88172645463325252u;
    const char *pattern;

    (void)state;
    for (size_t i = 0; (pattern = split_known_pattern(i)) != NULL; i++) {
        struct referee r = open_referee(pattern);

        for (int k = 0; k < 40000; k++) {
            char text[128];
            compare(&r, text, random_text(text, &seed));
        }
        close_referee(&r);
    }
}

static void names_patterns(void **state)
{
    static const char *const names[] = {"gpt2",  "cl100k", "llama3",
                                        "qwen2", "emu3",   "o200k"};

    (void)state;
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
        assert_non_null(split_known(split_pattern_named(names[i]), SPLIT_FANCY_REGEX));
    assert_ptr_equal(split_pattern_named("cl100k_base"), split_pattern_named("cl100k"));
    assert_ptr_equal(split_pattern_named("o200k_base"), split_pattern_named("o200k"));
    assert_ptr_equal(split_pattern_named("r50k_base"), split_pattern_named("gpt2"));
    assert_ptr_equal(split_pattern_named("p50k_base"), split_pattern_named("gpt2"));
    assert_null(split_pattern_named("gpt3"));
    assert_null(split_known("\\s", SPLIT_FANCY_REGEX));
    /* Its {1,3}+ is possessive for one of them only. */
    assert_null(split_known(split_pattern_named("cl100k"), SPLIT_ONIGURUMA));
    assert_non_null(split_known(split_pattern_named("gpt2"), SPLIT_ONIGURUMA));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(knows_all_characters),
        cmocka_unit_test(splits_random_strings),
        cmocka_unit_test(names_patterns),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
