/* SPDX-License-Identifier: Apache-2.0
 * shard/tokenizer/bpe/word_cuts.c - the neighbours that pieces have.
 *
 * Two whole characters are a bit in a table by their hash. Where a piece has only part of
 * a character, the two bytes that meet are marked, for all characters that end and begin
 * with them. A character is a byte and the continuation bytes behind it; one that is not
 * as long as its first byte says, in a text that is not UTF-8, is no whole one. */
#include "shard/tokenizer/bpe/word_cuts.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

#include "shard/status.h"

struct word_cuts {
    uint64_t *pairs; /* mask + 1 bits */
    size_t mask;
    uint64_t bytes[256][4]; /* a bit for each pair of bytes */
};

static bool continues(unsigned char byte)
{
    return (byte & 0xc0) == 0x80;
}

static size_t len_of(unsigned char first)
{
    return first < 0xc0 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
}

/* The bytes of the character at `at`, up to 4, as a number; *end: behind it. */
static uint32_t character_at(const unsigned char *text, size_t len, size_t at,
                             size_t *end)
{
    uint32_t c = text[at++];

    for (; at < len && continues(text[at]); at++)
        c = c << 8 | text[at];
    *end = at;
    return c;
}

static bool is_whole(const unsigned char *text, size_t at, size_t end)
{
    return !continues(text[at]) && end - at == len_of(text[at]);
}

static size_t bit_of(const struct word_cuts *c, uint32_t left, uint32_t right)
{
    const uint64_t h = (left | (uint64_t)right << 32) * UINT64_C(0x9e3779b97f4a7c15);

    return (size_t)(h >> 32 ^ h >> 50) & c->mask;
}

static void mark_bytes(struct word_cuts *c, unsigned char left, unsigned char right)
{
    c->bytes[left][right / 64] |= UINT64_C(1) << right % 64;
}

static void mark_pair(struct word_cuts *c, uint32_t left, uint32_t right)
{
    const size_t bit = bit_of(c, left, right);

    c->pairs[bit / 64] |= UINT64_C(1) << bit % 64;
}

static void mark_piece(struct word_cuts *c, const unsigned char *piece, size_t len)
{
    size_t at = 0, end, next;

    for (uint32_t left = character_at(piece, len, 0, &end), right; end < len;
         left = right, at = end, end = next) {
        right = character_at(piece, len, end, &next);
        if (is_whole(piece, at, end) && is_whole(piece, end, next))
            mark_pair(c, left, right);
        else
            mark_bytes(c, piece[end - 1], piece[end]);
    }
}

int word_cuts_new(struct word_cuts **out, const struct pieces *pieces)
{
    struct word_cuts *c = *out = calloc(1, sizeof(*c));
    size_t n_bits = 1 << 12, len;

    while (n_bits < 4 * (size_t)pieces_end(pieces))
        n_bits *= 2;
    if (c != NULL)
        c->pairs = calloc(n_bits / 64, sizeof(*c->pairs));
    if (c == NULL || c->pairs == NULL) {
        word_cuts_free(c);
        *out = NULL;
        return SHARD_ENOMEM;
    }
    c->mask = n_bits - 1;
    for (uint32_t id = 0; id < pieces_end(pieces); id++) {
        const char *piece = pieces_get(pieces, id, &len);
        if (piece != NULL && len > 0)
            mark_piece(c, (const unsigned char *)piece, len);
    }
    return SHARD_OK;
}

void word_cuts_free(struct word_cuts *c)
{
    if (c == NULL)
        return;
    free(c->pairs);
    free(c);
}

size_t word_cuts_next(const struct word_cuts *c, const char *word, size_t len,
                      size_t from)
{
    const unsigned char *text = (const unsigned char *)word;
    size_t end, next;

    for (uint32_t left = character_at(text, len, from, &end), right; end < len;
         left = right, end = next) {
        const unsigned char a = text[end - 1], b = text[end];

        right = character_at(text, len, end, &next);
        const size_t bit = bit_of(c, left, right);
        if ((c->pairs[bit / 64] >> bit % 64 & 1) == 0 &&
            (c->bytes[a][b / 64] >> b % 64 & 1) == 0)
            return end;
    }
    return len;
}
