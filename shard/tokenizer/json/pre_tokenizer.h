/* SPDX-License-Identifier: Apache-2.0
 * shard/tokenizer/json/pre_tokenizer.h - internal to shard/: how tokenizer.json cuts a
 * text into words: ByteLevel, Split, Digits, Whitespace, WhitespaceSplit, Punctuation,
 * Metaspace, Sequence.
 *
 * Words go to a function one by one, as soon as they are cut; a text that a step leaves
 * as it is is not copied. */
#ifndef SHARD_TOKENIZER_JSON_PRE_TOKENIZER_H
#define SHARD_TOKENIZER_JSON_PRE_TOKENIZER_H

#include <stdbool.h>
#include <stddef.h>

#include <jansson.h>

#include "shard/tokenizer/json/json_config.h"

struct pre_tokenizer;        /* immutable, shared */
struct pre_tokenizer_worker; /* one thread's */

/* Takes a word of len >= 1 bytes, lent for the call. SHARD_OK goes on. */
typedef int pre_tokenizer_word(void *to, const char *word, size_t len);

/* Reads the file's "pre_tokenizer", which may be null or absent: the text is one word.
 * Gives it (release with pre_tokenizer_free()); NULL: c has the fault. */
struct pre_tokenizer *pre_tokenizer_read(struct json_config *c, const json_t *value);
void pre_tokenizer_free(struct pre_tokenizer *p); /* accepts NULL */

/* Whether its last step is ByteLevel. Words are then bytes; with letters on, that step
 * spells them in letters (byte_letters.h), as `tokenizers` does. */
bool pre_tokenizer_is_byte_level(const struct pre_tokenizer *p);
void pre_tokenizer_use_letters(struct pre_tokenizer *p);

/* NULL: no memory. Release it before the pre-tokenizer. */
struct pre_tokenizer_worker *pre_tokenizer_worker_new(const struct pre_tokenizer *p);
void pre_tokenizer_worker_free(struct pre_tokenizer_worker *w); /* accepts NULL */

/* Cuts len bytes of UTF-8. `head`: so many of them come from the first character
 * of the whole text (normalizer_apply()). Returns SHARD_OK, SHARD_ENOMEM, SHARD_EMATCH,
 * or what `word` returned instead of SHARD_OK. */
int pre_tokenizer_cut(struct pre_tokenizer_worker *w, const char *text, size_t len,
                      size_t head, pre_tokenizer_word *word, void *to);

#endif
