/* SPDX-License-Identifier: Apache-2.0
 * ingest/source.h - public: where an input's bytes come from. */
#ifndef INGEST_SOURCE_H
#define INGEST_SOURCE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* The bytes may be plain or in gzip, zstd, bzip2 or xz. read() fills buf with up to cap
 * bytes and returns how many, 0 at the end of the input, or < 0: INGEST_EIO or
 * INGEST_CANCELLED. It may block, but must be able to return INGEST_CANCELLED while it
 * waits. why() explains an INGEST_EIO (lent until the next read). */
struct ingest_source {
    void *ctx;
    ssize_t (*read)(void *ctx, void *buf, size_t cap);
    const char *(*why)(void *ctx);
    /* NULL, or asked between reads too: few bytes can decompress to very many. */
    bool (*cancelled)(void *ctx);
    /* The path as it was given; NULL of `-` and `pipe:`. One that ends in .gz, .tgz,
     * .zst, .bz2 or .xz promises compressed bytes. */
    const char *name;
};

#endif
