/* SPDX-License-Identifier: Apache-2.0
 * shard/tokenizer/bpe/word_cuts.h - internal to shard/: places in a word that no merge
 * crosses.
 *
 * A symbol that has both the characters at a place in it is a piece that has them, or, if
 * it ends or begins within them, a part of each. Where no piece has such neighbours, the
 * word's ids are those of what is before, and then those of what is behind. Text in which
 * words are long, because it is written without blanks, becomes short parts this way,
 * that come again and again. */
#ifndef SHARD_TOKENIZER_BPE_WORD_CUTS_H
#define SHARD_TOKENIZER_BPE_WORD_CUTS_H

#include <stddef.h>

#include "shard/tokenizer/bpe/pieces.h"

struct word_cuts;

/* Gives *out (release with word_cuts_free()). SHARD_OK or SHARD_ENOMEM. */
int word_cuts_new(struct word_cuts **out, const struct pieces *pieces);
void word_cuts_free(struct word_cuts *c); /* accepts NULL */

/* The first place behind `from` (below len) that no merge crosses; len: there is none. It
 * may overlook some. */
size_t word_cuts_next(const struct word_cuts *c, const char *word, size_t len,
                      size_t from);

#endif
