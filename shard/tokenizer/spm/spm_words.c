/* SPDX-License-Identifier: Apache-2.0 */
#include "shard/tokenizer/spm/spm_words.h"

#include <stdlib.h>

#include "shard/status.h"
#include "shard/tokenizer/bpe/merge_word.h"
#include "shard/tokenizer/spm/spm_normalize.h"
#include "shard/tokenizer/spm/spm_vocabulary.h"
#include "shard/tokenizer/bpe/word_cache.h"

enum { MAX_KEPT_SYMBOLS = 1 << 16 };

struct spm_words {
    struct spm_vocabulary *vocabulary;
    struct spm_normalizer normalizer;
};

struct spm_words_worker {
    const struct spm_words *words;
    struct word_cache *cache;
    struct token_ids symbols; /* of a word */
    struct spm_word word;
    struct token_ids *ids; /* of the text in hand */
};

int spm_words_new(struct spm_words **out, const struct tokenizer_model *info,
                  const void *model, size_t len, const void *charsmap)
{
    struct tokenizer_model_piece *pieces = calloc(info->n_pieces, sizeof(*pieces));
    struct spm_words *s = calloc(1, sizeof(*s));
    int rc = SHARD_ENOMEM;

    *out = NULL;
    if (pieces == NULL || s == NULL)
        goto out;
    tokenizer_model_pieces(model, len, pieces);
    rc = spm_vocabulary_new(&s->vocabulary, info, pieces);
    if (rc != SHARD_OK || s->vocabulary == NULL)
        goto out;
    spm_normalizer_set(&s->normalizer, s->vocabulary, info, charsmap);
    *out = s;
    s = NULL;
out:
    free(pieces);
    free(s);
    return rc;
}

void spm_words_free(struct spm_words *s)
{
    if (s == NULL)
        return;
    spm_vocabulary_free(s->vocabulary);
    free(s);
}

/* The symbols of a word. No merge has a user-defined piece. */
static int read_symbols(const struct spm_vocabulary *v, const char *word, size_t len,
                        struct token_ids *symbols)
{
    int rc = SHARD_OK;
    size_t n;

    symbols->n = 0;
    for (size_t at = 0; at < len && rc == SHARD_OK; at += n) {
        const int64_t user = spm_user_piece(v, word + at, len - at, &n);

        rc = token_ids_add(symbols,
                           user < 0 ? spm_symbol_at(v, word + at, &n) : (uint32_t)user);
    }
    return rc;
}

/* The ids of an unknown character: of its bytes, or unk's, one for a row of them. */
static size_t put_unknown(const struct spm_vocabulary *v, const char *text, bool again,
                          uint32_t *ids)
{
    const size_t len = spm_char_len((unsigned char)*text);

    if (!v->byte_fallback) {
        *ids = v->unk;
        return again ? 0 : 1;
    }
    for (size_t i = 0; i < len; i++)
        ids[i] = v->byte_ids[(unsigned char)text[i]];
    return len;
}

/* Adds the ids of symbols, into which the word was merged. */
static int put_ids(const struct spm_vocabulary *v, const char *word, size_t len,
                   const struct token_ids *symbols, struct token_ids *ids)
{
    bool unknown = false;

    /* No symbol has more ids than bytes. */
    if (token_ids_reserve(ids, len) != SHARD_OK)
        return SHARD_ENOMEM;
    for (size_t i = 0; i < symbols->n; i++) {
        const uint32_t id = symbols->at[i];

        if (id < v->n_pieces) {
            ids->at[ids->n++] = id;
            word += v->piece_len[id];
        } else {
            ids->n += put_unknown(v, word, unknown, ids->at + ids->n);
            word += spm_char_len((unsigned char)*word);
        }
        unknown = id >= v->n_pieces;
    }
    return SHARD_OK;
}

static int encode_word(struct spm_words_worker *w, const char *word, size_t len,
                       struct token_ids *ids)
{
    const struct spm_vocabulary *v = w->words->vocabulary;
    int rc = read_symbols(v, word, len, &w->symbols);

    if (rc == SHARD_OK)
        rc = merge_word(&v->merges, w->symbols.at, &w->symbols.n);
    if (rc == SHARD_OK)
        rc = put_ids(v, word, len, &w->symbols, ids);
    if (w->symbols.cap > MAX_KEPT_SYMBOLS)
        token_ids_free(&w->symbols);
    return rc;
}

/* Where there are no byte pieces, unknown characters of two words are one token. */
static void join_unknown(const struct spm_vocabulary *v, struct token_ids *ids, size_t at)
{
    if (v->byte_fallback || at == 0 || ids->n == at || ids->at[at - 1] != v->unk ||
        ids->at[at] != v->unk)
        return;
    ids->n--;
    memmove(ids->at + at, ids->at + at + 1, (ids->n - at) * sizeof(*ids->at));
}

static int take_word(void *ctx, const char *word, size_t len)
{
    struct spm_words_worker *w = ctx;
    struct token_ids *ids = w->ids;
    const size_t at = ids->n;
    const uint32_t *found;
    const size_t n = word_cache_find(w->cache, word, len, &found);
    int rc;

    if (n > 0) {
        rc = token_ids_reserve(ids, n);
        if (rc == SHARD_OK) {
            memcpy(ids->at + at, found, n * sizeof(*found));
            ids->n += n;
        }
    } else {
        rc = encode_word(w, word, len, ids);
        if (rc == SHARD_OK)
            word_cache_put(w->cache, word, len, ids->at + at, ids->n - at);
    }
    if (rc == SHARD_OK)
        join_unknown(w->words->vocabulary, ids, at);
    return rc;
}

struct spm_words_worker *spm_words_worker_new(const struct spm_words *s)
{
    struct spm_words_worker *w = calloc(1, sizeof(*w));

    if (w == NULL)
        return NULL;
    w->words = s;
    w->word.take = take_word;
    w->word.ctx = w;
    w->cache = word_cache_new();
    if (w->cache != NULL)
        return w;
    spm_words_worker_free(w);
    return NULL;
}

void spm_words_worker_free(struct spm_words_worker *w)
{
    if (w == NULL)
        return;
    word_cache_free(w->cache);
    token_ids_free(&w->symbols);
    spm_word_free(&w->word);
    free(w);
}

int spm_words_encode(struct spm_words_worker *w, const char *text, size_t len,
                     struct token_ids *ids)
{
    w->ids = ids;
    return spm_normalize(&w->words->normalizer, text, len, &w->word);
}
