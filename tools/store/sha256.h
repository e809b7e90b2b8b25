/* SPDX-License-Identifier: Apache-2.0
 * tools/store/sha256.h - SHA-256 as lower-case hex, of bytes and of files. */
#ifndef TOOLS_STORE_SHA256_H
#define TOOLS_STORE_SHA256_H

#include <stddef.h>
#include <stdint.h>

#include "tools/store/store.h"

enum { SHA256_HEX_CAP = 65 };

/* 64 digits and a NUL, of a digest that is already there. */
void sha256_to_hex(const unsigned char digest[32], char hex[SHA256_HEX_CAP]);

/* The same, of `len` bytes. Returns 0, or -1: no memory. */
int sha256_hex(const void *bytes, size_t len, char hex[SHA256_HEX_CAP]);

/* Of the first n bytes of `path`, or of all of them where it has fewer. Returns 0, or -1
 * with errno set. */
int sha256_file(const char *path, uint64_t n, char hex[SHA256_HEX_CAP]);

/* Of all of a file of a data set. The same. */
int sha256_stored(const struct store *store, const char *path, char hex[SHA256_HEX_CAP]);

#endif
