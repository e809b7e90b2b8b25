/* SPDX-License-Identifier: Apache-2.0 */
#include "shard/index/column_store.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <xxhash.h>

#include "shard/file/planes.h"
#include "shard/status.h"
#include "shard/file/wire.h"

int shard_column_store_bad(const struct shard_column_store *s, const char *reason)
{
    return shard_positioned_file_fail(
        s->file, SHARD_EFORMAT, "%s at byte %" PRIu64 ": %s", s->what, s->at, reason);
}

/* Read errors before anything is trusted: damage here is damage of the whole file. */
static int whole_file(int rc)
{
    return rc == SHARD_EDAMAGED ? SHARD_EFORMAT : rc;
}

int shard_column_store_head(const struct shard_column_store *s,
                            unsigned char head[SHARD_INDEX_HEAD])
{
    if (s->bytes < SHARD_INDEX_HEAD)
        return shard_column_store_bad(s, "too short");
    return whole_file(shard_positioned_file_read(s->file, s->at, head, SHARD_INDEX_HEAD));
}

static int take_entry(struct shard_column_store *s, const unsigned char *p)
{
    uint32_t id = wire_load_u32(p);
    struct shard_column_entry e = {wire_load_u64(p + 8), wire_load_u64(p + 16),
                                   wire_load_u64(p + 24), wire_load_u64(p + 32)};

    if (id == 0 || id > s->n_known)
        return SHARD_OK; /* a column of later versions */
    if (wire_load_u32(p + 4) != s->width(id))
        return shard_column_store_bad(
            s, "a column of another width: an earlier development version made it");
    if (e.offset > s->bytes || e.bytes > s->bytes - e.offset || e.bytes == 0)
        return shard_column_store_bad(s, "a column outside of it");
    s->entry[id] = e;
    return SHARD_OK;
}

int shard_column_store_open(struct shard_column_store *s, uint32_t n_entries)
{
    unsigned char
        head[SHARD_INDEX_HEAD + SHARD_MAX_INDEX_COLUMNS * SHARD_INDEX_ENTRY + 8];

    if (n_entries > SHARD_MAX_INDEX_COLUMNS)
        return shard_column_store_bad(s, "impossible counts");
    size_t len = SHARD_INDEX_HEAD + n_entries * SHARD_INDEX_ENTRY;
    if (len + 8 + SHARD_INDEX_TAIL > s->bytes)
        return shard_column_store_bad(s, "too short for its directory");
    int rc = shard_positioned_file_read(s->file, s->at, head, len + 8);
    if (rc < 0)
        return whole_file(rc);
    if (!shard_checksum_is(wire_load_u64(head + len), XXH3_64bits(head, len)))
        return shard_column_store_bad(s, "its head does not match its checksum");

    for (uint32_t i = 0; i < n_entries && rc == SHARD_OK; i++)
        rc = take_entry(s, head + SHARD_INDEX_HEAD + i * SHARD_INDEX_ENTRY);
    for (uint32_t id = 1; id <= s->n_known && rc == SHARD_OK; id++)
        if (s->entry[id].bytes == 0)
            rc = shard_column_store_bad(
                s, "a column is missing: an earlier development version made it");
    return rc;
}

int shard_column_store_load(const struct shard_column_store *s, uint32_t id,
                            uint64_t raw_bytes, struct shard_buffer *out)
{
    const struct shard_column_entry *e = &s->entry[id];
    struct shard_buffer planes = {0};
    char what[64];

    if (e->raw_bytes != raw_bytes || raw_bytes > SIZE_MAX / 4)
        return shard_column_store_bad(s,
                                      "a column of another length than its counts say");
    snprintf(what, sizeof(what), "column %" PRIu32 " of the %s", id, s->what);
    int rc = shard_positioned_file_unpack(s->file, what, s->at + e->offset, e->bytes,
                                          raw_bytes, e->checksum, &planes);
    if (rc == SHARD_OK && shard_buffer_resize(out, (size_t)raw_bytes) < 0)
        rc = shard_positioned_file_fail(s->file, SHARD_ENOMEM, "out of memory");
    if (rc == SHARD_OK)
        shard_planes_join(planes.data, out->data, (size_t)raw_bytes, s->width(id));
    shard_buffer_free(&planes);
    return whole_file(rc);
}

int shard_column_store_fingerprint(const struct shard_column_store *s,
                                   unsigned char fingerprint[16])
{
    struct shard_buffer payload = {0};

    if (shard_buffer_resize(&payload, (size_t)s->bytes) < 0)
        return shard_positioned_file_fail(s->file, SHARD_ENOMEM, "out of memory");
    int rc = shard_positioned_file_read(s->file, s->at, payload.data, payload.len);
    const unsigned char *tail = payload.data + payload.len - SHARD_INDEX_TAIL;
    if (rc == SHARD_OK &&
        !shard_checksum_is(wire_load_u64(tail + 16),
                           XXH3_64bits(payload.data, payload.len - sizeof(uint64_t))))
        rc = shard_column_store_bad(s, "it does not match its checksum");
    if (rc == SHARD_OK)
        memcpy(fingerprint, tail, 16);
    shard_buffer_free(&payload);
    return whole_file(rc);
}

int shard_column_store_begin(struct shard_buffer *payload, uint32_t n)
{
    size_t len = SHARD_INDEX_HEAD + n * SHARD_INDEX_ENTRY + 8;

    if (shard_buffer_resize(payload, len) < 0)
        return SHARD_ENOMEM;
    memset(payload->data, 0, len);
    return SHARD_OK;
}

int shard_column_store_append(struct shard_buffer *payload, uint32_t id, uint32_t width,
                              const struct shard_buffer *values, ZSTD_CCtx *zstd,
                              struct shard_buffer *scratch)
{
    size_t start = payload->len, bound = ZSTD_compressBound(values->len);

    if (shard_buffer_resize(scratch, values->len) < 0 ||
        shard_buffer_extend(payload, bound) == NULL)
        return SHARD_ENOMEM;
    shard_planes_split(values->data, scratch->data, values->len, width);
    size_t bytes =
        ZSTD_compress2(zstd, payload->data + start, bound, scratch->data, values->len);
    if (ZSTD_isError(bytes))
        return SHARD_ENOMEM; /* with room for the bound nothing else can fail */
    payload->len = start + bytes;

    unsigned char *p = payload->data + SHARD_INDEX_HEAD + (id - 1) * SHARD_INDEX_ENTRY;
    p = wire_put_u32(p, id);
    p = wire_put_u32(p, width);
    p = wire_put_u64(p, start);
    p = wire_put_u64(p, bytes);
    p = wire_put_u64(p, values->len);
    wire_put_u64(p, XXH3_64bits(payload->data + start, bytes));
    return SHARD_OK;
}

int shard_column_store_end(struct shard_buffer *payload, uint32_t n,
                           const unsigned char fingerprint[16])
{
    size_t head = SHARD_INDEX_HEAD + n * SHARD_INDEX_ENTRY;

    wire_put_u64(payload->data + head, XXH3_64bits(payload->data, head));
    return shard_buffer_add(payload, fingerprint, 16) < 0 ||
                   shard_buffer_add_u64(payload,
                                        XXH3_64bits(payload->data, payload->len)) < 0
               ? SHARD_ENOMEM
               : SHARD_OK;
}
