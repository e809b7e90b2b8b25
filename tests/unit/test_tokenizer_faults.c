/* SPDX-License-Identifier: Apache-2.0
 * tests/unit/test_tokenizer_faults.c - tokenizers of our own with no memory at each
 * allocation in turn. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "shard/base64.h"
#include "shard/status.h"
#include "shard/tokenizer/spm/spm_words.h"
#include "shard/tokenizer/tokenizer.h"
#include "tests/unit/failing_malloc.h"

enum { MOST_ALLOCATIONS = 4000 };

struct file {
    const char *text;
    struct tokenizer_options options;
};

/* A word that is merged by the heap, and one that is cut. */
static int encode_once(const struct file *f)
{
    static char text[3000];
    struct tokenizer *t = NULL;
    struct tokenizer_worker *w = NULL;
    uint32_t *ids = NULL, n;
    char *back = NULL;
    size_t len;

    memset(text, 'a', sizeof(text) - 1);
    memcpy(text + 1000, " a\xe3\x81\x82\xe7\x8c\xab ", 9);
    int rc = tokenizer_open(&t, f->text, strlen(f->text), "f", &f->options);
    if (rc == SHARD_OK && (w = tokenizer_worker_new(t)) == NULL)
        rc = SHARD_ENOMEM;
    if (rc == SHARD_OK)
        rc = tokenizer_encode(w, text, strlen(text), &ids, &n);
    if (rc == SHARD_OK)
        rc = tokenizer_decode(t, ids, n, &back, &len);
    if (rc == SHARD_OK)
        assert_string_equal(back, text);
    free(back);
    free(ids);
    tokenizer_worker_free(w);
    tokenizer_close(t);
    return rc;
}

static void survives(const struct file *f)
{
    int n_failed = 0, rc = SHARD_ENOMEM;

    for (int64_t i = 0; i < MOST_ALLOCATIONS && rc != SHARD_OK; i++) {
        n_allocations = 0;
        failing = i;
        rc = encode_once(f);
        failing = -1;
        if (rc != SHARD_OK)
            assert_int_equal(rc, SHARD_ENOMEM);
        n_failed += rc != SHARD_OK;
    }
    assert_int_equal(rc, SHARD_OK);
    assert_true(n_failed >= 10);
}

static void tiktoken_survives(void **state)
{
    static const char *const merged[] = {"aa", "aaaa", "\xe3\x81", "ab c"};
    static const struct tokenizer_named named[] = {{"<|e|>", 300}};
    static char text[8192];
    char *at = text;

    (void)state;
    for (int i = 0; i < 260; i++) {
        const unsigned char byte = (unsigned char)i;
        const char *piece = i < 256 ? (const char *)&byte : merged[i - 256];
        const size_t len = i < 256 ? 1 : strlen(piece);
        shard_base64_encode(at, (const unsigned char *)piece, len);
        at += shard_base64_len(len);
        at += snprintf(at, sizeof(text) - (size_t)(at - text), " %d\n", i);
    }
    survives(&(struct file){text, {TOKENIZER_SPECIAL_PARSE, "gpt2", named, 1}});
}

/* Every step, and a piece for each byte that the text has. */
static void json_survives(void **state)
{
    static const char json[] =
        "{\"normalizer\":{\"type\":\"Sequence\",\"normalizers\":[{\"type\":\"NFC\"},"
        "{\"type\":\"Replace\",\"pattern\":{\"String\":\" \"},\"content\":\"_\"}]},"
        "\"added_tokens\":[{\"id\":261,\"content\":\"<x>\",\"single_word\":true,"
        "\"lstrip\":false,\"rstrip\":false,\"normalized\":true,\"special\":true}],"
        "\"pre_tokenizer\":{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":"
        "\"Split\",\"pattern\":{\"Regex\":\"[^_&&\\\\S]+\"},\"behavior\":"
        "\"MergedWithPrevious\",\"invert\":true},{\"type\":\"Metaspace\",\"replacement\":"
        "\"_\",\"prepend_scheme\":\"never\"}]},\"decoder\":{\"type\":\"Sequence\","
        "\"decoders\":[{\"type\":\"ByteFallback\"},{\"type\":\"Replace\",\"pattern\":"
        "{\"String\":\"_\"},\"content\":\" \"},{\"type\":\"Fuse\"}]},"
        "\"model\":{\"type\":\"BPE\",\"byte_fallback\":true,\"merges\":[\"a a\","
        "[\"aa\",\"aa\"]],\"vocab\":{\"a\":256,\"aa\":257,\"aaaa\":258,\"_\":259,"
        "\"\xe3\x81\x82\":260";
    static char text[8192];
    size_t n = (size_t)snprintf(text, sizeof(text), "%s", json);

    (void)state;
    for (int i = 0; i < 256; i++)
        n += (size_t)snprintf(text + n, sizeof(text) - n, ",\"<0x%02X>\":%d", (unsigned)i,
                              i);
    (void)snprintf(text + n, sizeof(text) - n, "}}}");
    survives(&(struct file){text, {.special_tokens = TOKENIZER_SPECIAL_PARSE}});
}

/* SentencePiece word by word, without the library's C++. A long word, one of characters
 * that are no pieces, and a text that is normalized to more than it is. */
static int encode_words(const void *model, size_t len, const struct tokenizer_model *info)
{
    static char text[5000];
    struct spm_words *words = NULL;
    struct spm_words_worker *w = NULL;
    struct token_ids ids = {0};

    memset(text, 'a', sizeof(text));
    memset(text + 4000, ' ', sizeof(text) - 4000);
    memcpy(text + 1000, " a\xe3\x81\x82\xe7\x8c\xab\xff ", 10);
    int rc = spm_words_new(&words, info, model, len, NULL);
    if (rc == SHARD_OK && (w = spm_words_worker_new(words)) == NULL)
        rc = SHARD_ENOMEM;
    for (int i = 0; i < 2 && rc == SHARD_OK; i++) {
        ids.n = 0;
        rc = spm_words_encode(w, text, sizeof(text), &ids);
    }
    token_ids_free(&ids);
    spm_words_worker_free(w);
    spm_words_free(words);
    return rc;
}

static void words_survive(void **state)
{
    int n_failed = 0, rc = SHARD_ENOMEM;
    struct tokenizer_model info;
    char why[256];
    size_t len;
    const void *model = tokenizer_builtin(&len);

    (void)state;
    assert_int_equal(tokenizer_model_read(model, len, &info, why, sizeof(why)), SHARD_OK);
    for (int64_t i = 0; i < MOST_ALLOCATIONS && rc != SHARD_OK; i++) {
        n_allocations = 0;
        failing = i;
        rc = encode_words(model, len, &info);
        failing = -1;
        if (rc != SHARD_OK)
            assert_int_equal(rc, SHARD_ENOMEM);
        n_failed += rc != SHARD_OK;
    }
    assert_int_equal(rc, SHARD_OK);
    assert_true(n_failed >= 30);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tiktoken_survives),
        cmocka_unit_test(json_survives),
        cmocka_unit_test(words_survive),
    };

    json_set_alloc_funcs(__wrap_malloc, free);

    return cmocka_run_group_tests(tests, NULL, NULL);
}
