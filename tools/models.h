/* SPDX-License-Identifier: Apache-2.0
 * tools/models.h - open the VAE and the tokenizer that a run asked for, and check that
 * they fit each other and the options. */
#ifndef TOOLS_MODELS_H
#define TOOLS_MODELS_H

#include <stdbool.h>
#include <stddef.h>

#include "shard/header.h"
#include "shard/tokenizer.h"
#include "tools/prepare.h"
#include "vae_encode/vae.h"

struct models {
    const char *isa;               /* LATENTMILL_ISA; NULL: the best */
    struct vae *vae;               /* NULL: not asked for */
    struct tokenizer *tokenizer;   /* NULL: --tokenizer none */
    bool demo_vae, demo_tokenizer; /* these are the embedded ones */
    struct shard_tokenizer described;
    struct shard_encoder encoder;
    char *geometry;    /* the encoder's, owned */
    char *tables;      /* what `described` says of the tokenizer, owned */
    const void *model; /* the tokenizer's file, to be placed beside the shards */
    size_t model_len;
    void *model_owned; /* NULL for the embedded one */
    char model_sha256[65];
    char model_file[40];
};

/* Opens the tokenizer and, where `vae` says so, the VAE's encoder. Returns 0, or
 * EXIT_USAGE or EXIT_FAILED after explaining on stderr. Release with models_close() in
 * either case. */
int models_open(struct models *m, const struct prepare_options *o, bool vae);

/* Opens one half of the VAE in place of models_open(), which has been called without.
 * Returns as it does. */
int models_open_vae(struct models *m, const struct prepare_options *o,
                    enum vae_part part);

void models_close(struct models *m);

#endif
