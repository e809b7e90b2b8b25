/* SPDX-License-Identifier: Apache-2.0 */
#include "shard/file/file_map.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <xxhash.h>

#include "shard/file/format.h"
#include "shard/status.h"
#include "shard/file/wire.h"

/* Damage of what this file reads is damage of the whole shard. */
static int whole_file(int rc)
{
    return rc == SHARD_EDAMAGED ? SHARD_EFORMAT : rc;
}

static int bad(struct shard_file_map *map, uint64_t at, const char *reason)
{
    return shard_positioned_file_fail(map->file, SHARD_EFORMAT, "byte %" PRIu64 ": %s",
                                      at, reason);
}

static int read_header(struct shard_file_map *map)
{
    unsigned char head[SHARD_SKIPPABLE_HEAD];
    char reason[200];

    if (map->file->entry.bytes < SHARD_SKIPPABLE_HEAD)
        return bad(map, 0, "too short for a shard");
    int rc = shard_positioned_file_read(map->file, 0, head, sizeof(head));
    if (rc < 0)
        return whole_file(rc);
    size_t len = wire_load_u32(head + 4);
    if (wire_load_u32(head) != SHARD_MAGIC_HEADER)
        return bad(map, 0, "not a shard: it does not start as one");
    if (len < SHARD_HEADER_HEAD + 8 || len > SHARD_HEADER_HEAD + 8 + SHARD_MAX_HEADER ||
        len > map->file->entry.bytes - SHARD_SKIPPABLE_HEAD)
        return bad(map, 4, "a header of an impossible length");
    if (shard_buffer_resize(&map->header_payload, len) < 0)
        return shard_positioned_file_fail(map->file, SHARD_ENOMEM, "out of memory");
    unsigned char *p = map->header_payload.data;
    rc = shard_positioned_file_read(map->file, SHARD_SKIPPABLE_HEAD, p, len);
    if (rc < 0)
        return whole_file(rc);
    if (memcmp(p, SHARD_MAGIC_HEADER_TEXT, 8) != 0)
        return bad(map, SHARD_SKIPPABLE_HEAD, "not a shard: its first frame is foreign");
    if (wire_load_u32(p + 8) != SHARD_VERSION)
        return shard_positioned_file_fail(
            map->file, SHARD_EVERSION,
            "a shard of format version %u, this reader knows %d", wire_load_u32(p + 8),
            SHARD_VERSION);
    map->json_len = len - SHARD_HEADER_HEAD - 8;
    if (wire_load_u64(p + 16) != map->json_len ||
        !shard_checksum_is(wire_load_u64(p + len - 8), XXH3_64bits(p, len - 8)))
        return bad(map, SHARD_SKIPPABLE_HEAD, "the header does not match its checksum");
    if (wire_load_u32(p + 12) != 0)
        return bad(map, SHARD_SKIPPABLE_HEAD, SHARD_LATER);
    p[len - 8] = 0; /* where the checksum was: the JSON's end as a C string */
    map->json = (const char *)p + SHARD_HEADER_HEAD;
    map->header_end = SHARD_SKIPPABLE_HEAD + len;
    rc = shard_header_from_json(map->json, map->json_len, &map->header, reason,
                                sizeof(reason));
    if (rc == SHARD_ENOMEM)
        return shard_positioned_file_fail(map->file, rc, "out of memory");
    return rc < 0 ? bad(map, SHARD_SKIPPABLE_HEAD, reason) : rc;
}

/* Gives the seek table's entries. */
static int read_seek_table(struct shard_file_map *map, struct shard_buffer *entries,
                           uint64_t *start)
{
    struct shard_positioned_file *s = map->file;
    unsigned char head[SHARD_SKIPPABLE_HEAD], footer[SHARD_SEEK_FOOTER];

    if (s->entry.bytes - map->header_end < sizeof(head) + sizeof(footer))
        return bad(map, s->entry.bytes, "the file is cut off: no seek table at its end");
    int rc = shard_positioned_file_read(s, s->entry.bytes - sizeof(footer), footer,
                                        sizeof(footer));
    if (rc < 0)
        return whole_file(rc);
    uint64_t n = wire_load_u32(footer);
    uint64_t len = n * SHARD_SEEK_ENTRY + sizeof(footer);
    if (wire_load_u32(footer + 5) != SHARD_MAGIC_SEEKABLE || footer[4] != 0 || n < 2 ||
        n > SHARD_MAX_FRAMES || len + sizeof(head) > s->entry.bytes - map->header_end)
        return bad(map, s->entry.bytes - sizeof(footer),
                   "the file is cut off or damaged: no seek table at its end");
    *start = s->entry.bytes - len - sizeof(head);
    rc = shard_positioned_file_read(s, *start, head, sizeof(head));
    if (rc == SHARD_OK &&
        (wire_load_u32(head) != SHARD_MAGIC_SEEK_TABLE || wire_load_u32(head + 4) != len))
        return bad(map, *start, "the seek table is damaged");
    if (rc == SHARD_OK && shard_buffer_resize(entries, (size_t)n * SHARD_SEEK_ENTRY) < 0)
        return shard_positioned_file_fail(s, SHARD_ENOMEM, "out of memory");
    if (rc == SHARD_OK)
        rc = shard_positioned_file_read(s, *start + sizeof(head), entries->data,
                                        entries->len);
    return whole_file(rc);
}

/* The index's skippable frame is the seek table's last entry. */
static int open_index(struct shard_file_map *map, const struct shard_buffer *entries,
                      uint64_t seek_table)
{
    unsigned char head[SHARD_SKIPPABLE_HEAD];
    uint64_t bytes = wire_load_u32(entries->data + entries->len - SHARD_SEEK_ENTRY);

    if (bytes < sizeof(head) || bytes > seek_table - map->header_end)
        return bad(map, seek_table, "the seek table is damaged");
    uint64_t at = seek_table - bytes;
    int rc = shard_positioned_file_read(map->file, at, head, sizeof(head));
    if (rc < 0)
        return whole_file(rc);
    if (wire_load_u32(head) != SHARD_MAGIC_INDEX ||
        wire_load_u32(head + 4) != bytes - sizeof(head))
        return bad(map, at, "there is no index where the seek table says");
    rc =
        shard_index_open(&map->index, map->file, at + sizeof(head), bytes - sizeof(head));
    if (rc == SHARD_OK && map->index.data_bytes != at)
        return bad(map, at, "the index is of a file of another length");
    return rc;
}

/* Values of a column with one of n rows each. */
static int load(struct shard_file_map *map, enum shard_index_column column, uint64_t n,
                struct shard_buffer *out)
{
    return shard_index_load(&map->index, column, n * shard_index_width(column), out);
}

static int out_of_memory(struct shard_file_map *map)
{
    return shard_positioned_file_fail(map->file, SHARD_ENOMEM, "out of memory");
}

/* The frames follow each other in the file, from the header to the index. */
static int place_frames(struct shard_file_map *map, const struct shard_buffer column[4])
{
    uint64_t at = map->header_end;

    for (size_t i = 0; i < map->index.n_frames; i++) {
        struct shard_frame *frame = &map->frames[i];
        map->first_row[i] = wire_load_u32(column[0].data + 4 * i);
        frame->offset = at;
        frame->bytes = wire_load_u32(column[1].data + 4 * i);
        frame->raw_bytes = wire_load_u32(column[2].data + 4 * i);
        frame->checksum = wire_load_u64(column[3].data + 8 * i);
        if (frame->bytes > map->index.data_bytes - at ||
            frame->raw_bytes > SHARD_MAX_FRAME)
            return bad(map, map->index.store.at, "the index has an impossible frame");
        at += frame->bytes;
    }
    if (at != map->index.data_bytes)
        return bad(map, map->index.store.at, "the index does not cover the file");
    return SHARD_OK;
}

static int load_frames(struct shard_file_map *map)
{
    static const enum shard_index_column columns[4] = {
        INDEX_FRAME_FIRST_ROW, INDEX_FRAME_BYTES, INDEX_FRAME_RAW_BYTES,
        INDEX_FRAME_CHECKSUM};
    struct shard_buffer column[4] = {{0}};
    int rc = SHARD_OK;

    map->frames = calloc(map->index.n_frames + 1u, sizeof(map->frames[0]));
    map->first_row = calloc(map->index.n_frames + 1u, sizeof(map->first_row[0]));
    if (map->frames == NULL || map->first_row == NULL)
        return out_of_memory(map);
    for (int i = 0; i < 4 && rc == SHARD_OK; i++)
        rc = load(map, columns[i], map->index.n_frames, &column[i]);
    if (rc == SHARD_OK)
        rc = place_frames(map, column);
    for (int i = 0; i < 4; i++)
        shard_buffer_free(&column[i]);
    return rc;
}

/* Blocks share out records and frames, in order and without a gap. */
static int place_blocks(struct shard_file_map *map, const struct shard_buffer *records,
                        const struct shard_buffer *frames)
{
    uint64_t record = 0, frame = 0;

    for (size_t i = 0; i < map->index.n_blocks; i++) {
        struct shard_block_place *block = &map->blocks[i];
        block->n_records = wire_load_u32(records->data + 4 * i);
        block->n_frames = wire_load_u32(frames->data + 4 * i);
        block->first_record = record;
        block->first_frame = (uint32_t)frame;
        record += block->n_records;
        frame += block->n_frames;
        if (block->n_records == 0 || block->n_frames == 0 ||
            block->n_frames > SHARD_MAX_BLOCK_FRAMES + 1 ||
            record > map->index.n_records || frame > map->index.n_frames)
            return bad(map, map->index.store.at, "the index has an impossible block");
        for (uint64_t j = block->first_record; j < record; j++)
            map->record_block[j] = (uint32_t)i;
    }
    if (record != map->index.n_records || frame != map->index.n_frames)
        return bad(map, map->index.store.at,
                   "the index has a record or frame of no block");
    return SHARD_OK;
}

static int load_blocks(struct shard_file_map *map)
{
    struct shard_buffer records = {0}, frames = {0};

    map->blocks = calloc(map->index.n_blocks + 1u, sizeof(map->blocks[0]));
    map->record_block =
        calloc((size_t)map->index.n_records + 1, sizeof(map->record_block[0]));
    if (map->blocks == NULL || map->record_block == NULL)
        return out_of_memory(map);
    int rc = load(map, INDEX_BLOCK_RECORDS, map->index.n_blocks, &records);
    if (rc == SHARD_OK)
        rc = load(map, INDEX_BLOCK_FRAMES, map->index.n_blocks, &frames);
    if (rc == SHARD_OK)
        rc = place_blocks(map, &records, &frames);
    shard_buffer_free(&records);
    shard_buffer_free(&frames);
    return rc;
}

static bool entry_is(const unsigned char *entry, uint64_t bytes, uint32_t raw_bytes)
{
    return wire_load_u32(entry) == bytes && wire_load_u32(entry + 4) == raw_bytes;
}

/* The seek table must say what the index says. */
static int compare_seek_table(struct shard_file_map *map,
                              const struct shard_buffer *entries, uint64_t seek_table)
{
    const unsigned char *e = entries->data;
    bool same = entries->len / SHARD_SEEK_ENTRY == (size_t)map->index.n_frames + 2 &&
                entry_is(e, map->header_end, 0);

    for (uint32_t i = 0; i < map->index.n_frames && same; i++) {
        e += SHARD_SEEK_ENTRY;
        same = entry_is(e, map->frames[i].bytes, map->frames[i].raw_bytes);
    }
    if (!same || !entry_is(e + SHARD_SEEK_ENTRY, seek_table - map->index.data_bytes, 0))
        return bad(map, seek_table, "the seek table does not say what the index says");
    return SHARD_OK;
}

int shard_file_map_open(struct shard_file_map *map, struct shard_positioned_file *file)
{
    struct shard_buffer entries = {0};
    uint64_t seek_table = 0;

    *map = (struct shard_file_map){.file = file};
    int rc = read_header(map);
    if (rc == SHARD_OK)
        rc = read_seek_table(map, &entries, &seek_table);
    if (rc == SHARD_OK)
        rc = open_index(map, &entries, seek_table);
    if (rc == SHARD_OK)
        rc = load_frames(map);
    if (rc == SHARD_OK)
        rc = compare_seek_table(map, &entries, seek_table);
    if (rc == SHARD_OK)
        rc = load_blocks(map);
    shard_buffer_free(&entries);
    return rc;
}

void shard_file_map_close(struct shard_file_map *map)
{
    shard_header_free(map->header);
    shard_buffer_free(&map->header_payload);
    free(map->frames);
    free(map->first_row);
    free(map->blocks);
    free(map->record_block);
    *map = (struct shard_file_map){0};
}
