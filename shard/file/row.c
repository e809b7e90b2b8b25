/* SPDX-License-Identifier: Apache-2.0 */
#include "shard/file/row.h"

#include <string.h>

#define XXH_INLINE_ALL /* hash states on the stack */
#include <xxhash.h>

#include "shard/file/format.h"
#include "shard/file/wire.h"

/* An entry's kind, and room for its length. */
static unsigned char *begin_entry(unsigned char *p, uint32_t kind)
{
    return wire_put_u32(p, kind) + 4;
}

static unsigned char *end_entry(unsigned char *start, unsigned char *end)
{
    wire_put_u32(start + 4, (uint32_t)(end - start));
    return end;
}

static unsigned char *put_string(unsigned char *p, const char *s, size_t len)
{
    p = wire_put_bytes(p, s, len);
    *p = 0;
    return p + 1;
}

static unsigned char *put_unknown(unsigned char *p, const struct shard_unknown *u)
{
    return wire_put_bytes(p, u->bytes, u->len);
}

static unsigned char *put_alternative(unsigned char *start,
                                      const struct shard_alternative *a)
{
    const size_t name_len = strlen(a->name);
    unsigned char *p = begin_entry(start, a->kind);

    p = wire_put_u32(p, a->n_ids);
    p = wire_put_u16(p, (uint16_t)name_len);
    p = wire_put_u16(p, 0);
    p = put_string(p, a->name, name_len);
    if (a->kind == 0) {
        p = wire_put_u32(p, (uint32_t)a->text_len);
        p = put_string(p, a->text, a->text_len);
    } else {
        p = put_unknown(p, &a->unknown);
    }
    return end_entry(start, p);
}

static unsigned char *put_part(unsigned char *start, const struct shard_part *part)
{
    const size_t role_len = strlen(part->role);
    unsigned char *p = begin_entry(start, part->kind);

    p = wire_put_u32(p, part->flags);
    p = wire_put_u16(p, (uint16_t)role_len);
    p = wire_put_u16(p, 0);
    p = put_string(p, part->role, role_len);
    switch (part->kind) {
    case SHARD_PART_TEXT:
        p = wire_put_u32(p, (uint32_t)part->n_alternatives);
        for (size_t i = 0; i < part->n_alternatives; i++)
            p = put_alternative(p, &part->alternatives[i]);
        break;
    case SHARD_PART_IMAGE:
        p = wire_put_u32(p, part->width);
        p = wire_put_u32(p, part->height);
        p = wire_put_bytes(p, part->sha256, sizeof(part->sha256));
        break;
    case SHARD_PART_DATA:
        break;
    default:
        p = put_unknown(p, &part->unknown);
    }
    return end_entry(start, p);
}

void shard_geometry(const struct shard_rendition *r, uint32_t *numbers)
{
    const uint32_t all[SHARD_GEOMETRY] = {
        r->mirrored,     (uint32_t)r->fit, r->target_width,  r->target_height,
        r->crop.left,    r->crop.top,      r->crop.width,    r->crop.height,
        r->content.left, r->content.top,   r->content.width, r->content.height};

    memcpy(numbers, all, sizeof(all));
}

static unsigned char *put_rendition(unsigned char *start, const struct shard_rendition *r)
{
    uint32_t numbers[SHARD_GEOMETRY];
    unsigned char *p = wire_put_u32(begin_entry(start, r->kind), r->part);

    shard_geometry(r, numbers);
    p = r->kind == 0 ? wire_put_bytes(p, numbers, sizeof(numbers))
                     : put_unknown(p, &r->unknown);
    return end_entry(start, p);
}

static unsigned char *put_tensor(unsigned char *start, const struct shard_tensor *t,
                                 uint64_t checksum)
{
    unsigned char *p = begin_entry(start, t->kind);

    p = wire_put_u32(p, t->part);
    p = wire_put_u32(p, t->owner);
    p = wire_put_u32(p, t->encoder);
    p = wire_put_u32(p, t->slot);
    p = wire_put_u32(p, t->dtype);
    p = wire_put_u32(p, t->n_dims);
    p = wire_put_u64(p, t->n_bytes);
    p = wire_put_u64(p, checksum);
    p = wire_put_bytes(p, t->dims, t->n_dims * sizeof(t->dims[0]));
    return end_entry(start, p);
}

static unsigned char *put_content(unsigned char *p, const struct shard_record *rec,
                                  const struct shard_row_size *size)
{
    const size_t key_len = strlen(rec->key), name_len = strlen(rec->name);

    p = wire_put_u64(p, rec->index);
    p = wire_put_u32(p, rec->caption_drawn);
    p = wire_put_u32(p, (uint32_t)rec->n_parts);
    p = wire_put_u32(p, (uint32_t)size->n_alternatives);
    p = wire_put_u32(p, (uint32_t)rec->metadata_len);
    p = wire_put_u16(p, (uint16_t)key_len);
    p = wire_put_u16(p, (uint16_t)name_len);
    p = wire_put_u32(p, (uint32_t)rec->order); /* one byte and three reserved ones */
    p = put_string(p, rec->key, key_len);
    p = put_string(p, rec->name, name_len);
    for (size_t i = 0; i < rec->n_parts; i++)
        p = put_part(p, &rec->parts[i]);
    return put_string(p, rec->metadata, rec->metadata_len);
}

static uint64_t text_checksum(const struct shard_record *rec,
                              const unsigned char *content, size_t bytes)
{
    XXH3_state_t state;

    XXH3_64bits_reset(&state);
    XXH3_64bits_update(&state, content, bytes);
    for (size_t i = 0; i < rec->n_parts; i++) {
        const struct shard_part *part = &rec->parts[i];
        for (size_t j = 0; part->kind == SHARD_PART_TEXT && j < part->n_alternatives;
             j++) {
            const struct shard_alternative *a = &part->alternatives[j];
            if (a->n_ids != SHARD_NO_IDS && a->n_ids > 0)
                XXH3_64bits_update(&state, a->ids, a->n_ids * sizeof(a->ids[0]));
        }
    }
    return XXH3_64bits_digest(&state);
}

/* What a tensor was made of, without positions that other encoders have a say in. */
static void hash_owner(XXH3_state_t *state, const struct shard_record *rec,
                       const struct shard_tensor *t)
{
    uint32_t numbers[SHARD_GEOMETRY];

    if (rec->parts[t->part].kind == SHARD_PART_TEXT)
        XXH3_64bits_update(state, &t->owner, sizeof(t->owner));
    if (rec->parts[t->part].kind != SHARD_PART_IMAGE)
        return;
    const struct shard_rendition *r = &rec->renditions[t->owner];
    if (r->kind == 0) {
        shard_geometry(r, numbers);
        XXH3_64bits_update(state, numbers, sizeof(numbers));
        return;
    }
    numbers[0] = (uint32_t)r->unknown.len;
    XXH3_64bits_update(state, numbers, sizeof(numbers[0]));
    if (r->unknown.len > 0)
        XXH3_64bits_update(state, r->unknown.bytes, r->unknown.len);
}

static void hash_tensor(XXH3_state_t *state, const struct shard_record *rec,
                        const struct shard_header *h, const struct shard_tensor *t,
                        uint64_t checksum)
{
    const char *name = h->encoders[t->encoder].name;
    const uint32_t numbers[] = {t->kind, t->part, t->slot, t->dtype, t->n_dims};

    XXH3_64bits_update(state, name, strlen(name) + 1);
    XXH3_64bits_update(state, numbers, sizeof(numbers));
    if (t->n_dims > 0)
        XXH3_64bits_update(state, t->dims, t->n_dims * sizeof(t->dims[0]));
    hash_owner(state, rec, t);
    XXH3_64bits_update(state, &checksum, sizeof(checksum));
}

void shard_row_write(const struct shard_record *rec, const struct shard_header *h,
                     const struct shard_row_size *size, unsigned char *row)
{
    unsigned char *p = row + 16, *content = row + SHARD_ROW_HEAD;
    XXH3_state_t tensors;

    p = wire_put_u32(p, (uint32_t)size->bytes);
    p = wire_put_u32(p, (uint32_t)size->content);
    p = wire_put_u32(p, (uint32_t)size->n_ids);
    p = wire_put_u32(p, (uint32_t)rec->n_renditions);
    p = wire_put_u32(p, (uint32_t)rec->n_tensors);
    wire_put_u32(p, 0);
    p = put_content(content, rec, size);
    for (size_t i = 0; i < rec->n_renditions; i++)
        p = put_rendition(p, &rec->renditions[i]);

    XXH3_64bits_reset(&tensors);
    for (size_t i = 0; i < rec->n_tensors; i++) {
        const struct shard_tensor *t = &rec->tensors[i];
        const uint64_t checksum =
            t->data != NULL ? XXH3_64bits(t->data, t->n_bytes) : t->checksum;
        hash_tensor(&tensors, rec, h, t, checksum);
        p = put_tensor(p, t, checksum);
    }
    wire_put_u64(row, text_checksum(rec, content, size->content));
    wire_put_u64(row + 8, XXH3_64bits_digest(&tensors));
}
