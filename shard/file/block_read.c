/* SPDX-License-Identifier: Apache-2.0 */
#include "shard/file/block_read.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shard/file/planes.h"
#include "shard/status.h"

/* Its numbers of records and frames, and what is said of each frame. */
static bool is_as_indexed(const struct shard_block_reader *b)
{
    const struct shard_block_place *place = &b->map->blocks[b->block];
    const struct shard_frame *frames = &b->map->frames[place->first_frame];
    const uint32_t *first_row = &b->map->first_row[place->first_frame];
    bool same = b->frame.n_records == place->n_records &&
                b->frame.n_frames + 1 == place->n_frames;

    for (size_t i = 0; i < b->frame.n_frames && same; i++)
        same = b->frame.frames[i].bytes == frames[1 + i].raw_bytes &&
               b->frame.frames[i].first_row == first_row[1 + i];
    return same;
}

static int load_text(struct shard_block_reader *b)
{
    const struct shard_block_place *place = &b->map->blocks[b->block];
    const struct shard_frame *frames = &b->map->frames[place->first_frame];
    struct shard_positioned_file *file = b->file;
    char what[48], reason[240];

    snprintf(what, sizeof(what), "text frame of block %" PRIu32, b->block);
    int rc =
        shard_positioned_file_unpack(file, what, frames[0].offset, frames[0].bytes,
                                     frames[0].raw_bytes, frames[0].checksum, &b->text);
    if (rc < 0)
        return rc;
    rc = shard_text_frame_decode(&b->frame, b->text.data, b->text.len, b->map->header,
                                 reason, sizeof(reason));
    if (rc == SHARD_ENOMEM)
        return shard_positioned_file_fail(file, rc, "out of memory");
    if (rc < 0)
        return shard_positioned_file_fail(file, rc, "%s at byte %" PRIu64 ": %s", what,
                                          frames[0].offset, reason);
    if (!is_as_indexed(b))
        return shard_positioned_file_fail(
            file, SHARD_EDAMAGED, "%s at byte %" PRIu64 " is not what the index says",
            what, frames[0].offset);
    if (b->check != NULL && !shard_index_check_fits(b->check, b->block, &b->frame))
        return shard_positioned_file_fail(file, SHARD_EDAMAGED,
                                          "%s at byte %" PRIu64
                                          " has other records than the index is of",
                                          what, frames[0].offset);
    return SHARD_OK;
}

/* One buffer a tensor frame; those of the block before keep their memory. */
static int make_room(struct shard_block_reader *b)
{
    const size_t n = b->frame.n_frames;

    if (n > b->n_tensors) {
        struct shard_buffer *tensors = realloc(b->tensors, n * sizeof(tensors[0]));
        if (tensors != NULL)
            b->tensors = tensors;
        bool *loaded = realloc(b->tensors_loaded, n * sizeof(loaded[0]));
        if (loaded != NULL)
            b->tensors_loaded = loaded;
        if (tensors == NULL || loaded == NULL)
            return shard_positioned_file_fail(b->file, SHARD_ENOMEM, "out of memory");
        memset(tensors + b->n_tensors, 0, (n - b->n_tensors) * sizeof(tensors[0]));
        b->n_tensors = n;
    }
    if (n > 0)
        memset(b->tensors_loaded, 0, n * sizeof(b->tensors_loaded[0]));
    return SHARD_OK;
}

int shard_block_unpack_tensors(const struct shard_block_reader *b,
                               struct shard_positioned_file *file, size_t i,
                               struct shard_buffer *planes, struct shard_buffer *out)
{
    const struct shard_block_place *place = &b->map->blocks[b->block];
    const struct shard_frame *frame = &b->map->frames[place->first_frame + 1 + i];
    const uint32_t width = shard_dtype_planes(b->frame.frames[i].column.dtype);
    struct shard_buffer *to = width == 1 ? out : planes;
    char what[64];

    snprintf(what, sizeof(what), "tensor frame %zu of block %" PRIu32, i, b->block);
    int rc = shard_positioned_file_unpack(file, what, frame->offset, frame->bytes,
                                          frame->raw_bytes, frame->checksum, to);
    if (rc < 0 || width == 1)
        return rc;
    if (shard_buffer_resize(out, planes->len) < 0)
        return shard_positioned_file_fail(file, SHARD_ENOMEM, "out of memory");
    shard_planes_join(planes->data, out->data, planes->len, width);
    return SHARD_OK;
}

int shard_block_reader_load(struct shard_block_reader *b, uint32_t block)
{
    shard_text_frame_clear(&b->frame);
    b->block = block;
    int rc = load_text(b);
    if (rc == SHARD_OK)
        rc = make_room(b);
    b->loaded = rc == SHARD_OK;
    return rc;
}

int shard_block_reader_load_tensors(struct shard_block_reader *b, size_t i)
{
    int rc = shard_block_unpack_tensors(b, b->file, i, &b->planes, &b->tensors[i]);

    b->tensors_loaded[i] = rc == SHARD_OK;
    return rc;
}

int shard_block_reader_tensor(struct shard_block_reader *b, const struct shard_tensor *t,
                              const void **data)
{
    const struct shard_place *place = &b->frame.places[t - b->frame.tensors];
    int rc = SHARD_OK;

    if (!b->tensors_loaded[place->frame])
        rc = shard_block_reader_load_tensors(b, place->frame);
    *data = rc == SHARD_OK ? b->tensors[place->frame].data + place->offset : NULL;
    return rc;
}

/* Points the tensors of a record at their bytes. */
static int attach_tensors(struct shard_block_reader *b, const struct shard_record *rec,
                          bool text_only)
{
    const size_t first = (size_t)(rec->tensors - b->frame.tensors);
    int rc = SHARD_OK;

    for (size_t i = first; i < first + rec->n_tensors && rc == SHARD_OK; i++) {
        struct shard_tensor *t = &b->frame.tensors[i];
        t->data = NULL;
        if (!text_only)
            rc = shard_block_reader_tensor(b, t, &t->data);
    }
    return rc;
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
    for (size_t i = 0; i < b->n_tensors; i++)
        shard_buffer_free(&b->tensors[i]);
    free(b->tensors);
    free(b->tensors_loaded);
}
