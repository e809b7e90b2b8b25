/* SPDX-License-Identifier: Apache-2.0
 * tools/store/path.h - paths of a store as text. */
#ifndef TOOLS_STORE_PATH_H
#define TOOLS_STORE_PATH_H

#include <stdbool.h>
#include <stddef.h>

/* Its last component. Lent by `path`. */
const char *path_base(const char *path);

/* Whether the last component of `path` ends in `suffix` and has something before it. */
bool path_ends_in(const char *path, const char *suffix);

/* Gives `folder`/`path`, or NULL. */
char *path_below(const char *folder, const char *path);

/* By what stands before suffixes of `suffix_len` bytes: "a" before "a+00001" before
 * "a/b". Returns as strcmp() does. */
int path_compare(const char *a, const char *b, size_t suffix_len);

#endif
