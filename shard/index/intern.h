/* SPDX-License-Identifier: Apache-2.0
 * shard/index/intern.h - internal to shard/: byte strings -> small numbers, in order of
 * first use. All zeros is an empty table. */
#ifndef SHARD_INDEX_INTERN_H
#define SHARD_INDEX_INTERN_H

#include <stddef.h>
#include <stdint.h>

#include "shard/buffer.h"

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
