/* SPDX-License-Identifier: Apache-2.0
 * tests/unit/test_tokenizer.c - the tokenizer's shim, its model reader, the embedded
 * model. Ids are compared with PyPI's sentencepiece in tests/python/test_tokenizer.py. */
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
#include "shard/tokenizer/spm/tokenizer_charsmap.h"

/* A model in the making: protobuf fields one behind the other. */
struct bytes {
    unsigned char at[512];
    size_t len;
};

static void put(struct bytes *b, const void *data, size_t len)
{
    assert_true(b->len + len <= sizeof(b->at));
    memcpy(b->at + b->len, data, len);
    b->len += len;
}

static void put_field(struct bytes *b, unsigned number, const void *data, size_t len)
{
    const unsigned char head[2] = {(unsigned char)(number << 3 | 2), (unsigned char)len};

    assert_true(len < 128);
    put(b, head, sizeof(head));
    put(b, data, len);
}

static void put_piece(struct bytes *b, const char *text, size_t len)
{
    struct bytes piece = {.len = 0};

    put_field(&piece, 1, text, len);
    put_field(b, 1, piece.at, piece.len);
}

/* One piece, then trainer_spec with these bytes, then an empty normalizer_spec. */
static struct bytes model_of(const char *trainer_spec, size_t len)
{
    struct bytes b = {.len = 0};

    put_piece(&b, "a", 1);
    put_field(&b, 2, trainer_spec, len);
    put_field(&b, 3, "", 0);
    return b;
}

static void refused(const void *model, size_t len, const char *why)
{
    struct tokenizer *t;

    /* Malloced and exactly as long, so that the sanitizers see any byte read behind. */
    void *copy = malloc(len > 0 ? len : 1);
    memcpy(copy, model, len);
    assert_int_equal(tokenizer_open(&t, copy, len, "m", NULL), SHARD_EMODEL);
    assert_non_null(strstr(tokenizer_why(t), why));
    assert_int_equal(tokenizer_n_pieces(t), 0);
    assert_string_equal(tokenizer_piece(t, 0, NULL), "");
    assert_int_equal(tokenizer_piece_id(t, "a"), -1);
    assert_int_equal(tokenizer_bos(t), -1);
    assert_int_equal(tokenizer_eos(t), -1);
    assert_null(tokenizer_worker_new(t));
    char *text;
    size_t text_len;
    assert_int_equal(tokenizer_decode(t, NULL, 0, &text, &text_len), SHARD_EINVAL);
    tokenizer_close(t);
    free(copy);
}

static void refuses_other_types(void **state)
{
    static const struct {
        const char *spec, *why;
        size_t len;
    } cases[] = {
        {"\x18\x03", "m: a WORD model; only BPE and Unigram models are taken", 2},
        {"\x18\x04", "m: a CHAR model; only BPE", 2},
        {"\x18\x09", "m: a model of unknown type 9; only BPE", 2},
        {"\x18\x00", "m: a model of unknown type 0; only BPE", 2},
        {"\x18\x02\x18\x03", "m: a WORD model; only BPE", 4}, /* the last one counts */
        /* Unigram, named or not: as good as that the library looks at it (no <unk>). */
        {"\x18\x01", "m: SentencePiece refuses it: ", 2},
        {"", "m: SentencePiece refuses it: ", 0},
        {"\x1a\x01\x02", "m: SentencePiece refuses it: ", 3}, /* not a varint */
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct bytes m = model_of(cases[i].spec, cases[i].len);
        refused(m.at, m.len, cases[i].why);
    }
}

static void refuses_what_is_no_model(void **state)
{
    static const char text[] = "Once upon a midnight dreary, while I pondered";
    static const char endless[] = "\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01";
    static const char huge[] = "\x0a\xff\xff\xff\xff\xff\xff\xff\xff\x7f";
    struct bytes b = {.len = 0};

    (void)state;
    refused("", 0, "m: empty");
    refused(" \n\n", 3, "m: empty");
    refused(
        text, sizeof(text) - 1,
        "m: no tokenizer.json, no tiktoken file and no SentencePiece model: bad field "
        "at byte 0");
    refused("\x02\x00", 2, "bad field at byte 0");
    refused(endless, sizeof(endless) - 1, "bad number at byte 1");
    refused(huge, sizeof(huge) - 1,
            "the field at byte 0 needs 9223372036854775807 bytes, "
            "0 are left");
    refused("\x10\x01", 2, "it has no pieces");
    put_piece(&b, "", 0);
    refused(b.at, b.len, "the piece at byte 0 is empty");
    b.len = 0;
    put_piece(&b, "a\0b", 3);
    refused(b.at, b.len, "the piece at byte 0 is empty or contains NUL");
    b.len = 0;
    put_piece(&b, "a", 1);
    refused(b.at, b.len, "m: cut short: it ends before its trainer_spec");
    put_field(&b, 2, "\x18\x02", 2);
    refused(b.at, b.len, "m: cut short: it ends before its normalizer_spec");
    const struct bytes few = model_of("\x18\x02", 2);
    refused(few.at, few.len, "m: SentencePiece refuses it: "); /* no <unk> */
}

/* Wherever the embedded model is cut, the cut is found. */
static void refuses_cut_models(void **state)
{
    size_t len;
    const unsigned char *model = tokenizer_builtin(&len);

    (void)state;
    for (size_t cut = 0; cut < len; cut += cut + 600 < len ? 499 : 1) {
        struct tokenizer *t;
        assert_int_equal(tokenizer_open(&t, model, cut, "m", NULL), SHARD_EMODEL);
        tokenizer_close(t);
    }
}

static struct tokenizer *builtin(void)
{
    struct tokenizer *t;
    size_t len;
    const void *model = tokenizer_builtin(&len);

    assert_int_equal(tokenizer_open(&t, model, len, "builtin", NULL), SHARD_OK);
    return t;
}

static void embedded_model_is_llama_like(void **state)
{
    struct tokenizer *t = builtin();

    (void)state;
    assert_string_equal(tokenizer_why(t), "success");
    assert_int_equal(tokenizer_n_pieces(t), 4096);
    assert_int_equal(tokenizer_bos(t), 1);
    assert_int_equal(tokenizer_eos(t), 2);
    assert_string_equal(tokenizer_piece(t, 0, NULL), "<unk>");
    assert_string_equal(tokenizer_piece(t, 3, NULL), "<0x00>");
    assert_string_equal(tokenizer_piece(t, 258, NULL), "<0xFF>");
    assert_string_equal(tokenizer_piece(t, 4096, NULL), "");
    assert_string_equal(tokenizer_piece(t, UINT32_MAX, NULL), "");
    assert_int_equal(tokenizer_piece_id(t, "</s>"), 2);
    assert_int_equal(tokenizer_piece_id(t, "<unk>"), 0);
    assert_int_equal(tokenizer_piece_id(t, "no such piece"), -1);
    assert_int_equal(tokenizer_piece_id(t, ""), -1);
    tokenizer_close(t);
}

/* Encodes and compares with the pieces given, each followed by '|'. */
static void pieces_are(const struct tokenizer *t, const char *text, size_t len,
                       const char *expected)
{
    char found[4096] = "";
    size_t at = 0;
    struct tokenizer_worker *w = tokenizer_worker_new(t);
    uint32_t *ids, n;

    assert_non_null(w);
    assert_int_equal(tokenizer_encode(w, text, len, &ids, &n), SHARD_OK);
    tokenizer_worker_free(w);
    for (uint32_t i = 0; i < n && at < sizeof(found); i++)
        at += (size_t)snprintf(found + at, sizeof(found) - at, "%s|",
                               tokenizer_piece(t, ids[i], NULL));
    assert_string_equal(found, expected);
    free(ids);
}

static void encodes(void **state)
{
    struct tokenizer *t = builtin();

    (void)state;
    pieces_are(t, "", 0, "");
    pieces_are(t, "the 2048", 8, "▁the|▁|2|0|4|8|"); /* digits split */
    pieces_are(t, " the", 4, "▁|▁the|");             /* white space kept */
    pieces_are(t, "\xf0\x9f\xa6\x99", 4, "▁|<0xF0>|<0x9F>|<0xA6>|<0x99>|");
    pieces_are(t, "a\0b", 3, "▁a|<0x00>|b|");
    pieces_are(t, "\n", 1, "▁|<0x0A>|");
    pieces_are(t, "<s>", 3, "▁|<|s|>|"); /* markers never come from a text */
    /* Each byte that is not UTF-8 becomes U+FFFD. */
    pieces_are(t, "a\xff", 2, "▁a|<0xEF>|<0xBF>|<0xBD>|");
    tokenizer_close(t);
}

static void encodes_long_texts(void **state)
{
    const size_t len = 1 << 20;
    struct tokenizer *t = builtin();
    struct tokenizer_worker *w = tokenizer_worker_new(t);
    char *text = malloc(len);
    uint32_t *ids, n;

    (void)state;
    memset(text, 'z', len);
    assert_int_equal(tokenizer_encode(w, text, len, &ids, &n), SHARD_OK);
    size_t sum = 0;
    for (uint32_t i = 0; i < n; i++)
        sum += strlen(tokenizer_piece(t, ids[i], NULL));
    assert_int_equal(sum, len + strlen("▁"));
    free(ids);
    /* Longer than what the library can count: refused before it is touched. */
    assert_int_equal(tokenizer_encode(w, text, SIZE_MAX, &ids, &n), SHARD_EINVAL);
    assert_null(ids);
    free(text);
    tokenizer_worker_free(w);
    tokenizer_close(t);
}

static void decodes(void **state)
{
    static const char text[] = "the \0 cat \xf0\x9f\xa6\x99";
    struct tokenizer *t = builtin();
    struct tokenizer_worker *w = tokenizer_worker_new(t);
    uint32_t *ids, n;
    char *found;
    size_t len;

    (void)state;
    assert_int_equal(tokenizer_encode(w, text, sizeof(text) - 1, &ids, &n), SHARD_OK);
    assert_int_equal(tokenizer_decode(t, ids, n, &found, &len), SHARD_OK);
    assert_int_equal(len, sizeof(text) - 1);
    assert_memory_equal(found, text, len + 1);
    free(found);
    ids[0] = 4096;
    assert_int_equal(tokenizer_decode(t, ids, n, &found, &len), SHARD_EINVAL);
    assert_null(found);
    free(ids);
    tokenizer_worker_free(w);
    tokenizer_close(t);
}

static void takes_no_options_of_others(void **state)
{
    const struct tokenizer_options options = {.pattern = "gpt2"};
    struct tokenizer *t;
    size_t len;
    const void *model = tokenizer_builtin(&len);

    (void)state;
    assert_int_equal(tokenizer_open(&t, model, len, "m", &options), SHARD_EINVAL);
    assert_non_null(strstr(tokenizer_why(t), "m: is a SentencePiece model"));
    tokenizer_close(t);
}

/* A trie of 256 units in which "a" leads to a value at `value` of the strings "A" NUL. */
struct map {
    uint32_t trie_len, units[256];
    char strings[2];
};

static struct map map_of(uint32_t value)
{
    struct map m = {.trie_len = sizeof(m.units), .strings = "A"};

    m.units['a'] = ('a' ^ 1U) << 10 | 1U << 8 | 'a'; /* base 1, with a value */
    m.units[1] = UINT32_C(1) << 31 | value;
    return m;
}

static void map_is(const struct map *m, size_t cut, const char *fault)
{
    const size_t len = offsetof(struct map, strings) + sizeof(m->strings) - cut;
    void *copy = malloc(len);

    memcpy(copy, m, len);
    const char *found = tokenizer_charsmap_fault(copy, len);
    if (fault == NULL)
        assert_null(found);
    else
        assert_string_equal(found, fault);
    free(copy);
}

static void checks_normalization_maps(void **state)
{
    static const char outside[] = "its normalization map leads outside of itself";
    static const char cut[] = "its normalization map is cut short";
    struct map m = map_of(0);

    (void)state;
    map_is(&m, 0, NULL);
    map_is(&m, 1, NULL);
    map_is(&m, 2, cut);
    map_is(&m, offsetof(struct map, strings), cut);
    m = map_of(1);
    map_is(&m, 0, NULL);
    map_is(&m, 1, outside);
    m = map_of(2);
    map_is(&m, 0, outside);
    m = map_of(0);
    m.units['a'] = 256U << 10 | 'a';
    map_is(&m, 0, outside);
    m.units['a'] = 1U << 10 | 1U << 9 | 'a'; /* the same offset, counted in 256 */
    map_is(&m, 0, outside);
    m.units['a'] ^= 'a' ^ 'b'; /* no byte leads there */
    map_is(&m, 0, NULL);
    m = map_of(0);
    m.trie_len -= 4;
    map_is(&m, 0, outside);
    m.trie_len -= 1;
    map_is(&m, 0, cut);
    m.trie_len = UINT32_MAX - 3;
    map_is(&m, 0, cut);
    m.trie_len = 0;
    map_is(&m, 0, cut);
}

/* The embedded model's, and those of a model with a name that no JSON could say. */
static void describes_itself(void **state)
{
    struct bytes b = {.len = 0}, spec = {.len = 0};
    struct tokenizer *t;
    size_t len;
    const void *model = tokenizer_builtin(&len);

    (void)state;
    assert_int_equal(tokenizer_open(&t, model, len, "m", NULL), SHARD_OK);
    assert_string_equal(tokenizer_kind(t), "sentencepiece");
    assert_string_equal(tokenizer_special(t), "user_defined");
    assert_string_equal(tokenizer_normalizer(t), "identity");
    tokenizer_close(t);
    for (int mode = TOKENIZER_SPECIAL_PARSE; mode <= TOKENIZER_SPECIAL_REJECT; mode++) {
        const struct tokenizer_options o = {.special_tokens = mode};

        assert_int_equal(tokenizer_open(&t, model, len, "m", &o), SHARD_EINVAL);
        assert_non_null(strstr(tokenizer_why(t), "special tokens must be plain"));
        tokenizer_close(t);
    }

    put_field(&b, 1, "\x0a\x05<unk>\x18\x02", 9);
    put_piece(&b, "a", 1);
    put_field(&b, 2, "\x18\x02", 2);
    put_field(&spec, 1, "n\xff\n", 3);
    put_field(&b, 3, spec.at, spec.len);
    assert_int_equal(tokenizer_open(&t, b.at, b.len, "m", NULL), SHARD_OK);
    assert_string_equal(tokenizer_normalizer(t), "n??");
    assert_non_null(tokenizer_charsmap(t, &len));
    assert_int_equal(len, 0);
    tokenizer_close(t);
}

static void close_accepts_null(void **state)
{
    (void)state;
    tokenizer_close(NULL);
    assert_string_equal(tokenizer_why(NULL), "out of memory");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refuses_other_types),
        cmocka_unit_test(refuses_what_is_no_model),
        cmocka_unit_test(refuses_cut_models),
        cmocka_unit_test(embedded_model_is_llama_like),
        cmocka_unit_test(encodes),
        cmocka_unit_test(encodes_long_texts),
        cmocka_unit_test(decodes),
        cmocka_unit_test(takes_no_options_of_others),
        cmocka_unit_test(checks_normalization_maps),
        cmocka_unit_test(describes_itself),
        cmocka_unit_test(close_accepts_null),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
