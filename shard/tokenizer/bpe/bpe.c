/* SPDX-License-Identifier: Apache-2.0
 * shard/tokenizer/bpe/bpe.c - one word -> ids: the cache, then symbols, then merges.
 *
 * Most words are short and have been seen before. What has not is cut where no merge
 * crosses (word_cuts.h), if it can be, and the parts may have been seen before. Of those
 * that have not, short ones are merged by a loop over the ranks of all pairs, long ones
 * by a heap (merge_word.h). */
#include "shard/tokenizer/bpe/bpe.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shard/status.h"
#include "shard/tokenizer/bpe/merge_word.h"
#include "shard/tokenizer/bpe/merge_table.h"
#include "shard/tokenizer/bpe/word_cache.h"
#include "shard/tokenizer/bpe/word_cuts.h"

enum { MAX_KEPT_SYMBOLS = 1 << 16 };
enum { FIRST = 0, WITHIN = 1, LAST = 2, ALONE = 3 };

struct bpe {
    struct merge_table table;
    struct bpe_spec spec;
    struct word_cuts *cuts;     /* NULL: words are not cut */
    struct pieces *unreachable; /* pieces that merges do not make; NULL: not `whole` */
    uint32_t byte_ids[4][256];
    int64_t fallback[256]; /* of each byte; -1: no piece */
};

struct bpe_worker {
    const struct bpe *bpe;
    struct word_cache *cache;
    struct token_ids symbols; /* of a long word, or of characters */
    char *spelled;            /* a character with its prefix and suffix */
};

static void find_fallback(struct bpe *b)
{
    for (unsigned i = 0; i < 256; i++) {
        char piece[8];
        const int len = snprintf(piece, sizeof(piece), "<0x%02X>", i);

        b->fallback[i] = pieces_find(b->spec.pieces, piece, (size_t)len);
    }
}

/* A symbol of what is no piece: an unknown character, or one of its bytes. */
static bool stands_for_other(const struct bpe *b, uint32_t id)
{
    if (b->spec.unk == (int64_t)id)
        return true;
    for (size_t i = 0; i < 256 && b->spec.byte_fallback; i++)
        if (b->fallback[i] == (int64_t)id)
            return true;
    return false;
}

/* Whether what a word becomes at one place depends on merges alone: symbols are the same
 * wherever they stand, and no merge takes those that stand for something else than their
 * piece. */
static bool can_cut(const struct bpe *b)
{
    const struct bpe_spec *s = &b->spec;
    bool fallback = s->byte_fallback;
    size_t len;

    if (s->pieces == NULL)
        return false;
    for (size_t i = 0; i < s->n_merges; i++)
        if (pieces_get(s->pieces, s->merges[i].made, &len) == NULL)
            return false;
    if (s->byte_ids != NULL)
        return memcmp(b->byte_ids[0], b->byte_ids[1], 3 * sizeof(b->byte_ids[0])) == 0;
    if (*s->prefix != '\0' || *s->suffix != '\0')
        return false;
    for (size_t i = 0; i < 256 && fallback; i++)
        fallback = b->fallback[i] >= 0;
    if (!fallback && (s->unk < 0 || s->fuse_unk || s->byte_fallback))
        return false; /* what is left out, or waits, is at no place */
    for (size_t i = 0; i < s->n_merges; i++)
        if (stands_for_other(b, s->merges[i].left) ||
            stands_for_other(b, s->merges[i].right))
            return false;
    return true;
}

static int find_unreachable(struct bpe *b);

static int put_merges(struct bpe *b)
{
    const struct bpe_spec *s = &b->spec;
    int rc = merge_table_init(&b->table);

    for (size_t i = 0; i < s->n_merges && rc == SHARD_OK; i++) {
        const struct bpe_merge *m = &s->merges[i];
        rc = merge_table_put(&b->table, m->left, m->right,
                             s->by_id ? m->made : (uint32_t)i, m->made);
    }
    return rc;
}

int bpe_new(struct bpe **out, const struct bpe_spec *spec)
{
    struct bpe *b = *out = calloc(1, sizeof(*b));
    int rc = SHARD_ENOMEM;

    if (b != NULL) {
        b->spec = *spec;
        if (spec->byte_ids != NULL)
            memcpy(b->byte_ids, spec->byte_ids, sizeof(b->byte_ids));
        else if (spec->byte_fallback)
            find_fallback(b);
        rc = put_merges(b);
    }
    if (rc == SHARD_OK && can_cut(b))
        rc = word_cuts_new(&b->cuts, spec->pieces);
    if (rc == SHARD_OK && spec->whole)
        rc = find_unreachable(b);
    if (rc != SHARD_OK) {
        bpe_free(b);
        *out = NULL;
    }
    return rc;
}

void bpe_free(struct bpe *b)
{
    if (b == NULL)
        return;
    merge_table_free(&b->table);
    word_cuts_free(b->cuts);
    pieces_free(b->unreachable);
    free(b);
}

struct bpe_worker *bpe_worker_new(const struct bpe *b)
{
    struct bpe_worker *w = calloc(1, sizeof(*w));

    if (w == NULL)
        return NULL;
    w->bpe = b;
    w->cache = word_cache_new();
    if (b->spec.byte_ids == NULL)
        w->spelled = malloc(strlen(b->spec.prefix) + strlen(b->spec.suffix) + 8);
    if (w->cache != NULL && (b->spec.byte_ids != NULL || w->spelled != NULL))
        return w;
    bpe_worker_free(w);
    return NULL;
}

void bpe_worker_free(struct bpe_worker *w)
{
    if (w == NULL)
        return;
    word_cache_free(w->cache);
    token_ids_free(&w->symbols);
    free(w->spelled);
    free(w);
}

/* The symbols of a word of bytes, behind ids->n, which is not moved. */
static int put_bytes(const struct bpe *b, const char *word, size_t len,
                     struct token_ids *ids)
{
    const unsigned char *bytes = (const unsigned char *)word;
    const int rc = token_ids_reserve(ids, len);

    if (rc != SHARD_OK)
        return rc;
    uint32_t *symbols = ids->at + ids->n;
    for (size_t i = 0; i < len; i++)
        symbols[i] = b->byte_ids[WITHIN][bytes[i]];
    symbols[0] = b->byte_ids[FIRST][bytes[0]];
    symbols[len - 1] = b->byte_ids[len > 1 ? LAST : ALONE][bytes[len - 1]];
    return SHARD_OK;
}

static size_t character_len(const char *at, const char *end)
{
    size_t len = 1;

    while (at + len < end && ((unsigned char)at[len] & 0xc0) == 0x80 && len < 4)
        len++;
    return len;
}

/* The bytes of a character that is no piece. 1: added, 0: not all of them are pieces. */
static int add_fallback(const struct bpe *b, const char *text, size_t len,
                        struct token_ids *ids)
{
    for (size_t i = 0; i < len; i++)
        if (b->fallback[(unsigned char)text[i]] < 0)
            return 0;
    if (token_ids_reserve(ids, len) != SHARD_OK)
        return SHARD_ENOMEM;
    for (size_t i = 0; i < len; i++)
        ids->at[ids->n++] = (uint32_t)b->fallback[(unsigned char)text[i]];
    return 1;
}

/* The piece of a character, spelled as it stands in its word; -1: none. *spelled_len
 * bytes of the worker's memory are how it is spelled. */
static int64_t spell(struct bpe_worker *w, const char *character, size_t len, bool first,
                     bool last, size_t *spelled_len)
{
    const struct bpe_spec *spec = &w->bpe->spec;
    const size_t before = first ? 0 : strlen(spec->prefix);
    const size_t behind = last ? strlen(spec->suffix) : 0;

    memcpy(w->spelled, spec->prefix, before);
    memcpy(w->spelled + before, character, len);
    memcpy(w->spelled + before + len, spec->suffix, behind);
    *spelled_len = before + len + behind;
    return pieces_find(spec->pieces, w->spelled, *spelled_len);
}

/* The symbols of a word of characters. An unknown character's symbol waits until a known
 * one follows, or another unknown one that is not to be one with it; bytes go past it. */
static int put_characters(struct bpe_worker *w, const char *word, size_t len,
                          struct token_ids *ids)
{
    const struct bpe_spec *spec = &w->bpe->spec;
    const char *const end = word + len;
    bool unknown = false;
    int rc = SHARD_OK;

    for (const char *at = word; at < end && rc == SHARD_OK;) {
        const size_t n = character_len(at, end);
        size_t spelled;
        const int64_t id = spell(w, at, n, at == word, at + n == end, &spelled);

        at += n;
        if (id < 0 && spec->byte_fallback) {
            const int added = add_fallback(w->bpe, w->spelled, spelled, ids);
            rc = added < 0 ? added : SHARD_OK;
            if (added != 0)
                continue;
        }
        if (unknown && (id >= 0 || !spec->fuse_unk))
            rc = token_ids_add(ids, (uint32_t)spec->unk);
        unknown = id < 0 && spec->unk >= 0;
        if (id >= 0 && rc == SHARD_OK)
            rc = token_ids_add(ids, (uint32_t)id);
    }
    return unknown && rc == SHARD_OK ? token_ids_add(ids, (uint32_t)spec->unk) : rc;
}

static int encode_bytes(const struct bpe *b, const char *word, size_t len,
                        struct token_ids *ids)
{
    size_t n = len;
    int rc = put_bytes(b, word, len, ids);

    if (rc == SHARD_OK)
        rc = merge_word(&b->table, ids->at + ids->n, &n);
    if (rc == SHARD_OK)
        ids->n += n;
    return rc;
}

static int encode_characters(struct bpe_worker *w, const char *word, size_t len,
                             struct token_ids *ids)
{
    struct token_ids *symbols = &w->symbols;

    symbols->n = 0;
    int rc = put_characters(w, word, len, symbols);
    if (rc == SHARD_OK)
        rc = merge_word(&w->bpe->table, symbols->at, &symbols->n);
    if (rc == SHARD_OK)
        rc = token_ids_reserve(ids, symbols->n);
    if (rc == SHARD_OK && symbols->n > 0) {
        memcpy(ids->at + ids->n, symbols->at, symbols->n * sizeof(*ids->at));
        ids->n += symbols->n;
    }
    if (symbols->cap > MAX_KEPT_SYMBOLS)
        token_ids_free(symbols);
    return rc;
}

static int encode_uncut(struct bpe_worker *w, const char *word, size_t len,
                        struct token_ids *ids)
{
    return w->bpe->spec.byte_ids != NULL ? encode_bytes(w->bpe, word, len, ids)
                                         : encode_characters(w, word, len, ids);
}

static bool is_unreachable(const struct bpe *b, const char *word, size_t len)
{
    return b->unreachable != NULL && pieces_find(b->unreachable, word, len) >= 0;
}

/* Adds what the cache has of a word. 1: it has it; 0: not; or SHARD_ENOMEM. */
static int add_seen(struct bpe_worker *w, const char *word, size_t len,
                    struct token_ids *ids)
{
    const uint32_t *found;
    const size_t n = word_cache_find(w->cache, word, len, &found);

    if (n == 0)
        return 0;
    if (token_ids_reserve(ids, WORD_CACHE_MAX_IDS) != SHARD_OK)
        return SHARD_ENOMEM;
    memcpy(ids->at + ids->n, found, n * sizeof(*found));
    ids->n += n;
    return 1;
}

/* Part of a word, which is never found whole: the cache may not know it as a word that
 * is. */
static int encode_part(struct bpe_worker *w, const char *part, size_t len,
                       struct token_ids *ids)
{
    const size_t from = ids->n;

    if (is_unreachable(w->bpe, part, len))
        return encode_uncut(w, part, len, ids);
    int rc = add_seen(w, part, len, ids);
    if (rc != 0)
        return rc < 0 ? rc : SHARD_OK;
    rc = encode_uncut(w, part, len, ids);
    if (rc == SHARD_OK && ids->n > from)
        word_cache_put(w->cache, part, len, ids->at + from, ids->n - from);
    return rc;
}

static int encode_unseen(struct bpe_worker *w, const char *word, size_t len,
                         struct token_ids *ids)
{
    const struct bpe *b = w->bpe;
    int rc = SHARD_OK;

    if (is_unreachable(b, word, len))
        return token_ids_add(ids, (uint32_t)pieces_find(b->spec.pieces, word, len));
    if (b->cuts == NULL)
        return encode_uncut(w, word, len, ids);
    size_t end = word_cuts_next(b->cuts, word, len, 0);
    if (end == len)
        return encode_uncut(w, word, len, ids);
    for (size_t from = 0; from < len && rc == SHARD_OK; from = end) {
        end = word_cuts_next(b->cuts, word, len, from);
        rc = encode_part(w, word + from, end - from, ids);
    }
    return rc;
}

int bpe_encode(struct bpe_worker *w, const char *word, size_t len, struct token_ids *ids)
{
    const size_t from = ids->n;

    if (len == 0)
        return SHARD_OK;
    int rc = add_seen(w, word, len, ids);
    if (rc != 0)
        return rc < 0 ? rc : SHARD_OK;
    rc = encode_unseen(w, word, len, ids);
    if (rc == SHARD_OK && len <= WORD_CACHE_SHORT_WORD && ids->n > from)
        word_cache_put(w->cache, word, len, ids->at + from, ids->n - from);
    return rc;
}

/* Whether merges make this piece of its own bytes. 1: yes, 0: no, or SHARD_ENOMEM. */
static int is_made(struct bpe_worker *w, const char *piece, size_t len, uint32_t id,
                   struct token_ids *ids)
{
    ids->n = 0;
    const int rc = encode_uncut(w, piece, len, ids);

    if (rc != SHARD_OK)
        return rc;
    return ids->n == 1 && ids->at[0] == id;
}

static int find_unreachable(struct bpe *b)
{
    struct bpe_worker *w = bpe_worker_new(b);
    struct token_ids ids = {0};
    size_t len;
    int rc = w != NULL ? SHARD_OK : SHARD_ENOMEM;

    for (uint32_t id = 0; id < pieces_end(b->spec.pieces) && rc >= 0; id++) {
        const char *piece = pieces_get(b->spec.pieces, id, &len);

        if (piece == NULL || len == 0 || (rc = is_made(w, piece, len, id, &ids)) != 0)
            continue;
        if (b->unreachable == NULL)
            b->unreachable = pieces_new();
        rc = b->unreachable != NULL ? pieces_add(b->unreachable, id, piece, len)
                                    : SHARD_ENOMEM;
    }
    token_ids_free(&ids);
    bpe_worker_free(w);
    return rc < 0 ? rc : SHARD_OK;
}
