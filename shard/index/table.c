/* SPDX-License-Identifier: Apache-2.0 */
#include "shard/index/table.h"

#include <stdlib.h>

#include "shard/status.h"
#include "shard/file/wire.h"

int shard_table_split(struct shard_table *t, const unsigned char *data, size_t len)
{
    struct wire_cursor c = {.p = data, .left = len};
    uint32_t n = wire_take_u32(&c);
    const unsigned char *lengths = wire_take(&c, 4 * (uint64_t)n);

    *t = (struct shard_table){0};
    if (lengths == NULL)
        return SHARD_EFORMAT;
    t->start = calloc((size_t)n + 1, sizeof(t->start[0]));
    if (t->start == NULL)
        return SHARD_ENOMEM;
    t->n = n;
    t->bytes = c.p;
    for (size_t i = 0; i < n; i++) {
        uint32_t bytes = wire_load_u32(lengths + 4 * i);
        wire_take(&c, bytes);
        t->start[i + 1] = t->start[i] + bytes;
    }
    return c.bad || c.left != 0 ? SHARD_EFORMAT : SHARD_OK;
}

void shard_table_clear(struct shard_table *t)
{
    free(t->start);
    *t = (struct shard_table){0};
}
