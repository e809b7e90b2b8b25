/* SPDX-License-Identifier: Apache-2.0 */
#include "shard/index/index_check.h"

#include <stdlib.h>

#define XXH_INLINE_ALL /* the hash state lives on the stack */
#include <xxhash.h>

#include "shard/file/format.h"
#include "shard/status.h"

enum { N_CHECKED = 3 };
static const enum shard_index_column checked[N_CHECKED] = {
    INDEX_N_PARTS, INDEX_TEXT_CHECKSUM, INDEX_TENSOR_CHECKSUM};

/* A block's values of one column after the other. */
static uint64_t hash_of_index(const struct shard_buffer *values,
                              const struct shard_block_place *block)
{
    XXH3_state_t state;

    XXH3_64bits_reset(&state);
    for (int i = 0; i < N_CHECKED; i++) {
        const size_t width = shard_index_width(checked[i]);
        XXH3_64bits_update(&state, values[i].data + block->first_record * width,
                           block->n_records * width);
    }
    return XXH3_64bits_digest(&state);
}

/* The same of its rows. */
static uint64_t hash_of_rows(const struct shard_text_frame *text)
{
    XXH3_state_t state;

    XXH3_64bits_reset(&state);
    for (size_t i = 0; i < text->n_records; i++) {
        const uint16_t n_parts = (uint16_t)text->records[i].n_parts;
        XXH3_64bits_update(&state, &n_parts, sizeof(n_parts));
    }
    for (size_t i = 0; i < text->n_records; i++)
        XXH3_64bits_update(&state, &text->records[i].text_checksum, sizeof(uint64_t));
    for (size_t i = 0; i < text->n_records; i++)
        XXH3_64bits_update(&state, &text->records[i].tensor_checksum, sizeof(uint64_t));
    return XXH3_64bits_digest(&state);
}

static int hash_blocks(struct shard_index_check *c, const struct shard_file_map *map,
                       const struct shard_buffer *values)
{
    c->block = calloc(map->index.n_blocks + 1u, sizeof(c->block[0]));
    if (c->block == NULL)
        return shard_positioned_file_fail(map->file, SHARD_ENOMEM, "out of memory");
    for (uint32_t i = 0; i < map->index.n_blocks; i++)
        c->block[i] = hash_of_index(values, &map->blocks[i]);
    return SHARD_OK;
}

int shard_index_check_load(struct shard_index_check *c, const struct shard_file_map *map)
{
    struct shard_buffer values[N_CHECKED] = {{0}};
    int rc = SHARD_OK;

    *c = (struct shard_index_check){0};
    for (int i = 0; i < N_CHECKED && rc == SHARD_OK; i++)
        rc = shard_index_load(&map->index, checked[i],
                              map->index.n_records * shard_index_width(checked[i]),
                              &values[i]);
    if (rc == SHARD_OK)
        rc = hash_blocks(c, map, values);
    for (int i = 0; i < N_CHECKED; i++)
        shard_buffer_free(&values[i]);
    return rc == SHARD_ENOMEM || rc == SHARD_EIO ? rc : SHARD_OK;
}

bool shard_index_check_fits(const struct shard_index_check *c, uint32_t block,
                            const struct shard_text_frame *text)
{
    return c->block == NULL || shard_checksum_is(c->block[block], hash_of_rows(text));
}

void shard_index_check_clear(struct shard_index_check *c)
{
    free(c->block);
    c->block = NULL;
}
