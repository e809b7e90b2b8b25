/* SPDX-License-Identifier: Apache-2.0
 * tools/memory_file.h - a FILE to print to whose bytes stay in memory.
 *
 * rewind(m.file) begins it anew in the same memory. */
#ifndef TOOLS_MEMORY_FILE_H
#define TOOLS_MEMORY_FILE_H

#include <stddef.h>
#include <stdio.h>

struct memory_file {
    FILE *file;
    char *bytes; /* these two: lent, from memory_file_flush() to the next print */
    size_t len;
};

/* 0, or -1: no memory. Close it either way. */
int memory_file_open(struct memory_file *m);

/* Sets bytes and len to what was printed. 0, or -1: no memory for it. */
int memory_file_flush(struct memory_file *m);

/* Accepts one of zeros, which was never opened. */
void memory_file_close(struct memory_file *m);

#endif
