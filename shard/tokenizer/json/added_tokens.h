/* SPDX-License-Identifier: Apache-2.0
 * shard/tokenizer/json/added_tokens.h - internal to shard/: tokens that are found in a
 * text before it is normalized and cut, as `tokenizers` finds them.
 *
 * There are two sets: one is looked for in the text as it is, the other, of tokens that
 * are `normalized`, in what normalization makes of the pieces between the first. Of
 * several at one place the longest is taken. */
#ifndef SHARD_TOKENIZER_JSON_ADDED_TOKENS_H
#define SHARD_TOKENIZER_JSON_ADDED_TOKENS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include "shard/tokenizer/json/json_config.h"
#include "shard/tokenizer/json/normalizer.h"
#include "shard/tokenizer/bpe/pieces.h"

struct added_token {
    uint32_t id;
    char *content;
    size_t len;
    bool single_word;    /* not within a word */
    bool lstrip, rstrip; /* with the white space before, behind it */
    bool normalized, special;
    bool in_model; /* it is a piece of the model, too */
};

struct added_tokens; /* immutable, shared */

/* Reads the file's "added_tokens" for a model of n_model pieces, which stand in `pieces`;
 * those that are not among them are added to it. Gives it (release with
 * added_tokens_free()); NULL: c has the fault. */
struct added_tokens *added_tokens_read(struct json_config *c, const json_t *list,
                                       struct pieces *pieces, size_t n_model,
                                       const struct normalizer *normalizer);
void added_tokens_free(struct added_tokens *a); /* accepts NULL */

size_t added_tokens_count(const struct added_tokens *a);
const struct added_token *added_tokens_at(const struct added_tokens *a, size_t i);

/* The token of an id; NULL: none has it. */
const struct added_token *added_tokens_of(const struct added_tokens *a, uint32_t id);

/* Bytes that a search may look at in a text of len bytes, one of them many times. No text
 * but one made for it comes near: of each of its bytes, that many would begin a token
 * that is not there. */
size_t added_tokens_steps(size_t len);

/* A walk through a text. Begins with all down to `steps` set, the rest 0. */
struct added_search {
    const char *text;
    size_t len;
    bool normalized;      /* which set */
    bool plain;           /* special tokens are text */
    size_t *steps;        /* what is left of them; 0: the search has ended too early */
    size_t searched;      /* up to here */
    size_t done;          /* where the token found last ends, with its white space */
    size_t before, start; /* text before the token: [before, start), if that is any */
};

/* The next token. NULL: there is none, and the text's end is [done, len). */
const struct added_token *added_tokens_next(const struct added_tokens *a,
                                            struct added_search *s);

/* Whether there is any to look for. */
bool added_tokens_any(const struct added_tokens *a, bool normalized, bool plain);

#endif
