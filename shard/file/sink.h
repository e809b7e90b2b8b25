/* SPDX-License-Identifier: Apache-2.0
 * shard/file/sink.h - internal to shard/: a file being written, hashed on its way.
 *
 * The one object of shard/ that needs libcrypto: a reader never links it. */
#ifndef SHARD_FILE_SINK_H
#define SHARD_FILE_SINK_H

#include <stddef.h>
#include <stdint.h>

#include "shard/output.h"

struct shard_sink;

/* Creates or empties `path` by `output`, which is lent until close. Gives *out; NULL on
 * failure: SHARD_ENOMEM or SHARD_EIO with errno set. */
int shard_sink_open(struct shard_sink **out, const struct shard_output *output,
                    const char *path);

/* SHARD_OK, or SHARD_EIO with errno set. */
int shard_sink_write(struct shard_sink *s, const void *data, size_t len);

uint64_t shard_sink_offset(const struct shard_sink *s);
/* XXH3-128 of all bytes so far, in xxHash's canonical order. */
void shard_sink_fingerprint(const struct shard_sink *s, unsigned char out[16]);

/* Finishes the file; the SHA-256 of all bytes. Whatever it returns, nothing can be
 * written afterwards. SHARD_OK, or SHARD_EIO with errno set. */
int shard_sink_finish(struct shard_sink *s, unsigned char sha256[32]);

void shard_sink_close(struct shard_sink *s); /* accepts NULL */

#endif
