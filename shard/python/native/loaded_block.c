/* SPDX-License-Identifier: Apache-2.0 */
#include "shard/python/native/loaded_block.h"

#include <stdio.h>
#include <stdlib.h>

#include "shard/status.h"

int block_loader_open(struct block_loader *l, const struct shard_file_map *map)
{
    int rc = shard_source_share(&l->source, map->source);
    l->map = rc == SHARD_OK ? map : NULL;
    return rc;
}

void block_loader_close(struct block_loader *l)
{
    shard_source_close(&l->source);
    shard_buffer_free(&l->planes);
    l->map = NULL;
}

static void note(struct frame_damage *damage, int status,
                 const struct shard_source *source)
{
    damage->status = status;
    if (status == SHARD_OK)
        return;
    damage->error = source->error;
    snprintf(damage->why, sizeof(damage->why), "%s", source->why);
}

/* SHARD_ENOMEM is the caller's failure; everything else is noted: here and below. */
static int load_columns(struct block_loader *l, struct loaded_block *b)
{
    size_t n = b->content.frame.n_columns;

    b->tensors_tried = true;
    b->columns = calloc(n + 1, sizeof(b->columns[0]));
    if (b->columns == NULL)
        return SHARD_ENOMEM;
    for (uint32_t i = 0; i < n; i++) {
        int rc = shard_block_reader_load_column(&b->content, i);
        if (rc == SHARD_ENOMEM)
            return rc;
        note(&b->columns[i], rc, &l->source);
    }
    return SHARD_OK;
}

static int load(struct block_loader *l, struct loaded_block *b, bool tensors)
{
    int rc = shard_source_attach(&l->source);

    if (rc == SHARD_OK)
        rc = shard_block_reader_load(&b->content, b->block);
    note(&b->text, rc, &l->source);
    if (rc == SHARD_OK && tensors)
        rc = load_columns(l, b);
    shard_source_detach(&l->source);
    return rc;
}

int block_loader_load(struct block_loader *l, uint32_t block, bool tensors,
                      struct loaded_block **out)
{
    struct loaded_block *b = calloc(1, sizeof(*b));

    *out = NULL;
    if (b == NULL)
        return SHARD_ENOMEM;
    b->block = block;
    b->content.map = l->map;
    b->content.source = &l->source;
    b->content.planes = l->planes;
    int rc = load(l, b, tensors);
    l->planes = b->content.planes;
    b->content.planes = (struct shard_buffer){0};
    b->content.source = NULL;
    if (rc == SHARD_ENOMEM) {
        loaded_block_free(b);
        return rc;
    }
    *out = b;
    return SHARD_OK;
}

uint64_t block_loader_cost(const struct shard_file_map *map, uint32_t block, bool tensors)
{
    const struct shard_block_place *place = &map->blocks[block];
    uint64_t bytes = 0;

    for (uint32_t i = 0; i < (tensors ? place->n_frames : 1); i++)
        bytes += map->frames[place->first_frame + i].raw_bytes;
    return bytes;
}

void loaded_block_free(struct loaded_block *b)
{
    if (b == NULL)
        return;
    shard_block_reader_clear(&b->content);
    free(b->columns);
    free(b);
}
