/* SPDX-License-Identifier: Apache-2.0
 * shard/index/index.h - internal to shard/: the index of one file while it is written.
 *
 * It is made from the content of the text frames and the places of all frames alone: what
 * the writer does once can be done again from the file. FORMAT.md lists the columns. */
#ifndef SHARD_INDEX_INDEX_H
#define SHARD_INDEX_INDEX_H

#include <stdint.h>
#include <zstd.h>

#include "shard/buffer.h"
#include "shard/index/table.h"
#include "shard/file/text_frame.h"

/* Ids of the index's columns on disk. */
enum shard_index_column {
    INDEX_NAMES = 1,         /* table */
    INDEX_CAPTION_NAMES,     /* table */
    INDEX_TYPES,             /* table, of parts */
    INDEX_COLUMNS,           /* table */
    INDEX_SHAPES,            /* table, the last */
    INDEX_RECORD_NAME,       /* one value a record */
    INDEX_RECORD_INDEX,      /* a record */
    INDEX_KEY_LENGTH,        /* a record */
    INDEX_KEYS,              /* bytes, back to back */
    INDEX_N_PARTS,           /* a record */
    INDEX_TEXT_CHECKSUM,     /* a record */
    INDEX_TENSOR_CHECKSUM,   /* a record */
    INDEX_PART_TYPE,         /* a part */
    INDEX_ALTERNATIVE_NAME,  /* an alternative */
    INDEX_ALTERNATIVE_N_IDS, /* an alternative */
    INDEX_SOURCE,            /* an image part */
    INDEX_SHAPE,             /* a tensor */
    INDEX_CHECKSUM,          /* a tensor */
    INDEX_BLOCK_RECORDS,     /* a block */
    INDEX_BLOCK_FRAMES,      /* a block */
    INDEX_FRAME_COLUMN,      /* a frame */
    INDEX_FRAME_FIRST_ROW,   /* a frame */
    INDEX_FRAME_BYTES,       /* a frame */
    INDEX_FRAME_RAW_BYTES,   /* a frame */
    INDEX_FRAME_CHECKSUM,    /* a frame */
    INDEX_N_COLUMNS = INDEX_FRAME_CHECKSUM
};

/* Bytes of one value of a column, 1 for bytes and tables, 0 for an unknown column. */
uint32_t shard_index_width(uint32_t column);

struct shard_index {
    uint64_t n_records;
    uint32_t n_blocks;
    uint32_t n_frames;
    struct shard_intern table[INDEX_SHAPES + 1];     /* by id */
    struct shard_buffer column[INDEX_N_COLUMNS + 1]; /* by id; values as in memory */
    struct shard_buffer scratch;
};

/* One compressed frame of the block in hand. */
struct shard_frame {
    uint64_t offset; /* in the file */
    uint32_t bytes;
    uint32_t raw_bytes;
    uint64_t checksum; /* XXH3-64 of the compressed bytes */
};

/* Adds a block: its text frame's content, and 1 + text->n_frames frames, text first.
 * SHARD_OK or SHARD_ENOMEM. */
int shard_index_add_block(struct shard_index *x, const struct shard_text_frame *text,
                          const struct shard_frame *frames);

/* The index's payload: what stands in its skippable frame. data_bytes: the file's length
 * so far; fingerprint: XXH3-128 of these bytes, canonical. SHARD_OK, SHARD_ENOMEM, or
 * SHARD_EINVAL where it, or a column, is larger than may be. */
int shard_index_encode(struct shard_index *x, uint64_t data_bytes,
                       const unsigned char fingerprint[16], ZSTD_CCtx *zstd,
                       struct shard_buffer *out);

void shard_index_empty(struct shard_index *x);
void shard_index_clear(struct shard_index *x);

#endif
