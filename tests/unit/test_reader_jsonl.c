/* SPDX-License-Identifier: Apache-2.0
 * tests/unit/test_reader_jsonl.c - JSON Lines -> documents: keys, texts, metadata, each
 * reject, damage; all of them the same however the input comes in pieces. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <zstd.h>

#include "ingest/readers.h"
#include "ingest/status.h"
#include "tests/unit/memory_input.h"

/* What has been read, as text: a line a document. */
struct story {
    char text[4096];
    size_t len;
    struct ingest_totals totals;
    char partial_key[24];
    int status;
    size_t read; /* bytes of the input */
};

__attribute__((format(printf, 2, 3))) static void tell(struct story *s, const char *fmt,
                                                       ...)
{
    va_list ap;
    int n;

    va_start(ap, fmt);
    n = vsnprintf(s->text + s->len, sizeof(s->text) - s->len, fmt, ap);
    va_end(ap);
    assert_true(n >= 0 && (size_t)n < sizeof(s->text) - s->len);
    s->len += (size_t)n;
}

/* "INDEX KEY: TEXT (NAME) METADATA" or "INDEX KEY! REASON: DETAIL". */
static void tell_document(struct story *s, const struct ingest_sample *p)
{
    const struct ingest_alternative *text;

    assert_null(p->raw.bytes);
    if (p->reject.reason != REJECT_NONE) {
        tell(s, "%d %s! %s: %s\n", (int)p->index, p->key, reject_name(p->reject.reason),
             p->reject.detail);
        return;
    }
    assert_int_equal(p->n_parts, 1);
    assert_int_equal(p->parts[0].kind, INGEST_TEXT);
    assert_int_equal(p->parts[0].n_alternatives, 1);
    text = &p->parts[0].alternatives[0];
    assert_int_equal(text->text[text->text_len], '\0');
    tell(s, "%d %s: %s (%s) %s%s\n", (int)p->index, p->key, text->text, text->name,
         p->metadata ? p->metadata : "none", p->dropped_metadata ? ", dropped" : "");
    assert_int_equal(p->metadata_len, p->metadata ? strlen(p->metadata) : 0);
}

static void read_named(struct story *s, const char *name, const void *bytes, size_t len,
                       size_t chunk, const struct reader_options *o)
{
    struct memory_input in = {.bytes = bytes, .len = len, .chunk = chunk};
    struct ingest_source source = memory_source(&in);
    struct ingest_sample p;
    void *r;
    struct hash_set keys = {0};

    source.name = name;
    *s = (struct story){0};
    assert_int_equal(reader_jsonl.open(&r, &source, o), INGEST_OK);
    while ((s->status = reader_jsonl.next(r, &p)) == INGEST_OK) {
        assert_int_equal(reader_jsonl.parse(&p, o), INGEST_OK);
        assert_int_equal(ingest_sample_check_key(&p, &keys), INGEST_OK);
        tell_document(s, &p);
        ingest_sample_clear(&p);
    }
    s->totals = *reader_jsonl.totals(r);
    s->read = in.at;
    snprintf(s->partial_key, sizeof(s->partial_key), "%s",
             s->totals.partial_key ? s->totals.partial_key : "none");
    reader_jsonl.close(r);
    hash_set_free(&keys);
}

static void read_all(struct story *s, const void *bytes, size_t len, size_t chunk,
                     const struct reader_options *o)
{
    read_named(s, NULL, bytes, len, chunk, o);
}

static struct story read_bytes(const void *bytes, size_t len,
                               const struct reader_options *o)
{
    static const size_t chunks[] = {100, 7, 1};
    struct story whole, again;

    read_all(&whole, bytes, len, 1 << 20, o);
    assert_int_equal(whole.status, INGEST_END);
    for (size_t i = 0; i < sizeof(chunks) / sizeof(*chunks); i++) {
        read_all(&again, bytes, len, chunks[i], o);
        assert_string_equal(again.text, whole.text);
        assert_int_equal(again.totals.blank_lines, whole.totals.blank_lines);
    }
    return whole;
}

static struct story check_with(const struct reader_options *o, const char *bytes,
                               const char *expected)
{
    struct story s = read_bytes(bytes, strlen(bytes), o);

    assert_string_equal(s.text, expected);
    assert_int_equal(s.read, strlen(bytes));
    assert_false(s.totals.damaged);
    return s;
}

static struct story check(const char *bytes, const char *expected)
{
    struct reader_options o = reader_options_default();

    return check_with(&o, bytes, expected);
}

static void lines_and_their_ends(void **state)
{
    struct story s;

    (void)state;
    s = check(
        "\xEF\xBB\xBF{\"text\":\"a\"}\r\n\n \t\r\n{\"text\":\"b\"}\n{\"text\":\"c\"}",
        "0 1: a (json.text) none\n"
        "1 4: b (json.text) none\n"
        "2 5: c (json.text) none\n");
    assert_int_equal(s.totals.groups, 3);
    assert_int_equal(s.totals.blank_lines, 2);
    s = check("", "");
    assert_int_equal(s.totals.groups, 0);
    s = check("\n", "");
    assert_int_equal(s.totals.blank_lines, 1);
}

/* Marks before a text go, white space is Unicode's; of metadata every byte stays. */
static void marks_and_blanks(void **state)
{
    struct story s;

    (void)state;
    s = check("{\"text\":\"\\ufeff\xEF\xBB\xBF a\\n\",\"t\":\"\\ufeff\"}\n"
              "{\"text\":\"a\\ufeff\"}\n"
              "{\"text\":\"\\ufeff\"}\n"
              "{\"text\":\"\\u3000\\u00a0\"}\n"
              "{\"text\":\"\\u200b\"}\n"
              "\xE3\x80\x80\n",
              "0 1:  a\n (json.text) {\"t\":\"\\ufeff\"}\n"
              "1 2: a\xEF\xBB\xBF (json.text) none\n"
              "2 3! empty_text: line 3 at byte 57: 'text' is nothing but white space\n"
              "3 4! empty_text: line 4 at byte 75: 'text' is nothing but white space\n"
              "4 5: \xE2\x80\x8B (json.text) none\n");
    assert_int_equal(s.totals.blank_lines, 1);
}

static void ids_become_keys(void **state)
{
    (void)state;
    check(
        "{\"id\":\"a/b\",\"text\":\"x\"}\n"
        "{\"id\":18446744073709551616,\"text\":\"x\"}\n"
        "{\"id\":-1,\"text\":\"x\"}\n"
        "{\"id\":null,\"text\":\"x\"}\n"
        "{\"id\":1e3,\"text\":\"x\"}\n"
        "{\"id\":\"\",\"text\":\"x\"}\n"
        "{\"id\":\"a\\u0000b\",\"text\":\"x\"}\n"
        "{\"id\":{},\"text\":\"x\"}\n"
        "{\"id\":true,\"text\":\"x\"}\n"
        "{\"id\":7,\"id\":8,\"text\":\"x\"}\n",
        "0 a/b: x (json.text) {\"id\":\"a/b\"}\n"
        "1 18446744073709551616: x (json.text) {\"id\":18446744073709551616}\n"
        "2 -1: x (json.text) {\"id\":-1}\n"
        "3 4: x (json.text) {\"id\":null}\n"
        "4 5! bad_key: line 5 at byte 107: 'id' is not a whole number\n"
        "5 6! bad_key: line 6 at byte 129: 'id' is empty\n"
        "6 a\\x00b! bad_key: line 7 at byte 150: 'id': the key has a control character\n"
        "7 8! bad_key: line 8 at byte 179: 'id' is neither a string nor a number\n"
        "8 9! bad_key: line 9 at byte 200: 'id' is neither a string nor a number\n"
        "9 8: x (json.text) {\"id\":7,\"id\":8}\n");
}

/* The first one wins, a bad one too where its key is known. */
static void keys_are_unique(void **state)
{
    static const char said[] = "duplicate_key: an earlier document has this key (or "
                               "stands on the line of this number)";
    char expected[600];

    (void)state;
    snprintf(expected, sizeof(expected),
             "0 a: x (json.text) {\"id\":\"a\"}\n1 a! %s\n2 3: x (json.text) none\n"
             "3 3! %s\n"
             "4 e! empty_text: line 5 at byte 77: 'text' is nothing but white space\n"
             "5 e! %s\n6 7! bad_json: line 7 at byte 123: not a JSON object\n"
             "7 7: x (json.text) {\"id\":7}\n",
             said, said, said);
    check(
        "{\"id\":\"a\",\"text\":\"x\"}\n{\"id\":\"a\",\"text\":\"y\"}\n{\"text\":\"x\"}\n"
        "{\"id\":3,\"text\":\"x\"}\n{\"id\":\"e\",\"text\":\" \"}\n"
        "{\"id\":\"e\",\"text\":\"\\ty\"}\n[]\n{\"id\":7,\"text\":\"x\"}\n",
        expected);
}

static void texts_are_whole(void **state)
{
    (void)state;
    check("{\"text\":\" \\\"q\\\" \\u00e9\\ud83d\\ude00\\n \"}\n"
          "{\"text\":\"first\",\"text\":\"last\"}\n"
          "{\"te\\u0078t\":\"escaped\"}\n"
          "{\"text\":5}\n"
          "{\"text\":null}\n"
          "{\"Text\":\"x\"}\n"
          "{\"text\":\"\\n\\u000b \"}\n"
          "{\"text\":\" \\u0000\\u0000\"}\n",
          "0 1:  \"q\" \xC3\xA9\xF0\x9F\x98\x80\n  (json.text) none\n"
          "1 2: last (json.text) none\n"
          "2 3: escaped (json.text) none\n"
          "3 4! no_text: line 4 at byte 95: 'text' is not a string\n"
          "4 5! no_text: line 5 at byte 106: 'text' is not a string\n"
          "5 6! no_text: line 6 at byte 120: 'text' is not there\n"
          "6 7! empty_text: line 7 at byte 133: 'text' is nothing but white space\n"
          "7 8! empty_text: line 8 at byte 154: 'text' is nothing but white space and "
          "NULs\n");
}

static void a_text_may_hold_nul(void **state)
{
    struct reader_options o = reader_options_default();
    static const char json[] = "{\"text\":\"a\\u0000b\"}";
    struct ingest_sample p = {
        .raw = {.bytes = strdup(json), .len = sizeof(json) - 1, .number = 1}};

    (void)state;
    assert_int_equal(reader_jsonl.parse(&p, &o), INGEST_OK);
    assert_int_equal(p.reject.reason, REJECT_NONE);
    assert_int_equal(p.parts[0].alternatives[0].text_len, 3);
    assert_memory_equal(p.parts[0].alternatives[0].text, "a\0b", 4);
    ingest_sample_clear(&p);
}

static void other_members_are_kept_as_they_stand(void **state)
{
    (void)state;
    check(" {\"text\":\"x\", \"score\": 0.12345678901234567890, \"u\":\"\\u0041\"} \n"
          "{\"a\":[1,{\"text\":\"]}\\\"\"}],\"text\":\"x\"}\n"
          "{ \"a\" : {} , \"text\" : \"x\" , \"b\":NaN }\n"
          "{\"a\":1,\"text\":\"x\",\"text\":\"y\"}\n"
          "{\"text\":\"x\",\"a\":1,\"text\":\"y\",\"b\":-Infinity}\n"
          "{ \"text\":\"x\" }\n",
          "0 1: x (json.text) {\"score\": 0.12345678901234567890, \"u\":\"\\u0041\"}\n"
          "1 2: x (json.text) {\"a\":[1,{\"text\":\"]}\\\"\"}]}\n"
          "2 3: x (json.text) { \"a\" : {} , \"b\":NaN }\n"
          "3 4: y (json.text) {\"a\":1}\n"
          "4 5: y (json.text) {\"a\":1,\"b\":-Infinity}\n"
          "5 6: x (json.text) none\n");
}

/* Python reads such numbers; they are kept too. */
static void numbers_may_be_too_large_for_a_double(void **state)
{
    struct reader_options o = reader_options_default();
    char line[600], expected[1000], digits[401];

    (void)state;
    memset(digits, '7', 400);
    digits[400] = '\0';
    snprintf(line, sizeof(line), "{\"text\":\"1e999\",\"a\":[1e999,-1E+4000],\"b\":%s}",
             digits);
    snprintf(expected, sizeof(expected),
             "0 1: 1e999 (json.text) {\"a\":[1e999,-1E+4000],\"b\":%s}\n", digits);
    check_with(&o, line, expected);
    snprintf(line, sizeof(line), "{\"id\":%s,\"text\":\"123\",\"a\":NaN}", digits);
    snprintf(expected, sizeof(expected), "0 %s: 123 (json.text) {\"id\":%s,\"a\":NaN}\n",
             digits, digits);
    check_with(&o, line, expected);
    check("{\"text\":\"x\",\"a\":1e999}}\n{\"text\":\"x\",\"a\":0123,\"b\":1e999}\n"
          "{\"text\":\"x\",\"a\":1e999e9}\n",
          "0 1! bad_json: line 1 at byte 0: not JSON (column 22: end of file expected "
          "near '}')\n"
          "1 2! bad_json: line 2 at byte 24: not JSON (column 17: invalid token near "
          "'0')\n"
          "2 3! bad_json: line 3 at byte 56: not JSON (column 21: '}' expected near "
          "'e')\n");
}

/* A number that is longer than a key may be is no key. */
static void an_id_has_its_limit(void **state)
{
    char line[1200], digits[1026], detail[200];
    struct reader_options o = reader_options_default();

    (void)state;
    memset(digits, '7', 1025);
    digits[1025] = '\0';
    snprintf(line, sizeof(line), "{\"id\":%s,\"text\":\"x\"}", digits);
    snprintf(detail, sizeof(detail),
             "0 1! bad_key: line 1 at byte 0: 'id': the key is "
             "longer than 1024 bytes\n");
    check_with(&o, line, detail);
}

static void options_are_followed(void **state)
{
    struct reader_options o = reader_options_default();

    (void)state;
    o.text_field = "a.b \"c\"";
    o.id_field = "u";
    o.max_metadata = 9;
    o.limit = 2;
    read_bytes("", 0, &o);
    check_with(
        &o,
        "{\"u\":\"1\",\"a.b \\\"c\\\"\":\"x\"}\n{\"u\":\"22\",\"a.b \\\"c\\\"\":\"y\"}\n",
        "0 1: x (json.a.b \"c\") {\"u\":\"1\"}\n"
        "1 22: y (json.a.b \"c\") none, dropped\n");
    o = reader_options_default();
    o.keep_metadata = false;
    check_with(&o, "{\"id\":1,\"text\":\"x\"}\n", "0 1: x (json.text) none\n");
}

static void a_limit_stops(void **state)
{
    struct reader_options o = reader_options_default();
    struct story s;

    (void)state;
    o.limit = 1;
    s = read_bytes("{\"text\":\"x\"}\n{\"text\":\"y\"}\n", 26, &o);
    assert_string_equal(s.text, "0 1: x (json.text) none\n");
    assert_int_equal(s.totals.groups, 1);
}

/* The words in brackets are jansson's. */
static void what_is_no_document(void **state)
{
    (void)state;
    check(
        "{\"text\":\"x\n\"}\n{\"text\":\"x\"} {}\n{\"text\":\"\xED\xA0\x80\"}\n"
        "{\"text\":\"\\ud83d\"}\n{\"text\":\"x\",}\n\x1F\n",
        "0 1! bad_json: line 1 at byte 0: not JSON (column 10: premature end of input "
        "near '\"x')\n"
        "1 2! bad_json: line 2 at byte 11: not JSON (column 2: premature end of input "
        "near '\"}')\n"
        "2 3! bad_json: line 3 at byte 14: not JSON (column 14: end of file expected "
        "near '{')\n"
        "3 4! text_not_utf8: line 4 at byte 30: not UTF-8 (unable to decode byte 0xed "
        "near '\"')\n"
        "4 5! text_not_utf8: line 5 at byte 45: not UTF-8 (invalid Unicode '\\uD83D' "
        "near '\"\\ud83d\"')\n"
        "5 6! bad_json: line 6 at byte 63: not JSON (column 13: string or '}' expected "
        "near '}')\n"
        "6 7! bad_json: line 7 at byte 77: not JSON (column 1: '[' or '{' expected near "
        "'\x1F')\n");
}

/* A line of up to max_doc_bytes is read, of a longer one only its end is looked for. */
static void long_lines(void **state)
{
    struct reader_options o = reader_options_default();

    (void)state;
    o.max_doc_bytes = 14;
    check_with(&o,
               "{\"text\":\"1234\"}\n{\"text\":\"123\"}\n{\"text\":\"1234\"}\n"
               "{\"text\":\"123\"}\r\n{\"text\":\"end of input\"}",
               "0 1! too_long: line 1 at byte 0: more than 14 bytes; --max-doc-bytes is "
               "the limit\n"
               "1 2: 123 (json.text) none\n"
               "2 3! too_long: line 3 at byte 31: more than 14 bytes; --max-doc-bytes is "
               "the limit\n"
               "3 4! too_long: line 4 at byte 47: more than 14 bytes; --max-doc-bytes is "
               "the limit\n"
               "4 5! too_long: line 5 at byte 63: more than 14 bytes; --max-doc-bytes is "
               "the limit\n");
}

enum { N_LINES = 50000 };

/* The line many times, the last one without `cut` bytes, and again, as two frames of
 * Zstandard, the second one damaged. */
static unsigned char *damaged_stream(const char *line, size_t cut, size_t *len)
{
    size_t n = strlen(line), cap = ZSTD_compressBound(n * N_LINES);
    char *text = malloc(n * N_LINES + 1);
    unsigned char *packed = malloc(2 * cap);
    size_t first, second;

    assert_non_null(text);
    assert_non_null(packed);
    for (size_t i = 0; i < N_LINES; i++)
        memcpy(text + i * n, line, n);
    first = ZSTD_compress(packed, cap, text, n * N_LINES - cut, 1);
    second = ZSTD_compress(packed + first, cap, text, n * N_LINES, 1);
    assert_false(ZSTD_isError(first) || ZSTD_isError(second));
    packed[first + 4] ^= 0x08; /* a reserved bit of the frame's header */
    free(text);
    *len = first + second;
    return packed;
}

/* All lines before the damage must come out. */
static void read_damaged(const char *line, size_t cut, size_t chunk, struct story *s)
{
    struct reader_options o = reader_options_default();
    struct memory_input in = {.chunk = chunk};
    struct ingest_source source = memory_source(&in);
    unsigned char *packed = damaged_stream(line, cut, &in.len);
    struct ingest_sample p;
    void *r;
    uint64_t n = 0;

    in.bytes = packed;
    assert_int_equal(reader_jsonl.open(&r, &source, &o), INGEST_OK);
    for (; (s->status = reader_jsonl.next(r, &p)) == INGEST_OK; n++) {
        assert_int_equal(p.index, n);
        assert_int_equal(p.raw.offset, n * strlen(line));
        assert_int_equal(p.raw.len, strlen(line) - 1);
        ingest_sample_clear(&p);
    }
    assert_int_equal(s->status, INGEST_END);
    assert_int_equal(in.at, in.len);
    s->totals = *reader_jsonl.totals(r);
    snprintf(s->partial_key, sizeof(s->partial_key), "%s",
             s->totals.partial_key ? s->totals.partial_key : "none");
    reader_jsonl.close(r);
    free(packed);
    assert_true(s->totals.damaged);
    assert_int_equal(s->totals.damage_offset, N_LINES * strlen(line) - cut);
    assert_int_equal(n, N_LINES - (cut > 0));
    assert_int_equal(n, s->totals.groups);
}

/* What was whole before the damage is read; the line that it cut is named. */
static void damage_ends_the_input(void **state)
{
    struct story s = {0};

    (void)state;
    read_damaged("{\"text\":\"x\"}\n", 3, 1 << 20, &s);
    assert_string_equal(s.partial_key, "50000");
    read_damaged("{\"text\":\"x\"}\n", 3, 7, &s);
    assert_string_equal(s.partial_key, "50000");
}

/* At a line's end it cuts none. */
static void damage_between_lines(void **state)
{
    struct story s = {0};

    (void)state;
    read_damaged("{\"text\":\"1234\"}\n", 0, 1 << 20, &s);
    assert_string_equal(s.partial_key, "none");
}

/* Reads what is called `name`: the damage, "whole" with the document, or "complete". */
static const char *damage_of(const char *name, const unsigned char *bytes, size_t len,
                             size_t chunk)
{
    static struct story s;
    struct reader_options o = reader_options_default();

    read_named(&s, name, bytes, len, chunk, &o);
    assert_int_equal(s.status, INGEST_END);
    assert_int_equal(s.read, len);
    if (s.totals.damaged)
        assert_true(s.totals.groups == 0 || s.totals.damage_offset > 0);
    if (s.totals.damaged)
        return s.totals.damage;
    return strcmp(s.text, "0 1: a (json.text) none\n") == 0 ? "whole" : "complete";
}

static bool is_damaged(const char *name, const unsigned char *bytes, size_t len,
                       size_t chunk)
{
    const char *damage = damage_of(name, bytes, len, chunk);

    return strcmp(damage, "whole") != 0 && strcmp(damage, "complete") != 0;
}

/* {"text":"a"}, as gzip, zstd, bzip2 and xz write it, and how they begin. */
static const struct {
    const char *suffix;
    size_t magic, len;
    const char *bytes;
} packed_lines[] = {
    {".gz", 3, 33,
     "\037\213\010\000\000\000\000\000\002\377\253\126\052\111\255\050\121\262"
     "\122\112\124\252\345\002\000\167\114\302\070\015\000\000\000"},
    {".zst", 4, 26,
     "\050\265\057\375\004\130\151\000\000\173\042\164\145\170\164\042\072\042"
     "\141\042\175\012\256\251\161\214"},
    {".bz2", 10, 54,
     "\102\132\150\071\061\101\131\046\123\131\262\131\115\372\000\000\005\331"
     "\200\000\020\020\000\000\020\042\000\004\112\040\000\061\006\114\101\001"
     "\246\236\240\320\334\042\302\374\135\311\024\341\102\102\311\145\067\350"},
    {".xz", 6, 68,
     "\375\067\172\130\132\000\000\001\151\042\336\066\002\000\041\001\026\000"
     "\000\000\164\057\345\243\001\000\014\173\042\164\145\170\164\042\072\042"
     "\141\042\175\012\000\000\000\000\167\114\302\070\000\001\041\015\165\334"
     "\250\322\220\102\231\015\001\000\000\000\000\001\131\132"},
};
enum { N_PACKED = sizeof(packed_lines) / sizeof(*packed_lines), PACKED_MAX = 128 };

/* Whatever is left of a compressed file, it is not taken for text. */
static void cut_files_are_damaged(void **state)
{
    (void)state;
    for (size_t i = 0; i < N_PACKED; i++) {
        const unsigned char *bytes = (const unsigned char *)packed_lines[i].bytes;
        const char *suffix = packed_lines[i].suffix;
        char other[16];

        snprintf(other, sizeof(other), "x%s.tmp", suffix);
        assert_string_equal(damage_of(suffix, bytes, packed_lines[i].len, 7), "whole");
        assert_string_equal(damage_of(NULL, bytes, packed_lines[i].len, 7), "whole");
        assert_string_equal(damage_of(suffix, bytes, 0, 1), "the input is empty");
        for (size_t len = 1; len < packed_lines[i].len; len++) {
            assert_true(is_damaged(suffix, bytes, len, 7));
            assert_true(is_damaged(NULL, bytes, len, 1));
            assert_true(is_damaged(other, bytes, len, 100));
        }
    }
}

/* But for the size of bzip2's blocks, which another size may stand for. */
static void flipped_magic_is_damage(void **state)
{
    unsigned char bytes[PACKED_MAX];
    int n_whole = 0;

    (void)state;
    for (size_t i = 0; i < N_PACKED; i++) {
        memcpy(bytes, packed_lines[i].bytes, packed_lines[i].len);
        for (size_t bit = 0; bit < 8 * packed_lines[i].magic; bit++) {
            bytes[bit / 8] ^= 1 << bit % 8;
            const char *damage =
                damage_of(packed_lines[i].suffix, bytes, packed_lines[i].len, 7);
            assert_string_not_equal(damage, "complete");
            n_whole += strcmp(damage, "whole") == 0;
            bytes[bit / 8] ^= 1 << bit % 8;
        }
    }
    assert_in_range(n_whole, 0, 3);
}

/* The words, and what is none of it. */
static void names_that_promise_compression(void **state)
{
    static const unsigned char text[] = "{\"text\":\"a\"}\n";
    static const unsigned char flags[] = "\x1F\x8B\x08\x20\0\0\0\0\0\3 and so on";
    const size_t len = sizeof(text) - 1;

    (void)state;
    assert_string_equal(damage_of("a.jsonl.gz", text, len, 7),
                        "named .gz, but its beginning is not gzip's");
    assert_string_equal(damage_of("a.tgz", text, len, 7),
                        "named .tgz, but its beginning is not gzip's");
    assert_string_equal(damage_of(NULL, flags, sizeof(flags) - 1, 7),
                        "its beginning is gzip's, but cut off or corrupt");
    assert_string_equal(damage_of("a.jsonl", flags, sizeof(flags) - 1, 7),
                        "its beginning is gzip's, but cut off or corrupt");
    assert_string_equal(damage_of("a.jsonl", text, len, 7), "whole");
    assert_string_equal(damage_of("a.gz.jsonl", text, len, 7), "whole");
    assert_string_equal(damage_of("gz", text, len, 7), "whole");
    assert_string_equal(damage_of("a.jsonl", text, 0, 7), "complete");
    assert_string_equal(damage_of(NULL, text, 0, 7), "complete");
}

/* What is read from it, in two ways of pieces: "damage at OFFSET in KEY", or "whole". */
static void expect_foreign(const char *bytes, size_t len, const char *expected)
{
    static const size_t chunks[] = {1 << 20, 1};
    struct reader_options o = reader_options_default();
    char found[300];
    struct story s;

    for (size_t i = 0; i < 2; i++) {
        s = (struct story){0};
        read_named(&s, "a.jsonl", (const unsigned char *)bytes, len, chunks[i], &o);
        assert_int_equal(s.status, INGEST_END);
        assert_int_equal(s.read, len);
        snprintf(found, sizeof(found), "%d at %d in %s: %s", (int)s.totals.groups,
                 (int)s.totals.damage_offset, s.partial_key, s.totals.damage);
        assert_string_equal(found, expected);
    }
}

#define FOREIGN(bytes, expected) expect_foreign(bytes, sizeof(bytes) - 1, expected)
#define READ "read --retry-failed --name NAME --input-format jsonl "
#define ARRAY                                                                            \
    "0 at 0 in none: a JSON array, not JSON Lines: " READ "'pipe:jq -c .[] FILE'"

static void arrays_are_no_lines(void **state)
{
    (void)state;
    FOREIGN("[{\"text\":\"a\"}]", ARRAY);
    FOREIGN("\n\n [ {\"text\":\"a\"},\n{}]\n", ARRAY);
    FOREIGN("\xEF\xBB\xBF[\r\n  {\"text\":\"a\"}\r\n]\r\n", ARRAY);
    FOREIGN("[\n\"a\"\n]\n", ARRAY);
    FOREIGN("[\"text\"]\n{\"text\":\"a\"}\n", "2 at 0 in none: ");
    FOREIGN("{\"text\":\"a\"}\n[{}]\n", "2 at 0 in none: ");
}

static void other_encodings_are_named(void **state)
{
    (void)state;
    FOREIGN("\xFF\xFE{\0}\0\n\0",
            "0 at 0 in none: UTF-16, not UTF-8: " READ "'pipe:iconv -f "
            "UTF-16 -t UTF-8 FILE'");
    FOREIGN("\xFE\xFF\0{\0}\0\n",
            "0 at 0 in none: UTF-16, not UTF-8: " READ "'pipe:iconv -f "
            "UTF-16 -t UTF-8 FILE'");
    FOREIGN("{\0}\0\n\0", "0 at 0 in none: UTF-16LE, not UTF-8: " READ "'pipe:iconv -f "
                          "UTF-16LE -t UTF-8 FILE'");
    FOREIGN("\0{\0}\0\n", "0 at 0 in none: UTF-16BE, not UTF-8: " READ "'pipe:iconv -f "
                          "UTF-16BE -t UTF-8 FILE'");
    FOREIGN("\xFF\xFE\0\0{\0\0\0",
            "0 at 0 in none: UTF-32, not UTF-8: " READ "'pipe:iconv -f "
            "UTF-32 -t UTF-8 FILE'");
    FOREIGN("\0\0\0{\0\0\0\n",
            "0 at 0 in none: UTF-32BE, not UTF-8: " READ "'pipe:iconv -f "
            "UTF-32BE -t UTF-8 FILE'");
    FOREIGN("{\0\0\0\n\0\0\0",
            "0 at 0 in none: UTF-32LE, not UTF-8: " READ "'pipe:iconv -f "
            "UTF-32LE -t UTF-8 FILE'");
}

static void zeros_for_text(void **state)
{
    (void)state;
    FOREIGN("{\"text\":\"a\"}\n\0", "1 at 13 in 2: zeros where text should be");
    FOREIGN("{\"text\":\"a\"}\n{\"te\0\0\0", "1 at 17 in 2: zeros where text should be");
    FOREIGN("\0\0\0\0\0", "0 at 0 in 1: zeros where text should be");
    FOREIGN("\0\0\0\0\0\n{\"text\":\"a\"}\n", "2 at 0 in none: ");
    FOREIGN("{\"text\":\"a\"}\n{\0}", "2 at 0 in none: ");
}

/* "{...}\n{"text":"a", `n` zeros, "}\n{...}\n", as what it is `expected` to be. */
static void expect_hole(size_t n, const char *expected)
{
    static const char before[] = "{\"text\":\"a\"}\n{\"text\":\"a",
                      after[] = "\"}\n{\"text\":\"b\"}\n";
    char bytes[2048] = "";

    memcpy(bytes, before, strlen(before));
    memcpy(bytes + strlen(before) + n, after, strlen(after));
    expect_foreign(bytes, strlen(before) + n + strlen(after), expected);
}

static void holes_within_the_text(void **state)
{
    (void)state;
    expect_hole(511, "3 at 0 in none: ");
    expect_hole(512, "1 at 23 in 2: zeros where text should be");
    expect_hole(1500, "1 at 23 in 2: zeros where text should be");
}

static void a_hole_in_a_long_line(void **state)
{
    struct reader_options o = reader_options_default();
    static const char text[] = "{\"text\":\"a\"}\n{\"text\":\"aaaaaaa";
    char bytes[2048] = "";
    struct story s;

    (void)state;
    o.max_doc_bytes = 16;
    memcpy(bytes, text, strlen(text));
    memcpy(bytes + 2000, "\"}\n{}\n", 6);
    s = read_bytes(bytes, 2006, &o);
    assert_string_equal(s.text, "0 1: a (json.text) none\n");
    assert_string_equal(s.totals.damage, "zeros where text should be");
    assert_int_equal(s.totals.damage_offset, strlen(text));
}

static void a_last_line_may_be_cut(void **state)
{
    static const char text[] =
        "{\"text\":\"a\"}\n{\"x\":{\"y\":[\"]}\\\"\"]},\"text\":\"b\"}";
    size_t whole = strlen(text);

    (void)state;
    for (size_t len = 14; len < whole; len++) {
        char expected[80];

        snprintf(expected, sizeof(expected),
                 "1 at %zu in 2: the last line ends in its middle", len);
        expect_foreign(text, len, expected);
    }
    expect_foreign(text, whole, "2 at 0 in none: ");
    FOREIGN("{\"text\":\"a\"}\nhello", "1 at 18 in 2: the last line ends in its middle");
    FOREIGN("{\"text\":\"a\"}\n{\"text\":\"a\"} \r", "2 at 0 in none: ");
    FOREIGN("{\"text\":\"a\"}\n{\"text\" \"a\"}", "2 at 0 in none: "); /* bad, not cut */
    FOREIGN("{\"text\":\"a\"}\n{\"text\":\"a\n", "2 at 0 in none: ");
}

static void a_long_last_line_may_be_cut(void **state)
{
    struct reader_options o = reader_options_default();
    struct story s;

    (void)state;
    o.max_doc_bytes = 4;
    s = read_bytes("{\"text\":\"a", 10, &o);
    assert_string_equal(s.totals.damage, "the last line ends in its middle");
    s = read_bytes("{\"text\":\"a\"}", 12, &o);
    assert_false(s.totals.damaged);
    assert_int_equal(s.totals.groups, 1);
}

static void a_failed_read_comes_out_at_once(void **state)
{
    static const char text[] = "{\"text\":\"x\"}\n{\"text\":\"y\"}\n";
    struct reader_options o = reader_options_default();

    (void)state;
    for (size_t len = 0; len < sizeof(text); len++) {
        struct memory_input in = {.bytes = (const unsigned char *)text,
                                  .len = len,
                                  .chunk = 5,
                                  .ending = INGEST_EIO};
        struct ingest_source source = memory_source(&in);
        struct ingest_sample p;
        void *r;
        int rc;

        assert_int_equal(reader_jsonl.open(&r, &source, &o), INGEST_OK);
        while ((rc = reader_jsonl.next(r, &p)) == INGEST_OK)
            ingest_sample_clear(&p);
        assert_int_equal(rc, INGEST_EIO);
        assert_string_equal(reader_jsonl.why(r), "the disk is on fire");
        assert_int_equal(reader_jsonl.next(r, &p), INGEST_EIO);
        reader_jsonl.close(r);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_and_their_ends),
        cmocka_unit_test(marks_and_blanks),
        cmocka_unit_test(ids_become_keys),
        cmocka_unit_test(keys_are_unique),
        cmocka_unit_test(texts_are_whole),
        cmocka_unit_test(a_text_may_hold_nul),
        cmocka_unit_test(other_members_are_kept_as_they_stand),
        cmocka_unit_test(numbers_may_be_too_large_for_a_double),
        cmocka_unit_test(an_id_has_its_limit),
        cmocka_unit_test(options_are_followed),
        cmocka_unit_test(a_limit_stops),
        cmocka_unit_test(what_is_no_document),
        cmocka_unit_test(long_lines),
        cmocka_unit_test(damage_ends_the_input),
        cmocka_unit_test(damage_between_lines),
        cmocka_unit_test(cut_files_are_damaged),
        cmocka_unit_test(flipped_magic_is_damage),
        cmocka_unit_test(names_that_promise_compression),
        cmocka_unit_test(arrays_are_no_lines),
        cmocka_unit_test(other_encodings_are_named),
        cmocka_unit_test(zeros_for_text),
        cmocka_unit_test(holes_within_the_text),
        cmocka_unit_test(a_hole_in_a_long_line),
        cmocka_unit_test(a_last_line_may_be_cut),
        cmocka_unit_test(a_long_last_line_may_be_cut),
        cmocka_unit_test(a_failed_read_comes_out_at_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
