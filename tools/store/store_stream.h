/* SPDX-License-Identifier: Apache-2.0
 * tools/store/store_stream.h - a FILE to print to whose bytes go into a store. */
#ifndef TOOLS_STORE_STORE_STREAM_H
#define TOOLS_STORE_STORE_STREAM_H

#include <stdio.h>

#include "tools/store/store.h"

/* Not to be moved while it is open. */
struct store_stream {
    FILE *file; /* NULL: none is open */
    const struct shard_output *output;
    void *to;
    int error; /* the errno of the first write that failed */
};

/* Begins the file `path`. Returns 0, or -1 with errno; nothing is open then. */
int store_stream_open(struct store_stream *s, const struct store *store,
                      const char *path);

/* The file is whole and outlasts a crash; the stream is closed, whatever this returns: 0,
 * or -1 with the errno of what failed, be it an earlier write. */
int store_stream_finish(struct store_stream *s);

/* Gives the file up. Accepts one that is not open. */
void store_stream_close(struct store_stream *s);

#endif
