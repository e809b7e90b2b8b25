/* SPDX-License-Identifier: Apache-2.0
 * shard/python/native/attention.h - internal to shard/python/: which positions attend to
 * which, as a dense mask. Knows nothing of Python. */
#ifndef SHARD_PYTHON_NATIVE_ATTENTION_H
#define SHARD_PYTHON_NATIVE_ATTENTION_H

#include <stddef.h>
#include <stdint.h>

/* Sets what is true of mask (n, n), zeros before: mask[q][k] where q and k are of one
 * document (>= 0) and k <= q or both are of one image (>= 0), and where k = q. */
void attention_mask(const int32_t *documents, const int32_t *images, size_t n,
                    uint8_t *mask);

#endif
