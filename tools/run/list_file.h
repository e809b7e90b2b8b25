/* SPDX-License-Identifier: Apache-2.0
 * tools/run/list_file.h - the lines of an `@list.txt`.
 *
 * Text in UTF-8, with or without a byte order mark and carriage returns. Whatever stands
 * behind the '@', a device or a video, is held to limits: a line, all of it, no NUL. */
#ifndef TOOLS_RUN_LIST_FILE_H
#define TOOLS_RUN_LIST_FILE_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* The most bytes of a line and of a whole list. */
enum { LIST_LINE_BYTES = 64 << 10, LIST_BYTES = 1 << 30 };

struct list_file {
    const char *path; /* "-": standard input */
    FILE *file;
    size_t number; /* of the line read last, from 1 */
    uint64_t bytes;
    size_t len;
    char line[LIST_LINE_BYTES + 1]; /* without its line end */
};

/* Gives *out; release with list_file_close(). Returns 0, or EXIT_USAGE or EXIT_FAILED
 * after explaining on stderr, with *out NULL. `path` is lent until then. */
int list_file_open(struct list_file **out, const char *path);

/* Reads the next line that is not empty into `line`; len is 0 behind the last one.
 * Returns 0, or EXIT_USAGE or EXIT_FAILED after explaining on stderr. */
int list_file_next(struct list_file *l);

void list_file_close(struct list_file *l); /* accepts NULL */

#endif
