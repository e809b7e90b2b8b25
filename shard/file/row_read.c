/* SPDX-License-Identifier: Apache-2.0
 * shard/file/row_read.c - one cursor for the row, and one for each entry in it, so that
 * what an entry holds beyond what is known here is passed over. */
#include "shard/file/row_read.h"

#include <string.h>

#include "shard/file/format.h"
#include "shard/file/wire.h"

/* Offsets in a row, see FORMAT.md. */
enum {
    ROW_BYTES = 16,
    ROW_CONTENT = 20,
    ROW_RENDITIONS = 28,
    ROW_TENSORS = 32,
    CONTENT_PARTS = 12,
    CONTENT_ALTERNATIVES = 16
};

bool shard_row_add_up(const unsigned char *row, size_t left, struct shard_row_room *sums)
{
    const unsigned char *content = row + SHARD_ROW_HEAD;
    const uint64_t bytes = wire_load_u32(row + ROW_BYTES);
    const uint64_t content_bytes = wire_load_u32(row + ROW_CONTENT);
    const uint64_t n_renditions = wire_load_u32(row + ROW_RENDITIONS);
    const uint64_t n_tensors = wire_load_u32(row + ROW_TENSORS);
    const uint64_t n_parts = wire_load_u32(content + CONTENT_PARTS);
    const uint64_t n_alternatives = wire_load_u32(content + CONTENT_ALTERNATIVES);

    if (bytes > left || content_bytes < SHARD_ROW_CONTENT ||
        SHARD_ROW_HEAD + content_bytes + n_renditions * SHARD_ENTRY_RENDITION +
                n_tensors * SHARD_ENTRY_TENSOR >
            bytes ||
        n_parts * SHARD_ENTRY_PART + n_alternatives * SHARD_ENTRY_ALTERNATIVE >
            content_bytes)
        return false;
    sums->n_parts += (size_t)n_parts;
    sums->n_alternatives += (size_t)n_alternatives;
    sums->n_renditions += (size_t)n_renditions;
    sums->n_tensors += (size_t)n_tensors;
    return true;
}

/* The entry at the cursor, its kind taken, as a cursor of its own. */
static struct wire_cursor take_entry(struct wire_cursor *c, uint32_t *kind)
{
    struct wire_cursor entry = {.bad = true};

    *kind = wire_take_u32(c);
    const uint32_t bytes = wire_take_u32(c);
    if (c->bad || bytes < SHARD_ENTRY_HEAD) {
        c->bad = true;
        return entry;
    }
    entry.p = wire_take(c, bytes - SHARD_ENTRY_HEAD);
    entry.left = c->bad ? 0 : bytes - SHARD_ENTRY_HEAD;
    entry.bad = c->bad;
    return entry;
}

/* A string without a zero byte in it. */
static const char *take_name(struct wire_cursor *c, uint16_t len)
{
    const char *s = wire_take_string(c, len);

    c->bad |= s != NULL && strlen(s) != len;
    return s;
}

static struct shard_unknown take_rest(struct wire_cursor *c)
{
    return (struct shard_unknown){c->p, c->left};
}

/* A reserved number. */
static void take_zero(struct wire_cursor *c, size_t bytes, struct shard_row_room *room)
{
    const unsigned char *p = wire_take(c, bytes);

    for (size_t i = 0; p != NULL && i < bytes; i++)
        room->later |= p[i] != 0;
}

static bool take_alternative(struct wire_cursor *c, struct shard_row_room *room)
{
    struct shard_alternative *a = room->alternatives;

    if (room->n_alternatives == 0)
        return false;
    room->alternatives++;
    room->n_alternatives--;
    struct wire_cursor e = take_entry(c, &a->kind);
    a->n_ids = wire_take_u32(&e);
    const uint16_t name_len = wire_take_u16(&e);
    take_zero(&e, 2, room);
    a->name = take_name(&e, name_len);
    if (a->kind == 0) {
        a->text_len = wire_take_u32(&e);
        a->text = wire_take_string(&e, a->text_len);
    } else {
        a->text = "";
        a->unknown = take_rest(&e);
    }
    if (e.bad || a->n_ids == SHARD_NO_IDS)
        return !e.bad;
    if (a->n_ids > room->n_ids)
        return false;
    a->ids = room->ids;
    room->ids += a->n_ids;
    room->n_ids -= a->n_ids;
    return true;
}

static bool take_text(struct wire_cursor *e, struct shard_part *part,
                      struct shard_row_room *room)
{
    const uint32_t n = wire_take_u32(e);

    if (n > room->n_alternatives)
        return false;
    part->n_alternatives = n;
    part->alternatives = room->alternatives;
    for (uint32_t i = 0; i < n; i++)
        if (!take_alternative(e, room))
            return false;
    return !e->bad;
}

static bool take_part(struct wire_cursor *c, struct shard_part *part,
                      struct shard_row_room *room)
{
    struct wire_cursor e = take_entry(c, &part->kind);

    part->flags = wire_take_u32(&e);
    const uint16_t role_len = wire_take_u16(&e);
    take_zero(&e, 2, room);
    part->role = take_name(&e, role_len);
    if (part->kind == SHARD_PART_TEXT)
        return take_text(&e, part, room);
    if (part->kind == SHARD_PART_IMAGE) {
        part->width = wire_take_u32(&e);
        part->height = wire_take_u32(&e);
        const unsigned char *sha256 = wire_take(&e, sizeof(part->sha256));
        if (sha256 != NULL)
            memcpy(part->sha256, sha256, sizeof(part->sha256));
    } else if (part->kind > SHARD_PART_DATA) {
        part->unknown = take_rest(&e);
    }
    return !e.bad;
}

static struct shard_box take_box(struct wire_cursor *e)
{
    struct shard_box box;

    box.left = wire_take_u32(e);
    box.top = wire_take_u32(e);
    box.width = wire_take_u32(e);
    box.height = wire_take_u32(e);
    return box;
}

static bool take_rendition(struct wire_cursor *c, struct shard_rendition *r)
{
    struct wire_cursor e = take_entry(c, &r->kind);

    r->part = wire_take_u32(&e);
    if (r->kind != 0) {
        r->unknown = take_rest(&e);
        return !e.bad;
    }
    const uint32_t mirrored = wire_take_u32(&e);
    r->mirrored = mirrored == 1;
    r->fit = (enum shard_fit)wire_take_u32(&e);
    r->target_width = wire_take_u32(&e);
    r->target_height = wire_take_u32(&e);
    r->crop = take_box(&e);
    r->content = take_box(&e);
    return !e.bad && mirrored <= 1;
}

static bool take_tensor(struct wire_cursor *c, struct shard_tensor *t)
{
    struct wire_cursor e = take_entry(c, &t->kind);

    t->part = wire_take_u32(&e);
    t->owner = wire_take_u32(&e);
    t->encoder = wire_take_u32(&e);
    t->slot = wire_take_u32(&e);
    t->dtype = wire_take_u32(&e);
    t->n_dims = wire_take_u32(&e);
    const uint64_t n_bytes = wire_take_u64(&e);
    t->checksum = wire_take_u64(&e);
    if (t->n_dims > SHARD_MAX_DIMS || n_bytes > SHARD_MAX_ROW)
        return false;
    t->n_bytes = (size_t)n_bytes;
    for (uint32_t i = 0; i < t->n_dims; i++)
        t->dims[i] = wire_take_u32(&e);
    return !e.bad;
}

static bool take_parts(struct wire_cursor *c, uint32_t n, struct shard_row_room *room,
                       struct shard_record *rec)
{
    if (n > room->n_parts)
        return false;
    rec->n_parts = n;
    rec->parts = room->parts;
    for (uint32_t i = 0; i < n; i++)
        if (!take_part(c, &room->parts[i], room))
            return false;
    room->parts += n;
    room->n_parts -= n;
    return true;
}

static bool take_content(struct wire_cursor *c, struct shard_row_room *room,
                         struct shard_record *rec)
{
    const size_t alternatives_before = room->n_alternatives;

    rec->index = wire_take_u64(c);
    rec->caption_drawn = wire_take_u32(c);
    const uint32_t n_parts = wire_take_u32(c);
    const uint32_t n_alternatives = wire_take_u32(c);
    rec->metadata_len = wire_take_u32(c);
    const uint16_t key_len = wire_take_u16(c);
    const uint16_t name_len = wire_take_u16(c);
    const unsigned char *order = wire_take(c, 1);
    take_zero(c, 3, room);
    rec->key = take_name(c, key_len);
    rec->name = take_name(c, name_len);
    if (c->bad || *order > 1 || !take_parts(c, n_parts, room, rec))
        return false;
    rec->order = *order == 0 ? SHARD_CAPTION_FIRST : SHARD_IMAGE_FIRST;
    rec->metadata = wire_take_string(c, rec->metadata_len);
    if (rec->metadata_len == 0)
        rec->metadata = NULL;
    return !c->bad && c->left == 0 &&
           alternatives_before - room->n_alternatives == n_alternatives;
}

/* Renditions and tensors, to the row's end. */
static bool take_made(struct wire_cursor *c, uint32_t n_renditions, uint32_t n_tensors,
                      struct shard_row_room *room, struct shard_record *rec)
{
    if (n_renditions > room->n_renditions || n_tensors > room->n_tensors)
        return false;
    rec->n_renditions = n_renditions;
    rec->renditions = room->renditions;
    for (uint32_t i = 0; i < n_renditions; i++)
        if (!take_rendition(c, room->renditions++))
            return false;
    rec->n_tensors = n_tensors;
    rec->tensors = room->tensors;
    for (uint32_t i = 0; i < n_tensors; i++)
        if (!take_tensor(c, room->tensors++))
            return false;
    room->n_renditions -= n_renditions;
    room->n_tensors -= n_tensors;
    return c->left == 0;
}

bool shard_row_read(const unsigned char *row, struct shard_row_room *room,
                    struct shard_record *rec)
{
    struct wire_cursor c = {.p = row, .left = wire_load_u32(row + ROW_BYTES)};
    const size_t ids_before = room->n_ids;

    rec->text_checksum = wire_take_u64(&c);
    rec->tensor_checksum = wire_take_u64(&c);
    wire_take_u32(&c); /* the row's length */
    const uint32_t content_bytes = wire_take_u32(&c);
    const uint32_t n_ids = wire_take_u32(&c);
    const uint32_t n_renditions = wire_take_u32(&c);
    const uint32_t n_tensors = wire_take_u32(&c);
    take_zero(&c, 4, room);
    struct wire_cursor content = {.left = content_bytes};
    content.p = wire_take(&c, content_bytes);
    return !c.bad && take_content(&content, room, rec) &&
           ids_before - room->n_ids == n_ids &&
           take_made(&c, n_renditions, n_tensors, room, rec) && !room->later;
}
