/* SPDX-License-Identifier: Apache-2.0
 * tools/export/mds_writer.h - write shards that StreamingDataset (PyPI
 * mosaicml-streaming) reads.
 *
 * The same bytes as its own MDSWriter makes from the same samples, columns, size limit
 * and hashes: format version 2. A shard is held in memory until it is full. Compressed,
 * it is one Zstandard frame with its content size, which that reader needs. */
#ifndef TOOLS_EXPORT_MDS_WRITER_H
#define TOOLS_EXPORT_MDS_WRITER_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#include "tools/store/store.h"

struct mds_column {
    const char *name;     /* columns stand in this order: by name, as bytes */
    const char *encoding; /* "str", "int", "ndarray:float16", ... */
    uint32_t size;        /* bytes of every value; 0: they vary */
};

/* One value as it is stored, in two pieces: what stands before an array's data, and the
 * data. Lent. */
struct mds_value {
    unsigned char head[64];
    size_t head_len;
    const void *data;
    size_t len;
};

struct mds_options {
    const struct mds_column *columns; /* kept */
    size_t n_columns;
    uint64_t size_limit; /* bytes of a shard, below 2^32 */
    int level;           /* of Zstandard; 0: not compressed */
    /* Shard i: gives the path to write to (release with free(); NULL: no memory), and the
     * name, below the data set's folder, that it will get. */
    char *(*path)(void *ctx, unsigned i, const char **name);
    void *ctx;                 /* kept */
    const struct store *store; /* kept: where the files are written */
};

enum mds_status {
    MDS_OK = 0,
    MDS_TOO_LARGE = 1, /* the sample alone would not fit a file of 4 GiB */
    MDS_FAILED = -1
};

struct mds_writer;

/* Gives *out, NULL where memory is short; close it either way. */
int mds_writer_open(struct mds_writer **out, const struct mds_options *options);

/* One value for each column. After MDS_TOO_LARGE the writer goes on without it. */
int mds_writer_append(struct mds_writer *w, const struct mds_value *values);

/* Writes the last shard. */
int mds_writer_finish(struct mds_writer *w);

/* Of the shards written so far, what index.json says of each: an array, lent. */
json_t *mds_writer_shards(const struct mds_writer *w);

/* Files begun so far, complete or not. */
unsigned mds_writer_n_files(const struct mds_writer *w);

const char *mds_writer_why(const struct mds_writer *w); /* lent; accepts NULL */
void mds_writer_close(struct mds_writer *w);            /* accepts NULL */

#endif
