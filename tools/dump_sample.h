/* SPDX-License-Identifier: Apache-2.0
 * tools/dump_sample.h - a record seen as what `latentmill dump` prints of it.
 *
 * Both outputs are made from this view, so that they agree on what the caption, the
 * latent and its image are. */
#ifndef TOOLS_DUMP_SAMPLE_H
#define TOOLS_DUMP_SAMPLE_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "shard/header.h"
#include "shard/record.h"
#include "shard/tokenizer.h"

enum dump_kind {
    DUMP_PAIR, /* a text and an image's latent, in drawn order */
    DUMP_TEXT, /* one text */
    DUMP_OTHER /* any other segments, in the order they stand in */
};

enum dump_latents { DUMP_LATENTS_STATS, DUMP_LATENTS_NONE, DUMP_LATENTS_FULL };

struct dump_sample {
    const struct shard_header *header; /* this and the next two are lent */
    const struct shard_record *record;
    const struct tokenizer *tokenizer; /* NULL: print ids without pieces */
    enum dump_latents latents;

    enum dump_kind kind;
    const struct shard_segment *text;        /* the first text segment, or NULL */
    const struct shard_alternative *caption; /* the drawn one of `text`, or NULL */
    const struct shard_segment *latent;      /* the first latent segment, or NULL */
    const struct shard_image *image;         /* the latent's, or NULL */
    const struct shard_segment *logvar;      /* that belongs to the latent, or NULL */
    double *values, *logvar_values;          /* NULL: not read, or of a dtype not known */
    size_t n_values, n_logvar_values;
};

/* Fills in all below `latents`, which the caller has set with what is above it. Returns
 * 0, or -1: out of memory. Release with dump_sample_clear(). */
int dump_sample_view(struct dump_sample *s);
void dump_sample_clear(struct dump_sample *s);

/* What stands for a text segment: the drawn alternative of the first one, the first of
 * any other; NULL for other kinds. */
const struct shard_alternative *dump_sample_drawn(const struct dump_sample *s,
                                                  const struct shard_segment *segment);

/* "latent", "fp16", ...; a number for what this version does not know. Lent: `number`
 * may hold it. */
const char *dump_kind_name(uint32_t kind, char number[static 16]);
const char *dump_dtype_name(uint32_t dtype, char number[static 16]);

/* For a person: a few lines, pieces and positions among them. Byte for byte stable. */
void dump_text_shard(FILE *out, const char *path, const struct shard_header *h,
                     uint64_t n_samples);
void dump_text_sample(FILE *out, const struct dump_sample *s);

/* For a program: one JSON object on one line. Field names are a promise. */
void dump_json_sample(FILE *out, const struct dump_sample *s);

#endif
