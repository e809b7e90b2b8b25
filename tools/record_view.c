/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/record_view.h"

#include <stddef.h>
#include <string.h>

static const struct shard_segment *first_of(const struct shard_record *r, uint32_t kind)
{
    for (size_t i = 0; i < r->n_segments; i++)
        if (r->segments[i].kind == kind)
            return &r->segments[i];
    return NULL;
}

/* Where the encoder gives both moments, the log-variance is the segment behind the mean.
 */
static const struct shard_segment *logvar_of(const struct record_view *v)
{
    const struct shard_segment *mean = v->latent, *next = mean + 1;

    if (mean->encoder >= v->header->n_encoders ||
        strcmp(v->header->encoders[mean->encoder].moments, "mean+logvar") != 0 ||
        next == v->record->segments + v->record->n_segments)
        return NULL;
    return next->kind == SHARD_LATENT && next->encoder == mean->encoder ? next : NULL;
}

static enum record_kind kind_of(const struct record_view *v)
{
    const size_t n = v->record->n_segments;

    if (v->text == NULL)
        return RECORD_OTHER;
    if (v->latent == NULL)
        return n == 1 ? RECORD_TEXT : RECORD_OTHER;
    return n == (v->logvar != NULL ? 3 : 2) ? RECORD_PAIR : RECORD_OTHER;
}

const struct shard_alternative *record_view_drawn(const struct record_view *view,
                                                  const struct shard_segment *segment)
{
    const uint32_t drawn = segment == view->text ? view->record->caption_drawn : 0;

    if (segment->kind != SHARD_TEXT || drawn >= segment->n_alternatives)
        return NULL;
    return &segment->alternatives[drawn];
}

struct record_view record_view(const struct shard_header *header,
                               const struct shard_record *record)
{
    struct record_view v = {.header = header, .record = record};

    v.text = first_of(record, SHARD_TEXT);
    v.latent = first_of(record, SHARD_LATENT);
    v.logvar = v.latent != NULL ? logvar_of(&v) : NULL;
    v.kind = kind_of(&v);
    v.caption = v.text != NULL ? record_view_drawn(&v, v.text) : NULL;
    if (v.latent != NULL && v.latent->image < record->n_images)
        v.image = &record->images[v.latent->image];
    return v;
}
