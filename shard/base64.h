/* SPDX-License-Identifier: Apache-2.0
 * shard/base64.h - internal to shard/: bytes as base64 (RFC 4648, section 4), padded,
 * nothing between. */
#ifndef SHARD_BASE64_H
#define SHARD_BASE64_H

#include <stdbool.h>
#include <stddef.h>

/* Characters of n bytes. n is below SIZE_MAX / 2. */
size_t shard_base64_len(size_t n);

/* Writes shard_base64_len(n) characters and no NUL. */
void shard_base64_encode(char *out, const unsigned char *bytes, size_t n);

/* Whether `text` is how n bytes are written, the bits that the last one has over
 * included. Fills bytes[0..n), also in vain. */
bool shard_base64_decode(unsigned char *bytes, size_t n, const char *text, size_t len);

#endif
