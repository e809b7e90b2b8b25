/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/sample_record.h"

#include <stdlib.h>
#include <string.h>

#include "shard/draw.h"
#include "tools/run.h"
#include "tools/sample.h"

static void fill_image(struct sample_record *sr, const struct sample *s, uint32_t size)
{
    const struct decoded *g = &s->geometry;
    struct shard_part *image = &sr->parts[1];

    *image = (struct shard_part){.kind = SHARD_PART_IMAGE,
                                 .flags = SHARD_FLAG_LOSS,
                                 .role = "",
                                 .width = g->original_width,
                                 .height = g->original_height};
    memcpy(image->sha256, s->image_sha256, sizeof(image->sha256));
    sr->rendition = (struct shard_rendition){
        .part = 1,
        .fit = SHARD_CROP,
        .target_width = size,
        .target_height = size,
        .crop = {g->crop_left, g->crop_top, g->crop_width, g->crop_height},
        .content = {0, 0, size, size}};
}

/* What a pair has and a document has not. */
static void fill_pair(struct sample_record *sr, const struct run *run,
                      const struct sample *s)
{
    const struct encoding *e = &run->encodings[0];
    const char *data = s->latent;

    for (size_t i = 0; i < e->n_tensors; i++) {
        const struct stored_tensor *t = &e->tensors[i];
        const struct encoder_tensor *about = &e->about.tensors[t->from];

        sr->tensors[i] = (struct shard_tensor){.kind = t->kind,
                                               .part = 1,
                                               .slot = t->slot,
                                               .dtype = t->dtype,
                                               .n_dims = (uint32_t)about->n_dims,
                                               .data = data,
                                               .n_bytes = t->n_bytes};
        memcpy(sr->tensors[i].dims, about->dims, sizeof(about->dims));
        data += t->n_bytes;
    }
    fill_image(sr, s, (uint32_t)run->image->size);
    sr->record.n_parts = 2;
    sr->record.n_renditions = 1;
    sr->record.renditions = &sr->rendition;
    sr->record.n_tensors = e->n_tensors;
    sr->record.tensors = sr->tensors;
    sr->record.order =
        shard_draw_order(sr->record.name, sr->record.key, 0, (uint64_t)run->text->seed,
                         run->text->caption_first);
}

int sample_record_build(struct sample_record *sr, const struct run *run,
                        const struct sample *s)
{
    const struct pair *p = &s->pair;
    const char *name = s->unit->input->name;
    uint64_t seed = (uint64_t)run->text->seed;

    *sr = (struct sample_record){0};
    sr->alternatives = calloc(p->n_captions, sizeof(*sr->alternatives));
    if (!sr->alternatives)
        return -1;
    for (size_t i = 0; i < p->n_captions; i++)
        sr->alternatives[i] =
            (struct shard_alternative){.name = p->captions[i].name,
                                       .text = p->captions[i].text,
                                       .text_len = p->captions[i].text_len,
                                       .ids = s->ids ? s->ids[i] : NULL,
                                       .n_ids = s->ids ? s->n_ids[i] : SHARD_NO_IDS};
    sr->parts[0] = (struct shard_part){.kind = SHARD_PART_TEXT,
                                       .flags = SHARD_FLAG_LOSS,
                                       .role = "",
                                       .n_alternatives = p->n_captions,
                                       .alternatives = sr->alternatives};
    sr->record =
        (struct shard_record){.key = p->key,
                              .name = name,
                              .index = p->index,
                              .n_parts = 1,
                              .parts = sr->parts,
                              .caption_drawn = shard_draw_caption(
                                  0, name, p->key, 0, seed, (uint32_t)p->n_captions),
                              .metadata = p->metadata,
                              .metadata_len = p->metadata_len};
    if (s->unit->input->format == INPUT_PAIRS)
        fill_pair(sr, run, s);
    return 0;
}

void sample_record_free(struct sample_record *sr)
{
    free(sr->alternatives);
    sr->alternatives = NULL;
}
