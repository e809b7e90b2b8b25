/* SPDX-License-Identifier: Apache-2.0
 * tests/unit/test_tiktoken.c - tiktoken files: their ids against a plain twin of what
 * tiktoken does, special tokens, and files that are refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "shard/base64.h"
#include "shard/status.h"
#include "shard/tokenizer/tokenizer.h"

enum { MAX_PIECES = 600, MAX_LEN = 24 };

/* Pieces by rank. */
struct ranks {
    char pieces[MAX_PIECES][MAX_LEN];
    size_t lens[MAX_PIECES];
    size_t n;
};

static int rank_of(const struct ranks *r, const char *bytes, size_t len)
{
    for (size_t i = 0; i < r->n; i++)
        if (r->lens[i] == len && memcmp(r->pieces[i], bytes, len) == 0)
            return (int)i;
    return -1;
}

static void add(struct ranks *r, const char *bytes, size_t len)
{
    if (rank_of(r, bytes, len) >= 0)
        return;
    assert_true(r->n < MAX_PIECES && len <= MAX_LEN);
    memcpy(r->pieces[r->n], bytes, len);
    r->lens[r->n++] = len;
}

static void add_bytes(struct ranks *r)
{
    for (int i = 0; i < 256; i++) {
        const char byte = (char)i;
        add(r, &byte, 1);
    }
}

/* The file's text; release with free(). */
static char *file_of(const struct ranks *r)
{
    const size_t cap = 64 * r->n + 1;
    char *text = malloc(cap), *at = text;

    for (size_t i = 0; i < r->n; i++) {
        shard_base64_encode(at, (const unsigned char *)r->pieces[i], r->lens[i]);
        at += shard_base64_len(r->lens[i]);
        at += snprintf(at, cap - (size_t)(at - text), " %zu\n", i);
    }
    return text;
}

static struct tokenizer *open_file(const char *text,
                                   const struct tokenizer_options *options)
{
    struct tokenizer *t;

    if (tokenizer_open(&t, text, strlen(text), "f", options) != SHARD_OK)
        fail_msg("%s", tokenizer_why(t));
    assert_string_equal(tokenizer_kind(t), "tiktoken");
    return t;
}

static uint64_t next_random(uint64_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return *seed;
}

/* What tiktoken does: the word itself, or of all neighbours the piece of the lowest rank
 * that two of them are together. `cuts` are where symbols begin. */
static size_t merge_plainly(const struct ranks *r, const char *word, size_t len,
                            uint32_t *ids)
{
    size_t cuts[MAX_LEN * 8], n = len;

    if (rank_of(r, word, len) >= 0) {
        ids[0] = (uint32_t)rank_of(r, word, len);
        return 1;
    }
    for (size_t i = 0; i <= len; i++)
        cuts[i] = i;
    for (;;) {
        int lowest = -1;
        size_t at = 0;

        for (size_t i = 0; i + 1 < n; i++) {
            const int rank = rank_of(r, word + cuts[i], cuts[i + 2] - cuts[i]);
            if (rank >= 0 && (lowest < 0 || rank < lowest)) {
                lowest = rank;
                at = i;
            }
        }
        if (lowest < 0)
            break;
        memmove(cuts + at + 1, cuts + at + 2, (n - at - 1) * sizeof(*cuts));
        n--;
    }
    for (size_t i = 0; i < n; i++)
        ids[i] = (uint32_t)rank_of(r, word + cuts[i], cuts[i + 1] - cuts[i]);
    return n;
}

/* Pieces of any order of ranks: also those whose parts come later, and some that merges
 * never make. */
static void merges_as_tiktoken(void **state)
{
    const struct tokenizer_options options = {.pattern = ".+"};
    uint64_t seed = 99;

    (void)state;
    for (int round = 0; round < 60; round++) {
        static struct ranks r;
        r.n = 0;
        if (round % 2 == 0)
            add_bytes(&r);
        for (size_t n = next_random(&seed) % 60; n > 0; n--) {
            char piece[8];
            const size_t len = next_random(&seed) % 6 + 2;
            for (size_t i = 0; i < len; i++)
                piece[i] = "abc"[next_random(&seed) % 3];
            add(&r, piece, len);
        }
        add_bytes(&r);
        char *text = file_of(&r);
        struct tokenizer *t = open_file(text, &options);
        struct tokenizer_worker *w = tokenizer_worker_new(t);
        for (int i = 0; i < 400; i++) {
            char word[40];
            uint32_t expected[40], *ids, n_ids;
            const size_t len = next_random(&seed) % 30 + 1;
            for (size_t k = 0; k < len; k++)
                word[k] = "abc"[next_random(&seed) % 3];
            const size_t n = merge_plainly(&r, word, len, expected);
            assert_int_equal(tokenizer_encode(w, word, len, &ids, &n_ids), SHARD_OK);
            assert_int_equal(n_ids, n);
            assert_memory_equal(ids, expected, n * sizeof(*ids));
            free(ids);
        }
        tokenizer_worker_free(w);
        tokenizer_close(t);
        free(text);
    }
}

/* 256 bytes, "ab", "<|", and their file. */
static char *small_file(void)
{
    static struct ranks r;

    r.n = 0;
    add_bytes(&r);
    add(&r, "ab", 2);
    add(&r, "<|", 2);
    add(&r, "\xe3\x81", 2);
    return file_of(&r);
}

static void becomes(const struct tokenizer *t, const char *text, const char *expected)
{
    struct tokenizer_worker *w = tokenizer_worker_new(t);
    char found[200] = "";
    size_t at = 0, len;
    uint32_t *ids, n;
    char *back;

    assert_int_equal(tokenizer_encode(w, text, strlen(text), &ids, &n), SHARD_OK);
    for (uint32_t i = 0; i < n; i++) {
        at += tokenizer_piece_shown(t, ids[i], found + at, sizeof(found) - at);
        at += (size_t)snprintf(found + at, sizeof(found) - at, "|");
    }
    assert_string_equal(found, expected);
    assert_int_equal(tokenizer_decode(t, ids, n, &back, &len), SHARD_OK);
    assert_string_equal(back, text);
    free(back);
    free(ids);
    tokenizer_worker_free(w);
}

static void special_tokens_have_three_modes(void **state)
{
    static const struct tokenizer_named named[] = {{"<|e|>", 300}, {"<|e|>x", 301}};
    struct tokenizer_options o = {.pattern = "gpt2", .named = named, .n_named = 2};
    char *file = small_file();
    uint32_t *ids, n;

    (void)state;
    struct tokenizer *t = open_file(file, &o);
    assert_string_equal(tokenizer_special(t), "plain");
    assert_int_equal(tokenizer_n_pieces(t), 302);
    assert_int_equal(tokenizer_piece_id(t, "<|e|>"), 300);
    assert_int_equal(tokenizer_piece_id(t, "ab"), 256);
    assert_string_equal(tokenizer_piece(t, 299, NULL), "");
    assert_non_null(strstr(tokenizer_versions(t), "PCRE2 "));
    becomes(t, "ab<|e|>", "ab|<||e|||>|");
    becomes(t, "あ", "<0xE3><0x81>|<0x82>|");
    tokenizer_close(t);

    o.special_tokens = TOKENIZER_SPECIAL_PARSE;
    t = open_file(file, &o);
    assert_string_equal(tokenizer_special(t), "parsed");
    becomes(t, "ab<|e|>ab", "ab|<|e|>|ab|");
    becomes(t, "<|e|>x<|e<|e|>", "<|e|>x|<||e|<|e|>|");
    tokenizer_close(t);

    o.special_tokens = TOKENIZER_SPECIAL_REJECT;
    t = open_file(file, &o);
    assert_string_equal(tokenizer_special(t), "rejected");
    becomes(t, "ab<|e|", "ab|<||e|||");
    struct tokenizer_worker *w = tokenizer_worker_new(t);
    assert_int_equal(tokenizer_encode(w, "ab<|e|>", 7, &ids, &n), SHARD_ESPECIAL);
    assert_null(ids);
    assert_string_equal(tokenizer_worker_why(w), "special token <|e|> at byte 2");
    assert_int_equal(tokenizer_encode(w, "\xff", 1, &ids, &n), SHARD_EINVAL);
    assert_string_equal(tokenizer_worker_why(w), "");
    tokenizer_worker_free(w);
    tokenizer_close(t);
    free(file);
}

/* Where tiktoken loses text: before the first match, between two, behind the last. */
static void loses_no_text(void **state)
{
    static const char *const texts[] = {"\nab", "ab\nab", "abab \n"};
    struct tokenizer_options o = {.pattern = "[a-z ]+"};
    char *file = small_file();
    struct tokenizer *t = open_file(file, &o);
    struct tokenizer_worker *w = tokenizer_worker_new(t);
    uint32_t *ids, n;

    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
        assert_int_equal(tokenizer_encode(w, texts[i], strlen(texts[i]), &ids, &n),
                         SHARD_EUNMATCHED);
        assert_null(ids);
        assert_string_equal(
            tokenizer_worker_why(w),
            "the pattern leaves out text, of which tiktoken makes no token: U+000A");
    }
    becomes(t, "ab ab", "ab| |ab|");
    tokenizer_worker_free(w);
    tokenizer_close(t);
    free(file);
}

static void refused(const char *file, const struct tokenizer_options *o, int status,
                    const char *why)
{
    struct tokenizer *t;
    const size_t len = strlen(file);
    char *copy = malloc(len);

    memcpy(copy, file, len);
    assert_int_equal(tokenizer_open(&t, copy, len, "f", o), status);
    assert_string_equal(tokenizer_why(t), why);
    assert_null(tokenizer_worker_new(t));
    tokenizer_close(t);
    free(copy);
}

static void refuses_what_is_damaged(void **state)
{
    static const struct tokenizer_named taken[] = {{"<|e|>", 256}};
    struct tokenizer_options o = {.pattern = "gpt2"};
    char *file = small_file(), *end = file + strlen(file);

    (void)state;
    refused("YQ== 0\nYg== 1\n", &o, SHARD_EMODEL,
            "f: no line has the byte 0x00 alone: not all texts could be encoded");
    refused("YQ== 0\nYg== 0\n", &o, SHARD_EMODEL,
            "f: line 2: its piece or its rank stands on an earlier line");
    refused("YQ== 0\nYQ== 1\n", &o, SHARD_EMODEL,
            "f: line 2: its piece or its rank stands on an earlier line");
    refused("YQ== -1\nYg== 0\n", &o, SHARD_EMODEL,
            "f: line 1 is not a piece in base64 and its rank");
    refused("YQ== 3000000000", &o, SHARD_EMODEL,
            "f: line 1 is not a piece in base64 and its rank");
    refused("YQ= 0\r\n", &o, SHARD_EMODEL,
            "f: line 1 is not a piece in base64 and its rank");
    refused("YQ== 0\nYg== 16777216\n", &o, SHARD_EMODEL,
            "f: line 2: the rank is above 262156, too far for so few lines");
    refused("YQ== 0\nYh== 1\n", &o, SHARD_EMODEL,
            "f: line 2 is not a piece in base64 and its rank");
    refused("YQ== 0\n\nYg==  1", &o, SHARD_EMODEL,
            "f: line 3 is not a piece in base64 and its rank");
    refused("YQ== 0\n=== 1", &o, SHARD_EMODEL,
            "f: line 2 is not a piece in base64 and its rank");
    refused("YQ== 0\n==== 1", &o, SHARD_EMODEL,
            "f: line 2 is not a piece in base64 and its rank");
    o.named = taken;
    o.n_named = 1;
    refused(file, &o, SHARD_EINVAL,
            "f: the special token <|e|>=256: the id is that of the piece ab");
    o.named = &(struct tokenizer_named){"", 900};
    refused(file, &o, SHARD_EINVAL, "f: the special token =900 has an empty name");
    o.named = (const struct tokenizer_named[]){{"<|e|>", 900}, {"<|f|>", 900}};
    o.n_named = 2;
    refused(file, &o, SHARD_EINVAL,
            "f: the special token <|f|>=900: the id is that of the piece <|e|>");
    o.named = (const struct tokenizer_named[]){{"<|e|>", 900}, {"<|e|>", 901}};
    refused(file, &o, SHARD_EINVAL,
            "f: the special token <|e|>=901 has the name of another");
    o.n_named = 1;
    o.named = &(struct tokenizer_named){"<|e|>", 16777216};
    refused(file, &o, SHARD_EINVAL,
            "f: the special token <|e|>=16777216 is too large: at most 263180");
    o = (struct tokenizer_options){.pattern = NULL};
    refused(
        file, &o, SHARD_EINVAL,
        "f: is a tiktoken file, which does not say how text is cut into words: name "
        "its pattern (gpt2, cl100k, o200k, llama3, qwen2, emu3, r50k_base, p50k_base, "
        "cl100k_base, o200k_base, or a regular expression)");
    o.pattern = "gpt-2";
    refused(
        file, &o, SHARD_EINVAL,
        "f: \"gpt-2\" is the name of no pattern: they are gpt2, cl100k, o200k, llama3, "
        "qwen2, emu3, r50k_base, p50k_base, cl100k_base, o200k_base, or write a regular "
        "expression");
    end[-1] = 'x';
    o.pattern = "gpt2";
    refused(file, &o, SHARD_EMODEL, "f: line 259 is not a piece in base64 and its rank");
    free(file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(merges_as_tiktoken),
        cmocka_unit_test(special_tokens_have_three_modes),
        cmocka_unit_test(loses_no_text),
        cmocka_unit_test(refuses_what_is_damaged),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
