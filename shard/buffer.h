/* SPDX-License-Identifier: Apache-2.0
 * shard/buffer.h - public: bytes that grow. All zeros is an empty buffer. */
#ifndef SHARD_BUFFER_H
#define SHARD_BUFFER_H

#include <stddef.h>
#include <stdint.h>

struct shard_buffer {
    unsigned char *data;
    size_t len, cap;
};

/* Room for n more bytes, counted in already: their address, or NULL (out of memory; the
 * buffer is as before). Lent until the next call. */
unsigned char *shard_buffer_extend(struct shard_buffer *b, size_t n);

/* Makes the buffer hold exactly n bytes of unspecified content. Returns SHARD_OK or
 * SHARD_ENOMEM. */
int shard_buffer_resize(struct shard_buffer *b, size_t n);

/* Appends; SHARD_OK or SHARD_ENOMEM. */
int shard_buffer_add(struct shard_buffer *b, const void *data, size_t len);
int shard_buffer_add_u16(struct shard_buffer *b, uint16_t v);
int shard_buffer_add_u32(struct shard_buffer *b, uint32_t v);
int shard_buffer_add_u64(struct shard_buffer *b, uint64_t v);

void shard_buffer_free(struct shard_buffer *b);

#endif
