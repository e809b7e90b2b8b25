/* SPDX-License-Identifier: Apache-2.0 */
#include "shard/index_read.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <xxhash.h>

#include "shard/format.h"
#include "shard/planes.h"
#include "shard/status.h"
#include "shard/wire.h"

static int bad_index(const struct shard_index_file *x, const char *reason)
{
    return shard_source_fail(x->source, SHARD_EFORMAT, "index at byte %" PRIu64 ": %s",
                             x->at, reason);
}

/* Read errors before anything is trusted: damage here is damage of the whole file. */
static int whole_file(int rc)
{
    return rc == SHARD_EDAMAGED ? SHARD_EFORMAT : rc;
}

static int read_entries(struct shard_index_file *x, uint32_t n_columns)
{
    unsigned char
        head[SHARD_INDEX_HEAD + SHARD_MAX_INDEX_COLUMNS * SHARD_INDEX_ENTRY + 8];
    size_t len = SHARD_INDEX_HEAD + n_columns * SHARD_INDEX_ENTRY;

    if (len + 8 + SHARD_INDEX_TAIL > x->bytes)
        return bad_index(x, "too short for its directory");
    int rc = shard_source_read(x->source, x->at, head, len + 8);
    if (rc < 0)
        return whole_file(rc);
    if (!shard_checksum_is(wire_load_u64(head + len), XXH3_64bits(head, len)))
        return bad_index(x, "its head does not match its checksum");

    for (uint32_t i = 0; i < n_columns; i++) {
        const unsigned char *p = head + SHARD_INDEX_HEAD + i * SHARD_INDEX_ENTRY;
        uint32_t id = wire_load_u32(p);
        struct shard_index_entry e = {wire_load_u64(p + 8), wire_load_u64(p + 16),
                                      wire_load_u64(p + 24), wire_load_u64(p + 32)};
        if (shard_index_width(id) == 0)
            continue; /* a column of later versions */
        if (wire_load_u32(p + 4) != shard_index_width(id) || e.offset > x->bytes ||
            e.bytes > x->bytes - e.offset || e.bytes == 0)
            return bad_index(x, "a column outside of it");
        x->entry[id] = e;
    }
    for (uint32_t id = 1; id <= INDEX_N_COLUMNS; id++)
        if (x->entry[id].bytes == 0)
            return bad_index(x, "a column is missing");
    return SHARD_OK;
}

int shard_index_open(struct shard_index_file *x, struct shard_source *source, uint64_t at,
                     uint64_t bytes)
{
    unsigned char head[SHARD_INDEX_HEAD];

    *x = (struct shard_index_file){.source = source, .at = at, .bytes = bytes};
    if (bytes < SHARD_INDEX_HEAD)
        return bad_index(x, "too short");
    int rc = shard_source_read(source, at, head, sizeof(head));
    if (rc < 0)
        return whole_file(rc);
    if (memcmp(head, SHARD_MAGIC_INDEX_TEXT, 8) != 0)
        return bad_index(x, "not an index");
    if (wire_load_u32(head + 8) != SHARD_VERSION)
        return shard_source_fail(source, SHARD_EVERSION,
                                 "index of format version %u, this reader knows %d",
                                 wire_load_u32(head + 8), SHARD_VERSION);
    uint32_t n_columns = wire_load_u32(head + 12);
    x->n_records = wire_load_u64(head + 16);
    x->n_blocks = wire_load_u32(head + 24);
    x->n_frames = wire_load_u32(head + 28);
    x->data_bytes = wire_load_u64(head + 32);
    /* A record, its two checksums at least, and a frame take more bytes than these. */
    if (n_columns > SHARD_MAX_INDEX_COLUMNS || x->n_records > bytes ||
        x->n_frames > x->data_bytes / 8 || x->n_frames > SHARD_MAX_FRAMES ||
        x->n_blocks > SHARD_MAX_BLOCKS || x->n_blocks > x->n_frames ||
        x->n_blocks > x->n_records || x->data_bytes > source->size)
        return bad_index(x, "impossible counts");
    return read_entries(x, n_columns);
}

int shard_index_load(const struct shard_index_file *x, enum shard_index_column column,
                     uint64_t raw_bytes, struct shard_buffer *out)
{
    const struct shard_index_entry *e = &x->entry[column];
    struct shard_buffer planes = {0};
    char what[48];

    if (e->raw_bytes != raw_bytes || raw_bytes > SIZE_MAX / 4)
        return bad_index(x, "a column of another length than its counts say");
    snprintf(what, sizeof(what), "column %d of the index", (int)column);
    int rc = shard_source_unpack(x->source, what, x->at + e->offset, e->bytes, raw_bytes,
                                 e->checksum, &planes);
    if (rc == SHARD_OK && shard_buffer_resize(out, (size_t)raw_bytes) < 0)
        rc = shard_source_fail(x->source, SHARD_ENOMEM, "out of memory");
    if (rc == SHARD_OK)
        shard_planes_join(planes.data, out->data, (size_t)raw_bytes,
                          shard_index_width(column));
    shard_buffer_free(&planes);
    return whole_file(rc);
}

int shard_index_fingerprint(const struct shard_index_file *x,
                            unsigned char fingerprint[16])
{
    struct shard_buffer payload = {0};

    if (shard_buffer_resize(&payload, (size_t)x->bytes) < 0)
        return shard_source_fail(x->source, SHARD_ENOMEM, "out of memory");
    int rc = shard_source_read(x->source, x->at, payload.data, payload.len);
    const unsigned char *tail = payload.data + payload.len - SHARD_INDEX_TAIL;
    if (rc == SHARD_OK &&
        !shard_checksum_is(wire_load_u64(tail + 16),
                           XXH3_64bits(payload.data, payload.len - sizeof(uint64_t))))
        rc = bad_index(x, "it does not match its checksum");
    if (rc == SHARD_OK)
        memcpy(fingerprint, tail, 16);
    shard_buffer_free(&payload);
    return whole_file(rc);
}
