/* SPDX-License-Identifier: Apache-2.0
 * shard/tokenizer/tokenizer_open.c - one interface over the kinds of tokenizer files. */
#include "shard/tokenizer/tokenizer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shard/status.h"
#include "shard/tokenizer/token_ids.h"
#include "shard/tokenizer/tokenizer_kinds.h"

struct tokenizer {
    const struct tokenizer_kind *kind;
    void *state; /* NULL: not open */
    struct tokenizer_about about;
    char why[768];
};

struct tokenizer_worker {
    const struct tokenizer *tokenizer;
    void *state;
    struct token_ids ids; /* of the text in hand; the memory is kept */
    struct tokenizer_why why;
};

/* A file is of the first kind that takes it; the last one takes all. */
static const struct tokenizer_kind *const kinds[] = {
    &tokenizer_kind_json, &tokenizer_kind_tiktoken, &tokenizer_kind_spm};
enum { N_KINDS = sizeof(kinds) / sizeof(*kinds) };

/* More ids are not kept for the next text: 4 MiB. */
enum { MAX_KEPT_IDS = 1 << 20 };

static const struct tokenizer_about nothing = {.bos = -1,
                                               .eos = -1,
                                               .special = "",
                                               .normalizer = "",
                                               .versions = "",
                                               .memory_per_byte =
                                                   TOKENIZER_MEMORY_PER_BYTE};

static const struct tokenizer_kind *kind_of(const void *bytes, size_t len)
{
    size_t i = 0;

    while (i + 1 < N_KINDS && !kinds[i]->takes(bytes, len))
        i++;
    return kinds[i];
}

int tokenizer_open(struct tokenizer **out, const void *bytes, size_t len,
                   const char *what, const struct tokenizer_options *options)
{
    static const struct tokenizer_options defaults;
    struct tokenizer *t = *out = calloc(1, sizeof(*t));
    struct tokenizer_why why = {""};

    if (t == NULL)
        return SHARD_ENOMEM;
    t->kind = kind_of(bytes, len);
    t->about = nothing;
    int rc = SHARD_EMODEL;
    if (len > TOKENIZER_MAX_FILE)
        snprintf(why.text, sizeof(why.text), "is larger than %d MiB",
                 TOKENIZER_MAX_FILE >> 20);
    else
        rc = t->kind->open(&t->state, bytes, len, options != NULL ? options : &defaults,
                           &t->about, &why);
    if (rc == SHARD_OK)
        return rc;
    snprintf(t->why, sizeof(t->why), "%s: %s", what,
             why.text[0] != '\0' ? why.text : shard_strerror(rc));
    t->kind->close(t->state);
    t->state = NULL;
    t->about = nothing;
    return rc;
}

void tokenizer_close(struct tokenizer *t)
{
    if (t == NULL)
        return;
    t->kind->close(t->state);
    free(t);
}

struct tokenizer_worker *tokenizer_worker_new(const struct tokenizer *t)
{
    struct tokenizer_worker *w = NULL;

    if (t->state == NULL || (w = calloc(1, sizeof(*w))) == NULL)
        return NULL;
    w->tokenizer = t;
    if (t->kind->worker_open(&w->state, t->state) == SHARD_OK)
        return w;
    tokenizer_worker_free(w);
    return NULL;
}

void tokenizer_worker_free(struct tokenizer_worker *w)
{
    if (w == NULL)
        return;
    w->tokenizer->kind->worker_close(w->state);
    token_ids_free(&w->ids);
    free(w);
}

/* Gives a copy of the worker's ids. */
static int give(const struct token_ids *from, uint32_t **ids, uint32_t *n_ids)
{
    if (from->n == 0)
        return SHARD_OK;
    if (from->n > UINT32_MAX)
        return SHARD_EINVAL;
    uint32_t *copy = malloc(from->n * sizeof(*copy));
    if (copy == NULL)
        return SHARD_ENOMEM;
    memcpy(copy, from->at, from->n * sizeof(*copy));
    *ids = copy;
    *n_ids = (uint32_t)from->n;
    return SHARD_OK;
}

int tokenizer_encode(struct tokenizer_worker *w, const char *text, size_t len,
                     uint32_t **ids, uint32_t *n_ids)
{
    *ids = NULL;
    *n_ids = 0;
    w->why.text[0] = '\0';
    w->ids.n = 0;
    if (len == 0)
        return SHARD_OK;
    int rc = w->tokenizer->kind->encode(w->state, text, len, &w->ids, &w->why);
    if (rc == SHARD_OK)
        rc = give(&w->ids, ids, n_ids);
    if (w->ids.cap > MAX_KEPT_IDS)
        token_ids_free(&w->ids);
    return rc;
}

/* Spaces, then other bytes. */
static size_t longest_word(const char *text, size_t len)
{
    size_t longest = 0;

    for (size_t at = 0, start = 0; at < len; start = at) {
        while (at < len && text[at] == ' ')
            at++;
        const char *space = memchr(text + at, ' ', len - at);
        at = space != NULL ? (size_t)(space - text) : len;
        longest = at - start > longest ? at - start : longest;
    }
    return longest;
}

uint64_t tokenizer_memory(const struct tokenizer *t, const char *text, size_t len)
{
    const uint64_t per_byte = t->about.memory_per_byte;
    const uint64_t per_word_byte = t->about.memory_per_word_byte;

    return len * per_byte +
           (per_word_byte > 0 ? longest_word(text, len) * per_word_byte : 0);
}

const char *tokenizer_worker_why(const struct tokenizer_worker *w)
{
    return w->why.text;
}

int tokenizer_decode(const struct tokenizer *t, const uint32_t *ids, size_t n,
                     char **text, size_t *len)
{
    *text = NULL;
    *len = 0;
    if (t->state == NULL)
        return SHARD_EINVAL;
    for (size_t i = 0; i < n; i++)
        if (ids[i] >= t->about.n_pieces)
            return SHARD_EINVAL;
    return t->kind->decode(t->state, ids, n, text, len);
}

uint32_t tokenizer_n_pieces(const struct tokenizer *t)
{
    return t->about.n_pieces;
}

const char *tokenizer_piece(const struct tokenizer *t, uint32_t id, size_t *len)
{
    size_t found = 0;
    const char *piece =
        id < t->about.n_pieces ? t->kind->piece(t->state, id, &found) : "";

    if (len != NULL)
        *len = found;
    return piece;
}

size_t tokenizer_piece_shown(const struct tokenizer *t, uint32_t id, char *out,
                             size_t cap)
{
    if (cap > 0)
        out[0] = '\0';
    return id < t->about.n_pieces ? t->kind->piece_shown(t->state, id, out, cap) : 0;
}

int64_t tokenizer_piece_id(const struct tokenizer *t, const char *piece)
{
    return t->state != NULL ? t->kind->piece_id(t->state, piece) : -1;
}

int64_t tokenizer_bos(const struct tokenizer *t)
{
    return t->about.bos;
}

int64_t tokenizer_eos(const struct tokenizer *t)
{
    return t->about.eos;
}

const char *tokenizer_word(enum tokenizer_special_tokens mode)
{
    static const char *const words[] = {[TOKENIZER_SPECIAL_PLAIN] = "plain",
                                        [TOKENIZER_SPECIAL_PARSE] = "parsed",
                                        [TOKENIZER_SPECIAL_REJECT] = "rejected"};

    return words[mode];
}

const char *tokenizer_kind(const struct tokenizer *t)
{
    return t->kind->name;
}

const char *tokenizer_special(const struct tokenizer *t)
{
    return t->about.special;
}

const char *tokenizer_normalizer(const struct tokenizer *t)
{
    return t->about.normalizer;
}

const void *tokenizer_charsmap(const struct tokenizer *t, size_t *len)
{
    *len = t->about.charsmap_len;
    return t->about.charsmap;
}

const char *tokenizer_versions(const struct tokenizer *t)
{
    return t->about.versions;
}

const char *tokenizer_why(const struct tokenizer *t)
{
    if (t == NULL)
        return "out of memory";
    return t->why[0] != '\0' ? t->why : "success";
}
