/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/export/export_view.h"

#include "shard/draw.h"
#include "shard/parts.h"
#include "shard/status.h"

void export_view_begin(struct export_view *v, const struct view_file *file, size_t shard,
                       uint64_t seed)
{
    v->cursor = view_cursor_begin(file, shard);
    v->seed = seed;
}

/* Copies the parts: a reader's are lent as they are. */
static int replace(struct export_view *v, struct shard_record *record,
                   const struct view_record *own)
{
    const size_t text = shard_first_text(record);

    v->parts.len = 0;
    if (shard_buffer_add(&v->parts, record->parts,
                         record->n_parts * sizeof(*record->parts)) != SHARD_OK)
        return VIEW_ENOMEM;
    struct shard_part *parts = (struct shard_part *)v->parts.data;
    if (text < record->n_parts) {
        parts[text].n_alternatives = own->n_captions;
        parts[text].alternatives = own->captions;
    }
    record->parts = parts;
    record->caption_drawn = shard_draw_caption(0, record->name, record->key, 0, v->seed,
                                               (uint32_t)own->n_captions);
    return VIEW_OK;
}

int export_view_next(struct export_view *v, struct shard_record *record, bool whole)
{
    struct view_record own;
    const int rc = view_cursor_next(&v->cursor, &own);

    v->weight = own.weight;
    if (rc != VIEW_OK || !whole || own.weight == 0 || !own.replaced)
        return rc;
    return replace(v, record, &own);
}

void export_view_end(struct export_view *v)
{
    view_cursor_clear(&v->cursor);
    shard_buffer_free(&v->parts);
}
