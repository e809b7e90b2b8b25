/* SPDX-License-Identifier: Apache-2.0
 * tests/unit/test_bpe.c - byte-pair encoding against a plain twin that merges the lowest
 * rank, over random vocabularies and words, with symbols of bytes and of characters. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include <cmocka.h>

#include "shard/status.h"
#include "shard/tokenizer/bpe/bpe.h"
#include "shard/tokenizer/bpe/word_cache.h"

enum { MAX_MERGES = 400, MAX_WORD = 4000 };

static uint64_t next_random(uint64_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return *seed;
}

/* A vocabulary in the making: single bytes have the ids 0 to 255. */
struct vocabulary {
    struct pieces *pieces;
    struct bpe_merge merges[MAX_MERGES];
    size_t n_merges;
    uint32_t byte_ids[4][256];
    struct bpe_spec spec;
};

static const char *const alphabet[] = {"a", "b", "c", "é", "あ", "い", "猫", "😀"};
enum { N_ALPHABET = sizeof(alphabet) / sizeof(*alphabet) };

static uint32_t add_piece(struct vocabulary *v, const char *text, size_t len)
{
    const int64_t found = pieces_find(v->pieces, text, len);

    if (found >= 0)
        return (uint32_t)found;
    const uint32_t id = pieces_end(v->pieces);
    assert_int_equal(pieces_add(v->pieces, id, text, len), SHARD_OK);
    return id;
}

/* Merges two pieces of those that there are, which make a third. */
static void add_merge(struct vocabulary *v, uint32_t left, uint32_t right)
{
    char made[256];
    size_t a, b;
    const char *first = pieces_get(v->pieces, left, &a);
    const char *second = pieces_get(v->pieces, right, &b);

    if (a + b > sizeof(made))
        return;
    memcpy(made, first, a);
    memcpy(made + a, second, b);
    v->merges[v->n_merges++] = (struct bpe_merge){left, right, add_piece(v, made, a + b)};
}

/* A piece made so far, or a byte of the alphabet, or a character. */
static uint32_t some_piece(struct vocabulary *v, uint64_t *seed, bool bytes)
{
    const uint32_t from = bytes ? 256 : 0, end = pieces_end(v->pieces);

    if (end > from && next_random(seed) % 3 != 0)
        return from + (uint32_t)(next_random(seed) % (end - from));
    const char *c = alphabet[next_random(seed) % N_ALPHABET];
    if (!bytes)
        return add_piece(v, c, strlen(c));
    return (unsigned char)c[next_random(seed) % strlen(c)];
}

static struct vocabulary vocabulary_of(uint64_t *seed, bool bytes)
{
    struct vocabulary v = {.pieces = pieces_new()};

    assert_non_null(v.pieces);
    for (unsigned i = 0; i < 256 && bytes; i++) {
        const char byte = (char)i;
        v.byte_ids[0][i] = add_piece(&v, &byte, 1);
    }
    for (int i = 1; i < 4; i++)
        memcpy(v.byte_ids[i], v.byte_ids[0], sizeof(v.byte_ids[0]));
    for (size_t i = next_random(seed) % MAX_MERGES; i > 0; i--)
        add_merge(&v, some_piece(&v, seed, bytes), some_piece(&v, seed, bytes));
    v.spec = (struct bpe_spec){.n_merges = v.n_merges,
                               .pieces = v.pieces,
                               .prefix = "",
                               .suffix = "",
                               .unk = -1};
    return v;
}

static struct bpe *open_bpe(struct vocabulary *v, bool bytes)
{
    struct bpe *b;

    v->spec.merges = v->merges;
    v->spec.byte_ids = bytes ? v->byte_ids : NULL;
    assert_int_equal(bpe_new(&b, &v->spec), SHARD_OK);
    return b;
}

static uint32_t rank_of(const struct vocabulary *v, uint32_t left, uint32_t right,
                        uint32_t *made)
{
    for (size_t i = v->n_merges; i-- > 0;)
        if (v->merges[i].left == left && v->merges[i].right == right) {
            *made = v->merges[i].made;
            return v->spec.by_id ? *made : (uint32_t)i;
        }
    return UINT32_MAX;
}

/* The plain twin: looks at all pairs for each merge. */
static size_t merge_plainly(const struct vocabulary *v, uint32_t *symbols, size_t n)
{
    for (;;) {
        uint32_t lowest = UINT32_MAX, made = 0, to = 0;
        size_t at = 0;

        for (size_t i = 0; i + 1 < n; i++) {
            const uint32_t rank = rank_of(v, symbols[i], symbols[i + 1], &made);
            if (rank < lowest) {
                lowest = rank;
                at = i;
                to = made;
            }
        }
        if (lowest == UINT32_MAX)
            return n;
        symbols[at] = to;
        memmove(symbols + at + 1, symbols + at + 2, (n - at - 2) * sizeof(*symbols));
        n--;
    }
}

static size_t length_at(const char *at)
{
    const unsigned char c = (unsigned char)*at;

    return c < 0x80 ? 1 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;
}

static size_t symbols_of(const struct vocabulary *v, const char *word, size_t len,
                         uint32_t *symbols)
{
    size_t n = 0;

    if (v->spec.whole && pieces_find(v->pieces, word, len) >= 0) {
        symbols[0] = (uint32_t)pieces_find(v->pieces, word, len);
        return 1;
    }
    for (size_t at = 0; at < len;) {
        const size_t step = v->spec.byte_ids != NULL ? 1 : length_at(word + at);
        const int64_t id = pieces_find(v->pieces, word + at, step);

        at += step;
        if (id >= 0 || v->spec.unk >= 0)
            symbols[n++] = id >= 0 ? (uint32_t)id : (uint32_t)v->spec.unk;
    }
    return merge_plainly(v, symbols, n);
}

static void compare(const struct vocabulary *v, struct bpe_worker *w, const char *word,
                    size_t len)
{
    static uint32_t expected[MAX_WORD];
    struct token_ids ids = {0};
    const size_t n = symbols_of(v, word, len, expected);

    for (int again = 0; again < 2; again++) { /* out of the cache */
        ids.n = 0;
        assert_int_equal(bpe_encode(w, word, len, &ids), SHARD_OK);
        assert_int_equal(ids.n, n);
        assert_true(n == 0 || memcmp(ids.at, expected, n * sizeof(*expected)) == 0);
    }
    token_ids_free(&ids);
}

static size_t random_word(char *word, uint64_t *seed, size_t most)
{
    size_t len = 0;

    for (size_t n = next_random(seed) % most + 1; n > 0; n--) {
        const char *c = alphabet[next_random(seed) % N_ALPHABET];
        memcpy(word + len, c, strlen(c));
        len += strlen(c);
    }
    return len;
}

static void try_vocabulary(uint64_t *seed, bool bytes, bool whole, bool by_id)
{
    struct vocabulary v = vocabulary_of(seed, bytes);
    char word[MAX_WORD];

    if (!bytes && next_random(seed) % 2 == 0)
        v.spec.unk = add_piece(&v, "<unk>", 5);
    v.spec.whole = whole;
    v.spec.by_id = by_id;
    if (whole) /* some that no merge makes */
        for (int i = 0; i < 20; i++) {
            const size_t len = random_word(word, seed, 4);
            add_piece(&v, word, len);
        }
    struct bpe *b = open_bpe(&v, bytes);
    struct bpe_worker *w = bpe_worker_new(b);
    assert_non_null(w);
    for (int i = 0; i < 150; i++)
        compare(&v, w, word, random_word(word, seed, i < 140 ? 12 : 150));
    bpe_worker_free(w);
    bpe_free(b);
    pieces_free(v.pieces);
}

static void merges_as_the_twin(void **state)
{
    uint64_t seed = 0x2545f4914f6cdd1d;

    (void)state;
    for (int i = 0; i < 160; i++)
        try_vocabulary(&seed, i & 1, i & 2, i & 4);
}

/* Encodes and compares with the ids given. */
static void becomes(const struct bpe_spec *spec, const char *word, const char *expected)
{
    struct bpe *b;
    struct token_ids ids = {0};
    char found[256] = "";
    size_t at = 0;

    assert_int_equal(bpe_new(&b, spec), SHARD_OK);
    struct bpe_worker *w = bpe_worker_new(b);
    assert_non_null(w);
    assert_int_equal(bpe_encode(w, word, strlen(word), &ids), SHARD_OK);
    for (size_t i = 0; i < ids.n; i++)
        at += (size_t)snprintf(found + at, sizeof(found) - at, "%s%u", i > 0 ? " " : "",
                               ids.at[i]);
    assert_string_equal(found, expected);
    token_ids_free(&ids);
    bpe_worker_free(w);
    bpe_free(b);
}

static struct pieces *pieces_of(const char *const *list)
{
    struct pieces *p = pieces_new();

    assert_non_null(p);
    for (uint32_t i = 0; list[i] != NULL; i++)
        assert_int_equal(pieces_add(p, i, list[i], strlen(list[i])), SHARD_OK);
    return p;
}

static void treats_unknown_characters(void **state)
{
    static const char *const list[] = {"a", "b", "<unk>", "ab", "<0xC3>", "<0xA9>", NULL};
    static const struct bpe_merge merges[] = {{0, 1, 3}};
    struct pieces *p = pieces_of(list);
    struct bpe_spec s = {.merges = merges,
                         .n_merges = 1,
                         .pieces = p,
                         .prefix = "",
                         .suffix = "",
                         .unk = -1};

    (void)state;
    becomes(&s, "abé", "3");
    becomes(&s, "aéb", "3"); /* what is left out is no neighbour */
    s.unk = 2;
    becomes(&s, "aééb", "0 2 2 1");
    s.fuse_unk = true;
    becomes(&s, "aééb", "0 2 1");
    s.byte_fallback = true;
    becomes(&s, "aéb", "0 4 5 1");
    becomes(&s, "aあéb", "0 4 5 2 1"); /* as tokenizers does */
    pieces_free(p);
}

static void adds_prefix_and_suffix(void **state)
{
    static const char *const list[] = {"a",      "#b",    "b</w>", "#b</w>", "ab",
                                       "ab</w>", "a</w>", "b",     NULL};
    static const struct bpe_merge merges[] = {{0, 1, 4}, {4, 3, 5}};
    struct pieces *p = pieces_of(list);
    const struct bpe_spec s = {.merges = merges,
                               .n_merges = 2,
                               .pieces = p,
                               .prefix = "#",
                               .suffix = "</w>",
                               .unk = -1};

    (void)state;
    becomes(&s, "a", "6");
    becomes(&s, "b", "2");
    becomes(&s, "ab", "0 3");
    becomes(&s, "abb", "5");
    pieces_free(p);
}

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { SANITIZED = 1 };
#elif defined(__has_feature)
enum { SANITIZED = __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) };
#else
enum { SANITIZED = 0 };
#endif

/* 10^6 times the same character, and a word of 1 MiB without a place to cut it: no
 * quadratic time, and little memory. */
static void encodes_long_words(void **state)
{
    enum { LEN = 1 << 20 };
    static const char *const list[] = {"a", "b", "aa", "aaaa", "ab", "ba", NULL};
    static const struct bpe_merge merges[] = {{0, 0, 2}, {2, 2, 3}, {0, 1, 4}, {1, 0, 5}};
    struct pieces *p = pieces_of(list);
    struct bpe_spec s = {.merges = merges,
                         .n_merges = 4,
                         .pieces = p,
                         .prefix = "",
                         .suffix = "",
                         .unk = -1};
    struct bpe *b;
    char *word = malloc(LEN);
    struct token_ids ids = {0};
    struct rusage use;

    (void)state;
    assert_int_equal(bpe_new(&b, &s), SHARD_OK);
    struct bpe_worker *w = bpe_worker_new(b);
    memset(word, 'a', LEN);
    assert_int_equal(bpe_encode(w, word, LEN, &ids), SHARD_OK);
    assert_int_equal(ids.n, LEN / 4);
    for (size_t i = 0; i < LEN; i += 3)
        word[i] = 'b';
    ids.n = 0;
    assert_int_equal(bpe_encode(w, word, LEN, &ids), SHARD_OK);
    assert_int_equal(ids.n, (LEN + 2) / 3 * 2 - 1);
    getrusage(RUSAGE_SELF, &use);
    if (!SANITIZED) /* sanitizers keep what is freed */
        assert_true(use.ru_maxrss < 100 << 10);
    token_ids_free(&ids);
    bpe_worker_free(w);
    bpe_free(b);
    pieces_free(p);
    free(word);
}

static void cache_knows_words_by_their_bytes(void **state)
{
    struct word_cache *c = word_cache_new();
    const uint32_t *found;
    uint64_t seed = 12345;
    char word[64];

    (void)state;
    assert_non_null(c);
    for (int i = 0; i < 300000; i++) {
        const size_t len = next_random(&seed) % 62 + 1;
        for (size_t k = 0; k < len; k++)
            word[k] = "ab"[next_random(&seed) % 2];
        /* Its ids: a sum of its bytes in their places, so that each word has its own. */
        uint32_t ids[WORD_CACHE_MAX_IDS], sum = (uint32_t)len;
        for (size_t k = 0; k < len; k++)
            sum = sum * 31 + (unsigned char)word[k];
        const size_t n = sum % WORD_CACHE_MAX_IDS + 1;
        for (size_t k = 0; k < n; k++)
            ids[k] = sum + (uint32_t)k;
        const size_t n_found = word_cache_find(c, word, len, &found);
        assert_true(n_found == 0 || n_found == n);
        assert_true(n_found == 0 || memcmp(found, ids, n * sizeof(*ids)) == 0);
        word_cache_put(c, word, len, ids, n);
        assert_int_equal(word_cache_find(c, word, len, &found), n);
    }
    word_cache_free(c);
}

/* Words that come again stay, whatever many others come once between. */
static void cache_keeps_what_comes_again(void **state)
{
    enum { OFTEN = 300, ONCE = 40000 };
    struct word_cache *c = word_cache_new();
    const uint32_t *found, id = 1;
    int n_found = 0, n_once = 0;
    char word[32];

    (void)state;
    assert_non_null(c);
    for (int round = 0; round < 5; round++) {
        for (int again = 0; again < 2; again++)
            for (int i = 0; i < OFTEN; i++) {
                const size_t len = (size_t)snprintf(word, sizeof(word), "often%d", i);

                if (word_cache_find(c, word, len, &found) > 0)
                    n_found += again == 0;
                else
                    word_cache_put(c, word, len, &id, 1);
            }
        for (int i = 0; i < ONCE; i++) {
            const size_t len = (size_t)snprintf(word, sizeof(word), "once%d", n_once++);

            if (word_cache_find(c, word, len, &found) == 0)
                word_cache_put(c, word, len, &id, 1);
        }
    }
    assert_in_range(n_found, 4 * OFTEN * 9 / 10, 4 * OFTEN);
    word_cache_free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(encodes_long_words),
        cmocka_unit_test(merges_as_the_twin),
        cmocka_unit_test(treats_unknown_characters),
        cmocka_unit_test(adds_prefix_and_suffix),
        cmocka_unit_test(cache_knows_words_by_their_bytes),
        cmocka_unit_test(cache_keeps_what_comes_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
