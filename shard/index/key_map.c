/* SPDX-License-Identifier: Apache-2.0 */
#include "shard/index/key_map.h"

#include <stdlib.h>
#include <string.h>

#include <xxhash.h>

#include "shard/file/format.h"
#include "shard/file/positioned_file.h"
#include "shard/status.h"
#include "shard/index/table.h"
#include "shard/file/wire.h"

/* Appends a string and its zero; its start is the buffer's length before. */
static int add_string(struct shard_buffer *out, const unsigned char *data, size_t len,
                      size_t *start)
{
    *start = out->len;
    if (memchr(data, 0, len) != NULL)
        return SHARD_EFORMAT;
    if (shard_buffer_add(out, data, len) < 0 || shard_buffer_add(out, "", 1) < 0)
        return SHARD_ENOMEM;
    return SHARD_OK;
}

static int split_names(struct shard_key_map *m, const struct shard_buffer *data)
{
    struct shard_table table;
    int rc = shard_table_split(&table, data->data, data->len);

    if (rc == SHARD_OK) {
        m->name_start = calloc((size_t)table.n + 1, sizeof(m->name_start[0]));
        rc = m->name_start != NULL ? SHARD_OK : SHARD_ENOMEM;
        m->n_names = table.n;
    }
    for (size_t i = 0; rc == SHARD_OK && i < m->n_names; i++) {
        size_t len = table.start[i + 1] - table.start[i];
        rc = len == 0 || len > SHARD_MAX_NAME
                 ? SHARD_EFORMAT
                 : add_string(&m->names, table.bytes + table.start[i], len,
                              &m->name_start[i]);
    }
    shard_table_clear(&table);
    return rc;
}

static int load_names(struct shard_key_map *m, const struct shard_index_file *x)
{
    struct shard_buffer table = {0};
    uint64_t bytes = x->store.entry[INDEX_NAMES].raw_bytes;

    if (bytes > SHARD_MAX_FRAME)
        return shard_positioned_file_fail(x->store.file, SHARD_EFORMAT,
                                          "an impossible table of NAMEs");
    int rc = shard_index_load(x, INDEX_NAMES, bytes, &table);
    if (rc == SHARD_OK)
        rc = split_names(m, &table);
    shard_buffer_free(&table);
    if (rc == SHARD_OK)
        rc = shard_index_load(x, INDEX_RECORD_NAME, 4 * x->n_records, &m->record_name);
    for (uint64_t i = 0; i < x->n_records && rc == SHARD_OK; i++)
        if (wire_load_u32(m->record_name.data + 4 * i) >= m->n_names)
            rc = SHARD_EFORMAT;
    return rc;
}

static int load_keys(struct shard_key_map *m, const struct shard_index_file *x)
{
    struct shard_buffer lengths = {0}, bytes = {0};
    uint64_t sum = 0;

    m->key_start = calloc((size_t)x->n_records + 1, sizeof(m->key_start[0]));
    int rc = m->key_start != NULL
                 ? shard_index_load(x, INDEX_KEY_LENGTH, 2 * x->n_records, &lengths)
                 : SHARD_ENOMEM;
    for (uint64_t i = 0; i < x->n_records && rc == SHARD_OK; i++) {
        uint16_t len = wire_load_u16(lengths.data + 2 * i);
        rc = len == 0 || len > SHARD_MAX_KEY ? SHARD_EFORMAT : SHARD_OK;
        sum += len;
    }
    if (rc == SHARD_OK)
        rc = shard_index_load(x, INDEX_KEYS, sum, &bytes);

    const unsigned char *key = bytes.data;
    for (uint64_t i = 0; i < x->n_records && rc == SHARD_OK; i++) {
        uint16_t len = wire_load_u16(lengths.data + 2 * i);
        rc = add_string(&m->keys, key, len, &m->key_start[i]);
        key += len;
    }
    shard_buffer_free(&lengths);
    shard_buffer_free(&bytes);
    return rc;
}

int shard_key_map_load(struct shard_key_map *m, const struct shard_index_file *x)
{
    if (m->loaded)
        return SHARD_OK;
    shard_key_map_clear(m); /* what an earlier failure left */
    x->store.file->why[0] = 0;
    int rc = load_names(m, x);
    if (rc == SHARD_OK)
        rc = load_keys(m, x);
    if (rc == SHARD_OK)
        rc = shard_index_load(x, INDEX_RECORD_INDEX, 8 * x->n_records, &m->index);
    if (rc < 0) {
        if (x->store.file->why[0] == 0)
            shard_positioned_file_fail(x->store.file, rc, "the index's names or keys: %s",
                                       shard_strerror(rc));
        return rc;
    }
    m->n_records = (size_t)x->n_records;
    m->loaded = true;
    return SHARD_OK;
}

void shard_key_map_clear(struct shard_key_map *m)
{
    shard_buffer_free(&m->names);
    shard_buffer_free(&m->record_name);
    shard_buffer_free(&m->index);
    shard_buffer_free(&m->keys);
    free(m->name_start);
    free(m->key_start);
    free(m->slots);
    *m = (struct shard_key_map){0};
}

const char *shard_key_map_name(const struct shard_key_map *m, size_t record)
{
    uint32_t name = wire_load_u32(m->record_name.data + 4 * record);
    return (const char *)m->names.data + m->name_start[name];
}

const char *shard_key_map_key(const struct shard_key_map *m, size_t record)
{
    return (const char *)m->keys.data + m->key_start[record];
}

uint64_t shard_key_map_index(const struct shard_key_map *m, size_t record)
{
    return wire_load_u64(m->index.data + 8 * record);
}

/* Records of equal keys stand in the chain in their order. */
static int make_slots(struct shard_key_map *m)
{
    size_t n_slots = 64;

    while (n_slots < 2 * m->n_records)
        n_slots *= 2;
    m->slots = calloc(n_slots, sizeof(m->slots[0]));
    if (m->slots == NULL)
        return SHARD_ENOMEM;
    m->n_slots = n_slots;
    for (size_t i = 0; i < m->n_records; i++) {
        const char *key = shard_key_map_key(m, i);
        size_t slot = (size_t)XXH3_64bits(key, strlen(key)) & (n_slots - 1);
        while (m->slots[slot] != 0)
            slot = (slot + 1) & (n_slots - 1);
        m->slots[slot] = (uint32_t)i + 1;
    }
    return SHARD_OK;
}

int shard_key_map_find(struct shard_key_map *m, const char *name, const char *key,
                       uint64_t *record)
{
    if (m->slots == NULL && make_slots(m) < 0)
        return SHARD_ENOMEM;

    size_t slot = (size_t)XXH3_64bits(key, strlen(key)) & (m->n_slots - 1);
    for (; m->slots[slot] != 0; slot = (slot + 1) & (m->n_slots - 1)) {
        size_t i = m->slots[slot] - 1;
        if (strcmp(shard_key_map_key(m, i), key) == 0 &&
            (name == NULL || strcmp(shard_key_map_name(m, i), name) == 0)) {
            *record = i;
            return SHARD_OK;
        }
    }
    return SHARD_NOT_FOUND;
}
