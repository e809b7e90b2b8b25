/* SPDX-License-Identifier: Apache-2.0
 * shard/file/loaded_block.h - internal to shard/: a block decompressed as a whole, by any
 * thread, to be used by another.
 *
 * What is damaged is kept as data: a text frame costs all rows of the block, a tensor
 * frame those that have a tensor in it. */
#ifndef SHARD_FILE_LOADED_BLOCK_H
#define SHARD_FILE_LOADED_BLOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shard/file/block_read.h"
#include "shard/plan.h"
#include "shard/file/positioned_file.h"

/* One thread's state. The file is open while a block is loaded, and only then. Made with
 * a file of descriptor -1. */
struct block_loader {
    const struct shard_file_map *map;  /* lent */
    struct shard_positioned_file file; /* shares the map's file */
    struct shard_buffer planes;        /* scratch */
};

/* Also from one file to the next. `map` and its file are lent until then or close.
 * SHARD_OK or SHARD_ENOMEM. */
int block_loader_open(struct block_loader *l, const struct shard_file_map *map);
void block_loader_close(struct block_loader *l); /* also one that is not open */

struct frame_damage {
    bool tried;    /* a tensor frame: it is as it will stay */
    int status;    /* SHARD_OK, or why this frame could not be read */
    int error;     /* errno, where status is SHARD_EIO */
    char why[512]; /* set where status < 0 */
};

struct loaded_block {
    uint32_t block;
    struct shard_block_reader content;
    struct frame_damage text;
    struct frame_damage *tensors; /* content.frame.n_frames, where the text is there */
};

/* Which tensor frames to unpack. */
struct block_want {
    bool tensors;
    const struct shard_plan *plan; /* those alone that it may show; NULL: all */
};

/* Gives *out: NULL only for SHARD_ENOMEM. Damage is not a failure: SHARD_OK. */
int block_loader_load(struct block_loader *l, uint32_t block, struct block_want want,
                      struct loaded_block **out);

/* Loads tensor frame i of a block whose text is there, which was not tried, into *values;
 * what is wrong with it is noted. *b is only read. SHARD_OK or SHARD_ENOMEM. */
int block_loader_tensors(struct block_loader *l, const struct loaded_block *b, size_t i,
                         struct shard_buffer *values, struct frame_damage *damage);

/* Raw bytes that loading the block takes at most. */
uint64_t block_loader_cost(const struct shard_file_map *map, uint32_t block,
                           bool tensors);
/* The tensor frame that a row cannot be read without and that is damaged, or -1. Of a
 * block whose text is not damaged. */
ptrdiff_t loaded_block_damaged(const struct loaded_block *b, size_t row);
/* Whether a row has a tensor in that frame. */
bool loaded_block_uses(const struct loaded_block *b, size_t row, size_t frame);

void loaded_block_free(struct loaded_block *b); /* accepts NULL */

#endif
