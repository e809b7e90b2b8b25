/* SPDX-License-Identifier: Apache-2.0
 * shard/index/index_check.h - internal to shard/: whether the rows of a block are those
 * that the index is of: their numbers of parts and both their checksums.
 *
 * Not compared is what only an outline could tell: types of parts, shapes, numbers of
 * ids, sources of images. */
#ifndef SHARD_INDEX_INDEX_CHECK_H
#define SHARD_INDEX_INDEX_CHECK_H

#include <stdbool.h>
#include <stdint.h>

#include "shard/file/file_map.h"
#include "shard/file/text_frame.h"

struct shard_index_check {
    uint64_t *block; /* of each block a hash of what the index says; NULL: not known */
};

/* Gives *c (release with shard_index_check_clear(), also on failure). A column that is
 * damaged is no failure: then there is nothing to compare with. SHARD_OK, SHARD_ENOMEM or
 * SHARD_EIO, with the reason in the file's why. */
int shard_index_check_load(struct shard_index_check *c, const struct shard_file_map *map);
bool shard_index_check_fits(const struct shard_index_check *c, uint32_t block,
                            const struct shard_text_frame *text);
void shard_index_check_clear(struct shard_index_check *c);

#endif
