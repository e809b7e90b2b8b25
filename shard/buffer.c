/* SPDX-License-Identifier: Apache-2.0 */
#include "shard/buffer.h"

#include <stdlib.h>

#include "shard/status.h"
#include "shard/file/wire.h"

unsigned char *shard_buffer_extend(struct shard_buffer *b, size_t n)
{
    if (n > SIZE_MAX / 2 - b->len)
        return NULL;
    if (b->data == NULL || b->len + n > b->cap) {
        size_t cap = b->cap < 256 ? 256 : b->cap;
        while (cap < b->len + n)
            cap += cap / 2;
        unsigned char *data = realloc(b->data, cap);
        if (data == NULL)
            return NULL;
        b->data = data;
        b->cap = cap;
    }
    b->len += n;
    return b->data + b->len - n;
}

int shard_buffer_resize(struct shard_buffer *b, size_t n)
{
    b->len = 0;
    return shard_buffer_extend(b, n) != NULL ? SHARD_OK : SHARD_ENOMEM;
}

int shard_buffer_add(struct shard_buffer *b, const void *data, size_t len)
{
    unsigned char *p = shard_buffer_extend(b, len);

    if (p == NULL)
        return SHARD_ENOMEM;
    wire_put_bytes(p, data, len);
    return SHARD_OK;
}

int shard_buffer_add_u16(struct shard_buffer *b, uint16_t v)
{
    return shard_buffer_add(b, &v, sizeof(v));
}

int shard_buffer_add_u32(struct shard_buffer *b, uint32_t v)
{
    return shard_buffer_add(b, &v, sizeof(v));
}

int shard_buffer_add_u64(struct shard_buffer *b, uint64_t v)
{
    return shard_buffer_add(b, &v, sizeof(v));
}

void shard_buffer_free(struct shard_buffer *b)
{
    free(b->data);
    *b = (struct shard_buffer){0};
}
