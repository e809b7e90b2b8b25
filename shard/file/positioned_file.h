/* SPDX-License-Identifier: Apache-2.0
 * shard/file/positioned_file.h - internal to shard/: a file that is read by position, and
 * the words for what went wrong with it. */
#ifndef SHARD_FILE_POSITIONED_FILE_H
#define SHARD_FILE_POSITIONED_FILE_H

#include <stddef.h>
#include <stdint.h>
#include <zstd.h>

#include "shard/buffer.h"
#include "shard/shard_input.h"

struct shard_positioned_file {
    const struct shard_input *input; /* lent until close */
    void *file;                      /* NULL: none, or detached */
    char *path;
    struct shard_input_entry entry;
    ZSTD_DCtx *zstd;
    struct shard_buffer packed; /* scratch: compressed bytes */
    int error;                  /* errno, where the last failure was SHARD_EIO */
    char why[512];
};

/* Fills *s; shard_positioned_file_close() releases it whatever this returns. `input`
 * NULL: plain files. */
int shard_positioned_file_open(struct shard_positioned_file *s,
                               const struct shard_input *input, const char *path);
void shard_positioned_file_close(struct shard_positioned_file *s);

/* Detached, a file keeps everything but its open file, so that there may be more of
 * them than a process may have files open; to be read it is attached again. That is
 * refused, SHARD_EFORMAT, where it has another size or version now. SHARD_EIO where it
 * cannot be opened, SHARD_ENOMEM. Detached again after a failure. */
void shard_positioned_file_detach(struct shard_positioned_file *s);
int shard_positioned_file_attach(struct shard_positioned_file *s);

/* The same file for another thread: detached, with state of its own. *s is
 * all zero, or shared a file before, whose memory serves again. Close it whatever this
 * returns. SHARD_OK or SHARD_ENOMEM. */
int shard_positioned_file_share(struct shard_positioned_file *s,
                                const struct shard_positioned_file *from);

/* Sets why: the path, then the message. Returns status. */
int shard_positioned_file_fail(struct shard_positioned_file *s, int status,
                               const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* Exactly len bytes at offset. SHARD_EIO, or SHARD_EDAMAGED where the file ends early. */
int shard_positioned_file_read(struct shard_positioned_file *s, uint64_t offset,
                               void *data, size_t len);

/* The content of one Zstandard frame of `bytes` compressed bytes at offset: its XXH3-64
 * and its content size are checked before anything is decompressed or allocated. `what`
 * names it in messages. SHARD_OK, SHARD_ENOMEM, SHARD_EIO or SHARD_EDAMAGED. */
int shard_positioned_file_unpack(struct shard_positioned_file *s, const char *what,
                                 uint64_t offset, uint64_t bytes, uint64_t raw_bytes,
                                 uint64_t checksum, struct shard_buffer *out);

#endif
