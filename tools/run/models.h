/* SPDX-License-Identifier: Apache-2.0
 * tools/run/models.h - open the encoders and the tokenizer that a run asked for, and
 * check that they fit each other and the options. */
#ifndef TOOLS_RUN_MODELS_H
#define TOOLS_RUN_MODELS_H

#include <stdbool.h>
#include <stddef.h>

#include "shard/header.h"
#include "shard/tokenizer/tokenizer.h"
#include "tools/run/encoding.h"
#include "tools/cli/text_options.h"
#include "tools/store/sha256.h"

struct models {
    const char *isa; /* LATENTMILL_ISA; NULL: the best */
    struct encoding encodings[ENCODERS_MAX];
    struct shard_encoder headers[ENCODERS_MAX]; /* lent by the encodings */
    size_t n_encodings;
    struct tokenizer *tokenizer; /* NULL: --tokenizer none */
    bool demo_tokenizer;         /* it is the embedded one */
    struct shard_tokenizer described;
    char *tables;      /* what `described` says of the tokenizer, owned */
    const void *model; /* the tokenizer's file, to be placed beside the shards */
    size_t model_len;
    void *model_owned; /* NULL for the embedded one */
    char model_sha256[SHA256_HEX_CAP];
    char model_file[40];
};

/* Opens the tokenizer. Returns 0, or EXIT_USAGE or EXIT_FAILED after explaining on
 * stderr. Release with models_close() in either case. */
int models_open(struct models *m, const struct text_options *text);

/* Opens what encodes images, once, after models_open(), and returns as it does. Keeps
 * `requests`; *m is not to be moved then. */
int models_open_encoders(struct models *m, const struct encoder_requests *requests,
                         const struct text_options *text);

/* Whether one of the encoders is an embedded one. */
bool models_have_demo_encoder(const struct models *m);

void models_close(struct models *m);

#endif
