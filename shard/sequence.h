/* SPDX-License-Identifier: Apache-2.0
 * shard/sequence.h - records -> what a trainer sees: tokens, markers, patch spans, masks.
 *
 *     caption first:  BOS caption BOI patch*n EOI EOS
 *     image first:    BOS BOI patch*n EOI caption EOS
 *     text:           BOS text EOS
 *
 * Only a pair (one text, one image) has an order; any other record's segments follow each
 * other as they are stored. A log-variance is no image of its own.
 *
 * n = (H/k)(W/k) patches of window k, left to right, top to bottom. A model without BOS
 * or EOS omits them. Patch positions hold the filler id 0 and are marked by spans. */
#ifndef SHARD_SEQUENCE_H
#define SHARD_SEQUENCE_H

#include <stddef.h>
#include <stdint.h>

#include "shard/header.h"
#include "shard/record.h"

struct shard_span {
    size_t offset; /* first patch position */
    size_t length; /* patches */
    uint32_t rows, cols;
    size_t segment; /* of the record */
};

struct shard_sequence {
    size_t length;
    uint32_t *tokens; /* length ids */
    uint8_t *loss; /* length: 1 where position i carries a text-token loss (target i+1) */
    size_t n_spans;
    struct shard_span *spans;
};

/* Builds the sequence of `rec` under order and caption (epoch 0: rec->order and
 * rec->caption_drawn). Gives *seq (release with shard_sequence_clear()). SHARD_EINVAL
 * where the patch window does not divide the grid, a text has no ids, or a segment is
 * neither text nor latent. */
int shard_sequence_build(const struct shard_header *h, const struct shard_record *rec,
                         enum shard_order order, uint32_t caption, uint32_t patch,
                         struct shard_sequence *seq);
void shard_sequence_clear(struct shard_sequence *seq);

#endif
