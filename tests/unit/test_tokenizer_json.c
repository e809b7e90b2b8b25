/* SPDX-License-Identifier: Apache-2.0
 * tests/unit/test_tokenizer_json.c - tokenizer.json as a whole: what is read of it, what
 * is refused, special tokens in their three modes.
 *
 * Ids and texts expected are those of PyPI's tokenizers 0.23. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "shard/status.h"
#include "shard/tokenizer/tokenizer.h"

/* Members of the file, in pieces that cases replace. */
#define VOCAB                                                                            \
    "\"vocab\":{\"a\":0,\"b\":1,\"ab\":2,\"c\":3,\" \":4,\"<\":5,\"s\":6,\">\":7,"       \
    "\"<s>\":8,\"<s\":9}"
#define MERGES "\"merges\":[\"a b\",[\"<\",\"s\"],[\"<s\",\">\"]]"
#define X10 "xxxxxxxxxx"
#define X100 X10 X10 X10 X10 X10 X10 X10 X10 X10 X10
#define MODEL "\"model\":{\"type\":\"BPE\"," VOCAB "," MERGES "}"
#define TOKEN(id, content, flags) "{\"id\":" #id ",\"content\":\"" content "\"," flags "}"
#define FLAGS(word, left, right, normalized, special)                                    \
    "\"single_word\":" #word ",\"lstrip\":" #left ",\"rstrip\":" #right                  \
    ",\"normalized\":" #normalized ",\"special\":" #special
#define PLAIN FLAGS(false, false, false, false, false)
#define SPECIAL FLAGS(false, false, false, false, true)

static int open_text(struct tokenizer **t, const char *text,
                     enum tokenizer_special_tokens special)
{
    const struct tokenizer_options options = {.special_tokens = special};
    const size_t len = strlen(text);
    char *copy = malloc(len); /* exactly as long, so that a byte read behind is seen */

    assert_non_null(copy);
    memcpy(copy, text, len);
    const int rc = tokenizer_open(t, copy, len, "f", &options);
    free(copy);
    return rc;
}

/* The ids as a line of decimals; or the name of the status. */
static const char *encoded(const char *file, enum tokenizer_special_tokens special,
                           const char *text)
{
    static char line[1024];
    struct tokenizer *t;
    uint32_t *ids = NULL, n = 0;
    size_t at = 0;

    if (open_text(&t, file, special) != SHARD_OK)
        fail_msg("%s", tokenizer_why(t));
    struct tokenizer_worker *w = tokenizer_worker_new(t);
    assert_non_null(w);
    const int rc = tokenizer_encode(w, text, strlen(text), &ids, &n);
    line[0] = '\0';
    for (uint32_t i = 0; i < n; i++)
        at += (size_t)snprintf(line + at, sizeof(line) - at, "%s%u", i > 0 ? " " : "",
                               ids[i]);
    if (rc < 0)
        snprintf(line, sizeof(line), "%s", tokenizer_worker_why(w));
    free(ids);
    tokenizer_worker_free(w);
    tokenizer_close(t);
    return line;
}

static void added_tokens_are_found(void **state)
{
    static const struct {
        const char *tokens, *text, *ids;
    } cases[] = {
        {TOKEN(10, "<x>", PLAIN), "a<x>ab", "0 10 2"},
        {TOKEN(10, "<x>", FLAGS(false, true, true, false, false)), "a  <x> b", "0 10 1"},
        {TOKEN(10, "<x>", FLAGS(true, false, false, false, false)), "<x>a <x>",
         "5 7 0 4 10"},
        {TOKEN(10, "ca", PLAIN) "," TOKEN(11, "cab", PLAIN), "cabca", "11 10"},
        {TOKEN(10, "<x>", FLAGS(false, false, true, false, false)) "," TOKEN(11, "  ",
                                                                             PLAIN),
         "<x>  a", "10 11 0"},
        {TOKEN(10, "<x>", FLAGS(false, false, true, false, false)) "," TOKEN(
             11, "  ", FLAGS(false, true, false, false, false)),
         "<x>  a", "10 0"},
        {TOKEN(2, "ab", PLAIN), "aab", "0 2"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        char file[2048];
        snprintf(file, sizeof(file), "{\"added_tokens\":[%s]," MODEL "}",
                 cases[i].tokens);
        assert_string_equal(encoded(file, TOKENIZER_SPECIAL_PARSE, cases[i].text),
                            cases[i].ids);
    }
}

/* A token is normalized as the text is. */
static void normalized_tokens_are_found(void **state)
{
    static const char file[] =
        "{\"normalizer\":{\"type\":\"Lowercase\"},\"added_tokens\":[" TOKEN(
            10, "<X>",
            FLAGS(false, false, false, true, false)) "," TOKEN(11, "C", PLAIN) "]," MODEL
                                                                               "}";

    (void)state;
    assert_string_equal(encoded(file, TOKENIZER_SPECIAL_PARSE, "A<x>B<X>cC"),
                        "0 10 1 10 3 11");
}

static void special_tokens_are_text(void **state)
{
    static const char file[] = "{\"added_tokens\":[" TOKEN(8, "<s>", SPECIAL) "," TOKEN(
        10, "<x>", PLAIN) "]," MODEL "}";
    static const char whole[] = "{\"added_tokens\":[" TOKEN(
        8, "<s>", SPECIAL) "],"
                           "\"model\":{\"type\":\"BPE\",\"ignore_merges\":true," VOCAB
                           "," MERGES "}}";

    (void)state;
    /* Its merges would make <s> of it. */
    assert_string_equal(encoded(file, TOKENIZER_SPECIAL_PLAIN, "a<s><x>"), "0 9 7 10");
    assert_string_equal(encoded(whole, TOKENIZER_SPECIAL_PLAIN, "<s>"), "9 7");
    assert_string_equal(encoded(whole, TOKENIZER_SPECIAL_PARSE, "<s>"), "8");
    assert_string_equal(encoded(file, TOKENIZER_SPECIAL_PARSE, "a<s><x>"), "0 8 10");
    assert_string_equal(encoded(file, TOKENIZER_SPECIAL_REJECT, "a<s><x>"),
                        "it spells the special token \"<s>\"");
    assert_string_equal(encoded(file, TOKENIZER_SPECIAL_REJECT, "a<x>"), "0 10");
    assert_string_equal(encoded(file, TOKENIZER_SPECIAL_PARSE, "a\xff"),
                        "it is not UTF-8");
}

static void models_encode(void **state)
{
    static const struct {
        const char *members, *text, *ids;
    } cases[] = {
        {"\"vocab\":{\"a\":0,\"<unk>\":1},\"merges\":[],\"unk_token\":\"<unk>\"", "axya",
         "0 1 1 0"},
        {"\"vocab\":{\"a\":0,\"<unk>\":1},\"merges\":[],\"unk_token\":\"<unk>\","
         "\"fuse_unk\":true",
         "axya", "0 1 0"},
        {"\"vocab\":{\"a\":0,\"<0xC3>\":1,\"<0xA9>\":2},\"merges\":[],"
         "\"byte_fallback\":true",
         "a\xc3\xa9z", "0 1 2"},
        {"\"vocab\":{\"a\":0,\"##b\":1,\"ab\":2},\"merges\":[\"a ##b\"],"
         "\"continuing_subword_prefix\":\"##\"",
         "abb", "2 1"},
        {"\"vocab\":{\"a\":0,\"b</w>\":1,\"ab</w>\":2},\"merges\":[[\"a\",\"b</w>\"]],"
         "\"end_of_word_suffix\":\"</w>\"",
         "aab", "0 2"},
        {"\"merges\":[],\"vocab\":{\"\\u0001\":0,\"\\ud83d\\ude00\":1,\"\\u00e9\":2,"
         "\"\\u3042\":3,\"\\\\\":4,\"\\n\":5}",
         "\n\\\xe3\x81\x82\xc3\xa9\xf0\x9f\x98\x80\x01", "5 4 3 2 1 0"},
        {"\"vocab\":{\"a\":0,\"b\":1,\"ab\":7},\"merges\":[\"#version: 0.2\",\"a b\"]",
         "abb", "7 1"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        char file[1024];
        snprintf(file, sizeof(file), "{\"model\":{\"type\":\"BPE\",%s}}",
                 cases[i].members);
        assert_string_equal(encoded(file, TOKENIZER_SPECIAL_PLAIN, cases[i].text),
                            cases[i].ids);
    }
}

/* The status of a text of n times `unit`, for a file of these members. */
static int status_of(const char *members, const char *unit, size_t n)
{
    const size_t unit_len = strlen(unit);
    char file[8192], *text = malloc(n * unit_len);
    struct tokenizer *t;
    uint32_t *ids = NULL, n_ids = 0;

    assert_non_null(text);
    for (size_t i = 0; i < n; i++)
        memcpy(text + i * unit_len, unit, unit_len);
    snprintf(file, sizeof(file), "{%s," MODEL "}", members);
    if (open_text(&t, file, TOKENIZER_SPECIAL_PARSE) != SHARD_OK)
        fail_msg("%s", tokenizer_why(t));
    struct tokenizer_worker *w = tokenizer_worker_new(t);
    assert_non_null(w);
    const int rc = tokenizer_encode(w, text, n * unit_len, &ids, &n_ids);
    assert_true((rc < 0) == (*tokenizer_worker_why(w) != '\0'));
    free(ids);
    free(text);
    tokenizer_worker_free(w);
    tokenizer_close(t);
    return rc;
}

#define REPLACE(pattern, content)                                                        \
    "{\"type\":\"Replace\",\"pattern\":{" pattern "},\"content\":\"" content "\"}"
#define DOUBLE REPLACE("\"String\":\"a\"", "aa")
#define EIGHT_DOUBLES                                                                    \
    DOUBLE "," DOUBLE "," DOUBLE "," DOUBLE "," DOUBLE "," DOUBLE "," DOUBLE "," DOUBLE
#define SIXTEEN "cccccccccccccccc"
#define STEPS(steps) "\"normalizer\":{\"type\":\"Sequence\",\"normalizers\":[" steps "]}"

/* Of a text no more is made than 16 times as much, and 4096 bytes: in one step, by many,
 * and by many texts between added tokens. */
static void growth_is_bounded(void **state)
{
    static const char prepend[] =
        STEPS("{\"type\":\"Prepend\",\"prepend\":\"" SIXTEEN
              "\"}") ",\"added_tokens\":[" TOKEN(10, "<x>", PLAIN) "]";

    (void)state;
    assert_int_equal(status_of(STEPS(REPLACE("\"String\":\"a\"", SIXTEEN)), "a", 100000),
                     SHARD_OK);
    assert_int_equal(
        status_of(STEPS(REPLACE("\"String\":\"a\"", SIXTEEN "c")), "a", 100000),
        SHARD_EGROWTH);
    assert_int_equal(
        status_of(STEPS(REPLACE("\"String\":\"a\"", SIXTEEN "c")), "a", 4096), SHARD_OK);
    assert_int_equal(status_of(STEPS(EIGHT_DOUBLES "," EIGHT_DOUBLES "," EIGHT_DOUBLES
                                                   "," EIGHT_DOUBLES "," EIGHT_DOUBLES),
                               "a", 1000),
                     SHARD_EGROWTH);
    assert_int_equal(status_of(STEPS(EIGHT_DOUBLES), "a", 10), SHARD_OK);
    assert_int_equal(status_of(prepend, "a<x>", 1000), SHARD_OK);
    assert_int_equal(
        status_of(STEPS("{\"type\":\"Prepend\",\"prepend\":\"" SIXTEEN SIXTEEN SIXTEEN
                            SIXTEEN SIXTEEN SIXTEEN
                        "\"}") ",\"added_tokens\":[" TOKEN(10, "<x>", PLAIN) "]",
                  "a<x>", 1000),
        SHARD_EGROWTH);
}

/* What a step that lengthens texts makes tokenizing take is reckoned. */
static void growth_is_reckoned(void **state)
{
    static const char *const files[] = {
        "{" MODEL "}", "{" STEPS(DOUBLE) "," MODEL "}",
        "{" STEPS(REPLACE("\"Regex\":\"a\"", SIXTEEN)) "," MODEL "}",
        "{" STEPS(DOUBLE "," DOUBLE "," DOUBLE) "," MODEL "}"};
    static const uint64_t need[] = {256, 256, 1024, 512};
    struct tokenizer *t;

    (void)state;
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(open_text(&t, files[i], TOKENIZER_SPECIAL_PLAIN), SHARD_OK);
        assert_int_equal(tokenizer_memory(t, "a", 1), need[i]);
        tokenizer_close(t);
    }
}

/* A long token that nearly begins everywhere costs a text, not the hour; one of white
 * space that takes more of it away is found in a million of them at once. */
static void searches_end(void **state)
{
    char a[1001], token[2048];

    (void)state;
    memset(a, 'a', sizeof(a));
    a[1000] = '\0';
    snprintf(token, sizeof(token),
             "\"added_tokens\":[{\"id\":10,\"content\":\"%sb\"," PLAIN "}]", a);
    assert_int_equal(status_of(token, "a", 100000), SHARD_EMATCH);
    assert_int_equal(status_of(token, "a", 1000), SHARD_OK);
    assert_int_equal(status_of(token, "aaab", 100000), SHARD_OK);
    assert_int_equal(status_of("\"added_tokens\":[" TOKEN(
                                   4, " ", FLAGS(false, true, true, false, false)) "]",
                               " ", 1000000),
                     SHARD_OK);
}

/* A text of which nothing is a piece has no ids. */
static void nothing_has_no_ids(void **state)
{
    static const char file[] = "{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0},"
                               "\"merges\":[]}}";

    (void)state;
    assert_string_equal(encoded(file, TOKENIZER_SPECIAL_PLAIN, "zz"), "");
    assert_string_equal(encoded(file, TOKENIZER_SPECIAL_PLAIN, "zaz"), "0");
}

/* An empty pattern matches before every character, and at the end. */
static void empty_patterns_match(void **state)
{
    (void)state;
    assert_string_equal(encoded("{" STEPS(REPLACE("\"String\":\"\"", "c")) "," MODEL "}",
                                TOKENIZER_SPECIAL_PLAIN, "ab"),
                        "3 0 3 1 3");
    assert_string_equal(encoded("{" STEPS(REPLACE("\"Regex\":\"\"", "c")) "," MODEL "}",
                                TOKENIZER_SPECIAL_PLAIN, "ab"),
                        "3 0 3 1 3");
    assert_string_equal(
        encoded("{\"pre_tokenizer\":{\"type\":\"Split\",\"pattern\":{\"Regex\":\"\"},"
                "\"behavior\":\"Isolated\",\"invert\":false}," MODEL "}",
                TOKENIZER_SPECIAL_PLAIN, "ab"),
        "0 1");
}

static void decodes(void **state)
{
    static const struct {
        const char *decoder, *text;
    } cases[] = {
        {"null", "\xe2\x96\x81"
                 "a <0xC3> <0xA9> b</w> \xe2\x96\x81 \xc4\xa0"},
        {"{\"type\":\"Fuse\"}", "\xe2\x96\x81"
                                "a<0xC3><0xA9>b</w>\xe2\x96\x81\xc4\xa0"},
        {"{\"type\":\"ByteFallback\"}", "\xe2\x96\x81"
                                        "a\xc3\xa9"
                                        "b</w>\xe2\x96\x81\xc4\xa0"},
        {"{\"type\":\"ByteLevel\",\"add_prefix_space\":true,\"trim_offsets\":true,"
         "\"use_regex\":true}",
         "\xe2\x96\x81"
         "a<0xC3><0xA9>b</w>\xe2\x96\x81 "},
        {"{\"type\":\"Metaspace\",\"replacement\":\"\xe2\x96\x81\","
         "\"prepend_scheme\":\"always\",\"split\":true}",
         "a<0xC3><0xA9>b</w> \xc4\xa0"},
        {"{\"type\":\"Metaspace\",\"replacement\":\"\xe2\x96\x81\","
         "\"prepend_scheme\":\"never\"}",
         " a<0xC3><0xA9>b</w> \xc4\xa0"},
        {"{\"type\":\"BPEDecoder\",\"suffix\":\"</w>\"}",
         "\xe2\x96\x81"
         "a<0xC3><0xA9>b \xe2\x96\x81\xc4\xa0"},
        {"{\"type\":\"Sequence\",\"decoders\":[{\"type\":\"Replace\",\"pattern\":{"
         "\"String\":"
         "\"\xe2\x96\x81\"},\"content\":\" "
         "\"},{\"type\":\"ByteFallback\"},{\"type\":\"Fuse\"},"
         "{\"type\":\"Strip\",\"content\":\" \",\"start\":1,\"stop\":0}]}",
         "a\xc3\xa9"
         "b</w> \xc4\xa0"},
    };
    static const uint32_t ids[] = {0, 1, 2, 3, 4, 5};

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        char file[1024], *text;
        struct tokenizer *t;
        size_t len;
        snprintf(
            file, sizeof(file),
            "{\"model\":{\"type\":\"BPE\",\"vocab\":{\"\xe2\x96\x81"
            "a\":0,\"<0xC3>\":1,"
            "\"<0xA9>\":2,\"b</w>\":3,\"\xe2\x96\x81\":4,\"\xc4\xa0\":5},\"merges\":[]},"
            "\"decoder\":%s}",
            cases[i].decoder);
        assert_int_equal(open_text(&t, file, TOKENIZER_SPECIAL_PLAIN), SHARD_OK);
        assert_int_equal(tokenizer_decode(t, ids, 6, &text, &len), SHARD_OK);
        assert_string_equal(text, cases[i].text);
        assert_int_equal(len, strlen(text));
        free(text);
        tokenizer_close(t);
    }
}

/* Added tokens come back as texts spell them, though a letter of theirs be that of a
 * byte; one that merges make, and that is not special, as merges do. */
static void decodes_added_tokens(void **state)
{
    static const char file[] =
        "{\"decoder\":{\"type\":\"ByteLevel\"},\"added_tokens\":[" TOKEN(
            3, "<\xc3\xa9>",
            SPECIAL) "," TOKEN(1, "\xc3\xab",
                               SPECIAL) "," TOKEN(4, "\xc3\xbc",
                                                  PLAIN) ","
                                                         "" TOKEN(
                                                             2,
                                                             "\xc3"
                                                             "\xaf",
                                                             PLAIN) "],"
                                                                    "\"model\":{\"type\":"
                                                                    "\"BPE\",\"vocab\":{"
                                                                    "\"\xc3\xa9\":0,"
                                                                    "\"\xc3\xab\":1,"
                                                                    "\"\xc3\xaf\":2},"
                                                                    "\"merges\":[]}}";
    static const uint32_t ids[] = {0, 3, 1, 4, 2};
    struct tokenizer *t;
    char *text, shown[32];
    size_t len;

    (void)state;
    if (open_text(&t, file, TOKENIZER_SPECIAL_PARSE) != SHARD_OK)
        fail_msg("%s", tokenizer_why(t));
    assert_int_equal(tokenizer_decode(t, ids, 5, &text, &len), SHARD_OK);
    assert_string_equal(text, "\xe9<\xc3\xa9>\xc3\xab\xc3\xbc\xef");
    (void)tokenizer_piece_shown(t, 1, shown, sizeof(shown));
    assert_string_equal(shown, "\xc3\xab");
    free(text);
    tokenizer_close(t);
}

static void names_markers_and_pieces(void **state)
{
    static const char *const processors[] = {
        "{\"type\":\"TemplateProcessing\",\"single\":[{\"SpecialToken\":{\"id\":\"<s>\","
        "\"type_id\":0}},{\"Sequence\":{\"id\":\"A\",\"type_id\":0}},{\"SpecialToken\":"
        "{\"id\":\"c\",\"type_id\":0}}],\"pair\":[],\"special_tokens\":{\"<s>\":{\"id\":"
        "\"<s>\",\"ids\":[8],\"tokens\":[\"<s>\"]},\"c\":{\"id\":\"c\",\"ids\":[3],"
        "\"tokens\":[\"c\"]}}}",
        "{\"type\":\"RobertaProcessing\",\"sep\":[\"c\",3],\"cls\":[\"<s>\",8]}",
        ("{\"type\":\"Sequence\",\"processors\":[{\"type\":\"ByteLevel\"},{\"type\":"
         "\"BertProcessing\",\"sep\":[\"c\",3],\"cls\":[\"<s>\",8]}]}"),
    };
    struct tokenizer *t;
    char file[2048], shown[32];
    size_t len;

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        snprintf(file, sizeof(file), "{\"post_processor\":%s," MODEL "}", processors[i]);
        assert_int_equal(open_text(&t, file, TOKENIZER_SPECIAL_PLAIN), SHARD_OK);
        assert_int_equal(tokenizer_bos(t), 8);
        assert_int_equal(tokenizer_eos(t), 3);
        tokenizer_close(t);
    }
    assert_int_equal(
        open_text(
            &t,
            "{\"model\":{\"type\":\"BPE\",\"vocab\":{\"\xc4\xa0\":0,\"\xc3\xa3\":5},"
            "\"merges\":[]},\"decoder\":{\"type\":\"ByteLevel\"}}",
            TOKENIZER_SPECIAL_PLAIN),
        SHARD_OK);
    assert_int_equal(tokenizer_n_pieces(t), 6);
    assert_string_equal(tokenizer_piece(t, 0, &len), "\xc4\xa0");
    assert_string_equal(tokenizer_piece(t, 3, &len), "");
    assert_int_equal(tokenizer_piece_id(t, "\xc3\xa3"), 5);
    assert_int_equal(tokenizer_piece_shown(t, 0, shown, sizeof(shown)), 1);
    assert_string_equal(shown, " ");
    (void)tokenizer_piece_shown(t, 5, shown, sizeof(shown));
    assert_string_equal(shown, "<0xE3>");
    assert_int_equal(tokenizer_bos(t), -1);
    assert_string_equal(tokenizer_special(t), "plain");
    assert_non_null(strstr(tokenizer_versions(t), "Unicode"));
    tokenizer_close(t);
}

static void dropout_of_0_is_none(void **state)
{
    (void)state;
    assert_string_equal(encoded("{\"model\":{\"type\":\"BPE\",\"dropout\":0.0," VOCAB
                                "," MERGES "}}",
                                TOKENIZER_SPECIAL_PLAIN, "abc"),
                        "2 3");
}

static const struct {
    const char *file, *why;
} refusals[] = {
    {"{", "not JSON: "},
    {"\xef\xbb\xbf{" MODEL "}", "it begins with a byte order mark"},
    {"{\"model\":{\"vocab\":{\"a\\u0000b\":0}}}",
     "a piece, or another name, with the character NUL is not supported, at byte 29"},
    {"{\"a\":1,\"a\":2}", "duplicate"},
    {"{}", "model: must be an object"},
    {"{\"x\":1," MODEL "}", "x: this member is not known"},
    {"{\"version\":\"2.0\"," MODEL "}", "version \"2.0\" is not known"},
    {"{\"truncation\":{}," MODEL "}", "truncation: is not supported"},
    {"{\"padding\":{}," MODEL "}", "padding: is not supported"},
    {"{\"normalizer\":{\"type\":\"Nmt\"}," MODEL "}",
     "normalizer.type: \"Nmt\" is not supported"},
    {"{\"normalizer\":{\"type\":\"Sequence\",\"normalizers\":[{\"type\":\"NFC\"},"
     "{\"type\":\"StripAccents\"}]}," MODEL "}",
     "normalizer.normalizers[1].type: \"StripAccents\" is not supported"},
    {"{\"normalizer\":{\"type\":\"NFC\",\"x\":1}," MODEL "}",
     "normalizer.x: this member is not known"},
    {"{\"normalizer\":{\"type\":\"Replace\",\"pattern\":{\"Regex\":\"(\"},"
     "\"content\":"
     "\"\"}," MODEL "}",
     "normalizer.pattern.Regex: at byte 1"},
    {"{\"pre_tokenizer\":{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":"
     "\"Whitespace\"},{\"type\":\"BertPreTokenizer\"}]}," MODEL "}",
     "pre_tokenizer.pretokenizers[1].type: \"BertPreTokenizer\" is not supported"},
    {"{\"pre_tokenizer\":{\"type\":\"Split\",\"pattern\":{\"String\":\"a\"},"
     "\"behavior\":"
     "\"Other\",\"invert\":false}," MODEL "}",
     "pre_tokenizer.behavior: \"Other\" is not known"},
    {"{\"pre_tokenizer\":{\"type\":\"Metaspace\",\"replacement\":\"ab\"}," MODEL "}",
     "pre_tokenizer: replacement must be one character"},
    {"{\"post_processor\":{\"type\":\"Other\"}," MODEL "}",
     "post_processor.type: \"Other\" is not supported"},
    {"{\"post_processor\":{\"type\":\"BertProcessing\",\"sep\":[\"c\",3],\"cls\":["
     "\"<s>\",33]}," MODEL "}",
     "post_processor.cls: the id 33 names no piece"},
    {"{\"post_processor\":{\"type\":\"RobertaProcessing\",\"sep\":[\"c\",\"3\"],"
     "\"cls\":[\"<s>\",8]}," MODEL "}",
     "post_processor.sep: its id must be a whole number"},
    {"{\"post_processor\":{\"type\":\"Sequence\",\"processors\":[{\"type\":"
     "\"TemplateProcessing\",\"single\":[{\"SpecialToken\":{\"id\":\"<s>\","
     "\"type_id\":0}}],\"special_tokens\":{\"<s>\":{\"id\":\"<s>\",\"ids\":[8,99]}}"
     "}]}," MODEL "}",
     "post_processor.processors[0].special_tokens.<s>.ids: the id 99 names no piece"},
    {"{\"post_processor\":{\"type\":\"TemplateProcessing\",\"single\":[{"
     "\"SpecialToken\":{\"id\":\"<s>\",\"type_id\":0}}],\"special_tokens\":{}}," MODEL
     "}",
     "post_processor.special_tokens: has no \"<s>\", which the template names"},
    {"{\"decoder\":{\"type\":\"WordPiece\"}," MODEL "}",
     "decoder.type: \"WordPiece\" is not supported"},
    {"{\"added_tokens\":[" TOKEN(99, "<x>", PLAIN) "]," MODEL "}",
     "added_tokens[0].id: 99, where tokenizers takes the token for 10"},
    {"{\"added_tokens\":[" TOKEN(10, "", PLAIN) "]," MODEL "}",
     "added_tokens[0]: content must have"},
    {"{\"added_tokens\":[" TOKEN(10, "<x>", PLAIN) "," TOKEN(10, "<x>",
                                                             SPECIAL) "]," MODEL "}",
     "added_tokens: [0] and [1] are the same token"},
    {"{\"normalizer\":{\"type\":\"Lowercase\"},\"added_tokens\":[" TOKEN(
         10, "THE",
         FLAGS(false, false, false, true,
               false)) "," TOKEN(11, "the",
                                 FLAGS(false, false, false, true, true)) "]," MODEL "}",
     "added_tokens: [0] and [1] are the same once they are normalized, and "
     "tokenizers finds one of them by chance"},
    {"{\"model\":{\"type\":\"WordPiece\"}}",
     "model.type: \"WordPiece\" is not supported"},
    {"{\"model\":{\"type\":\"BPE\",\"dropout\":0.1," VOCAB ",\"merges\":[]}}",
     "model.dropout: ids would depend on chance"},
    {"{\"model\":{\"type\":\"BPE\",\"vocab\":{},\"merges\":[]}}", "it has no pieces"},
    {"{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0,\"b\":0},\"merges\":[]}}",
     "model.vocab: \"b\": its id 0 is another piece's"},
    {"{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0,\"b\":262153},"
     "\"merges\":[]}}",
     "model.vocab: \"b\": its id must be a number of 0 to 262152 (of so many "
     "pieces), not 262153"},
    {"{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":-1},\"merges\":[]}}",
     "model.vocab: \"a\": its id must be a number of 0 to"},
    {"{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":2.0},\"merges\":[]}}",
     "model.vocab: \"a\": its id must be a whole number"},
    {"{\"model\":{\"type\":\"BPE\",\"vocab\":{\"\xe5\x90\xbe\xe8\xbc\xa9\\n\xc2\x85"
     "\":-1},\"merges\":[]}}",
     "model.vocab: \"\xe5\x90\xbe\xe8\xbc\xa9???\": its id"},
    {"{\"model\":{\"type\":\"BPE\",\"vocab\":{\"" X100 "x\xe5\x90\xbe" X100 X100 X100
     "\":-1},\"merges\":[]}}",
     X100 "\": its id must be a number of 0 to 262148 (of so many pieces), not -1"},
    {"{\"model\":{\"type\":\"BPE\"," VOCAB ",\"merges\":[\"a b\",\"a z\"]}}",
     "model.merges[1]: \"z\" is no piece"},
    {"{\"model\":{\"type\":\"BPE\"," VOCAB ",\"merges\":[\"b a\"]}}",
     "model.merges[0]: \"ba\" is no piece"},
    {"{\"model\":{\"type\":\"BPE\"," VOCAB ",\"merges\":[\"a b\",[\"a\",\"b\"]]}}",
     "model.merges: the pair of merge 0 stands in merge 1 again"},
    {"{\"model\":{\"type\":\"BPE\"," VOCAB ",\"merges\":[\"a b c\"]}}",
     "model.merges[0]: must be"},
    {"{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0,\"\":1},\"merges\":[[\"a\","
     "\"\"]]}}",
     "model.merges[0]: it makes a piece of itself"},
    {"{\"model\":{\"type\":\"BPE\",\"unk_token\":\"?\"," VOCAB ",\"merges\":[]}}",
     "model.unk_token: \"?\" is no piece"},
};

static void refuses_by_path(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(refusals) / sizeof(*refusals); i++) {
        struct tokenizer *t;
        assert_int_equal(open_text(&t, refusals[i].file, TOKENIZER_SPECIAL_PLAIN),
                         SHARD_EMODEL);
        if (strstr(tokenizer_why(t), refusals[i].why) == NULL)
            fail_msg("%s: %s", refusals[i].why, tokenizer_why(t));
        assert_null(strchr(tokenizer_why(t), '\n'));
        tokenizer_close(t);
    }
}

static void refuses_deep_nesting(void **state)
{
    enum { DEPTH = 100000 };
    char *file = malloc(DEPTH + 1);
    struct tokenizer *t;

    (void)state;
    assert_non_null(file);
    file[0] = '{';
    memset(file + 1, '[', DEPTH - 1);
    file[DEPTH] = '\0';
    assert_int_equal(open_text(&t, file, TOKENIZER_SPECIAL_PLAIN), SHARD_EMODEL);
    assert_non_null(strstr(tokenizer_why(t), "nested deeper"));
    tokenizer_close(t);
    free(file);
}

/* One file of everything, with bytes changed, taken out and doubled. */
static const char all[] =
    "{\"version\":\"1.0\",\"truncation\":null,\"padding\":null,\"added_tokens\":[" TOKEN(
        10, "<x>",
        FLAGS(true, true, true, true,
              true)) "],\"normalizer\":{\"type\":"
                     "\"Sequence\",\"normalizers\":[{\"type\":\"NFKC\"},{\"type\":"
                     "\"Lowercase\"},{\"type\":"
                     "\"Replace\",\"pattern\":{\"Regex\":\"[a-c&&[^b]]{2,}|(?i:q)+?\"},"
                     "\"content\":\"x\"},"
                     "{\"type\":\"Strip\",\"strip_left\":true,\"strip_right\":false}]},"
                     "\"pre_tokenizer\":"
                     "{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":\"Split\","
                     "\"pattern\":{\"Regex\":"
                     "\" "
                     "?\\\\p{L}+|\\\\s+(?!\\\\S)|[^\\\\s\\\\x{61}-z]\"},\"behavior\":"
                     "\"MergedWithNext\","
                     "\"invert\":false},{\"type\":\"Digits\",\"individual_digits\":true},"
                     "{\"type\":"
                     "\"Metaspace\",\"replacement\":\"_\",\"prepend_scheme\":\"always\","
                     "\"split\":true}]},"
                     "\"post_processor\":{\"type\":\"RobertaProcessing\",\"sep\":[\"c\","
                     "3],\"cls\":"
                     "[\"<s>\",8]},\"decoder\":{\"type\":\"Sequence\",\"decoders\":[{"
                     "\"type\":"
                     "\"ByteFallback\"},{\"type\":\"Strip\",\"content\":\"a\",\"start\":"
                     "1,\"stop\":1},"
                     "{\"type\":\"Fuse\"}]}," MODEL "}";

/* A small generator, the same everywhere. */
static uint32_t draw(uint32_t *seed, uint32_t n)
{
    *seed = *seed * 1664525u + 1013904223u;
    return (*seed >> 8) % n;
}

static size_t mutate(char *file, size_t len, uint32_t *seed)
{
    static const char bytes[] = "\"{}[]:,\\0129-+*?()^$|&abx_ \xc3\xa9\xff";

    for (uint32_t n = 1 + draw(seed, 2); n > 0; n--) {
        const size_t at = draw(seed, (uint32_t)len - 8), k = 1 + draw(seed, 6);
        switch (draw(seed, 8)) {
        default:
            file[at] = bytes[draw(seed, sizeof(bytes) - 1)];
            break;
        case 0:
            memmove(file + at, file + at + k, len - at - k);
            len -= k;
            break;
        case 1:
            memmove(file + at + k, file + at, len - at);
            len += k;
        }
    }
    return len;
}

static void mutations_do_no_harm(void **state)
{
    static const char text[] = "a <x>ab Q12\xc2\xbd c\n <s> \xe3\x81\x82  bb";
    uint32_t seed = 1;
    unsigned n_open = 0, n_refused = 0;

    (void)state;
    for (int i = 0; i < 1000; i++) {
        char file[sizeof(all) + 64];
        struct tokenizer *t;
        memcpy(file, all, sizeof(all) - 1);
        const size_t len =
            i == 0 ? sizeof(all) - 1 : mutate(file, sizeof(all) - 1, &seed);
        file[len] = '\0';
        const int rc = open_text(&t, file, TOKENIZER_SPECIAL_PARSE);
        if (rc == SHARD_OK) {
            struct tokenizer_worker *w = tokenizer_worker_new(t);
            uint32_t *ids, n;
            assert_non_null(w);
            if (tokenizer_encode(w, text, sizeof(text) - 1, &ids, &n) == SHARD_OK)
                free(ids);
            tokenizer_worker_free(w);
            n_open++;
        } else {
            assert_int_equal(rc, SHARD_EMODEL);
            assert_null(strchr(tokenizer_why(t), '\n'));
            assert_true(strlen(tokenizer_why(t)) > 8);
            n_refused++;
        }
        assert_true(i > 0 || rc == SHARD_OK);
        tokenizer_close(t);
    }
    assert_true(n_open >= 10 && n_refused >= 500);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(added_tokens_are_found),
        cmocka_unit_test(normalized_tokens_are_found),
        cmocka_unit_test(special_tokens_are_text),
        cmocka_unit_test(models_encode),
        cmocka_unit_test(growth_is_bounded),
        cmocka_unit_test(growth_is_reckoned),
        cmocka_unit_test(searches_end),
        cmocka_unit_test(nothing_has_no_ids),
        cmocka_unit_test(empty_patterns_match),
        cmocka_unit_test(decodes),
        cmocka_unit_test(decodes_added_tokens),
        cmocka_unit_test(names_markers_and_pieces),
        cmocka_unit_test(dropout_of_0_is_none),
        cmocka_unit_test(refuses_by_path),
        cmocka_unit_test(refuses_deep_nesting),
        cmocka_unit_test(mutations_do_no_harm),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
