/* SPDX-License-Identifier: Apache-2.0
 * tests/unit/memory_input.h - a source that gives bytes to the readers of ingest/ in
 * pieces. */
#ifndef TESTS_MEMORY_INPUT_H
#define TESTS_MEMORY_INPUT_H

#include <stdint.h>
#include <string.h>

#include "ingest/readers.h"

/* Gives a buffer in pieces of at most `chunk` bytes, then `ending`: 0, or an error. */
struct memory_input {
    const unsigned char *bytes;
    size_t len;
    size_t at;
    size_t chunk;
    int ending;
    unsigned n_reads;
};

static inline ssize_t memory_read(void *ctx, void *buf, size_t cap)
{
    struct memory_input *in = ctx;
    size_t n = in->len - in->at;

    in->n_reads++;
    if (n == 0)
        return in->ending;
    if (n > cap)
        n = cap;
    if (n > in->chunk)
        n = in->chunk;
    memcpy(buf, in->bytes + in->at, n);
    in->at += n;
    return (ssize_t)n;
}

static inline const char *memory_why(void *ctx)
{
    (void)ctx;
    return "the disk is on fire";
}

static inline struct ingest_source memory_source(struct memory_input *in)
{
    return (struct ingest_source){.ctx = in, .read = memory_read, .why = memory_why};
}

#endif
