/* SPDX-License-Identifier: Apache-2.0
 * shard/python/native/prefetch.h - internal to shard/python/: blocks decompressed ahead
 * by threads, given back in the order they were asked for.
 *
 * Knows nothing of Python. At most `max_bytes` raw bytes are in work or wait to be taken
 * (one block alone may be larger). One thread submits and takes; the threads of the pool
 * only see what lock guards. A child of fork() has none of them: it must forget what it
 * inherited, unread and unfreed, and open another. */
#ifndef SHARD_PYTHON_NATIVE_PREFETCH_H
#define SHARD_PYTHON_NATIVE_PREFETCH_H

#include <stdbool.h>
#include <stdint.h>

#include "shard/file/loaded_block.h"

enum { PREFETCH_AGAIN = 1 }; /* positive: not an error */

struct prefetch;

/* Gives *out and starts the threads, at least one and up to n_threads. SHARD_OK,
 * SHARD_ENOMEM, or SHARD_EIO where the system has no thread left. */
int prefetch_open(struct prefetch **out, unsigned n_threads, uint64_t max_bytes);

/* `map` and the plan are lent until the block has been taken, or close. SHARD_OK or
 * SHARD_ENOMEM. */
int prefetch_submit(struct prefetch *p, const struct shard_file_map *map, uint32_t block,
                    struct block_want want);

/* Gives the block that was asked for first and not taken yet; there must be one.
 * SHARD_OK, SHARD_ENOMEM (it is taken all the same), or PREFETCH_AGAIN where it is not
 * ready after `milliseconds`. */
int prefetch_take(struct prefetch *p, unsigned milliseconds, struct loaded_block **out);

/* Drops what was not taken; joins the threads, which finish at most the block in hand.
 * Accepts NULL. */
void prefetch_close(struct prefetch *p);

#endif
