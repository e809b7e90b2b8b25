/* SPDX-License-Identifier: Apache-2.0
 * tools/run/shared_memory.h - memory that encoders in processes of their own read pixels
 * from: ours to write, theirs to read only.
 *
 * It is opened before they start, so that they get its descriptor, and sized when it is
 * known how many samples go round. Where the kernel has no such thing, pixels go through
 * pipes. */
#ifndef TOOLS_RUN_SHARED_MEMORY_H
#define TOOLS_RUN_SHARED_MEMORY_H

#include <stdbool.h>
#include <stddef.h>

struct shared_memory {
    int fd;              /* above 2; 0: none */
    unsigned char *base; /* NULL: none, or not sized */
    size_t len;
};

/* Whether there is one; accepts one that is open. Release with shared_memory_close(). */
bool shared_memory_open(struct shared_memory *m);

/* Gives it `len` bytes of zeros, once. No other mapping of it can be written to, and no
 * process can make it shorter. Returns whether it could be done; else it has no base. */
bool shared_memory_size(struct shared_memory *m, size_t len);

void shared_memory_close(struct shared_memory *m);

#endif
