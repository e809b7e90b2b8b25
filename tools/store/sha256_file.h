/* SPDX-License-Identifier: Apache-2.0
 * tools/store/sha256_file.h - SHA-256 of what stands on a disk. */
#ifndef TOOLS_STORE_SHA256_FILE_H
#define TOOLS_STORE_SHA256_FILE_H

#include <stdint.h>

#include "tools/store/sha256.h"
#include "tools/store/store.h"

/* Of the first n bytes of `path`, or of all of them where it has fewer. Returns 0, or -1
 * with errno set. */
int sha256_file(const char *path, uint64_t n, char hex[SHA256_HEX_CAP]);

/* Of all of a file of a data set. The same. */
int sha256_stored(const struct store *store, const char *path, char hex[SHA256_HEX_CAP]);

#endif
