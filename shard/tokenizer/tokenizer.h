/* SPDX-License-Identifier: Apache-2.0
 * shard/tokenizer/tokenizer.h - public: captions -> BPE ids, over SentencePiece.
 *
 * A struct tokenizer is immutable once open and may be shared by threads. No C++
 * exception leaves it. Only BPE models are taken. */
#ifndef SHARD_TOKENIZER_TOKENIZER_H
#define SHARD_TOKENIZER_TOKENIZER_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct tokenizer;

/* Opens the serialized model of `len` bytes (not kept). `what` names it in messages.
 * Gives *out, even on failure, so that tokenizer_why() can explain; NULL only for
 * SHARD_ENOMEM. SHARD_EMODEL: not a SentencePiece model, or not BPE. */
int tokenizer_open(struct tokenizer **out, const void *model, size_t len,
                   const char *what);

/* Token ids of text, without BOS or EOS. Gives *ids (release with free(); NULL where
 * *n_ids is 0). Returns SHARD_OK, SHARD_ENOMEM or SHARD_EINVAL. */
int tokenizer_encode(const struct tokenizer *t, const char *text, size_t len,
                     uint32_t **ids, uint32_t *n_ids);

uint32_t tokenizer_n_pieces(const struct tokenizer *t);
/* Lent; "" for an id out of range. */
const char *tokenizer_piece(const struct tokenizer *t, uint32_t id);
/* -1: no such piece. */
int64_t tokenizer_piece_id(const struct tokenizer *t, const char *piece);
/* -1: the model has none. */
int64_t tokenizer_bos(const struct tokenizer *t);
int64_t tokenizer_eos(const struct tokenizer *t);

/* What a header says of it: FORMAT.md, section 2. Static words. */
const char *tokenizer_kind(const struct tokenizer *t);
const char *tokenizer_special(const struct tokenizer *t);
/* The model's own table of Unicode normalization: its name, printable ASCII, and its
 * bytes, *len of them; "" and 0 where there is none. Lent by the tokenizer. */
const char *tokenizer_normalizer(const struct tokenizer *t);
const void *tokenizer_charsmap(const struct tokenizer *t, size_t *len);

const char *tokenizer_why(const struct tokenizer *t);
void tokenizer_close(struct tokenizer *t);

/* Has `end`, which must not return, called for the whole process where C++'s `new` finds
 * no memory: a tokenizer in use then may not survive the exception. */
void tokenizer_on_no_memory(void (*end)(void));

/* The embedded default model. */
const void *tokenizer_builtin(size_t *len);

#ifdef __cplusplus
}
#endif

#endif
