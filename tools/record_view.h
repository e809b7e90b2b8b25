/* SPDX-License-Identifier: Apache-2.0
 * tools/record_view.h - which segments of a record are its caption, latent and image.
 *
 * Everything that is shown or exported goes by this view. */
#ifndef TOOLS_RECORD_VIEW_H
#define TOOLS_RECORD_VIEW_H

#include "shard/header.h"
#include "shard/record.h"

enum record_kind {
    RECORD_PAIR, /* a text and an image's latent, in drawn order */
    RECORD_TEXT, /* one text */
    RECORD_OTHER /* any other segments, in the order they stand in */
};

/* Lent by header and record. */
struct record_view {
    const struct shard_header *header;
    const struct shard_record *record;

    enum record_kind kind;
    const struct shard_segment *text;        /* the first text segment, or NULL */
    const struct shard_alternative *caption; /* the drawn one of `text`, or NULL */
    const struct shard_segment *latent;      /* the first latent segment, or NULL */
    const struct shard_image *image;         /* the latent's, or NULL */
    const struct shard_segment *logvar;      /* that belongs to the latent, or NULL */
};

struct record_view record_view(const struct shard_header *header,
                               const struct shard_record *record);

/* What stands for a text segment: the drawn alternative of the first one, the first of
 * any other; NULL for other kinds. */
const struct shard_alternative *record_view_drawn(const struct record_view *view,
                                                  const struct shard_segment *segment);

#endif
