/* SPDX-License-Identifier: Apache-2.0 */
#include "shard/tokenizer/token_ids.h"

#include <stdlib.h>

#include "shard/status.h"

int token_ids_grow(struct token_ids *ids, size_t n)
{
    if (n > SIZE_MAX / 16 || ids->n > SIZE_MAX / 16 - n)
        return SHARD_ENOMEM;
    const size_t need = ids->n + n;
    const size_t cap = need < 1024 ? 1024 : need + need / 2;
    uint32_t *at = realloc(ids->at, cap * sizeof(*at));

    if (at == NULL)
        return SHARD_ENOMEM;
    ids->at = at;
    ids->cap = cap;
    return SHARD_OK;
}

void token_ids_free(struct token_ids *ids)
{
    free(ids->at);
    *ids = (struct token_ids){0};
}
