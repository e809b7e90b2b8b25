/* SPDX-License-Identifier: Apache-2.0
 * tools/sample.h - one pair, or one text document, on its way through the conveyor. Start
 * reading here.
 *
 * A fixed number of samples goes round: `read` fills `pair`, or `line`, of which
 * `encode` makes a pair without image; `encode` adds pixels' geometry, ids and latent,
 * `write` puts them in order of (unit, seq) and into a shard or the rejects. Each field
 * says who writes it; whoever holds the sample owns all of it. */
#ifndef TOOLS_SAMPLE_H
#define TOOLS_SAMPLE_H

#include <stdbool.h>
#include <stdint.h>

#include "ingest/decode.h"
#include "ingest/document.h"
#include "ingest/pair.h"

struct unit;

struct sample {
    /* read: */
    struct unit *unit;
    uint64_t seq;              /* place in the unit: every number from 0 is used once */
    bool end_of_unit;          /* no pair: the unit's totals are final */
    struct document_line line; /* of a file of documents; `pair` is made of it later */
    struct pair pair; /* pair.reject names why it ends in the rejects, whoever found it */
    uint64_t held;    /* bytes taken from the budget of what was read */

    /* encode: */
    bool dropped_metadata; /* a document's was too long */
    struct decoded geometry;
    unsigned char image_sha256[32]; /* of the encoded bytes */
    uint32_t **ids;                 /* one array a caption; NULL without a tokenizer */
    uint32_t *n_ids;
    void *latent; /* (C,H,W) of the stored dtype, mean then log-variance; lives as long
                   * as the sample; NULL where no input has images */

    /* write: */
    struct sample *next; /* in the unit's list of samples that wait for an earlier one */
};

/* Frees the pair, the line and the ids and makes every field zero, so that nothing of
 * this sample is found in the next one; only the latent's memory stays. */
void sample_clear(struct sample *s);

#endif
