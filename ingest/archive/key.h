/* SPDX-License-Identifier: Apache-2.0
 * ingest/archive/key.h - internal to ingest/: a member's name -> key and field, by
 * WebDataset's rule, on bytes, whatever the locale.
 *
 * The key is the folder and the file name up to its first dot, the field what follows
 * that dot, in lower case (ASCII). */
#ifndef INGEST_ARCHIVE_KEY_H
#define INGEST_ARCHIVE_KEY_H

#include <stdbool.h>
#include <stddef.h>

enum { KEY_MAX_BYTES = 1024 };

/* Where the key ends (the dot) in name[0..len), or 0: the name has no key. */
size_t key_length(const char *name, size_t len);

/* Whether the first component is __x__: WebDataset's own members, never samples. */
bool key_is_private(const char *name, size_t len);

/* Whether macOS put it beside the files: ._x (AppleDouble), .DS_Store, or anything below
 * __MACOSX. */
bool key_is_macos(const char *name, size_t len);

/* What is wrong with a key, for a person, or NULL. Static. */
const char *key_problem(const char *key, size_t len);

/* A key for printing: bytes that are not UTF-8 and control characters become \xNN, a
 * backslash doubles, and what is long is cut. Gives a string for free(), NULL: no memory.
 */
char *key_escape(const char *key, size_t len);

#endif
