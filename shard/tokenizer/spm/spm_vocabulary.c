/* SPDX-License-Identifier: Apache-2.0
 * shard/tokenizer/spm/spm_vocabulary.c - may the words of a SentencePiece BPE model be
 * encoded one by one, and by what merges?
 *
 * What the library does with a normalized text, in which each space is U+2581: it reads
 * symbols from left to right, the longest user-defined piece that begins there, or one
 * character; user-defined ones are never merged. Then, as long as there are neighbours
 * whose joined text is a piece, the pair of the highest score (of several, the leftmost)
 * becomes one symbol. A symbol that is no piece is unknown: the ids of its bytes, or one
 * id for a row of such symbols.
 *
 * Claim: if no piece has U+2581 behind another character, a text may be cut before each
 * U+2581 that stands behind another character. For a symbol across the cut would be a
 * character (it is not), a user-defined piece or a joined piece, and each of them would
 * be such a piece. So reading comes to the cut and begins anew there; no pair across it
 * ever merges; what merges on one side changes no pair of the other side; and of the
 * pairs of one side the order is by score, then from the left, as in the text as a whole.
 * (The same mirrored, for models that put spaces at the end of words: no piece has
 * another character behind U+2581; then the cuts are behind each U+2581 before another
 * one.)
 *
 * What else it takes, each checked below; where one fails the library serves all texts:
 *
 *  - Spaces are escaped as U+2581. What replaces characters by the model's normalization
 *    table is UTF-8 (tokenizer_charsmap.c says), and so are user-defined pieces: then
 *    normalized text is UTF-8, U+2581 is found by its bytes, and characters are what the
 *    library takes for them. Other pieces that are no UTF-8 come from no text.
 *  - User-defined pieces have no plain space: the normalizer leaves such pieces as they
 *    are, but escapes spaces within them.
 *  - No piece is UNUSED: the library takes those apart again by the last pair that it met
 *    anywhere in the text.
 *  - No control, unknown or byte piece is a lone character or is spelled like a piece:
 * the library looks a symbol up there first.
 *  - Scores are numbers. Equal ones are ranked equal, so that the leftmost goes first.
 *  - Pieces have at most 255 bytes, user-defined ones 64: a bound on the work done here,
 *    and the library's own on what it compares.
 *
 * One thing passes a cut: where there are no byte pieces, unknown symbols on both sides
 * become one id. Who joins words does that (spm_words.c).
 *
 * No user-defined piece is made by merges: what begins at its first character was read
 * there as the whole piece, or as a longer one. */
#include "shard/tokenizer/spm/spm_vocabulary.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "shard/status.h"
#include "shard/tokenizer/bpe/pieces.h"
#include "shard/tokenizer/spm/tokenizer_charsmap.h"
#include "shard/valid_utf8.h"

enum { MAX_PIECE = 255, MAX_USER_PIECE = 64 };

/* A vocabulary in the making. */
struct making {
    struct spm_vocabulary *v;
    const struct tokenizer_model_piece *pieces;
    struct pieces *normal; /* the ids of normal pieces by their text */
    uint32_t *ranks;       /* [n_pieces] */
    uint32_t n_symbols;
};

static bool is_word_piece(const struct tokenizer_model_piece *p)
{
    return p->type == TOKENIZER_PIECE_NORMAL || p->type == TOKENIZER_PIECE_USER_DEFINED;
}

/* Whether `second` holds (is U+2581, or is not) for a character behind one for which it
 * does not. */
static bool has_behind(const struct tokenizer_model_piece *p, bool space)
{
    bool other = false;
    size_t n;

    for (size_t at = 0; at < p->len; at += n) {
        n = spm_char_len((unsigned char)p->text[at]);
        n = n < p->len - at ? n : p->len - at;
        const bool found = spm_is_space(p->text + at, n) == space;
        if (found && other)
            return true;
        other = other || !found;
    }
    return false;
}

static bool no_piece_has_behind(const struct tokenizer_model_piece *pieces, uint32_t n,
                                bool space)
{
    for (uint32_t i = 0; i < n; i++)
        if (is_word_piece(&pieces[i]) && has_behind(&pieces[i], space))
            return false;
    return true;
}

/* Of one piece, but for where its spaces are. */
static bool is_plain(const struct making *m, const struct tokenizer_model_piece *p)
{
    if (p->len > MAX_PIECE)
        return false;
    switch (p->type) {
    case TOKENIZER_PIECE_NORMAL:
        return !isnan(p->score);
    case TOKENIZER_PIECE_USER_DEFINED:
        return p->len <= MAX_USER_PIECE && shard_utf8_valid(p->text, p->len) &&
               memchr(p->text, ' ', p->len) == NULL;
    case TOKENIZER_PIECE_UNUSED:
        return false;
    default:
        return p->len > spm_char_len((unsigned char)p->text[0]) &&
               pieces_find(m->normal, p->text, p->len) < 0 &&
               pieces_find(m->v->users, p->text, p->len) < 0;
    }
}

static bool proof_holds(struct making *m, const struct tokenizer_model *model)
{
    struct spm_vocabulary *v = m->v;

    if (!model->escape_whitespaces ||
        !tokenizer_charsmap_is_utf8(model->charsmap, model->charsmap_len))
        return false;
    for (uint32_t i = 0; i < v->n_pieces; i++)
        if (!is_plain(m, &m->pieces[i]))
            return false;
    v->cut_before_space = no_piece_has_behind(m->pieces, v->n_pieces, true);
    return v->cut_before_space || no_piece_has_behind(m->pieces, v->n_pieces, false);
}

/* Those that a text may come to. */
static int add_pieces(struct making *m)
{
    struct spm_vocabulary *v = m->v;

    m->normal = pieces_new();
    v->users = pieces_new();
    if (m->normal == NULL || v->users == NULL)
        return SHARD_ENOMEM;
    for (uint32_t i = 0; i < v->n_pieces; i++) {
        const struct tokenizer_model_piece *p = &m->pieces[i];
        const bool user = p->type == TOKENIZER_PIECE_USER_DEFINED;

        if (!is_word_piece(p) || p->len > MAX_PIECE || !shard_utf8_valid(p->text, p->len))
            continue;
        if (pieces_add(user ? v->users : m->normal, i, p->text, p->len) == SHARD_ENOMEM)
            return SHARD_ENOMEM;
        if (user) {
            v->user_begins[(unsigned char)p->text[0]] = true;
            v->user_lens |= p->len <= MAX_USER_PIECE ? UINT64_C(1) << (p->len - 1) : 0;
        }
    }
    return SHARD_OK;
}

int64_t spm_user_piece(const struct spm_vocabulary *v, const char *text, size_t len,
                       size_t *piece_len)
{
    if (!v->user_begins[(unsigned char)text[0]])
        return -1;
    for (size_t n = len < MAX_USER_PIECE ? len : MAX_USER_PIECE; n > 0; n--) {
        const int64_t id =
            (v->user_lens >> (n - 1) & 1) != 0 ? pieces_find(v->users, text, n) : -1;

        if (id >= 0) {
            *piece_len = n;
            return id;
        }
    }
    return -1;
}

static uint32_t byte_of(const struct tokenizer_model_piece *p)
{
    char text[sizeof("<0x00>")] = "";
    unsigned byte = 0;

    memcpy(text, p->text, p->len < sizeof(text) ? p->len : sizeof(text) - 1);
    return sscanf(text, "<0x%2X>", &byte) == 1 ? byte : 0;
}

static int add_special_ids(struct making *m)
{
    struct spm_vocabulary *v = m->v;

    v->piece_len = calloc(v->n_pieces, sizeof(*v->piece_len));
    if (v->piece_len == NULL)
        return SHARD_ENOMEM;
    for (uint32_t i = 0; i < v->n_pieces; i++) {
        v->piece_len[i] = (unsigned char)m->pieces[i].len;
        if (m->pieces[i].type == TOKENIZER_PIECE_UNKNOWN)
            v->unk = i;
        if (m->pieces[i].type == TOKENIZER_PIECE_BYTE)
            v->byte_ids[byte_of(&m->pieces[i])] = i;
    }
    return SHARD_OK;
}

/* Where the symbol of a character is kept; NULL: no memory. */
static uint32_t *char_slot(struct spm_vocabulary *v, uint32_t c)
{
    uint32_t **page = &v->chars[c >> 8];

    if (*page == NULL) {
        *page = malloc(256 * sizeof(**page));
        if (*page == NULL)
            return NULL;
        memset(*page, 0xff, 256 * sizeof(**page));
    }
    return &(*page)[c & 0xff];
}

/* Gives the characters of a piece symbols; that of one that is a piece is the piece. */
static int add_characters(struct making *m, const char *text, size_t len)
{
    size_t n;

    for (size_t at = 0; at < len; at += n) {
        const uint32_t c = code_point_at((const unsigned char *)text + at, &n);
        uint32_t *slot = char_slot(m->v, c);
        if (slot == NULL)
            return SHARD_ENOMEM;
        if (*slot != MERGE_NONE)
            continue;
        const int64_t id = pieces_find(m->normal, text + at, n);
        *slot = id >= 0 ? (uint32_t)id : m->n_symbols++;
    }
    return SHARD_OK;
}

static uint32_t symbol_of(const struct making *m, const char *text, size_t len)
{
    size_t n;
    const uint32_t first = spm_symbol_at(m->v, text, &n);

    if (n == len)
        return first;
    const int64_t id = pieces_find(m->normal, text, len);
    return id >= 0 ? (uint32_t)id : MERGE_NONE;
}

/* The pairs that a piece is made of. */
static int add_merges_of(struct making *m, uint32_t id)
{
    int rc = SHARD_OK;
    size_t len;
    const char *text = pieces_get(m->normal, id, &len);

    if (text == NULL)
        return SHARD_OK;
    for (size_t at = spm_char_len((unsigned char)*text); at < len && rc == SHARD_OK;
         at += spm_char_len((unsigned char)text[at])) {
        const uint32_t left = symbol_of(m, text, at);
        const uint32_t right = symbol_of(m, text + at, len - at);

        if (left != MERGE_NONE && right != MERGE_NONE)
            rc = merge_table_put(&m->v->merges, left, right, m->ranks[id], id);
    }
    return rc;
}

static int add_merges(struct making *m)
{
    int rc = merge_table_init(&m->v->merges);

    for (uint32_t i = 0; i < m->v->n_pieces && rc == SHARD_OK; i++)
        rc = add_merges_of(m, i);
    return rc;
}

struct scored {
    float score;
    uint32_t id;
};

static int compare_scores(const void *a, const void *b)
{
    const float x = ((const struct scored *)a)->score;
    const float y = ((const struct scored *)b)->score;

    return (x < y) - (x > y);
}

static int add_ranks(struct making *m)
{
    const uint32_t n = m->v->n_pieces;
    struct scored *scored = calloc(n, sizeof(*scored));
    uint32_t rank = 0;

    m->ranks = calloc(n, sizeof(*m->ranks));
    if (scored == NULL || m->ranks == NULL) {
        free(scored);
        return SHARD_ENOMEM;
    }
    for (uint32_t i = 0; i < n; i++)
        scored[i] = (struct scored){m->pieces[i].score, i};
    qsort(scored, n, sizeof(*scored), compare_scores);
    for (uint32_t i = 0; i < n; i++) {
        if (i > 0 && scored[i].score < scored[i - 1].score)
            rank++;
        m->ranks[scored[i].id] = rank;
    }
    free(scored);
    return SHARD_OK;
}

static int add_symbols(struct making *m)
{
    int rc = SHARD_OK;

    m->n_symbols = m->v->n_pieces;
    for (uint32_t i = 0; i < m->v->n_pieces && rc == SHARD_OK; i++) {
        size_t len;
        const char *text = pieces_get(m->normal, i, &len);

        if (text != NULL)
            rc = add_characters(m, text, len);
    }
    return rc;
}

/* SHARD_EMODEL: the proof does not hold. */
static int make(struct making *m, const struct tokenizer_model *model)
{
    int rc = model->n_pieces <= PIECES_MAX_ID ? add_pieces(m) : SHARD_EMODEL;

    if (rc == SHARD_OK && !proof_holds(m, model))
        rc = SHARD_EMODEL;
    if (rc == SHARD_OK)
        rc = add_special_ids(m);
    if (rc == SHARD_OK)
        rc = add_ranks(m);
    if (rc == SHARD_OK)
        rc = add_symbols(m);
    return rc == SHARD_OK ? add_merges(m) : rc;
}

int spm_vocabulary_new(struct spm_vocabulary **out, const struct tokenizer_model *model,
                       const struct tokenizer_model_piece *pieces)
{
    struct making m = {.v = calloc(1, sizeof(*m.v)), .pieces = pieces};

    *out = NULL;
    if (m.v == NULL)
        return SHARD_ENOMEM;
    m.v->n_pieces = model->n_pieces;
    m.v->byte_fallback = model->byte_fallback;
    const int rc = make(&m, model);
    pieces_free(m.normal);
    free(m.ranks);
    if (rc == SHARD_OK)
        *out = m.v;
    else
        spm_vocabulary_free(m.v);
    return rc == SHARD_EMODEL ? SHARD_OK : rc;
}

void spm_vocabulary_free(struct spm_vocabulary *v)
{
    if (v == NULL)
        return;
    for (size_t i = 0; i < SPM_N_PAGES; i++)
        free(v->chars[i]);
    pieces_free(v->users);
    free(v->piece_len);
    merge_table_free(&v->merges);
    free(v);
}
