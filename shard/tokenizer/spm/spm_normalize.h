/* SPDX-License-Identifier: Apache-2.0
 * shard/tokenizer/spm/spm_normalize.h - internal to shard/: text -> normalized text as
 * SentencePiece normalizes it, word by word.
 *
 * Made for models whose words may be encoded one by one (spm_vocabulary.h); the words are
 * those of its proof. No more than one word is held. */
#ifndef SHARD_TOKENIZER_SPM_SPM_NORMALIZE_H
#define SHARD_TOKENIZER_SPM_SPM_NORMALIZE_H

#include <stdbool.h>
#include <stddef.h>

#include "shard/tokenizer/spm/spm_vocabulary.h"
#include "shard/tokenizer/spm/tokenizer_model.h"

struct spm_normalizer {
    const struct spm_vocabulary *v;
    bool add_dummy_prefix, remove_extra_whitespaces, treat_whitespace_as_suffix;
    const void *charsmap; /* NULL: none */
    size_t charsmap_len;
    bool keeps[256]; /* a byte below 0x80, no space, that stays before ASCII or the end */
};

/* The model's charsmap, `charsmap`, and the vocabulary are lent to it. */
void spm_normalizer_set(struct spm_normalizer *n, const struct spm_vocabulary *v,
                        const struct tokenizer_model *model, const void *charsmap);

/* The word in hand. All zero is a new one; release with spm_word_free(). */
struct spm_word {
    char *at;
    size_t len, cap;
    bool ends_in_space;
    /* Takes each word: `at` and `len`, at least 1. What is not 0 ends spm_normalize(). */
    int (*take)(void *ctx, const char *word, size_t len);
    void *ctx;
};

void spm_word_free(struct spm_word *w);

/* Returns SHARD_OK, SHARD_ENOMEM, or what take() did. */
int spm_normalize(const struct spm_normalizer *n, const char *text, size_t len,
                  struct spm_word *w);

#endif
