/* SPDX-License-Identifier: Apache-2.0
 * shard/sequence.h - public: records -> what a trainer sees: tokens, markers, spans,
 * masks.
 *
 *     caption first:  BOS caption BOI patch*n EOI EOS
 *     image first:    BOS BOI patch*n EOI caption EOS
 *     text:           BOS text EOS
 *
 * Only a pair has an order; any other record's parts follow each other as they are
 * stored. How each part is seen is the plan's: shard/plan.h, FORMAT.md, section 8. */
#ifndef SHARD_SEQUENCE_H
#define SHARD_SEQUENCE_H

#include <stddef.h>
#include <stdint.h>

#include "shard/draw.h"
#include "shard/header.h"
#include "shard/parts.h"
#include "shard/plan.h"
#include "shard/record.h"

/* One appearance of a part, without its markers. */
struct shard_span {
    size_t offset; /* of its first position */
    size_t length;
    size_t part;   /* of the record */
    uint32_t kind; /* of its tensor; 0: a text's own ids */
    size_t tensor; /* position in the record's tensors, or alternatives where kind is 0 */
    uint32_t rows, cols; /* of patches and codes (H,W); else 1 and length */
    bool loss, visible, advance;
    bool boi, eoi; /* of a tensor: BOI is right before it, EOI right behind it */
};

struct shard_sequence {
    size_t length;
    uint32_t *tokens; /* length ids; 0 where a position is no token */
    uint8_t *loss;    /* length: 1 where position i has the loss of its target, i + 1: a
                       * text's id, a code, a row end or a marker. FORMAT.md, section 8 */
    size_t n_spans;
    struct shard_span *spans;
};

/* What stands in pairs, or in lone texts, instead of the plan's order and markers: ids,
 * and these. A part has the plan's appearances, each without markers; one that is not
 * named is left out. */
enum shard_item {
    SHARD_ITEM_TEXT = -1,
    SHARD_ITEM_IMAGE = -2,
    SHARD_ITEM_BOS = -3,
    SHARD_ITEM_EOS = -4,
    SHARD_ITEM_BOI = -5,
    SHARD_ITEM_EOI = -6
};

struct shard_template {
    size_t n; /* 0: none, the plan says it */
    const int64_t *items;
};

struct shard_templates {
    struct shard_template pair[2]; /* by enum shard_order */
    struct shard_template text;
};

/* Ids; -1: there is none, and it is left out. */
struct shard_markers {
    int64_t bos, eos, boi, eoi;
};

/* How a reader sees records, whatever they are. */
struct shard_view {
    const struct shard_header *header;
    const struct shard_plan *plan;
    uint32_t window; /* patch window k: 1, 2, 4 or 8 */
    /* NULL: as the header and the plan say. */
    const struct shard_markers *markers;
    const struct shard_templates *templates;
};

/* Builds the sequence of `rec` under its draws. Gives *seq (release with
 * shard_sequence_clear()). SHARD_ENOMEM, or SHARD_EINVAL: the header has no tokenizer,
 * the reader's window is none of those, a window does not divide a grid, a text has no
 * ids or not the alternative drawn, codes or ids have no values or some outside of their
 * codebook or above SHARD_MAX_ID, a tensor's kind has no positions, the plan has no rule
 * for a part, or the sequence is longer than 2^26. */
int shard_sequence_build(const struct shard_view *view, const struct shard_record *rec,
                         const struct shard_draws *draws, struct shard_sequence *seq);
void shard_sequence_clear(struct shard_sequence *seq);

/* In `why` (cap bytes) what is wrong with a record whose sequence, or measure (draws:
 * NULL), was SHARD_EINVAL: what it lacks or does not fit. */
void shard_sequence_explain(const struct shard_view *view, const struct shard_record *rec,
                            const struct shard_draws *draws, char *why, size_t cap);

/* Sets shown[i] (n_tensors, zeros before) of the tensors that it holds. Their values do
 * not matter. */
int shard_sequence_shown(const struct shard_view *view, const struct shard_record *rec,
                         const struct shard_draws *draws, bool *shown);

/* Its length alone, also of an outline, which has no values. */
int shard_sequence_length(const struct shard_view *view, const struct shard_record *rec,
                          const struct shard_draws *draws, size_t *length);

/* What training counts of the positions start to end - 1 of a sequence. */
struct shard_tally {
    size_t start, end; /* set by the caller, with zeros behind */
    uint64_t losses;   /* positions with a loss */
    uint64_t latents;  /* of the whole sequence, as the next */
    uint64_t patches;  /* positions of these */
};

/* Fills *tally; from an outline, too. Returns as shard_sequence_length(). */
int shard_sequence_tally(const struct shard_view *view, const struct shard_record *rec,
                         const struct shard_draws *draws, struct shard_tally *tally);

/* What lengths are made of, before draws and whatever markers there are. */
struct shard_measure {
    enum shard_arrangement arrangement; /* of what is seen: a pair whose image is not, is
                                         * a text */
    uint32_t n_texts;                   /* appearances of texts by their own ids */
    uint32_t n_framed;  /* appearances of images that a plan gives BOI and EOI */
    uint64_t length[2]; /* by enum shard_order: positions without texts' own ids and their
                         * tensors, which are of a drawn alternative; none mirrored;
                         * without a tokenizer also without markers */
};

/* SHARD_OK or SHARD_EINVAL, as above. */
int shard_sequence_measure(const struct shard_view *view, const struct shard_record *rec,
                           struct shard_measure *m);

#endif
