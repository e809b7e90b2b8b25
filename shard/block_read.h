/* SPDX-License-Identifier: Apache-2.0
 * shard/block_read.h - internal to shard/: the one block a reader holds in memory.
 *
 * A block's text frame is decoded as a whole; a column is read when a record needs it.
 * Once loaded, a block does not need its source. */
#ifndef SHARD_BLOCK_READ_H
#define SHARD_BLOCK_READ_H

#include <stdbool.h>
#include <stdint.h>

#include "shard/file_map.h"
#include "shard/format.h"
#include "shard/text_frame.h"

struct shard_block_reader {
    const struct shard_file_map *map; /* lent */
    struct shard_source *source;      /* lent: the map's, or one that shares its file */
    bool loaded;                      /* the text frame of: */
    uint32_t block;                   /* */
    struct shard_buffer text;
    struct shard_text_frame frame;
    struct shard_buffer column[SHARD_MAX_COLUMNS];
    bool column_loaded[SHARD_MAX_COLUMNS];
    struct shard_buffer planes; /* scratch */
};

/* The text frame of `block`, and column `column` of the block that is loaded; what is
 * there already is read again. SHARD_OK, or < 0 with the reason in the source's why. */
int shard_block_reader_load(struct shard_block_reader *b, uint32_t block);
int shard_block_reader_load_column(struct shard_block_reader *b, uint32_t column);

/* Row `row` of block `block` into *rec, with its tensors' bytes unless text_only. Lent
 * until the next call. SHARD_OK, or < 0 with the reason in the source's why. */
int shard_block_reader_get(struct shard_block_reader *b, uint32_t block, uint32_t row,
                           bool text_only, struct shard_record *rec);
void shard_block_reader_clear(struct shard_block_reader *b);

#endif
