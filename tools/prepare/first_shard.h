/* SPDX-License-Identifier: Apache-2.0
 * tools/prepare/first_shard.h - what a run's first shard will take, so that a full disk
 * is seen before hours of encoding. */
#ifndef TOOLS_PREPARE_FIRST_SHARD_H
#define TOOLS_PREPARE_FIRST_SHARD_H

#include <stdint.h>

struct job;

/* Bytes, from what the beginning of the first input holds: rather too little, so that no
 * run is refused that would fit. Of a stream, which is not to be read twice, and of what
 * cannot be read nothing is known, and that is one sample. Takes a second at most. */
uint64_t first_shard_estimate(const struct job *job);

#endif
