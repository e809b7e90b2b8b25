/* SPDX-License-Identifier: Apache-2.0
 * tools/view/record_view.h - which parts and tensors of a record are its caption, its
 * image and that image's latent.
 *
 * Everything that is shown or exported goes by this view. */
#ifndef TOOLS_VIEW_RECORD_VIEW_H
#define TOOLS_VIEW_RECORD_VIEW_H

#include "shard/header.h"
#include "shard/parts.h"
#include "shard/record.h"

/* Lent by header and record. */
struct record_view {
    const struct shard_header *header;
    const struct shard_record *record;

    enum shard_arrangement arrangement;
    const struct shard_part *text;           /* the first text, or NULL */
    const struct shard_alternative *caption; /* the drawn one of `text`, or NULL */
    const struct shard_part *image;          /* shard_shown_image(), or NULL */
    const struct shard_tensor *latent; /* its latent by the default encoder, or NULL */
    const struct shard_tensor *logvar; /* that belongs to the latent, or NULL */
    const struct shard_rendition *rendition; /* the latent's, or NULL */
};

struct record_view record_view(const struct shard_header *header,
                               const struct shard_record *record);

/* What part i, which is text t of the record's texts, is drawn to be in epoch 0. NULL:
 * it has no such alternative. */
const struct shard_alternative *record_view_drawn(const struct record_view *view,
                                                  size_t i, size_t t);

#endif
