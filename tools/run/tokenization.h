/* SPDX-License-Identifier: Apache-2.0
 * tools/run/tokenization.h - the tokenizer that a run asked for: its file, the tokenizer
 * opened of it, and what headers and the configuration say of it.
 *
 * Once open it is read-only and shared by all threads. */
#ifndef TOOLS_RUN_TOKENIZATION_H
#define TOOLS_RUN_TOKENIZATION_H

#include <stdbool.h>
#include <stddef.h>

#include "shard/header.h"
#include "shard/tokenizer/tokenizer.h"
#include "tools/cli/text_options.h"
#include "tools/store/sha256.h"

struct tokenization {
    struct tokenizer *tokenizer; /* NULL: --tokenizer none */
    bool demo;                   /* it is the embedded one */
    struct shard_tokenizer described;
    const void *bytes; /* the tokenizer's file, to be placed beside the shards */
    size_t len;
    /* what `described` says, and what lends it: */
    void *owned_bytes;      /* NULL for the embedded one */
    char *tables, *options; /* JSON */
    char sha256[SHA256_HEX_CAP];
    char file[40];
};

/* Opens the tokenizer and chooses the markers. Returns 0, or EXIT_USAGE or EXIT_FAILED
 * after explaining on stderr. Release with tokenization_close() in either case; *t is not
 * to be moved. */
int tokenization_open(struct tokenization *t, const struct text_options *o);

/* Says on stderr where texts will have neither BOS nor EOS, with what may be meant.
 * `path`: --tokenizer's, or NULL. */
void tokenization_warn(const struct tokenization *t, const char *path);

void tokenization_close(struct tokenization *t);

#endif
