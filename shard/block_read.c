/* SPDX-License-Identifier: Apache-2.0 */
#include "shard/block_read.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "shard/planes.h"
#include "shard/status.h"

static int load_text(struct shard_block_reader *b)
{
    const struct shard_block_place *place = &b->map->blocks[b->block];
    const struct shard_frame *frames = &b->map->frames[place->first_frame];
    struct shard_source *source = b->source;
    char what[48], reason[240];

    snprintf(what, sizeof(what), "text frame of block %" PRIu32, b->block);
    int rc = shard_source_unpack(source, what, frames[0].offset, frames[0].bytes,
                                 frames[0].raw_bytes, frames[0].checksum, &b->text);
    if (rc < 0)
        return rc;
    rc = shard_text_frame_decode(&b->frame, b->text.data, b->text.len,
                                 b->map->header->n_encoders, reason, sizeof(reason));
    if (rc == SHARD_ENOMEM)
        return shard_source_fail(source, rc, "out of memory");
    if (rc < 0)
        return shard_source_fail(source, rc, "%s at byte %" PRIu64 ": %s", what,
                                 frames[0].offset, reason);
    bool same = b->frame.n_records == place->n_records &&
                b->frame.n_columns + 1 == place->n_frames;
    for (size_t i = 0; i < b->frame.n_columns && same; i++)
        same = b->frame.columns[i].bytes == frames[1 + i].raw_bytes;
    if (!same)
        return shard_source_fail(source, SHARD_EDAMAGED,
                                 "%s at byte %" PRIu64 " is not what the index says",
                                 what, frames[0].offset);
    return SHARD_OK;
}

static int unpack_column(struct shard_block_reader *b, uint32_t i)
{
    const struct shard_block_place *place = &b->map->blocks[b->block];
    const struct shard_frame *frame = &b->map->frames[place->first_frame + 1 + i];
    uint32_t width = shard_dtype_planes(b->frame.columns[i].dtype);
    char what[64];

    snprintf(what, sizeof(what), "tensor frame %" PRIu32 " of block %" PRIu32, i,
             b->block);
    if (width == 1)
        return shard_source_unpack(b->source, what, frame->offset, frame->bytes,
                                   frame->raw_bytes, frame->checksum, &b->column[i]);

    int rc = shard_source_unpack(b->source, what, frame->offset, frame->bytes,
                                 frame->raw_bytes, frame->checksum, &b->planes);
    if (rc == SHARD_OK && shard_buffer_resize(&b->column[i], b->planes.len) < 0)
        rc = shard_source_fail(b->source, SHARD_ENOMEM, "out of memory");
    if (rc == SHARD_OK)
        shard_planes_join(b->planes.data, b->column[i].data, b->planes.len, width);
    return rc;
}

int shard_block_reader_load(struct shard_block_reader *b, uint32_t block)
{
    shard_text_frame_clear(&b->frame);
    memset(b->column_loaded, 0, sizeof(b->column_loaded));
    b->block = block;
    int rc = load_text(b);
    b->loaded = rc == SHARD_OK;
    return rc;
}

int shard_block_reader_load_column(struct shard_block_reader *b, uint32_t column)
{
    int rc = unpack_column(b, column);

    b->column_loaded[column] = rc == SHARD_OK;
    return rc;
}

/* Points the segments of a record at their bytes. */
static int attach_tensors(struct shard_block_reader *b, const struct shard_record *rec,
                          bool text_only)
{
    size_t first = (size_t)(rec->segments - b->frame.segments);

    for (size_t i = first; i < first + rec->n_segments; i++) {
        struct shard_segment *segment = &b->frame.segments[i];
        const struct shard_place *place = &b->frame.places[i];
        segment->data = NULL;
        if (segment->kind == SHARD_TEXT || text_only)
            continue;
        if (!b->column_loaded[place->column]) {
            int rc = shard_block_reader_load_column(b, place->column);
            if (rc < 0)
                return rc;
        }
        segment->data = b->column[place->column].data + place->offset;
    }
    return SHARD_OK;
}

int shard_block_reader_get(struct shard_block_reader *b, uint32_t block, uint32_t row,
                           bool text_only, struct shard_record *rec)
{
    if (!b->loaded || b->block != block) {
        int rc = shard_block_reader_load(b, block);
        if (rc < 0)
            return rc;
    }
    *rec = b->frame.records[row];
    return attach_tensors(b, rec, text_only);
}

void shard_block_reader_clear(struct shard_block_reader *b)
{
    shard_text_frame_clear(&b->frame);
    shard_buffer_free(&b->text);
    shard_buffer_free(&b->planes);
    for (size_t i = 0; i < SHARD_MAX_COLUMNS; i++)
        shard_buffer_free(&b->column[i]);
}
