/* SPDX-License-Identifier: Apache-2.0
 * shard/index_read.h - internal to shard/: a file's index, column by column.
 *
 * Opening reads its head and directory; each column is read when somebody asks for it. */
#ifndef SHARD_INDEX_READ_H
#define SHARD_INDEX_READ_H

#include <stdint.h>

#include "shard/index.h"
#include "shard/positioned_file.h"

struct shard_index_entry {
    uint64_t offset, bytes, raw_bytes, checksum; /* offset from the payload's start */
};

struct shard_index_file {
    struct shard_source *source; /* lent */
    uint64_t at, bytes;          /* the payload in the file */
    uint64_t n_records;
    uint32_t n_blocks, n_frames;
    uint64_t data_bytes;
    struct shard_index_entry entry[INDEX_N_COLUMNS + 1];
};

/* Reads head and directory of the index whose payload is `bytes` at `at`. */
int shard_index_open(struct shard_index_file *x, struct shard_source *source, uint64_t at,
                     uint64_t bytes);

/* A whole column as values in memory, which must be raw_bytes long. */
int shard_index_load(const struct shard_index_file *x, enum shard_index_column column,
                     uint64_t raw_bytes, struct shard_buffer *out);

/* Reads and checks all of the index. Fills the shard's fingerprint: XXH3-128, canonical.
 */
int shard_index_fingerprint(const struct shard_index_file *x,
                            unsigned char fingerprint[16]);

#endif
