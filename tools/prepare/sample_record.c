/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/prepare/sample_record.h"

#include <stdlib.h>
#include <string.h>

#include "shard/draw.h"
#include "shard/parts.h"
#include "tools/cli/text_options.h"
#include "tools/prepare/sample.h"

static void fill_text(struct shard_part *part, struct shard_alternative *alternatives,
                      const struct ingest_part *in, const struct sample_part *made)
{
    for (size_t i = 0; i < in->n_alternatives; i++) {
        const struct ingest_alternative *a = &in->alternatives[i];

        alternatives[i] = (struct shard_alternative){
            .name = a->name,
            .text = a->text,
            .text_len = a->text_len,
            .ids = made->ids ? made->ids[i] : NULL,
            .n_ids = made->ids ? made->n_ids[i] : SHARD_NO_IDS};
    }
    *part = (struct shard_part){.kind = SHARD_PART_TEXT,
                                .flags = SHARD_FLAG_LOSS,
                                .role = "",
                                .n_alternatives = in->n_alternatives,
                                .alternatives = alternatives};
}

static void fill_image(struct shard_part *part, const struct sample_part *made)
{
    *part = (struct shard_part){.kind = SHARD_PART_IMAGE,
                                .flags = SHARD_FLAG_LOSS,
                                .role = "",
                                .width = made->width,
                                .height = made->height};
    memcpy(part->sha256, made->sha256, sizeof(part->sha256));
}

static size_t count_alternatives(const struct ingest_sample *in)
{
    size_t n = 0;

    for (size_t i = 0; i < in->n_parts; i++)
        n += in->parts[i].n_alternatives;
    return n;
}

/* Returns 0, or -1: no memory. */
static int fill_parts(struct sample_record *sr, const struct sample *s)
{
    struct shard_alternative *alternatives;

    sr->parts = calloc(s->in.n_parts + 1, sizeof(*sr->parts));
    sr->alternatives = calloc(count_alternatives(&s->in) + 1, sizeof(*sr->alternatives));
    if (!sr->parts || !sr->alternatives)
        return -1;
    alternatives = sr->alternatives;
    for (size_t i = 0; i < s->in.n_parts; i++) {
        const struct ingest_part *in = &s->in.parts[i];

        if (in->kind == INGEST_TEXT)
            fill_text(&sr->parts[i], alternatives, in, &s->parts[i]);
        else
            fill_image(&sr->parts[i], &s->parts[i]);
        alternatives += in->n_alternatives;
    }
    return 0;
}

/* What is drawn for epoch 0. */
static void draw(struct shard_record *rec, const struct text_options *o)
{
    const uint64_t seed = (uint64_t)o->seed;
    size_t text, image;

    if (shard_is_pair(rec, &text, &image))
        rec->order = shard_draw_order(rec->name, rec->key, 0, seed, o->caption_first);
    text = shard_first_text(rec);
    if (text < rec->n_parts)
        rec->caption_drawn = shard_draw_caption(
            0, rec->name, rec->key, 0, seed, (uint32_t)rec->parts[text].n_alternatives);
}

int sample_record_build(struct sample_record *sr, const char *name,
                        const struct text_options *o, const struct sample *s)
{
    *sr = (struct sample_record){0};
    if (fill_parts(sr, s) != 0)
        return -1;
    sr->record = (struct shard_record){.key = s->in.key,
                                       .name = name,
                                       .index = s->in.index,
                                       .n_parts = s->in.n_parts,
                                       .parts = sr->parts,
                                       .n_renditions = s->n_renditions,
                                       .renditions = s->renditions,
                                       .n_tensors = s->n_tensors,
                                       .tensors = s->tensors,
                                       .metadata = s->in.metadata,
                                       .metadata_len = s->in.metadata_len};
    draw(&sr->record, o);
    return 0;
}

void sample_record_free(struct sample_record *sr)
{
    free(sr->parts);
    free(sr->alternatives);
    *sr = (struct sample_record){0};
}
