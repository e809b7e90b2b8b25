/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/view/record_view.h"

#include <stddef.h>

#include "shard/draw.h"
#include "shard/parts.h"

const struct shard_alternative *record_view_drawn(const struct record_view *view,
                                                  size_t i, size_t t)
{
    const struct shard_record *r = view->record;
    const struct shard_part *part = &r->parts[i];
    uint32_t drawn = r->caption_drawn;

    if (t > 0)
        drawn = shard_draw_caption(t, r->name, r->key, 0, view->header->seed,
                                   (uint32_t)part->n_alternatives);
    return drawn < part->n_alternatives ? &part->alternatives[drawn] : NULL;
}

static void find_image(struct record_view *v)
{
    const struct shard_tensor *t;
    const size_t image =
        shard_shown_image(v->record, shard_default_encoder(v->header), &t);

    if (image < v->record->n_parts)
        v->image = &v->record->parts[image];
    if (t == NULL || t->kind != SHARD_LATENT)
        return;
    v->latent = t;
    v->logvar = shard_logvar_of(v->record, t);
    if (v->record->renditions[t->owner].kind == 0)
        v->rendition = &v->record->renditions[t->owner];
}

struct record_view record_view(const struct shard_header *header,
                               const struct shard_record *record)
{
    const size_t text = shard_first_text(record);
    struct record_view v = {
        .header = header, .record = record, .arrangement = shard_arrangement_of(record)};

    if (text < record->n_parts) {
        v.text = &record->parts[text];
        v.caption = record_view_drawn(&v, text, 0);
    }
    find_image(&v);
    return v;
}
