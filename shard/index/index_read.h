/* SPDX-License-Identifier: Apache-2.0
 * shard/index/index_read.h - internal to shard/: a file's index, column by column.
 *
 * Opening reads its head and directory; each column is read when somebody asks for it. */
#ifndef SHARD_INDEX_INDEX_READ_H
#define SHARD_INDEX_INDEX_READ_H

#include <stdint.h>

#include "shard/index/column_store.h"
#include "shard/index/index.h"
#include "shard/file/positioned_file.h"

struct shard_index_file {
    struct shard_column_store store;
    uint64_t n_records;
    uint32_t n_blocks, n_frames;
    uint64_t data_bytes;
};

/* Reads head and directory of the index whose payload is `bytes` at `at`. */
int shard_index_open(struct shard_index_file *x, struct shard_positioned_file *file,
                     uint64_t at, uint64_t bytes);

/* A whole column as values in memory, which must be raw_bytes long. */
int shard_index_load(const struct shard_index_file *x, enum shard_index_column column,
                     uint64_t raw_bytes, struct shard_buffer *out);

#endif
