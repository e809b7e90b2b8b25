/* SPDX-License-Identifier: Apache-2.0
 * shard/file/row_read.h - internal to shard/: a row's bytes -> a record.
 *
 * Takes any bytes. The arrays that the records of a text frame share are given with their
 * lengths, which no row may pass. */
#ifndef SHARD_FILE_ROW_READ_H
#define SHARD_FILE_ROW_READ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shard/record.h"

/* What is left of a text frame's arrays. */
struct shard_row_room {
    struct shard_part *parts;
    struct shard_alternative *alternatives;
    struct shard_rendition *renditions;
    struct shard_tensor *tensors;
    const uint32_t *ids;
    size_t n_parts, n_alternatives, n_renditions, n_tensors, n_ids;
    bool later; /* a reserved byte of a row was not 0 */
};

/* Adds what a row's head says it holds; false where its bytes cannot hold that. The row
 * has at least SHARD_ROW_HEAD + SHARD_ROW_CONTENT bytes, `left` are there. */
bool shard_row_add_up(const unsigned char *row, size_t left, struct shard_row_room *sums);

/* Fills *rec from the row, and takes its arrays out of *room. false: its lengths do not
 * agree, or room->later. Whether the record is a possible one shard_record_check() says.
 */
bool shard_row_read(const unsigned char *row, struct shard_row_room *room,
                    struct shard_record *rec);

#endif
