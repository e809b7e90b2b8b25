/* SPDX-License-Identifier: Apache-2.0 */
#include "shard/file/loaded_block.h"

#include <stdio.h>
#include <stdlib.h>

#include "shard/parts.h"
#include "shard/status.h"

int block_loader_open(struct block_loader *l, const struct shard_file_map *map)
{
    int rc = shard_positioned_file_share(&l->file, map->file);
    l->map = rc == SHARD_OK ? map : NULL;
    return rc;
}

void block_loader_close(struct block_loader *l)
{
    shard_positioned_file_close(&l->file);
    shard_buffer_free(&l->planes);
    l->map = NULL;
}

static void note(struct frame_damage *damage, int status,
                 const struct shard_positioned_file *file)
{
    damage->status = status;
    if (status == SHARD_OK)
        return;
    damage->error = file->error;
    snprintf(damage->why, sizeof(damage->why), "%s", file->why);
}

static bool is_wanted(const struct block_want *want, const struct shard_header *h,
                      const struct shard_column *column)
{
    return want->tensors &&
           (want->plan == NULL ||
            shard_plan_shows(want->plan, h, column->encoder, column->slot));
}

/* SHARD_ENOMEM is the caller's failure; everything else is noted: here and below. */
static int load_tensors(struct block_loader *l, struct loaded_block *b,
                        const struct block_want *want)
{
    const struct shard_text_frame *frame = &b->content.frame;

    b->tensors = calloc(frame->n_frames + 1, sizeof(b->tensors[0]));
    if (b->tensors == NULL)
        return SHARD_ENOMEM;
    for (size_t i = 0; i < frame->n_frames; i++) {
        if (!is_wanted(want, l->map->header, &frame->frames[i].column))
            continue;
        int rc = shard_block_reader_load_tensors(&b->content, i);
        if (rc == SHARD_ENOMEM)
            return rc;
        note(&b->tensors[i], rc, &l->file);
        b->tensors[i].tried = true;
    }
    return SHARD_OK;
}

static int load(struct block_loader *l, struct loaded_block *b,
                const struct block_want *want)
{
    int rc = shard_positioned_file_attach(&l->file);

    if (rc == SHARD_OK)
        rc = shard_block_reader_load(&b->content, b->block);
    note(&b->text, rc, &l->file);
    if (rc == SHARD_OK)
        rc = load_tensors(l, b, want);
    shard_positioned_file_detach(&l->file);
    return rc;
}

int block_loader_load(struct block_loader *l, uint32_t block, struct block_want want,
                      struct loaded_block **out)
{
    struct loaded_block *b = calloc(1, sizeof(*b));

    *out = NULL;
    if (b == NULL)
        return SHARD_ENOMEM;
    b->block = block;
    b->content.map = l->map;
    b->content.file = &l->file;
    b->content.planes = l->planes;
    int rc = load(l, b, &want);
    l->planes = b->content.planes;
    b->content.planes = (struct shard_buffer){0};
    b->content.file = NULL;
    if (rc == SHARD_ENOMEM) {
        loaded_block_free(b);
        return rc;
    }
    *out = b;
    return SHARD_OK;
}

int block_loader_tensors(struct block_loader *l, const struct loaded_block *b, size_t i,
                         struct shard_buffer *values, struct frame_damage *damage)
{
    int rc = shard_positioned_file_attach(&l->file);

    if (rc == SHARD_OK)
        rc = shard_block_unpack_tensors(&b->content, &l->file, i, &l->planes, values);
    shard_positioned_file_detach(&l->file);
    note(damage, rc, &l->file);
    return rc == SHARD_ENOMEM ? rc : SHARD_OK;
}

uint64_t block_loader_cost(const struct shard_file_map *map, uint32_t block, bool tensors)
{
    const struct shard_block_place *place = &map->blocks[block];
    uint64_t bytes = 0;

    for (uint32_t i = 0; i < (tensors ? place->n_frames : 1); i++)
        bytes += map->frames[place->first_frame + i].raw_bytes;
    return bytes;
}

bool loaded_block_uses(const struct loaded_block *b, size_t row, size_t frame)
{
    const struct shard_text_frame *text = &b->content.frame;
    const struct shard_record *rec = &text->records[row];
    const size_t first = (size_t)(rec->tensors - text->tensors);

    for (size_t i = first; i < first + rec->n_tensors; i++)
        if (text->places[i].frame == frame)
            return true;
    return false;
}

ptrdiff_t loaded_block_damaged(const struct loaded_block *b, size_t row)
{
    for (size_t i = 0; b->tensors != NULL && i < b->content.frame.n_frames; i++)
        if (b->tensors[i].status < 0 && loaded_block_uses(b, row, i))
            return (ptrdiff_t)i;
    return -1;
}

void loaded_block_free(struct loaded_block *b)
{
    if (b == NULL)
        return;
    shard_block_reader_clear(&b->content);
    free(b->tensors);
    free(b);
}
