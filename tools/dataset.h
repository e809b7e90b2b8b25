/* SPDX-License-Identifier: Apache-2.0
 * tools/dataset.h - DIR/dataset.json: the configuration all shards of a folder share.
 *
 * Three groups of options can alter a record: `encode` (what the tensors' bits depend
 * on), `text` and `select` (what gets in). Each has a SHA-256 of its canonical JSON, so
 * that a later run can be compared group by group. Nothing else is in it: no workers, no
 * paths. */
#ifndef TOOLS_DATASET_H
#define TOOLS_DATASET_H

#include <jansson.h>
#include <stddef.h>

#include "tools/prepare.h"
#include "shard/header.h"
#include "vae_encode/vae.h"

/* The configuration as a JSON object (release with json_decref()); NULL: no memory.
 * Without `vae` it is that of text alone: `encode` is null. */
json_t *dataset_config(const struct prepare_options *o, const struct vae_info *vae,
                       const struct shard_tokenizer *tokenizer);

/* SHA-256 of the whole configuration, hex; lent by `config`. */
const char *dataset_config_sha256(const json_t *config);

/* Creates o->out/dataset.json, or checks that the one there says the same; a `config` of
 * text alone has nothing to say about how images are encoded there. Returns 0, or
 * EXIT_USAGE after naming each difference on stderr, or EXIT_FAILED. */
int dataset_claim(const struct prepare_options *o, const json_t *config);

/* Puts the tokenizer's model beside the shards as `file`, once; checks the bytes of one
 * that is there. Returns 0, or EXIT_USAGE where they are others, or EXIT_FAILED. */
int dataset_place_model(const char *out, const char *file, const void *model, size_t len);

#endif
