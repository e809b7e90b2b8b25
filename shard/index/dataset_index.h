/* SPDX-License-Identifier: Apache-2.0
 * shard/index/dataset_index.h - public: index.lmi: all shards of a data set in one file.
 *
 *     struct dataset_index *x;
 *     if (dataset_index_open(&x, "shards/index.lmi") == SHARD_OK)
 *         plan(dataset_index_count(x));
 *     else
 *         fprintf(stderr, "%s\n", dataset_index_why(x));
 *     dataset_index_close(x);
 *
 * It says of each shard what a trainer must know before it opens one, and is made from
 * the shards' own indexes alone. FORMAT.md, section 9. Any file may be given: what is no
 * such index gets an error, never a crash. */
#ifndef SHARD_INDEX_DATASET_INDEX_H
#define SHARD_INDEX_DATASET_INDEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shard/shard_input.h"
#include "shard/status.h"

/* Ids of its columns on disk. */
enum dataset_index_column {
    DATASET_CONFIGURATIONS = 1, /* tables: */
    DATASET_COLUMNS,            /* */
    DATASET_PATHS,              /* */
    DATASET_CONFIGURATION,      /* one value a shard: */
    DATASET_BYTES,              /* */
    DATASET_FINGERPRINT,        /* */
    DATASET_RECORDS,            /* */
    DATASET_BLOCKS,             /* */
    DATASET_TOKENS,             /* expected: of each text the mean of its alternatives */
    DATASET_PARTS,              /* */
    DATASET_IMAGES,             /* */
    DATASET_N_COLUMNS_OF,       /* */
    DATASET_COLUMN,             /* one value a shard and column: */
    DATASET_TENSORS,            /* */
    DATASET_CELLS,              /* */
    DATASET_IDS,                /* */
    DATASET_N_COLUMNS = DATASET_IDS
};

/* Bytes of one value of a column, 1 for bytes and tables, 0 for an unknown column. */
uint32_t dataset_index_width(uint32_t column);

/* ---- reading ---- */

struct dataset_index;

/* Reads head and directory. Gives *out, even on failure, for dataset_index_why(); NULL
 * only for SHARD_ENOMEM. */
int dataset_index_open(struct dataset_index **out, const char *path);

uint64_t dataset_index_count(const struct dataset_index *x);  /* shards */
bool dataset_index_incomplete(const struct dataset_index *x); /* made so on purpose */

/* A whole column: a value a shard (or a shard and column), or a table. Gives *out
 * (release with free()). It is checked: its length is what the head says, a table is one,
 * paths stay below the folder, columns are some, positions are inside of their tables. */
int dataset_index_load(struct dataset_index *x, enum dataset_index_column column,
                       unsigned char **out, size_t *len);

/* XXH3-128 over each shard's path and fingerprint, after a check of the whole file. */
int dataset_index_fingerprint(struct dataset_index *x, unsigned char fingerprint[16]);

const char *dataset_index_why(const struct dataset_index *x); /* lent; accepts NULL */
/* errno of a failure that was SHARD_EIO. Accepts NULL. */
int dataset_index_error(const struct dataset_index *x);
void dataset_index_close(struct dataset_index *x); /* accepts NULL */

/* ---- making ---- */

struct dataset_index_writer;

/* Shards are read through `input`, lent until close; NULL: they are plain files. Gives
 * *out; SHARD_OK or SHARD_ENOMEM. */
int dataset_index_writer_open(struct dataset_index_writer **out,
                              const struct shard_input *input);

/* Adds the shard at `path`, to be found as `name` from the index's folder. Only its
 * header and its index are read. The order of calls is the data set's order. */
int dataset_index_writer_add(struct dataset_index_writer *w, const char *path,
                             const char *name);

/* Gives the whole file's bytes (release with free()): the same for the same shards and
 * libzstd. SHARD_OK, SHARD_ENOMEM, or SHARD_EINVAL: paths or configurations above 2^30
 * bytes. */
int dataset_index_writer_finish(struct dataset_index_writer *w, bool incomplete,
                                unsigned char **out, size_t *len);

const char *dataset_index_writer_why(const struct dataset_index_writer *w); /* lent */
void dataset_index_writer_close(struct dataset_index_writer *w); /* accepts NULL */

#endif
