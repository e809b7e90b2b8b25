/* SPDX-License-Identifier: Apache-2.0 */
#include "shard/file/column.h"

int shard_column_compare(const struct shard_column *a, const struct shard_column *b)
{
    const uint32_t left[] = {a->encoder, a->slot, a->kind, a->dtype};
    const uint32_t right[] = {b->encoder, b->slot, b->kind, b->dtype};

    for (int i = 0; i < 4; i++)
        if (left[i] != right[i])
            return left[i] < right[i] ? -1 : 1;
    return 0;
}

unsigned char *shard_column_put(unsigned char *p, const struct shard_column *column)
{
    p = wire_put_u32(p, column->kind);
    p = wire_put_u32(p, column->encoder);
    p = wire_put_u32(p, column->dtype);
    return wire_put_u32(p, column->slot);
}

struct shard_column shard_column_take(struct wire_cursor *c)
{
    struct shard_column column;

    column.kind = wire_take_u32(c);
    column.encoder = wire_take_u32(c);
    column.dtype = wire_take_u32(c);
    column.slot = wire_take_u32(c);
    return column;
}
