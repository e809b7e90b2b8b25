/* SPDX-License-Identifier: Apache-2.0
 * tools/dump/dump_sample.h - a record seen as what `latentmill dump` prints of it.
 *
 * Both outputs are made from it, so that they agree on what they print. */
#ifndef TOOLS_DUMP_DUMP_SAMPLE_H
#define TOOLS_DUMP_DUMP_SAMPLE_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "shard/header.h"
#include "shard/parts.h"
#include "shard/record.h"
#include "shard/tokenizer/tokenizer.h"
#include "tools/view/record_view.h"

enum dump_latents { DUMP_LATENTS_STATS, DUMP_LATENTS_NONE, DUMP_LATENTS_FULL };

/* Of a tensor. NULL: not read, or of a dtype not known. */
struct dump_values {
    double *values;
    size_t n;
};

struct dump_sample {
    struct record_view view;
    const struct tokenizer *tokenizer; /* lent; NULL: print ids without pieces */
    enum dump_latents latents;

    struct dump_values *values; /* of each tensor of the record */
    struct shard_parts_tensors of_parts;
};

/* Fills in all below `latents`, which the caller has set with what is above it. Returns
 * 0, or -1: out of memory. Release with dump_sample_clear(). */
int dump_sample_read(struct dump_sample *s);
void dump_sample_clear(struct dump_sample *s);

/* Of a tensor of the sample's record. Lent. */
const struct dump_values *dump_values_of(const struct dump_sample *s,
                                         const struct shard_tensor *t);

/* "image", "fp16", ...; a number for what this version does not know. Lent: `number` may
 * hold it. */
const char *dump_part_name(uint32_t kind, char number[static 16]);
const char *dump_dtype_name(uint32_t dtype, char number[static 16]);

/* Digits that give back every value of a dtype. */
int dump_digits(uint32_t dtype);

/* The samples: 0, or -1: out of memory, and the rest is left out. */

/* For a person: a few lines, pieces and positions among them. Byte for byte stable. What
 * a record has beyond a caption, an image and its latent gets lines of its own. */
void dump_text_shard(FILE *out, const char *path, const struct shard_header *h,
                     uint64_t n_samples);
int dump_text_sample(FILE *out, const struct dump_sample *s);

/* For a program: one JSON object on one line. Field names are a promise. */
int dump_json_sample(FILE *out, const struct dump_sample *s);

#endif
