/* SPDX-License-Identifier: Apache-2.0
 * tools/export/export_view.h - a shard's records as a view has them.
 *
 * The text of a record that has the view's own captions is replaced, and which of them is
 * drawn for epoch 0 is drawn anew. */
#ifndef TOOLS_EXPORT_EXPORT_VIEW_H
#define TOOLS_EXPORT_EXPORT_VIEW_H

#include "shard/record.h"
#include "tools/export/view_file.h"

/* All zeros is one that was not begun. */
struct export_view {
    struct view_cursor cursor;
    uint64_t seed;             /* of the shard's draws */
    struct shard_buffer parts; /* owned: the record's, with other captions */
    double weight;             /* of the record in hand */
};

/* In front of the shard's first record. */
void export_view_begin(struct export_view *v, const struct view_file *file, size_t shard,
                       uint64_t seed);

/* Takes the shard's next record: sets v->weight; where that is 0, the record is left out.
 * `whole`: *record was read, and gets the view's captions, lent until the next call.
 * VIEW_OK or VIEW_ENOMEM. */
int export_view_next(struct export_view *v, struct shard_record *record, bool whole);

void export_view_end(struct export_view *v);

#endif
