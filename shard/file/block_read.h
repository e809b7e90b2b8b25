/* SPDX-License-Identifier: Apache-2.0
 * shard/file/block_read.h - internal to shard/: the one block a reader holds in memory.
 *
 * A block's text frame is decoded as a whole; a tensor frame is read when a record needs
 * it. Once loaded, a block does not need its file. */
#ifndef SHARD_FILE_BLOCK_READ_H
#define SHARD_FILE_BLOCK_READ_H

#include <stdbool.h>
#include <stdint.h>

#include "shard/file/file_map.h"
#include "shard/file/format.h"
#include "shard/index/index_check.h"
#include "shard/file/text_frame.h"

struct shard_block_reader {
    const struct shard_file_map *map;   /* lent */
    struct shard_positioned_file *file; /* lent: the map's, or one that shares its file */
    const struct shard_index_check *check; /* lent; NULL: rows are taken as they are */
    bool loaded;                           /* the text frame of: */
    uint32_t block;                        /* */
    struct shard_buffer text;
    struct shard_text_frame frame;
    struct shard_buffer *tensors; /* frame.n_frames: values of each */
    bool *tensors_loaded;         /* frame.n_frames */
    size_t n_tensors;             /* of these two */
    struct shard_buffer planes;   /* scratch */
};

/* The text frame of `block`, and tensor frame `i` of the block that is loaded; what is
 * there already is read again. SHARD_OK, or < 0 with the reason in the file's why. */
int shard_block_reader_load(struct shard_block_reader *b, uint32_t block);
int shard_block_reader_load_tensors(struct shard_block_reader *b, size_t i);

/* Tensor frame `i` of a loaded block, which is only read, into *out. planes: scratch.
 * Returns as above, with the reason in file's why. */
int shard_block_unpack_tensors(const struct shard_block_reader *b,
                               struct shard_positioned_file *file, size_t i,
                               struct shard_buffer *planes, struct shard_buffer *out);

/* Row `row` of block `block` into *rec, with its tensors' bytes unless text_only. Lent
 * until the next call. SHARD_OK, or < 0 with the reason in the file's why. */
int shard_block_reader_get(struct shard_block_reader *b, uint32_t block, uint32_t row,
                           bool text_only, struct shard_record *rec);
/* The bytes of a tensor of the record that get() gave last, whose frame is read if it was
 * not before. Lent until the next call of the others. */
int shard_block_reader_tensor(struct shard_block_reader *b, const struct shard_tensor *t,
                              const void **data);
void shard_block_reader_clear(struct shard_block_reader *b);

#endif
