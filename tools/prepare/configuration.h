/* SPDX-License-Identifier: Apache-2.0
 * tools/prepare/configuration.h - DIR/dataset.json: the configuration all shards of a
 * folder share.
 *
 * Three groups of options can alter a record: `encode` (what the tensors' bits depend
 * on), `text` and `select` (what gets in). Each has a SHA-256 of its canonical JSON, so
 * that a later run can be compared group by group. Nothing else is in it: no workers, no
 * paths.
 *
 * `encode` says how pixels are decoded and, by its label, of each encoder what it is, how
 * its images are fitted and what is stored. It also names the libraries that touch
 * pixels, and has each encoder's `encode` hash (encode_hash.h), which covers them. Both
 * are recorded, but not in the SHA-256 of the group and the whole, and other libraries,
 * with other hashes for that, refuse no later run: on a fleet whose machines are updated
 * one by one it must go on. Which libraries made a unit stands in its manifest, and the
 * hash in its shards. */
#ifndef TOOLS_PREPARE_CONFIGURATION_H
#define TOOLS_PREPARE_CONFIGURATION_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "shard/header.h"
#include "tools/run/encoding.h"
#include "tools/prepare/select_options.h"
#include "tools/cli/text_options.h"
#include "tools/run/tokenization.h"

/* What the configuration is made of; all lent. */
struct configuration_parts {
    const struct image_options *image;
    bool encoder_assumed; /* none was named on the command line */
    const struct text_options *text;
    const struct select_options *select;
    const struct shard_tokenizer *tokenizer;
    const struct encoding *encodings;
    size_t n_encodings; /* 0: of text alone, `encode` is null */
};

/* The configuration as a JSON object (release with json_decref()); NULL: no memory. */
json_t *configuration_json(const struct configuration_parts *parts);

/* SHA-256 of the whole configuration, hex; lent by `config`. */
const char *configuration_sha256(const json_t *config);

/* Creates out/dataset.json, or checks that the one there says the same as `config`, which
 * was made of *parts; one of text alone has nothing to say about how images are encoded
 * there. Where only the libraries differ that touch pixels, a warning says so. Returns 0,
 * or EXIT_USAGE after naming each difference on stderr, or EXIT_FAILED. */
int configuration_claim(const char *out, const struct configuration_parts *parts,
                        const json_t *config);

/* Puts the tokenizer's file beside the shards, once; checks the bytes of one that is
 * there. Returns 0, or EXIT_USAGE where they are others, or EXIT_FAILED. */
int configuration_place_tokenizer(const char *out, const struct tokenization *t);

#endif
