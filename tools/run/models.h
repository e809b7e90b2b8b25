/* SPDX-License-Identifier: Apache-2.0
 * tools/run/models.h - open the encoders and the tokenizer that a run asked for, and
 * check that they fit each other and the options. */
#ifndef TOOLS_RUN_MODELS_H
#define TOOLS_RUN_MODELS_H

#include <stdbool.h>
#include <stddef.h>

#include "shard/header.h"
#include "tools/run/encoding.h"
#include "tools/cli/text_options.h"
#include "tools/run/tokenization.h"

struct models {
    const char *isa; /* LATENTMILL_ISA; NULL: the best */
    struct encoding encodings[ENCODERS_MAX];
    struct shard_encoder headers[ENCODERS_MAX]; /* lent by the encodings */
    size_t n_encodings;
    struct shared_memory memory; /* of processes of their own, until they are gone */
    struct tokenization text;
};

/* Opens the tokenizer. Returns 0, or EXIT_USAGE or EXIT_FAILED after explaining on
 * stderr. Release with models_close() in either case; *m is not to be moved. */
int models_open(struct models *m, const struct text_options *text);

/* Opens what encodes images, once, after models_open(), and returns as it does. Keeps
 * `requests`; *m is not to be moved then. */
int models_open_encoders(struct models *m, const struct encoder_requests *requests,
                         const struct text_options *text);

/* Whether one of the encoders is an embedded one. */
bool models_have_demo_encoder(const struct models *m);

void models_close(struct models *m);

#endif
