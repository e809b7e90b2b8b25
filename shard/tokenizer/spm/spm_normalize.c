/* SPDX-License-Identifier: Apache-2.0
 * shard/tokenizer/spm/spm_normalize.c - the normalizer of SentencePiece, made to stop at
 * the end of each word.
 *
 * At each place of a text stands a user-defined piece (which stays), a row of bytes that
 * the model's table replaces, or one character; a byte that is no UTF-8 becomes U+FFFD.
 * Spaces of what comes of it become U+2581; where extra ones are removed, those that
 * stand first, behind another space, or last are left out. At the end of a text that
 * holds for a U+2581 of its own, too. */
#include "shard/tokenizer/spm/spm_normalize.h"

#include <stdlib.h>

#include "shard/status.h"
#include "shard/tokenizer/spm/tokenizer_charsmap.h"

enum { KEPT_CAP = 1 << 12 };

void spm_normalizer_set(struct spm_normalizer *n, const struct spm_vocabulary *v,
                        const struct tokenizer_model *model, const void *charsmap)
{
    *n = (struct spm_normalizer){
        .v = v,
        .add_dummy_prefix = model->add_dummy_prefix,
        .remove_extra_whitespaces = model->remove_extra_whitespaces,
        .treat_whitespace_as_suffix = model->treat_whitespace_as_suffix,
        .charsmap = charsmap,
        .charsmap_len = model->charsmap_len};
    for (unsigned c = 0; c < 0x80; c++)
        n->keeps[c] =
            c != ' ' && !v->user_begins[c] &&
            tokenizer_charsmap_keeps(charsmap, n->charsmap_len, (unsigned char)c);
}

void spm_word_free(struct spm_word *w)
{
    free(w->at);
    w->at = NULL;
    w->len = w->cap = 0;
}

static int grow(struct spm_word *w, size_t n)
{
    if (n > UINT32_MAX - w->len)
        return SHARD_EINVAL;
    const size_t cap = w->len + n + w->len / 2 + 256;
    char *at = realloc(w->at, cap);

    if (at == NULL)
        return SHARD_ENOMEM;
    w->at = at;
    w->cap = cap;
    return SHARD_OK;
}

static int end_word(struct spm_word *w)
{
    const int rc = w->len > 0 ? w->take(w->ctx, w->at, w->len) : SHARD_OK;

    w->len = 0;
    return rc;
}

/* Adds bytes: U+2581, or characters that are all others. */
static inline int add(const struct spm_normalizer *n, struct spm_word *w,
                      const char *bytes, size_t len, bool space)
{
    int rc = SHARD_OK;

    if (space != w->ends_in_space && space == n->v->cut_before_space)
        rc = end_word(w);
    w->ends_in_space = space;
    if (rc == SHARD_OK && w->cap - w->len < len)
        rc = grow(w, len);
    if (rc != SHARD_OK)
        return rc;
    memcpy(w->at + w->len, bytes, len);
    w->len += len;
    return SHARD_OK;
}

static int add_space(const struct spm_normalizer *n, struct spm_word *w)
{
    return add(n, w, SPM_SPACE, SPM_SPACE_LEN, true);
}

/* What the text at a place becomes. */
struct step {
    const char *to;
    size_t to_len, used;
};

/* The length of the character of valid UTF-8 that text (len >= 1) begins with, or 0. */
static size_t valid_char(const char *text, size_t len)
{
    const unsigned char *s = (const unsigned char *)text;
    const size_t n = spm_char_len(*s);

    if (n == 1)
        return *s < 0x80;
    if (n > len || *s > 0xf4)
        return 0;
    for (size_t i = 1; i < n; i++)
        if ((s[i] & 0xc0) != 0x80)
            return 0;
    const uint32_t c = code_point_at(s, &len);
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    return c >= least[n] && c <= 0x10ffff && (c < 0xd800 || c > 0xdfff) ? n : 0;
}

static struct step step_at(const struct spm_normalizer *n, const char *text, size_t len)
{
    const char *to = NULL;
    size_t used = 0;

    if (spm_user_piece(n->v, text, len, &used) >= 0)
        return (struct step){text, used, used};
    used = tokenizer_charsmap_find(n->charsmap, n->charsmap_len, text, len, &to);
    if (used > 0)
        return (struct step){to, strlen(to), used};
    used = valid_char(text, len);
    return used > 0 ? (struct step){text, used, used}
                    : (struct step){"\xef\xbf\xbd", 3, 1};
}

/* Adds what a step made, a character at a time. */
static int add_step(const struct spm_normalizer *n, struct spm_word *w,
                    const struct step *step, bool *was_space)
{
    const char *at = step->to, *const end = at + step->to_len;
    int rc = SHARD_OK;

    while (*was_space && at < end && *at == ' ')
        at++;
    if (at < end)
        *was_space = n->remove_extra_whitespaces && end[-1] == ' ';
    while (at < end && rc == SHARD_OK) {
        const size_t len = spm_char_len((unsigned char)*at);

        rc = *at == ' ' ? add_space(n, w) : add(n, w, at, len, spm_is_space(at, len));
        at += len;
    }
    return rc;
}

/* Bytes that stay as they are. */
static size_t kept(const struct spm_normalizer *n, const char *text, size_t len)
{
    size_t i = 0;

    while (i < len && n->keeps[(unsigned char)text[i]])
        i++;
    /* What follows could be one with the last byte. */
    return i > 0 && i < len && (unsigned char)text[i] >= 0x80 && n->charsmap_len > 0
               ? i - 1
               : i;
}

static int add_text(const struct spm_normalizer *n, const char *text, size_t len,
                    struct spm_word *w)
{
    bool was_space = n->remove_extra_whitespaces;
    int rc = SHARD_OK;

    for (size_t at = 0; at < len && rc == SHARD_OK;) {
        const size_t n_kept = kept(n, text + at, len - at);

        if (n_kept > 0) {
            rc = add(n, w, text + at, n_kept, false);
            was_space = false;
            at += n_kept;
        } else {
            const struct step step = step_at(n, text + at, len - at);
            rc = add_step(n, w, &step, &was_space);
            at += step.used;
        }
    }
    return rc;
}

/* How many bytes in front are spaces that are removed. */
static size_t leading(const struct spm_normalizer *n, const char *text, size_t len)
{
    size_t at = 0;

    while (at < len) {
        const struct step step = step_at(n, text + at, len - at);
        if (step.to_len != 1 || *step.to != ' ')
            break;
        at += step.used;
    }
    return at;
}

/* Those at the end. All of them are in the word in hand: it began behind the last one, or
 * with the first of a row of them. */
static void remove_trailing(struct spm_word *w)
{
    while (w->len >= SPM_SPACE_LEN &&
           spm_is_space(w->at + w->len - SPM_SPACE_LEN, SPM_SPACE_LEN))
        w->len -= SPM_SPACE_LEN;
    w->ends_in_space = false;
}

int spm_normalize(const struct spm_normalizer *n, const char *text, size_t len,
                  struct spm_word *w)
{
    const size_t start = n->remove_extra_whitespaces ? leading(n, text, len) : 0;
    const bool prefix = n->add_dummy_prefix && !n->treat_whitespace_as_suffix;
    const bool suffix = n->add_dummy_prefix && n->treat_whitespace_as_suffix;
    int rc = SHARD_OK;

    w->len = 0;
    w->ends_in_space = false;
    if (start == len)
        return SHARD_OK;
    if (prefix)
        rc = add_space(n, w);
    if (rc == SHARD_OK)
        rc = add_text(n, text + start, len - start, w);
    if (rc == SHARD_OK && n->remove_extra_whitespaces)
        remove_trailing(w);
    if (rc == SHARD_OK && suffix)
        rc = add_space(n, w);
    if (rc == SHARD_OK)
        rc = end_word(w);
    if (w->cap > KEPT_CAP)
        spm_word_free(w);
    return rc;
}
