/* SPDX-License-Identifier: Apache-2.0
 * shard/file/file_map.h - internal to shard/: where everything stands in a shard file.
 *
 * Header, index and seek table are read and compared; after that every frame and every
 * record has its place, and the blocks can be trusted to lie inside the file. */
#ifndef SHARD_FILE_FILE_MAP_H
#define SHARD_FILE_FILE_MAP_H

#include <stddef.h>
#include <stdint.h>

#include "shard/header.h"
#include "shard/index/index_read.h"
#include "shard/file/positioned_file.h"

struct shard_block_place {
    uint32_t first_frame, n_frames; /* the text frame, then its tensor frames */
    uint64_t first_record;
    uint32_t n_records;
};

struct shard_file_map {
    struct shard_positioned_file *file; /* lent */
    struct shard_buffer header_payload;
    const char *json; /* in header_payload */
    size_t json_len;
    struct shard_header *header;
    uint64_t header_end; /* the first frame's offset */

    struct shard_index_file index;
    struct shard_frame *frames;       /* index.n_frames */
    uint32_t *first_row;              /* index.n_frames; 0 of a text frame */
    struct shard_block_place *blocks; /* index.n_blocks */
    uint32_t *record_block;           /* index.n_records */
};

/* Fills *map; shard_file_map_close() releases it whatever this returns. */
int shard_file_map_open(struct shard_file_map *map, struct shard_positioned_file *file);
void shard_file_map_close(struct shard_file_map *map);

#endif
