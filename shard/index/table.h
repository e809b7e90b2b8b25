/* SPDX-License-Identifier: Apache-2.0
 * shard/index/table.h - internal to shard/: a table of byte strings as an index stores
 * it: their number, their lengths, their bytes. */
#ifndef SHARD_INDEX_TABLE_H
#define SHARD_INDEX_TABLE_H

#include <stddef.h>
#include <stdint.h>

struct shard_table {
    uint32_t n;
    size_t *start;              /* n + 1, in: */
    const unsigned char *bytes; /* lent */
};

/* Takes foreign bytes apart, which are lent as long as the table is used. Gives *t
 * (release with shard_table_clear()). SHARD_OK, SHARD_ENOMEM, or SHARD_EFORMAT where they
 * are no table. */
int shard_table_split(struct shard_table *t, const unsigned char *data, size_t len);
void shard_table_clear(struct shard_table *t);

#endif
