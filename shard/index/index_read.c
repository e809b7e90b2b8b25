/* SPDX-License-Identifier: Apache-2.0 */
#include "shard/index/index_read.h"

#include <string.h>

#include "shard/file/format.h"
#include "shard/status.h"
#include "shard/file/wire.h"

int shard_index_open(struct shard_index_file *x, struct shard_positioned_file *file,
                     uint64_t at, uint64_t bytes)
{
    unsigned char head[SHARD_INDEX_HEAD];

    *x = (struct shard_index_file){.store = {.file = file,
                                             .what = "index",
                                             .width = shard_index_width,
                                             .n_known = INDEX_N_COLUMNS,
                                             .at = at,
                                             .bytes = bytes}};
    int rc = shard_column_store_head(&x->store, head);
    if (rc < 0)
        return rc;
    if (memcmp(head, SHARD_MAGIC_INDEX_TEXT, 8) != 0)
        return shard_column_store_bad(&x->store, "not an index");
    if (wire_load_u32(head + 8) != SHARD_VERSION)
        return shard_positioned_file_fail(
            file, SHARD_EVERSION, "index of format version %u, this reader knows %d",
            wire_load_u32(head + 8), SHARD_VERSION);
    x->n_records = wire_load_u64(head + 16);
    x->n_blocks = wire_load_u32(head + 24);
    x->n_frames = wire_load_u32(head + 28);
    x->data_bytes = wire_load_u64(head + 32);
    /* A record, its two checksums at least, and a frame take more bytes than these. */
    if (x->n_records > bytes || x->n_frames > x->data_bytes / 8 ||
        x->n_frames > SHARD_MAX_FRAMES || x->n_blocks > SHARD_MAX_BLOCKS ||
        x->n_blocks > x->n_frames || x->n_blocks > x->n_records ||
        x->data_bytes > file->entry.bytes)
        return shard_column_store_bad(&x->store, "impossible counts");
    rc = shard_column_store_open(&x->store, wire_load_u32(head + 12));
    for (uint32_t id = 1; id <= INDEX_N_COLUMNS && rc == SHARD_OK; id++)
        if (x->store.entry[id].raw_bytes > shard_max_column(file->entry.bytes))
            rc = shard_column_store_bad(&x->store, "a column of an impossible length");
    return rc;
}

int shard_index_load(const struct shard_index_file *x, enum shard_index_column column,
                     uint64_t raw_bytes, struct shard_buffer *out)
{
    return shard_column_store_load(&x->store, column, raw_bytes, out);
}
