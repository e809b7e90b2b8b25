/* SPDX-License-Identifier: Apache-2.0
 * tools/cli/memory_file.h - a FILE to print to whose bytes stay in memory.
 *
 * Unlike open_memstream()'s, which loses in silence what it has no memory for, it keeps
 * in mind that something is missing. */
#ifndef TOOLS_CLI_MEMORY_FILE_H
#define TOOLS_CLI_MEMORY_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

struct memory_file {
    FILE *file;
    char *bytes; /* these two: lent, from memory_file_flush() to the next print */
    size_t len;
    size_t cap;
    bool failed; /* for want of memory, and for good */
};

/* 0, or -1: no memory. Close it either way, and don't move it in between. */
int memory_file_open(struct memory_file *m);

/* Sets bytes and len to what was printed. 0, or -1: no memory for it. */
int memory_file_flush(struct memory_file *m);

/* Forgets what was printed, and keeps its memory for what will be. */
void memory_file_begin(struct memory_file *m);

/* Accepts one of zeros, which was never opened. */
void memory_file_close(struct memory_file *m);

#endif
