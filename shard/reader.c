/* SPDX-License-Identifier: Apache-2.0
 * shard/reader.c - the file's map, one block in memory, and the names of what is lost. */
#include "shard/reader.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "shard/file/block_read.h"
#include "shard/file/file_map.h"
#include "shard/index/index_check.h"
#include "shard/index/key_map.h"
#include "shard/file/positioned_file.h"

struct shard_reader {
    struct shard_positioned_file file;
    struct shard_file_map map;
    struct shard_block_reader block;
    struct shard_index_check check; /* loaded where block.check is set */
    struct shard_key_map keys;
    uint64_t next;
    bool text_only;
    bool ready; /* open() succeeded */
};

int shard_reader_open(struct shard_reader **out, const char *path)
{
    return shard_reader_open_from(out, NULL, path);
}

int shard_reader_open_from(struct shard_reader **out, const struct shard_input *input,
                           const char *path)
{
    struct shard_reader *r = calloc(1, sizeof(*r));

    *out = r;
    if (r == NULL)
        return SHARD_ENOMEM;
    r->block.map = &r->map;
    r->block.file = &r->file;
    int rc = shard_positioned_file_open(&r->file, input, path);
    if (rc == SHARD_OK)
        rc = shard_file_map_open(&r->map, &r->file);
    r->ready = rc == SHARD_OK;
    return rc;
}

const struct shard_header *shard_reader_header(const struct shard_reader *r)
{
    return r->map.header;
}

const char *shard_reader_header_json(const struct shard_reader *r, size_t *len)
{
    *len = r->map.json_len;
    return r->map.json;
}

uint64_t shard_reader_count(const struct shard_reader *r)
{
    return r->ready ? r->map.index.n_records : 0;
}

int shard_reader_fingerprint(struct shard_reader *r, unsigned char fingerprint[16])
{
    return shard_column_store_fingerprint(&r->map.index.store, fingerprint);
}

void shard_reader_text_only(struct shard_reader *r, bool on)
{
    r->text_only = on;
}

static int out_of_memory(struct shard_reader *r)
{
    return shard_positioned_file_fail(&r->file, SHARD_ENOMEM, "out of memory");
}

static int load_keys(struct shard_reader *r)
{
    int rc = shard_key_map_load(&r->keys, &r->map.index);

    return rc == SHARD_ENOMEM ? out_of_memory(r) : rc;
}

static int no_record(struct shard_reader *r, uint64_t i)
{
    shard_positioned_file_fail(&r->file, SHARD_NOT_FOUND, "no record %" PRIu64, i);
    return SHARD_NOT_FOUND;
}

int shard_reader_identify(struct shard_reader *r, uint64_t i, struct shard_record *rec)
{
    *rec = (struct shard_record){.key = "", .name = ""};
    if (i >= shard_reader_count(r))
        return no_record(r, i);
    int rc = load_keys(r);
    if (rc != SHARD_OK)
        return rc;
    rec->key = shard_key_map_key(&r->keys, (size_t)i);
    rec->name = shard_key_map_name(&r->keys, (size_t)i);
    rec->index = shard_key_map_index(&r->keys, (size_t)i);
    return SHARD_OK;
}

/* A lost record still has its name in the index. */
static void name_lost_record(struct shard_reader *r, uint64_t i, struct shard_record *rec)
{
    char why[sizeof(r->file.why)];

    memcpy(why, r->file.why, sizeof(why));
    shard_reader_identify(r, i, rec);
    memcpy(r->file.why, why, sizeof(why));
}

/* Not before a block is read: many a reader is opened for the header. */
static int load_check(struct shard_reader *r)
{
    if (r->block.check != NULL)
        return SHARD_OK;
    int rc = shard_index_check_load(&r->check, &r->map);
    if (rc == SHARD_OK)
        r->block.check = &r->check;
    return rc;
}

int shard_reader_at(struct shard_reader *r, uint64_t i, struct shard_record *rec)
{
    if (i >= shard_reader_count(r))
        return no_record(r, i);
    uint32_t block = r->map.record_block[i];
    uint32_t row = (uint32_t)(i - r->map.blocks[block].first_record);

    r->next = i + 1;
    int rc = load_check(r);
    if (rc == SHARD_OK)
        rc = shard_block_reader_get(&r->block, block, row, r->text_only, rec);
    if (rc < 0)
        name_lost_record(r, i, rec);
    return rc;
}

int shard_reader_next(struct shard_reader *r, struct shard_record *rec)
{
    return r->next < shard_reader_count(r) ? shard_reader_at(r, r->next, rec) : SHARD_EOF;
}

int shard_reader_tensor(struct shard_reader *r, const struct shard_tensor *t,
                        const void **data)
{
    return shard_block_reader_tensor(&r->block, t, data);
}

int shard_reader_find(struct shard_reader *r, const char *name, const char *key,
                      uint64_t *i)
{
    if (!r->ready)
        return SHARD_NOT_FOUND;
    int rc = load_keys(r);
    if (rc == SHARD_OK)
        rc = shard_key_map_find(&r->keys, name, key, i);
    return rc == SHARD_ENOMEM ? out_of_memory(r) : rc;
}

const char *shard_reader_why(const struct shard_reader *r)
{
    return r == NULL ? shard_strerror(SHARD_ENOMEM) : r->file.why;
}

void shard_reader_close(struct shard_reader *r)
{
    if (r == NULL)
        return;
    shard_block_reader_clear(&r->block);
    shard_index_check_clear(&r->check);
    shard_key_map_clear(&r->keys);
    shard_file_map_close(&r->map);
    shard_positioned_file_close(&r->file);
    free(r);
}
