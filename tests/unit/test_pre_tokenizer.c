/* SPDX-License-Identifier: Apache-2.0
 * tests/unit/test_pre_tokenizer.c - the normalizers and pre-tokenizers of tokenizer.json.
 *
 * What is expected is what PyPI's tokenizers 0.23 makes of the same, the letters of bytes
 * read back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "shard/buffer.h"
#include "shard/status.h"
#include "shard/tokenizer/json/json_config.h"
#include "shard/tokenizer/json/normalizer.h"
#include "shard/tokenizer/json/pre_tokenizer.h"

/* The step, a text, what becomes of it. */
static const char *const normalized[][3] = {
    {"{\"type\":\"NFC\"}",
     "a\xcc\x81 e\xcc\xa3\xcc\x82 \xe1\x84\x92\xe1\x85\xa1\xe1\x86\xab \xcd\x84 "
     "\xe2\x84\xa6 \xe0\xa5\x98",
     "\xc3\xa1 \xe1\xbb\x87 \xed\x95\x9c \xcc\x88\xcc\x81 \xce\xa9 "
     "\xe0\xa4\x95\xe0\xa4\xbc"},
    {"{\"type\":\"NFC\"}", "plain ASCII, \xc3\xa9\xe3\x81\x82",
     "plain ASCII, \xc3\xa9\xe3\x81\x82"},
    {"{\"type\":\"NFD\"}", "\xc3\xa9 \xed\x95\x9c \xe1\xb9\xa9",
     "e\xcc\x81 \xe1\x84\x92\xe1\x85\xa1\xe1\x86\xab s\xcc\xa3\xcc\x87"},
    {"{\"type\":\"NFKC\"}",
     "\xef\xac\x81 \xef\xbc\xa1\xef\xbc\x91 \xc2\xbd \xe2\x91\xa0 \xe1\xba\x9b\xcc\xa3",
     "fi A1 1\xe2\x81\x84"
     "2 1 \xe1\xb9\xa9"},
    {"{\"type\":\"NFKD\"}", "\xef\xac\x81 \xe3\x8e\xa1 \xe1\xba\x9b\xcc\xa3",
     "fi m2 s\xcc\xa3\xcc\x87"},
    {"{\"type\":\"Lowercase\"}",
     "ABC \xc3\x9c\xc4\xb0 \xce\x91\xce\xa3 \xc7\x85 \xe1\xba\x9e",
     "abc \xc3\xbci\xcc\x87 \xce\xb1\xcf\x83 \xc7\x86 \xc3\x9f"},
    {"{\"type\":\"Replace\",\"pattern\":{\"String\":\" \"},\"content\":\"\xe2\x96\x81\"}",
     "a b  c",
     "a\xe2\x96\x81"
     "b\xe2\x96\x81\xe2\x96\x81"
     "c"},
    {"{\"type\":\"Replace\",\"pattern\":{\"Regex\":\"\\\\s+\"},\"content\":\" \"}",
     "a\t\nb c \xe3\x80\x80"
     "d",
     "a b c d"},
    {"{\"type\":\"Replace\",\"pattern\":{\"Regex\":\"x*\"},\"content\":\"-\"}", "axxb",
     "-a-b-"},
    {"{\"type\":\"Replace\",\"pattern\":{\"String\":\"a.c\"},\"content\":\"\"}", "a.cabc",
     "abc"},
    {"{\"type\":\"Prepend\",\"prepend\":\"\xe2\x96\x81\"}", "abc",
     "\xe2\x96\x81"
     "abc"},
    {"{\"type\":\"Strip\",\"strip_left\":true,\"strip_right\":true}",
     " \xe3\x80\x80\ta b\xc2\xa0\n", "a b"},
    {"{\"type\":\"Strip\",\"strip_left\":false,\"strip_right\":true}", " a ", " a"},
    {"{\"type\":\"Strip\",\"strip_left\":true,\"strip_right\":false}", " a ", "a "},
    {"{\"type\":\"Sequence\",\"normalizers\":[{\"type\":\"NFD\"},{\"type\":\"Replace\","
     "\"pattern\":{\"Regex\":\"\\\\p{M}\"},\"content\":\"\"},{\"type\":\"Lowercase\"},{"
     "\"type\":\"Prepend\",\"prepend\":\"_\"}]}",
     "\xc3\x89t\xc3\x89", "_ete"},
};

/* The step, a text, its words joined by |. */
static const char *const cut[][3] = {
    {"{\"type\":\"ByteLevel\",\"add_prefix_space\":true,\"trim_offsets\":true,\"use_"
     "regex\":true}",
     "it's 12 \xc3\xa9  \n x", " it|'s| 12| \xc3\xa9|  \n| x"},
    {"{\"type\":\"ByteLevel\",\"add_prefix_space\":false,\"trim_offsets\":true,\"use_"
     "regex\":false}",
     " a b", " a b"},
    {"{\"type\":\"Split\",\"pattern\":{\"Regex\":\"[0-9]\"},\"behavior\":\"Removed\","
     "\"invert\":false}",
     "12ab3c45", "ab|c"},
    {"{\"type\":\"Split\",\"pattern\":{\"Regex\":\"[0-9]\"},\"behavior\":\"Removed\","
     "\"invert\":true}",
     "12ab3c45", "1|2|3|4|5"},
    {"{\"type\":\"Split\",\"pattern\":{\"Regex\":\"[0-9]\"},\"behavior\":\"Isolated\","
     "\"invert\":false}",
     "12ab3c45", "1|2|ab|3|c|4|5"},
    {"{\"type\":\"Split\",\"pattern\":{\"Regex\":\"[0-9]\"},\"behavior\":\"Isolated\","
     "\"invert\":true}",
     "12ab3c45", "1|2|ab|3|c|4|5"},
    {"{\"type\":\"Split\",\"pattern\":{\"Regex\":\"[0-9]\"},\"behavior\":"
     "\"MergedWithPrevious\",\"invert\":false}",
     "12ab3c45", "1|2|ab3|c4|5"},
    {"{\"type\":\"Split\",\"pattern\":{\"Regex\":\"[0-9]\"},\"behavior\":"
     "\"MergedWithPrevious\",\"invert\":true}",
     "12ab3c45", "1|2ab|3c|4|5"},
    {"{\"type\":\"Split\",\"pattern\":{\"Regex\":\"[0-9]\"},\"behavior\":"
     "\"MergedWithNext\",\"invert\":false}",
     "12ab3c45", "1|2ab|3c|4|5"},
    {"{\"type\":\"Split\",\"pattern\":{\"Regex\":\"[0-9]\"},\"behavior\":"
     "\"MergedWithNext\",\"invert\":true}",
     "12ab3c45", "1|2|ab3|c4|5"},
    {"{\"type\":\"Split\",\"pattern\":{\"Regex\":\"[0-9]\"},\"behavior\":\"Contiguous\","
     "\"invert\":false}",
     "12ab3c45", "12|ab|3|c|45"},
    {"{\"type\":\"Split\",\"pattern\":{\"Regex\":\"[0-9]\"},\"behavior\":\"Contiguous\","
     "\"invert\":true}",
     "12ab3c45", "12|ab|3|c|45"},
    {"{\"type\":\"Split\",\"pattern\":{\"String\":\"a.\"},\"behavior\":\"Isolated\","
     "\"invert\":false}",
     "xa.ab", "x|a.|ab"},
    {"{\"type\":\"Split\",\"pattern\":{\"Regex\":\"(?=(\\\\d{3})+(?!\\\\d))\"},"
     "\"behavior\":\"Isolated\",\"invert\":false}",
     "a1234567 12", "a1|234|567 12"},
    {"{\"type\":\"Digits\",\"individual_digits\":true}",
     "a12\xc2\xbd"
     "b\xd9\xa3",
     "a|1|2|\xc2\xbd|b|\xd9\xa3"},
    {"{\"type\":\"Digits\",\"individual_digits\":false}",
     "a12\xc2\xbd"
     "b\xd9\xa3",
     "a|12\xc2\xbd|b|\xd9\xa3"},
    {"{\"type\":\"Whitespace\"}",
     "Hey, you!?  a_b\xe2\x80\x8d"
     "c e\xcc\x81",
     "Hey|,|you|!?|a_b\xe2\x80\x8d"
     "c|e\xcc\x81"},
    {"{\"type\":\"WhitespaceSplit\"}",
     " a\xc2\xa0"
     "b\xe3\x80\x80"
     "c, d\xe2\x80\x8b",
     "a|b|c,|d\xe2\x80\x8b"},
    {"{\"type\":\"Punctuation\"}",
     "a,b!?$c\xe3\x80\x82"
     "d",
     "a|,|b|!|?|$|c|\xe3\x80\x82|d"},
    {"{\"type\":\"Punctuation\",\"behavior\":\"Contiguous\"}",
     "a,b!?$c\xe3\x80\x82"
     "d",
     "a|,|b|!?$|c|\xe3\x80\x82|d"},
    {"{\"type\":\"Metaspace\",\"replacement\":\"\xe2\x96\x81\",\"prepend_scheme\":"
     "\"always\",\"split\":true}",
     "a b  c",
     "\xe2\x96\x81"
     "a|\xe2\x96\x81"
     "b|\xe2\x96\x81|\xe2\x96\x81"
     "c"},
    {"{\"type\":\"Metaspace\",\"replacement\":\"\xe2\x96\x81\",\"prepend_scheme\":"
     "\"never\",\"split\":true}",
     " a b",
     "\xe2\x96\x81"
     "a|\xe2\x96\x81"
     "b"},
    {"{\"type\":\"Metaspace\",\"replacement\":\"\xe2\x96\x81\",\"prepend_scheme\":"
     "\"first\",\"split\":false}",
     "a b",
     "\xe2\x96\x81"
     "a\xe2\x96\x81"
     "b"},
    {"{\"type\":\"Metaspace\",\"replacement\":\"_\",\"add_prefix_space\":true}", "_a b",
     "_a|_b"},
    {"{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":\"Digits\","
     "\"individual_digits\":true},{\"type\":\"Metaspace\",\"replacement\":\"_\","
     "\"prepend_scheme\":\"first\"}]}",
     "1a b", "_1|a|_b"},
    {"{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":\"ByteLevel\","
     "\"add_prefix_space\":true,\"trim_offsets\":true,\"use_regex\":false},{\"type\":"
     "\"Split\",\"pattern\":{\"Regex\":\".\"},\"behavior\":\"Isolated\",\"invert\":"
     "false},{\"type\":\"Metaspace\",\"replacement\":\"_\",\"prepend_scheme\":"
     "\"first\"}]}",
     "ab", "_\xc4\xa0|_a|b"},
    {"{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":\"Split\",\"pattern\":{"
     "\"Regex\":\"\\\\p{N}{1,3}\"},\"behavior\":\"Isolated\",\"invert\":false},{\"type\":"
     "\"Digits\",\"individual_digits\":true},{\"type\":\"WhitespaceSplit\"}]}",
     "a 1234 b", "a|1|2|3|4|b"},
};

static json_t *json_of(const char *text)
{
    json_t *value = json_loads(text, 0, NULL);

    assert_non_null(value);
    return value;
}

static void normalizes_as_tokenizers(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(normalized) / sizeof(*normalized); i++) {
        char why[256] = "";
        struct json_config c = {.why = why, .cap = sizeof(why)};
        json_t *value = json_of(normalized[i][0]);
        struct normalizer *n = normalizer_read(&c, value);
        assert_string_equal(why, "");
        struct normalizer_worker *w = normalizer_worker_new(n);
        const char *out;
        size_t len;
        size_t head;
        for (int twice = 0; twice < 2; twice++) {
            assert_int_equal(normalizer_apply(w, normalized[i][1],
                                              strlen(normalized[i][1]), &out, &len,
                                              &head),
                             SHARD_OK);
            assert_int_equal(len, strlen(normalized[i][2]));
            assert_memory_equal(out, normalized[i][2], len);
        }
        normalizer_worker_free(w);
        normalizer_free(n);
        json_decref(value);
    }
}

/* What of a normalized text comes from the first character of all. */
static void finds_the_head(void **state)
{
#define REPLACE(from, to)                                                                \
    "{\"type\":\"Replace\",\"pattern\":{\"String\":\"" from "\"},\"content\":\"" to "\"" \
    "}"
    static const struct {
        const char *normalizer, *text;
        size_t head;
    } cases[] = {
        {REPLACE("``", "'"), "``a", 0},
        {REPLACE("`", "xyz"), "``a", 3},
        {REPLACE("a", "b"), "ca", 1},
        {REPLACE("``", "``"), "``a", 0},
        {REPLACE("a", ""), "ab", 0},
        {"{\"type\":\"Strip\",\"strip_left\":true,\"strip_right\":true}", " a", 0},
        {"{\"type\":\"Prepend\",\"prepend\":\"xx\"}", "ab", 3},
        {"{\"type\":\"NFKD\"}", "\xef\xac\x81x", 2},
        {"{\"type\":\"NFC\"}", "e\xcc\x81x", 2},
        {"{\"type\":\"Lowercase\"}", "\xc4\xb0x", 3},
        {"{\"type\":\"Sequence\",\"normalizers\":[{\"type\":\"Prepend\",\"prepend\":"
         "\"x\"}," REPLACE("xa", "y") "]}",
         "ab", 1},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        char why[256] = "";
        struct json_config c = {.why = why, .cap = sizeof(why)};
        json_t *value = json_of(cases[i].normalizer);
        struct normalizer *n = normalizer_read(&c, value);
        struct normalizer_worker *w = normalizer_worker_new(n);
        const char *out;
        size_t len, head;
        assert_int_equal(
            normalizer_apply(w, cases[i].text, strlen(cases[i].text), &out, &len, &head),
            SHARD_OK);
        assert_int_equal(head, cases[i].head);
        normalizer_worker_free(w);
        normalizer_free(n);
        json_decref(value);
    }
#undef REPLACE
}

/* What is normal already is not copied. */
static void normal_text_is_lent(void **state)
{
    static const char text[] = "abc \xc3\xa9 \xe3\x81\x82 \xed\x95\x9c";
    char why[256];
    struct json_config c = {.why = why, .cap = sizeof(why)};
    json_t *value = json_of("{\"type\":\"Sequence\",\"normalizers\":[{\"type\":\"NFC\"},"
                            "{\"type\":\"Lowercase\"},{\"type\":\"Replace\",\"pattern\":"
                            "{\"Regex\":\"\\\\s+\"},\"content\":\" \"}]}");
    struct normalizer *n = normalizer_read(&c, value);
    struct normalizer_worker *w = normalizer_worker_new(n);
    const char *out;
    size_t len;
    size_t head;

    (void)state;
    assert_int_equal(normalizer_apply(w, text, sizeof(text) - 1, &out, &len, &head),
                     SHARD_OK);
    assert_ptr_equal(out, text);
    normalizer_worker_free(w);
    normalizer_free(n);
    json_decref(value);
}

/* A million marks in the wrong order take no million times as long. */
static void many_marks_are_sorted(void **state)
{
    enum { N = 1000000 };
    char why[256];
    struct json_config c = {.why = why, .cap = sizeof(why)};
    json_t *value = json_of("{\"type\":\"NFD\"}");
    struct normalizer *n = normalizer_read(&c, value);
    struct normalizer_worker *w = normalizer_worker_new(n);
    char *text = malloc(2 * N);
    const char *out;
    size_t len;
    size_t head;

    (void)state;
    for (size_t i = 0; i < N; i++)
        memcpy(text + 2 * i, i % 2 == 0 ? "\xcc\x81" : "\xcc\xa3", 2);
    assert_int_equal(normalizer_apply(w, text, 2 * N, &out, &len, &head), SHARD_OK);
    assert_int_equal(len, 2 * N);
    assert_memory_equal(out, "\xcc\xa3\xcc\xa3", 4);
    assert_memory_equal(out + len - 4, "\xcc\x81\xcc\x81", 4);
    free(text);
    normalizer_worker_free(w);
    normalizer_free(n);
    json_decref(value);
}

static int join(void *to, const char *word, size_t len)
{
    struct shard_buffer *words = to;

    if (words->len > 0 && shard_buffer_add(words, "|", 1) < 0)
        return SHARD_ENOMEM;
    return shard_buffer_add(words, word, len);
}

static void cuts_as_tokenizers(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(cut) / sizeof(*cut); i++) {
        char why[256] = "";
        struct json_config c = {.why = why, .cap = sizeof(why)};
        struct shard_buffer words = {NULL, 0, 0};
        json_t *value = json_of(cut[i][0]);
        struct pre_tokenizer *p = pre_tokenizer_read(&c, value);
        assert_string_equal(why, "");
        struct pre_tokenizer_worker *w = pre_tokenizer_worker_new(p);
        assert_int_equal(
            pre_tokenizer_cut(w, cut[i][1], strlen(cut[i][1]), 1, join, &words),
            SHARD_OK);
        assert_int_equal(shard_buffer_add(&words, "", 1), SHARD_OK);
        assert_string_equal((const char *)words.data, cut[i][2]);
        shard_buffer_free(&words);
        pre_tokenizer_worker_free(w);
        pre_tokenizer_free(p);
        json_decref(value);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(normalizes_as_tokenizers),
        cmocka_unit_test(finds_the_head),
        cmocka_unit_test(normal_text_is_lent),
        cmocka_unit_test(many_marks_are_sorted),
        cmocka_unit_test(cuts_as_tokenizers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
