/* SPDX-License-Identifier: Apache-2.0
 * shard/valid_utf8.h - internal to shard/: strict UTF-8 (RFC 3629): nothing overlong, no
 * surrogates, nothing above U+10FFFF, nothing cut. Zero bytes are characters. */
#ifndef SHARD_VALID_UTF8_H
#define SHARD_VALID_UTF8_H

#include <stdbool.h>
#include <stddef.h>

bool shard_utf8_valid(const char *s, size_t len);

#endif
