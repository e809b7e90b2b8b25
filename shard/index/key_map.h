/* SPDX-License-Identifier: Apache-2.0
 * shard/index/key_map.h - internal to shard/: which record has which (NAME, key), from
 * the index alone. */
#ifndef SHARD_INDEX_KEY_MAP_H
#define SHARD_INDEX_KEY_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shard/buffer.h"
#include "shard/index/index_read.h"

struct shard_key_map {
    bool loaded;
    size_t n_records;
    size_t n_names;
    struct shard_buffer names;       /* strings with their zeros */
    size_t *name_start;              /* n_names */
    struct shard_buffer record_name; /* u32 each */
    struct shard_buffer index;       /* u64 each */
    struct shard_buffer keys;        /* strings with their zeros */
    size_t *key_start;               /* n_records */
    uint32_t *slots;                 /* record + 1, 0 is free; made by the first find */
    size_t n_slots;
};

/* Reads the columns it needs; does nothing the second time. */
int shard_key_map_load(struct shard_key_map *m, const struct shard_index_file *x);
void shard_key_map_clear(struct shard_key_map *m);

/* Of a loaded map; lent, zero-terminated. record < n_records. */
const char *shard_key_map_name(const struct shard_key_map *m, size_t record);
const char *shard_key_map_key(const struct shard_key_map *m, size_t record);
uint64_t shard_key_map_index(const struct shard_key_map *m, size_t record);

/* The first record of that key and, unless it is NULL, that NAME. SHARD_OK,
 * SHARD_NOT_FOUND or SHARD_ENOMEM. */
int shard_key_map_find(struct shard_key_map *m, const char *name, const char *key,
                       uint64_t *record);

#endif
