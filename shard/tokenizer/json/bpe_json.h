/* SPDX-License-Identifier: Apache-2.0
 * shard/tokenizer/json/bpe_json.h - internal to shard/: the "model" of tokenizer.json,
 * which must be BPE. */
#ifndef SHARD_TOKENIZER_JSON_BPE_JSON_H
#define SHARD_TOKENIZER_JSON_BPE_JSON_H

#include <stdbool.h>
#include <stddef.h>

#include <jansson.h>

#include "shard/tokenizer/json/added_tokens.h"
#include "shard/tokenizer/bpe/bpe.h"
#include "shard/tokenizer/json/json_config.h"
#include "shard/tokenizer/bpe/pieces.h"

/* What is read of a model. All zero is empty; release with bpe_json_clear(). */
struct bpe_json {
    const json_t *object; /* lent until bpe_json_make() */
    size_t n_vocab;
    struct bpe_merge *merges;
    size_t n_merges;
    char *prefix, *suffix; /* "" is none */
    bool byte_fallback, fuse_unk, whole;
    int64_t unk;               /* -1: none; -2: one that is no piece */
    uint32_t (*byte_ids)[256]; /* [4][256], as in bpe.h; NULL: bytes are no symbols */
    struct pieces *words;      /* what the bpe looks up; may be NULL */
};

/* Reads the model, and fills `pieces`, which is empty, with its vocabulary. byte_level:
 * its words are spelled in letters of bytes; then byte_ids is tried. c has the fault. */
void bpe_json_read(struct json_config *c, const json_t *object, bool byte_level,
                   struct pieces *pieces, struct bpe_json *out);

/* Makes *out (release with bpe_free(), before m is cleared). Special tokens never come of
 * text but by their name in mode parse: `parse`. */
void bpe_json_make(struct json_config *c, struct bpe_json *m,
                   const struct added_tokens *added, bool parse, struct bpe **out);

void bpe_json_clear(struct bpe_json *m);

#endif
