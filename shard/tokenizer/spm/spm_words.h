/* SPDX-License-Identifier: Apache-2.0
 * shard/tokenizer/spm/spm_words.h - internal to shard/: SentencePiece BPE, word by word
 * through a cache, without the library.
 *
 * For models of which spm_vocabulary.c proves that it makes no difference. */
#ifndef SHARD_TOKENIZER_SPM_SPM_WORDS_H
#define SHARD_TOKENIZER_SPM_SPM_WORDS_H

#include "shard/tokenizer/token_ids.h"
#include "shard/tokenizer/spm/tokenizer_model.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Bytes of memory that encoding a text takes for each of its bytes, and besides for each
 * byte of its longest word (a row of spaces counts with the word behind it): ids with
 * room to grow and the copy given away; the word, its symbols and, of long ones, the heap
 * of its pairs, while it grows. */
enum { SPM_WORDS_PER_BYTE = 12, SPM_WORDS_PER_WORD_BYTE = 52 };

struct spm_words;        /* immutable, shared */
struct spm_words_worker; /* one thread's */

/* Where the proof holds for the model of `len` bytes that tokenizer_model_read() took,
 * gives *out (release with spm_words_free()); where it does not, *out is NULL. `charsmap`
 * is the model's own, lent until then. SHARD_OK or SHARD_ENOMEM. */
int spm_words_new(struct spm_words **out, const struct tokenizer_model *info,
                  const void *model, size_t len, const void *charsmap);
void spm_words_free(struct spm_words *s); /* accepts NULL */

/* The worker (release with spm_words_worker_free() before the words), NULL: no memory. */
struct spm_words_worker *spm_words_worker_new(const struct spm_words *s);
void spm_words_worker_free(struct spm_words_worker *w); /* accepts NULL */

/* Adds the ids of a text to `ids`, which is empty. SHARD_OK, SHARD_ENOMEM, or
 * SHARD_EINVAL: a word is normalized to 4 GiB. */
int spm_words_encode(struct spm_words_worker *w, const char *text, size_t len,
                     struct token_ids *ids);

#ifdef __cplusplus
}
#endif

#endif
