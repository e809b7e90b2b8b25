/* SPDX-License-Identifier: Apache-2.0
 * shard/index/table.h - internal to shard/: a table of byte strings as an index stores
 * it: their number, their lengths, their bytes. One is read in place, or grows by
 * interning: strings become small numbers, in order of first use. */
#ifndef SHARD_INDEX_TABLE_H
#define SHARD_INDEX_TABLE_H

#include <stddef.h>
#include <stdint.h>

#include "shard/buffer.h"

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

/* A table that grows; all zeros is an empty one. */
struct shard_intern {
    uint32_t n;
    struct shard_buffer lengths; /* u32 each */
    struct shard_buffer bytes;   /* back to back */
    struct shard_buffer starts;  /* u64 each: where in bytes */
    uint32_t *slots;             /* open addressing: position + 1, 0 is free */
    size_t n_slots;              /* a power of two */
};

/* The number of the string. Returns SHARD_OK or SHARD_ENOMEM. */
int shard_intern(struct shard_intern *t, const void *data, size_t len,
                 uint32_t *position);

/* The table as FORMAT.md has it in the index: count, lengths, bytes. */
int shard_intern_encode(const struct shard_intern *t, struct shard_buffer *out);

void shard_intern_empty(struct shard_intern *t);
void shard_intern_clear(struct shard_intern *t);

#endif
