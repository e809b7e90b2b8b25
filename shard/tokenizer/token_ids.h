/* SPDX-License-Identifier: Apache-2.0
 * shard/tokenizer/token_ids.h - internal to shard/: ids of a text in the making. */
#ifndef SHARD_TOKENIZER_TOKEN_IDS_H
#define SHARD_TOKENIZER_TOKEN_IDS_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* All zero is empty. Release with token_ids_free(). */
struct token_ids {
    uint32_t *at;
    size_t n, cap;
};

/* Makes room for n more. SHARD_OK or SHARD_ENOMEM. */
int token_ids_grow(struct token_ids *ids, size_t n);

void token_ids_free(struct token_ids *ids);

/* The same, quick where there is room already. */
static inline int token_ids_reserve(struct token_ids *ids, size_t n)
{
    return ids->cap - ids->n >= n ? 0 : token_ids_grow(ids, n);
}

static inline int token_ids_add(struct token_ids *ids, uint32_t id)
{
    const int rc = token_ids_reserve(ids, 1);

    if (rc == 0)
        ids->at[ids->n++] = id;
    return rc;
}

#ifdef __cplusplus
}
#endif

#endif
