/* SPDX-License-Identifier: Apache-2.0
 * shard/positioned_file.h - internal to shard/: a file that is read by position, and the
 * words for what went wrong with it. */
#ifndef SHARD_POSITIONED_FILE_H
#define SHARD_POSITIONED_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <zstd.h>

#include "shard/buffer.h"

struct shard_source {
    int fd;       /* -1: none */
    bool borrows; /* fd is another source's */
    char *path;
    uint64_t size;
    ZSTD_DCtx *zstd;
    struct shard_buffer packed; /* scratch: compressed bytes */
    char why[512];
};

/* Fills *s; shard_source_close() releases it whatever this returns. */
int shard_source_open(struct shard_source *s, const char *path);
void shard_source_close(struct shard_source *s);

/* The same open file for another thread: state of its own, the descriptor lent by `from`,
 * which must live as long. *s has the descriptor -1, or shared a file before, whose
 * memory serves again. Close it whatever this returns. SHARD_OK or SHARD_ENOMEM. */
int shard_source_share(struct shard_source *s, const struct shard_source *from);

/* Sets why: the path, then the message. Returns status. */
int shard_source_fail(struct shard_source *s, int status, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* Exactly len bytes at offset. SHARD_EIO, or SHARD_EDAMAGED where the file ends early. */
int shard_source_read(struct shard_source *s, uint64_t offset, void *data, size_t len);

/* The content of one Zstandard frame of `bytes` compressed bytes at offset: its XXH3-64
 * and its content size are checked before anything is decompressed or allocated. `what`
 * names it in messages. SHARD_OK, SHARD_ENOMEM, SHARD_EIO or SHARD_EDAMAGED. */
int shard_source_unpack(struct shard_source *s, const char *what, uint64_t offset,
                        uint64_t bytes, uint64_t raw_bytes, uint64_t checksum,
                        struct shard_buffer *out);

#endif
