/* SPDX-License-Identifier: Apache-2.0 */
#include "shard/row.h"

#include <string.h>

#define XXH_INLINE_ALL /* hash states on the stack */
#include <xxhash.h>

#include "shard/format.h"
#include "shard/wire.h"

static void put_text_segment(unsigned char **p, const struct shard_segment *segment)
{
    unsigned char *q = wire_put_u32(*p, (uint32_t)segment->n_alternatives);

    for (size_t i = 0; i < segment->n_alternatives; i++) {
        const struct shard_alternative *a = &segment->alternatives[i];
        uint16_t name_len = (uint16_t)strlen(a->name);
        q = wire_put_u32(q, a->n_ids);
        q = wire_put_u32(q, (uint32_t)a->text_len);
        q = wire_put_u16(q, name_len);
        q = wire_put_u16(q, 0);
        q = wire_put_bytes(q, a->name, name_len + 1u);
        q = wire_put_bytes(q, a->text, a->text_len);
        *q++ = 0;
    }
    *p = q;
}

static void put_tensor_segment(unsigned char **p, const struct shard_segment *segment)
{
    unsigned char *q = wire_put_u32(*p, segment->dtype);

    q = wire_put_u32(q, segment->image);
    q = wire_put_u32(q, segment->encoder);
    q = wire_put_u32(q, segment->n_dims);
    q = wire_put_u64(q, segment->n_bytes);
    *p = wire_put_bytes(q, segment->dims, segment->n_dims * sizeof(segment->dims[0]));
}

static unsigned char *put_image(unsigned char *p, const struct shard_image *image)
{
    p = wire_put_u32(p, image->original_width);
    p = wire_put_u32(p, image->original_height);
    p = wire_put_u32(p, image->crop_left);
    p = wire_put_u32(p, image->crop_top);
    p = wire_put_u32(p, image->crop_width);
    p = wire_put_u32(p, image->crop_height);
    p = wire_put_u32(p, image->target_width);
    p = wire_put_u32(p, image->target_height);
    return wire_put_bytes(p, image->sha256, sizeof(image->sha256));
}

/* The row behind its checksums, then all ids. */
static uint64_t text_checksum(const struct shard_record *rec, const unsigned char *row,
                              size_t bytes)
{
    XXH3_state_t state;

    XXH3_64bits_reset(&state);
    XXH3_64bits_update(&state, row + SHARD_ROW_UNHASHED, bytes - SHARD_ROW_UNHASHED);
    for (size_t i = 0; i < rec->n_segments; i++) {
        const struct shard_segment *segment = &rec->segments[i];
        for (size_t j = 0; segment->kind == SHARD_TEXT && j < segment->n_alternatives;
             j++) {
            const struct shard_alternative *a = &segment->alternatives[j];
            if (a->n_ids != SHARD_NO_IDS && a->n_ids > 0)
                XXH3_64bits_update(&state, a->ids, a->n_ids * sizeof(a->ids[0]));
        }
    }
    return XXH3_64bits_digest(&state);
}

static uint64_t tensor_checksum(const struct shard_record *rec)
{
    XXH3_state_t state;

    XXH3_64bits_reset(&state);
    for (size_t i = 0; i < rec->n_segments; i++)
        if (rec->segments[i].kind != SHARD_TEXT && rec->segments[i].n_bytes > 0)
            XXH3_64bits_update(&state, rec->segments[i].data, rec->segments[i].n_bytes);
    return XXH3_64bits_digest(&state);
}

void shard_row_write(const struct shard_record *rec, const struct shard_row_size *size,
                     unsigned char *row)
{
    size_t key_len = strlen(rec->key), name_len = strlen(rec->name);
    unsigned char *p = row + SHARD_ROW_UNHASHED;

    p = wire_put_u32(p, (uint32_t)size->bytes);
    p = wire_put_u32(p, (uint32_t)size->n_ids);
    p = wire_put_u64(p, rec->index);
    p = wire_put_u32(p, rec->caption_drawn);
    p = wire_put_u32(p, (uint32_t)rec->n_images);
    p = wire_put_u32(p, (uint32_t)rec->n_segments);
    p = wire_put_u32(p, (uint32_t)size->n_alternatives);
    p = wire_put_u32(p, (uint32_t)rec->metadata_len);
    p = wire_put_u16(p, (uint16_t)key_len);
    p = wire_put_u16(p, (uint16_t)name_len);
    p = wire_put_u64(p, (uint64_t)rec->order); /* one byte and seven reserved ones */
    p = wire_put_bytes(p, rec->key, key_len + 1);
    p = wire_put_bytes(p, rec->name, name_len + 1);
    for (size_t i = 0; i < rec->n_images; i++)
        p = put_image(p, &rec->images[i]);
    for (size_t i = 0; i < rec->n_segments; i++) {
        p = wire_put_u32(p, rec->segments[i].kind);
        p = wire_put_u32(p, rec->segments[i].flags);
        if (rec->segments[i].kind == SHARD_TEXT)
            put_text_segment(&p, &rec->segments[i]);
        else
            put_tensor_segment(&p, &rec->segments[i]);
    }
    p = wire_put_bytes(p, rec->metadata, rec->metadata_len);
    *p = 0;

    wire_put_u64(row, text_checksum(rec, row, size->bytes));
    wire_put_u64(row + 8, tensor_checksum(rec));
}
