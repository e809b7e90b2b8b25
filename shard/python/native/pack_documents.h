/* SPDX-License-Identifier: Apache-2.0
 * shard/python/native/pack_documents.h - internal to shard/python/: documents ->
 * sequences of one length, a pure function of their lengths. What it does stands in
 * latentmill/planning/packing.py. Knows nothing of Python. */
#ifndef SHARD_PYTHON_NATIVE_PACK_DOCUMENTS_H
#define SHARD_PYTHON_NATIVE_PACK_DOCUMENTS_H

#include <stddef.h>
#include <stdint.h>

#include "shard/buffer.h"

struct packing {
    struct shard_buffer first;               /* int64, one a sequence and one more */
    struct shard_buffer item, start, length; /* int64, one a piece */
};

/* Packs n documents of lengths[i], at least 1, into sequences of `capacity`. is_text[i]:
 * may be cut; what may not be is no longer than capacity. Gives *p (release with
 * packing_clear(), also on failure). SHARD_OK, SHARD_ENOMEM, or SHARD_EINVAL. */
int packing_make(struct packing *p, const int64_t *lengths, const uint8_t *is_text,
                 size_t n, int64_t capacity);
void packing_clear(struct packing *p);

#endif
