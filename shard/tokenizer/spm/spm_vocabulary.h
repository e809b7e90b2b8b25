/* SPDX-License-Identifier: Apache-2.0
 * shard/tokenizer/spm/spm_vocabulary.h - internal to shard/: the merges of a
 * SentencePiece BPE model, where its words may be encoded one by one. The proof is in
 * spm_vocabulary.c.
 *
 * Filled by spm_vocabulary_new(), then immutable and shared. */
#ifndef SHARD_TOKENIZER_SPM_SPM_VOCABULARY_H
#define SHARD_TOKENIZER_SPM_SPM_VOCABULARY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "shard/tokenizer/code_point.h"
#include "shard/tokenizer/bpe/merge_table.h"
#include "shard/tokenizer/bpe/pieces.h"
#include "shard/tokenizer/spm/tokenizer_model.h"

#ifdef __cplusplus
extern "C" {
#endif

/* U+2581, which stands for a space in pieces and in normalized text. */
#define SPM_SPACE "\xe2\x96\x81"
enum { SPM_SPACE_LEN = 3 };

enum { SPM_N_PAGES = 0x110000 >> 8 };

/* A symbol is the id of a piece, or stands from n_pieces on for a character that is part
 * of pieces and none itself, or is MERGE_NONE: a character that is in no piece. Merges
 * have the rank of the piece that they make, equal for pieces of equal scores. */
struct spm_vocabulary {
    uint32_t n_pieces, unk;
    bool byte_fallback;
    bool cut_before_space; /* else behind: where pieces have their spaces at the end */
    uint32_t byte_ids[UINT8_MAX + 1]; /* with byte_fallback */
    unsigned char *piece_len;         /* [n_pieces], of normal and user-defined pieces */

    uint32_t *chars[SPM_N_PAGES]; /* symbols by code point; NULL: 256 of MERGE_NONE */
    struct merge_table merges;

    struct pieces *users;            /* user-defined pieces */
    uint64_t user_lens;              /* bit n: one of n + 1 bytes */
    bool user_begins[UINT8_MAX + 1]; /* with this byte */
};

/* Where the proof holds, gives *out (release with spm_vocabulary_free()); where it does
 * not, *out is NULL. The pieces are those of `model`. SHARD_OK or SHARD_ENOMEM. */
int spm_vocabulary_new(struct spm_vocabulary **out, const struct tokenizer_model *model,
                       const struct tokenizer_model_piece *pieces);
void spm_vocabulary_free(struct spm_vocabulary *v); /* accepts NULL */

/* The longest user-defined piece that text (len >= 1) begins with: its id, with
 * *piece_len. -1: there is none. */
int64_t spm_user_piece(const struct spm_vocabulary *v, const char *text, size_t len,
                       size_t *piece_len);

/* Bytes of a character, by its first one. */
static inline size_t spm_char_len(unsigned char first)
{
    return first < 0xc0 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
}

/* The symbol of the character of valid UTF-8 at `text`; gives its bytes. */
static inline uint32_t spm_symbol_at(const struct spm_vocabulary *v, const char *text,
                                     size_t *len)
{
    const uint32_t c = code_point_at((const unsigned char *)text, len);
    const uint32_t *page = v->chars[c >> 8];

    return page != NULL ? page[c & 0xff] : MERGE_NONE;
}

static inline bool spm_is_space(const char *text, size_t len)
{
    return len == SPM_SPACE_LEN && memcmp(text, SPM_SPACE, SPM_SPACE_LEN) == 0;
}

#ifdef __cplusplus
}
#endif

#endif
