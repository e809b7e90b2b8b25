/* SPDX-License-Identifier: Apache-2.0
 * shard/index/column_store.h - internal to shard/: an index as head, directory, columns
 * that can be read one by one, fingerprint and checksum.
 *
 * A column is one Zstandard frame of byte planes. A shard's index and a data set's index
 * are made so: FORMAT.md, sections 4 and 9. Of the head only its length is known here. */
#ifndef SHARD_INDEX_COLUMN_STORE_H
#define SHARD_INDEX_COLUMN_STORE_H

#include <stdint.h>
#include <zstd.h>

#include "shard/buffer.h"
#include "shard/file/format.h"
#include "shard/file/positioned_file.h"

struct shard_column_entry {
    uint64_t offset, bytes, raw_bytes, checksum; /* offset from the payload's start */
};

struct shard_column_store {
    struct shard_positioned_file *file; /* lent */
    const char *what;                   /* "index": for messages */
    uint32_t (*width)(uint32_t id);     /* bytes of one value of a column, 0: unknown */
    uint32_t n_known;   /* ids 1 to n_known have a width and must be there */
    uint64_t at, bytes; /* the payload in the file */
    struct shard_column_entry entry[SHARD_MAX_INDEX_COLUMNS + 1]; /* by id */
};

/* Sets why and returns SHARD_EFORMAT. */
int shard_column_store_bad(const struct shard_column_store *s, const char *reason);

/* Reads the head, SHARD_INDEX_HEAD bytes; and then, with the other fields of *s set, the
 * directory of n_entries columns, after which both are checked. */
int shard_column_store_head(const struct shard_column_store *s,
                            unsigned char head[SHARD_INDEX_HEAD]);
int shard_column_store_open(struct shard_column_store *s, uint32_t n_entries);

/* A whole column as values in memory, which must be raw_bytes long. */
int shard_column_store_load(const struct shard_column_store *s, uint32_t id,
                            uint64_t raw_bytes, struct shard_buffer *out);

/* Reads and checks the whole payload. Fills the fingerprint at its end. */
int shard_column_store_fingerprint(const struct shard_column_store *s,
                                   unsigned char fingerprint[16]);

/* ---- writing: SHARD_OK or SHARD_ENOMEM ---- */

/* The payload so far: a head to be filled, and room for the directory of n columns. */
int shard_column_store_begin(struct shard_buffer *payload, uint32_t n);
/* Columns in order of their ids, from 1. */
int shard_column_store_append(struct shard_buffer *payload, uint32_t id, uint32_t width,
                              const struct shard_buffer *values, ZSTD_CCtx *zstd,
                              struct shard_buffer *scratch);
int shard_column_store_end(struct shard_buffer *payload, uint32_t n,
                           const unsigned char fingerprint[16]);

#endif
