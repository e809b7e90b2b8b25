/* SPDX-License-Identifier: Apache-2.0
 * shard/file/planes.h - internal to shard/: byte planes.
 *
 * n values of `width` bytes become byte 0 of all values, then byte 1 of all, and so on:
 * the high bytes of floats and of small integers are alike, and zstd finds that only
 * where they stand together. */
#ifndef SHARD_FILE_PLANES_H
#define SHARD_FILE_PLANES_H

#include <stddef.h>
#include <stdint.h>

/* Planes of a tensor frame of this dtype: its width for floats, else 1 (not split). */
uint32_t shard_dtype_planes(uint32_t dtype);

/* `bytes` is a multiple of width; in and out do not overlap. */
void shard_planes_split(const unsigned char *in, unsigned char *out, size_t bytes,
                        uint32_t width);
void shard_planes_join(const unsigned char *in, unsigned char *out, size_t bytes,
                       uint32_t width);

#endif
