/* SPDX-License-Identifier: Apache-2.0
 * shard/tokenizer/tiktoken/tiktoken_file.c - pieces by rank -> merges of pairs.
 *
 * Any two pieces whose bytes together are a piece make a merge; nearly all of these never
 * happen. Take a piece, and merge its bytes alone, by ranks below its own. Where that
 * ends in two symbols, only this pair ever becomes the piece: until a text's merges make
 * it, none has crossed its bounds, and so those within them were the same, one after the
 * other, until no pair of a lower rank was left. Where it ends in more, a piece of a
 * higher rank may stand between, and all pairs are merges. */
#include "shard/tokenizer/tiktoken/tiktoken_file.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shard/base64.h"
#include "shard/status.h"
#include "shard/tokenizer/bpe/merge_table.h"
#include "shard/tokenizer/bpe/merge_word.h"

enum { MAX_PIECE = 1 << 16, MAX_DIGITS = 8, MIN_LINE = 7 };

/* One line, without its line feed. */
struct line {
    const char *base64;
    size_t base64_len, n_bytes;
    uint32_t rank;
};

static size_t count_digits(const char *at, const char *end)
{
    size_t n = 0;

    while (at + n < end && at[n] >= '0' && at[n] <= '9')
        n++;
    return n;
}

static bool parse_line(const char *at, const char *end, struct line *line)
{
    const char *blank = memchr(at, ' ', (size_t)(end - at));

    if (blank == NULL || blank == at || (blank - at) % 4 != 0 ||
        blank - at > 4 * (MAX_PIECE / 3))
        return false;
    const char *digits = blank + 1;
    const size_t n = count_digits(digits, end);
    if (n == 0 || n > MAX_DIGITS || digits + n != end)
        return false;
    *line = (struct line){at, (size_t)(blank - at), 0, 0};
    line->n_bytes = line->base64_len / 4 * 3;
    for (size_t i = 1; i <= 2 && blank[-(ptrdiff_t)i] == '='; i++)
        line->n_bytes--;
    for (size_t i = 0; i < n; i++)
        line->rank = line->rank * 10 + (uint32_t)(digits[i] - '0');
    return line->n_bytes > 0;
}

static const char *end_of_line(const char *at, const char *end)
{
    const char *feed = memchr(at, '\n', (size_t)(end - at));

    return feed != NULL ? feed : end;
}

static const char *without_return(const char *at, const char *end)
{
    return end > at && end[-1] == '\r' ? end - 1 : end;
}

bool tiktoken_file_like(const void *bytes, size_t len)
{
    static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                   "0123456789+/=";
    const char *at = bytes;

    if (len == 0)
        return false;
    const char *const end = without_return(at, end_of_line(at, at + len));
    while (at < end && *at != '\0' && strchr(alphabet, *at) != NULL)
        at++;
    if (at == bytes || at == end || *at != ' ')
        return false;
    at += end - at > 1 && at[1] == '-' ? 2 : 1;
    const size_t n = count_digits(at, end);
    return n > 0 && at + n == end;
}

static int read_line(const char *at, const char *end, size_t number, uint32_t highest,
                     struct pieces *p, char *why, size_t cap)
{
    unsigned char bytes[MAX_PIECE];
    struct line line;

    if (!parse_line(at, end, &line) ||
        !shard_base64_decode(bytes, line.n_bytes, line.base64, line.base64_len)) {
        snprintf(why, cap, "line %zu is not a piece in base64 and its rank", number);
        return SHARD_EMODEL;
    }
    if (line.rank > highest) {
        snprintf(why, cap, "line %zu: the rank is above %u, too far for so few lines",
                 number, highest);
        return SHARD_EMODEL;
    }
    const int rc = pieces_add(p, line.rank, (const char *)bytes, line.n_bytes);
    if (rc != SHARD_EINVAL)
        return rc;
    snprintf(why, cap, "line %zu: its piece or its rank stands on an earlier line",
             number);
    return SHARD_EMODEL;
}

int tiktoken_file_read(const void *bytes, size_t len, struct pieces *p, char *why,
                       size_t cap)
{
    const uint32_t highest = pieces_highest_id(len / MIN_LINE);
    const char *at = bytes, *const end = at + len;
    int rc = SHARD_OK;

    for (size_t number = 1; at < end && rc == SHARD_OK; number++) {
        const char *feed = end_of_line(at, end);

        if (without_return(at, feed) > at)
            rc = read_line(at, without_return(at, feed), number, highest, p, why, cap);
        at = feed + (feed < end);
    }
    return rc;
}

/* The merges in the making. */
struct making {
    const struct pieces *pieces;
    const uint32_t *byte_ids;
    struct merge_table table;
    uint32_t *symbols; /* MAX_PIECE */
    struct bpe_merge *merges;
    size_t n, cap;
};

static int add_merge(struct making *m, uint32_t left, uint32_t right, uint32_t made)
{
    if (m->n == m->cap) {
        const size_t cap = 2 * m->cap + 1024;
        struct bpe_merge *merges = realloc(m->merges, cap * sizeof(*merges));
        if (merges == NULL)
            return SHARD_ENOMEM;
        m->merges = merges;
        m->cap = cap;
    }
    m->merges[m->n++] = (struct bpe_merge){left, right, made};
    return merge_table_put(&m->table, left, right, made, made);
}

/* All pairs of pieces that are this one together. */
static int add_all_pairs(struct making *m, uint32_t id, const char *piece, size_t len)
{
    int rc = SHARD_OK;

    for (size_t cut = 1; cut < len && rc == SHARD_OK; cut++) {
        const int64_t left = pieces_find(m->pieces, piece, cut);
        const int64_t right = pieces_find(m->pieces, piece + cut, len - cut);

        if (left >= 0 && right >= 0)
            rc = add_merge(m, (uint32_t)left, (uint32_t)right, id);
    }
    return rc;
}

static int add_piece(struct making *m, uint32_t id)
{
    size_t len, n;
    const char *piece = pieces_get(m->pieces, id, &len);

    if (piece == NULL || len < 2)
        return SHARD_OK;
    for (size_t i = 0; i < len; i++)
        m->symbols[i] = m->byte_ids[(unsigned char)piece[i]];
    n = len;
    const int rc = merge_word(&m->table, m->symbols, &n);
    if (rc != SHARD_OK)
        return rc;
    return n == 2 ? add_merge(m, m->symbols[0], m->symbols[1], id)
                  : add_all_pairs(m, id, piece, len);
}

static int find_bytes(const struct pieces *p, uint32_t byte_ids[256], char *why,
                      size_t cap)
{
    for (unsigned i = 0; i < 256; i++) {
        const char byte = (char)i;
        const int64_t id = pieces_find(p, &byte, 1);

        if (id < 0) {
            snprintf(why, cap,
                     "no line has the byte 0x%02x alone: not all texts could "
                     "be encoded",
                     i);
            return SHARD_EMODEL;
        }
        byte_ids[i] = (uint32_t)id;
    }
    return SHARD_OK;
}

int tiktoken_file_merges(const struct pieces *p, struct bpe_merge **merges, size_t *n,
                         uint32_t byte_ids[256], char *why, size_t cap)
{
    struct making m = {.pieces = p, .byte_ids = byte_ids};
    int rc = find_bytes(p, byte_ids, why, cap);

    *merges = NULL;
    *n = 0;
    if (rc != SHARD_OK)
        return rc;
    m.symbols = malloc(MAX_PIECE * sizeof(*m.symbols));
    rc = m.symbols != NULL ? merge_table_init(&m.table) : SHARD_ENOMEM;
    for (uint32_t id = 0; id < pieces_end(p) && rc == SHARD_OK; id++)
        rc = add_piece(&m, id);
    merge_table_free(&m.table);
    free(m.symbols);
    if (rc != SHARD_OK) {
        free(m.merges);
        return rc;
    }
    *merges = m.merges;
    *n = m.n;
    return SHARD_OK;
}
