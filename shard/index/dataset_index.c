/* SPDX-License-Identifier: Apache-2.0
 * shard/index/dataset_index.c - reading index.lmi: nothing but head and directory before
 * a column is asked for, so that opening costs nothing. */
#include "shard/index/dataset_index.h"

#include <stdlib.h>
#include <string.h>

#include "shard/file/column.h"
#include "shard/index/column_store.h"
#include "shard/file/format.h"
#include "shard/index/table.h"
#include "shard/file/wire.h"

enum { FLAG_INCOMPLETE = 1, FINGERPRINT_BYTES = 16 };

struct dataset_index {
    struct shard_positioned_file file;
    struct shard_column_store store;
    uint64_t n_shards;
    uint64_t n_pairs; /* of a shard and a column */
    bool incomplete;
};

uint32_t dataset_index_width(uint32_t column)
{
    /* No default: the compiler names a column without its width. */
    switch ((enum dataset_index_column)column) {
    case DATASET_CONFIGURATIONS:
    case DATASET_COLUMNS:
    case DATASET_PATHS:
    case DATASET_FINGERPRINT:
        return 1;
    case DATASET_BYTES:
    case DATASET_TOKENS:
    case DATASET_PARTS:
    case DATASET_IMAGES:
    case DATASET_TENSORS:
    case DATASET_CELLS:
    case DATASET_IDS:
        return 8;
    case DATASET_CONFIGURATION:
    case DATASET_RECORDS:
    case DATASET_BLOCKS:
    case DATASET_N_COLUMNS_OF:
    case DATASET_COLUMN:
        return 4;
    }
    return 0;
}

static int read_head(struct dataset_index *x)
{
    unsigned char head[SHARD_INDEX_HEAD];
    int rc = shard_column_store_head(&x->store, head);

    if (rc < 0)
        return rc;
    if (memcmp(head, SHARD_MAGIC_DATASET_TEXT, 8) != 0)
        return shard_column_store_bad(&x->store, "it does not start as one");
    if (wire_load_u32(head + 8) != SHARD_VERSION)
        return shard_positioned_file_fail(
            &x->file, SHARD_EVERSION,
            "an index of format version %u, this reader knows %d",
            wire_load_u32(head + 8), SHARD_VERSION);
    uint32_t flags = wire_load_u32(head + 24);
    x->n_shards = wire_load_u64(head + 16);
    x->n_pairs = wire_load_u64(head + 32);
    x->incomplete = flags & FLAG_INCOMPLETE;
    if (x->n_shards > SHARD_MAX_SHARDS || x->n_pairs > SHARD_MAX_PAIRS)
        return shard_column_store_bad(&x->store, "impossible counts");
    rc = shard_column_store_open(&x->store, wire_load_u32(head + 12));
    if (rc == SHARD_OK &&
        ((flags & ~(uint32_t)FLAG_INCOMPLETE) != 0 || wire_load_u32(head + 28) != 0))
        rc = shard_column_store_bad(&x->store, SHARD_LATER);
    return rc;
}

int dataset_index_open(struct dataset_index **out, const char *path)
{
    struct dataset_index *x = calloc(1, sizeof(*x));

    *out = x;
    if (x == NULL)
        return SHARD_ENOMEM;
    int rc = shard_positioned_file_open(&x->file, NULL, path);
    if (rc < 0)
        return rc;
    x->store = (struct shard_column_store){.file = &x->file,
                                           .what = "data-set index",
                                           .width = dataset_index_width,
                                           .n_known = DATASET_N_COLUMNS,
                                           .bytes = x->file.entry.bytes};
    return read_head(x);
}

uint64_t dataset_index_count(const struct dataset_index *x)
{
    return x->n_shards;
}

bool dataset_index_incomplete(const struct dataset_index *x)
{
    return x->incomplete;
}

/* ---- what a column must be ---- */

static bool is_table(enum dataset_index_column column)
{
    return column == DATASET_CONFIGURATIONS || column == DATASET_COLUMNS ||
           column == DATASET_PATHS;
}

static uint64_t raw_bytes(const struct dataset_index *x, enum dataset_index_column column)
{
    uint64_t n = column >= DATASET_COLUMN ? x->n_pairs : x->n_shards;

    if (is_table(column))
        return x->store.entry[column].raw_bytes;
    return n * (column == DATASET_FINGERPRINT ? FINGERPRINT_BYTES
                                              : dataset_index_width(column));
}

/* A relative path whose components all lead downwards. */
static bool path_is_below(const unsigned char *path, size_t len)
{
    size_t start = 0;

    if (len == 0 || memchr(path, 0, len) != NULL)
        return false;
    for (size_t i = 0; i <= len; i++) {
        if (i < len && path[i] != '/')
            continue;
        size_t n = i - start;
        if (n == 0 ||
            (path[start] == '.' && (n == 1 || (n == 2 && path[start + 1] == '.'))))
            return false;
        start = i + 1;
    }
    return true;
}

static int check_table(const struct dataset_index *x, enum dataset_index_column column,
                       const struct shard_buffer *values)
{
    struct shard_table table;
    int rc = shard_table_split(&table, values->data, values->len);
    if (rc == SHARD_OK && column == DATASET_PATHS && table.n != x->n_shards)
        rc = SHARD_EFORMAT;
    for (uint32_t i = 0; rc == SHARD_OK && i < table.n; i++) {
        const unsigned char *entry = table.bytes + table.start[i];
        size_t len = table.start[i + 1] - table.start[i];
        if ((column == DATASET_PATHS && !path_is_below(entry, len)) ||
            (column == DATASET_COLUMNS && len != SHARD_COLUMN_BYTES))
            rc = SHARD_EFORMAT;
    }
    shard_table_clear(&table);
    return rc;
}

static int load(struct dataset_index *x, enum dataset_index_column column,
                struct shard_buffer *out)
{
    uint64_t bytes = raw_bytes(x, column);

    if (is_table(column) && bytes > SHARD_MAX_TABLE)
        return shard_column_store_bad(&x->store, "a table of an impossible length");
    return shard_column_store_load(&x->store, column, bytes, out);
}

/* All values are below the number of entries of `table`. */
static int check_positions(struct dataset_index *x, const struct shard_buffer *values,
                           enum dataset_index_column table)
{
    struct shard_buffer entries = {0};
    int rc = load(x, table, &entries);
    uint32_t n = rc == SHARD_OK && entries.len >= 4 ? wire_load_u32(entries.data) : 0;

    for (size_t i = 0; rc == SHARD_OK && i < values->len; i += 4)
        if (wire_load_u32(values->data + i) >= n)
            rc = SHARD_EFORMAT;
    shard_buffer_free(&entries);
    return rc;
}

static int check_pairs(const struct dataset_index *x, const struct shard_buffer *counts)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < counts->len; i += 4)
        sum += wire_load_u32(counts->data + i);
    return sum == x->n_pairs ? SHARD_OK : SHARD_EFORMAT;
}

static int check_column(struct dataset_index *x, enum dataset_index_column column,
                        const struct shard_buffer *values)
{
    if (is_table(column))
        return check_table(x, column, values);
    switch (column) {
    case DATASET_CONFIGURATION:
        return check_positions(x, values, DATASET_CONFIGURATIONS);
    case DATASET_COLUMN:
        return check_positions(x, values, DATASET_COLUMNS);
    case DATASET_N_COLUMNS_OF:
        return check_pairs(x, values);
    default:
        return SHARD_OK;
    }
}

int dataset_index_load(struct dataset_index *x, enum dataset_index_column column,
                       unsigned char **out, size_t *len)
{
    struct shard_buffer values = {0};
    int rc = load(x, column, &values);

    if (rc == SHARD_OK) {
        x->file.why[0] = 0;
        rc = check_column(x, column, &values);
        if (rc == SHARD_EFORMAT && x->file.why[0] == 0)
            shard_column_store_bad(&x->store, "a column with an impossible value");
        else if (rc == SHARD_ENOMEM)
            shard_positioned_file_fail(&x->file, rc, "out of memory");
    }
    *out = rc == SHARD_OK ? values.data : NULL;
    *len = rc == SHARD_OK ? values.len : 0;
    if (rc < 0)
        shard_buffer_free(&values);
    return rc;
}

int dataset_index_fingerprint(struct dataset_index *x, unsigned char fingerprint[16])
{
    return shard_column_store_fingerprint(&x->store, fingerprint);
}

const char *dataset_index_why(const struct dataset_index *x)
{
    return x == NULL ? shard_strerror(SHARD_ENOMEM) : x->file.why;
}

int dataset_index_error(const struct dataset_index *x)
{
    return x == NULL ? 0 : x->file.error;
}

void dataset_index_close(struct dataset_index *x)
{
    if (x == NULL)
        return;
    shard_positioned_file_close(&x->file);
    free(x);
}
