/* SPDX-License-Identifier: Apache-2.0 */
#include "shard/tokenizer/bpe/word_cache.h"

#include <stdlib.h>
#include <string.h>

/* 2 MiB each. Most words are in the first, which a core's second cache holds. */
enum { N_SHORT = 1 << 15, N_LONG = 1 << 14 };
enum { MAX_SHORT_IDS = 9 };

/* Beside the number of a word's ids: it has been found since it was put, or since two of
 * a pair were. */
enum { FOUND = 0x80 };

/* A cache line: the word's length (0: free), the number of its ids, both. */
struct short_line {
    uint8_t len, n;
    char word[WORD_CACHE_SHORT_WORD];
    uint32_t ids[MAX_SHORT_IDS];
};

struct long_line {
    uint8_t len, n;
    char word[WORD_CACHE_MAX_WORD];
    uint32_t ids[WORD_CACHE_MAX_IDS];
};

_Static_assert(sizeof(struct short_line) == 64 && sizeof(struct long_line) == 128,
               "lines fill cache lines");

struct word_cache {
    struct short_line *short_lines;
    struct long_line *long_lines;
};

struct word_cache *word_cache_new(void)
{
    struct word_cache *c = calloc(1, sizeof(*c));

    if (c == NULL)
        return NULL;
    c->short_lines = aligned_alloc(64, N_SHORT * sizeof(struct short_line));
    c->long_lines = aligned_alloc(64, N_LONG * sizeof(struct long_line));
    if (c->short_lines == NULL || c->long_lines == NULL) {
        word_cache_free(c);
        return NULL;
    }
    memset(c->short_lines, 0, N_SHORT * sizeof(struct short_line));
    memset(c->long_lines, 0, N_LONG * sizeof(struct long_line));
    return c;
}

void word_cache_free(struct word_cache *c)
{
    if (c == NULL)
        return;
    free(c->short_lines);
    free(c->long_lines);
    free(c);
}

static uint64_t load64(const char *at)
{
    uint64_t v;

    memcpy(&v, at, sizeof(v));
    return v;
}

static uint32_t load32(const char *at)
{
    uint32_t v;

    memcpy(&v, at, sizeof(v));
    return v;
}

/* The first and the last bytes of 1 to 8, which may overlap, as one number. */
static uint64_t load_some(const char *word, size_t len)
{
    if (len >= 4)
        return load32(word) | (uint64_t)load32(word + len - 4) << 32;
    return (uint64_t)(unsigned char)word[0] |
           (uint64_t)(unsigned char)word[len / 2] << 8 |
           (uint64_t)(unsigned char)word[len - 1] << 16;
}

static uint64_t mix(uint64_t h)
{
    h *= UINT64_C(0x9e3779b97f4a7c15);
    return h ^ h >> 29;
}

static uint64_t hash_of(const char *word, size_t len)
{
    uint64_t h = len * UINT64_C(0xd6e8feb86659fd93);

    if (len <= 8)
        return mix(mix(h ^ load_some(word, len)));
    for (size_t i = 0; i + 8 < len; i += 8)
        h = mix(h ^ load64(word + i));
    return mix(mix(h ^ load64(word + len - 8)));
}

/* Of the same length, at least 1. */
static int same(const char *a, const char *b, size_t len)
{
    if (len <= 8)
        return load_some(a, len) == load_some(b, len);
    for (size_t i = 0; i + 8 < len; i += 8)
        if (load64(a + i) != load64(b + i))
            return 0;
    return load64(a + len - 8) == load64(b + len - 8);
}

/* The pair of a word: that of an even number and the next. */
static size_t place_of(const char *word, size_t len, size_t n)
{
    return (size_t)(hash_of(word, len) >> 32) & (n - 1) & ~(size_t)1;
}

/* Of the number beside a word that has been found. Most are marked, so that most finds
 * write nothing. */
static size_t mark(uint8_t *n)
{
    if ((*n & FOUND) == 0)
        *n |= FOUND;
    return *n & ~FOUND;
}

/* Which of a pair makes room for another word: one that was not found. A text of many
 * words that occur once so leaves in peace those that others have often. */
static int victim_of(uint8_t *first, uint8_t *second)
{
    if ((*second & FOUND) == 0)
        return 1;
    if ((*first & FOUND) == 0)
        return 0;
    *first &= (uint8_t)~FOUND;
    return 1;
}

static size_t find_long(struct word_cache *c, const char *word, size_t len,
                        const uint32_t **ids)
{
    struct long_line *line = &c->long_lines[place_of(word, len, N_LONG)];

    for (int i = 0; i < 2; i++, line++)
        if (line->len == len && same(line->word, word, len)) {
            *ids = line->ids;
            return mark(&line->n);
        }
    return 0;
}

size_t word_cache_find(struct word_cache *c, const char *word, size_t len,
                       const uint32_t **ids)
{
    if (len <= WORD_CACHE_SHORT_WORD) {
        struct short_line *line = &c->short_lines[place_of(word, len, N_SHORT)];

        for (int i = 0; i < 2; i++, line++)
            if (line->len == len && same(line->word, word, len)) {
                *ids = line->ids;
                return mark(&line->n);
            }
    }
    return len <= WORD_CACHE_MAX_WORD ? find_long(c, word, len, ids) : 0;
}

static void put_short(struct word_cache *c, const char *word, size_t len,
                      const uint32_t *ids, size_t n_ids)
{
    struct short_line *line = &c->short_lines[place_of(word, len, N_SHORT)];

    line += victim_of(&line[0].n, &line[1].n);
    line->len = (uint8_t)len;
    line->n = (uint8_t)n_ids;
    memcpy(line->word, word, len);
    memcpy(line->ids, ids, n_ids * sizeof(*ids));
}

static void put_long(struct word_cache *c, const char *word, size_t len,
                     const uint32_t *ids, size_t n_ids)
{
    struct long_line *line = &c->long_lines[place_of(word, len, N_LONG)];

    line += victim_of(&line[0].n, &line[1].n);
    line->len = (uint8_t)len;
    line->n = (uint8_t)n_ids;
    memcpy(line->word, word, len);
    memcpy(line->ids, ids, n_ids * sizeof(*ids));
}

void word_cache_put(struct word_cache *c, const char *word, size_t len,
                    const uint32_t *ids, size_t n_ids)
{
    if (len == 0 || len > WORD_CACHE_MAX_WORD || n_ids == 0 || n_ids > WORD_CACHE_MAX_IDS)
        return;
    if (len <= WORD_CACHE_SHORT_WORD && n_ids <= MAX_SHORT_IDS)
        put_short(c, word, len, ids, n_ids);
    else
        put_long(c, word, len, ids, n_ids);
}
