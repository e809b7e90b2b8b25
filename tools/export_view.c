/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/export_view.h"

#include "shard/draw.h"
#include "shard/status.h"

void export_view_begin(struct export_view *v, const struct view_file *file, size_t shard,
                       uint64_t seed)
{
    v->cursor = view_cursor_begin(file, shard);
    v->seed = seed;
}

/* Copies the segments: a reader's are lent as they are. */
static int replace(struct export_view *v, struct shard_record *record,
                   const struct view_record *own)
{
    v->segments.len = 0;
    if (shard_buffer_add(&v->segments, record->segments,
                         record->n_segments * sizeof(*record->segments)) != SHARD_OK)
        return VIEW_ENOMEM;
    struct shard_segment *segments = (struct shard_segment *)v->segments.data;
    for (size_t i = 0; i < record->n_segments; i++) {
        if (segments[i].kind == SHARD_TEXT) {
            segments[i].n_alternatives = own->n_captions;
            segments[i].alternatives = own->captions;
            break;
        }
    }
    record->segments = segments;
    record->caption_drawn = shard_draw_caption(record->name, record->key, 0, v->seed,
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
    shard_buffer_free(&v->segments);
}
