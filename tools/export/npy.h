/* SPDX-License-Identifier: Apache-2.0
 * tools/export/npy.h - the head of a .npy file (NumPy's format, version 1.0). */
#ifndef TOOLS_EXPORT_NPY_H
#define TOOLS_EXPORT_NPY_H

#include <stddef.h>
#include <stdint.h>

enum { NPY_HEAD_CAP = 256 };

/* Of a C-ordered array; `descr` is NumPy's little-endian type ("<f2"), n_dims at most
 * SHARD_MAX_DIMS. Returns its length, a multiple of 64. */
size_t npy_head(char head[NPY_HEAD_CAP], const char *descr, const uint32_t *dims,
                uint32_t n_dims);

#endif
