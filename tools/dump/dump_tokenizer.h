/* SPDX-License-Identifier: Apache-2.0
 * tools/dump/dump_tokenizer.h - the tokenizer that a shard was made with.
 *
 * Its file is the embedded one, or the one that the shard's header names and `prepare`
 * placed in the data set's folder: beside the shard, or as many folders up as NAME has.
 * Either must have the SHA-256 that the header gives. */
#ifndef TOOLS_DUMP_DUMP_TOKENIZER_H
#define TOOLS_DUMP_DUMP_TOKENIZER_H

#include <stdbool.h>

#include "shard/header.h"
#include "shard/tokenizer/tokenizer.h"
#include "tools/store/sha256.h"

/* Holds the last one, for the next shard of the same data set. */
struct dump_tokenizer {
    struct tokenizer *tokenizer; /* NULL: not found; the next shard may have more luck */
    char sha256[SHA256_HEX_CAP]; /* which was looked for; "": none yet */
    char *options;               /* owned: as the header gives them; NULL: none */
    bool damaged;                /* a file of its name has other bytes */
};

/* *tokenizer: lent until the next call or dump_tokenizer_clear(); NULL where the shard
 * has no ids or its model is not to be found, of which a note on stderr tells once, as of
 * a damaged one. Returns 0, or -1: no memory. */
int dump_tokenizer_find(struct dump_tokenizer *d, const char *shard_path,
                        const struct shard_header *h, const struct tokenizer **tokenizer);
void dump_tokenizer_clear(struct dump_tokenizer *d);

#endif
