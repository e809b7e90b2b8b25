/* SPDX-License-Identifier: Apache-2.0
 * shard/file/column.h - internal to shard/: the tensors of one encoder that have one
 * kind, dtype and slot, and their entry in text frames and both indexes. */
#ifndef SHARD_FILE_COLUMN_H
#define SHARD_FILE_COLUMN_H

#include <stdint.h>

#include "shard/record.h"
#include "shard/file/wire.h"

enum { SHARD_COLUMN_BYTES = 16 }; /* of an entry */

struct shard_column {
    uint32_t kind, encoder, dtype, slot;
};

static inline struct shard_column shard_column_of(const struct shard_tensor *t)
{
    return (struct shard_column){t->kind, t->encoder, t->dtype, t->slot};
}

/* The order of a block's columns: by encoder, slot, kind, dtype. Below 0, 0, above 0. */
int shard_column_compare(const struct shard_column *a, const struct shard_column *b);

/* Writes the entry. Returns the address behind it. */
unsigned char *shard_column_put(unsigned char *p, const struct shard_column *column);
struct shard_column shard_column_take(struct wire_cursor *c);

#endif
