/* SPDX-License-Identifier: Apache-2.0
 * tools/export/export_columns.h - which columns the samples of a unit have, and their
 * names.
 *
 * Where there is one image with one latent these are `latent`, `logvar`, `crop`; else
 * tensors are numbered: IMAGE.ENCODER[.OUTPUT][.mirrored][.logvar]. What is the image's
 * own, `original_size`, has a number only where there are several images. */
#ifndef TOOLS_EXPORT_EXPORT_COLUMNS_H
#define TOOLS_EXPORT_EXPORT_COLUMNS_H

#include <stdio.h>

#include "shard/header.h"
#include "tools/export/export_sample.h"
#include "tools/export/export_shape.h"

enum export_column_kind {
    EXPORT_COLUMN_TENSOR,
    EXPORT_COLUMN_TOKENS,
    EXPORT_COLUMN_TEXT,
    EXPORT_COLUMN_KEY,
    EXPORT_COLUMN_NAME,
    EXPORT_COLUMN_INDEX,
    EXPORT_COLUMN_ORDER,
    EXPORT_COLUMN_PARTS,
    EXPORT_COLUMN_LOSS,
    EXPORT_COLUMN_ORIGINAL_SIZE,
    EXPORT_COLUMN_CROP,
    EXPORT_COLUMN_IMAGE_SHA256,
    EXPORT_COLUMN_CAPTIONS,
    EXPORT_COLUMN_WEIGHT,
    EXPORT_COLUMN_METADATA,
    EXPORT_COLUMN_KINDS
};

struct export_column {
    enum export_column_kind kind;
    char *name;            /* "latent", "1.vae.mirrored", "key" */
    uint32_t item;         /* which tensor, text or image; crop: a tensor cut like it */
    const char *extension; /* a tensor's file: "npy", "jpg". Static */
};

struct export_columns {
    size_t n;
    struct export_column *list; /* by kind */
};

/* Gives *c (release with export_columns_clear(), also on failure). 0, or -1: no memory.
 */
int export_columns_make(struct export_columns *c, const struct export_shape *shape,
                        const struct shard_header *h);
void export_columns_clear(struct export_columns *c);

/* A name that two columns have, lent by them, in *name, or NULL: all differ. 0, or -1: no
 * memory. */
int export_columns_check(const struct export_columns *c, const char **name);

/* What an encoder's output is called: "vae", "dino.cls". Gives the name, or NULL: no
 * memory. */
char *export_output_name(const struct shard_encoder *e, uint32_t slot);

/* What a tensor holds, for people; static. */
const char *export_slot_about(const struct export_slot *slot);
const char *export_slot_dims(const struct export_slot *slot); /* " (C,H,W)" or "" */
/* ", raw: neither shifted nor scaled", or "" for what never is. */
const char *export_slot_scaling(const struct export_slot *slot, bool scaled);

/* The JSON columns. Captions: all alternatives of a text with their ids. Parts: the kinds
 * of all parts in stored order, with the role behind a colon where there is one. Loss:
 * whether each part is trained on. */
void export_print_captions(FILE *out, const struct shard_part *text);
void export_print_parts(FILE *out, const struct shard_record *record);
void export_print_loss(FILE *out, const struct shard_record *record);

#endif
