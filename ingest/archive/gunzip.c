/* SPDX-License-Identifier: Apache-2.0
 *
 * By zlib, whose window is 32 KiB at most. */
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "ingest/archive/decoder.h"
#include "ingest/status.h"

enum { GZIP_WINDOW = 15 + 16 }; /* the largest, in gzip's wrapping */

struct gunzip {
    z_stream zlib;
    gz_header header; /* of the first stream: for its `done` */
    struct damage *damage;
};

static bool begins(const unsigned char *bytes, size_t n)
{
    return decoder_matches(bytes, n, "\x1F\x8B", 2);
}

static void close_stream(void *state)
{
    struct gunzip *g = state;

    if (!g)
        return;
    inflateEnd(&g->zlib);
    free(g);
}

static int open_stream(void **state, uint64_t max_memory, struct damage *damage)
{
    struct gunzip *g = *state = calloc(1, sizeof(*g));

    (void)max_memory;
    if (!g)
        return INGEST_ENOMEM;
    g->damage = damage;
    if (inflateInit2(&g->zlib, GZIP_WINDOW) != Z_OK ||
        inflateGetHeader(&g->zlib, &g->header) != Z_OK) {
        close_stream(g);
        *state = NULL;
        return INGEST_ENOMEM;
    }
    return INGEST_OK;
}

static int restart(void *state)
{
    struct gunzip *g = state;

    return inflateReset(&g->zlib) == Z_OK ? INGEST_OK : INGEST_ENOMEM;
}

/* zlib's words are the only way to know the checksum from the rest. */
static const char *what_is_corrupt(const struct gunzip *g)
{
    const char *message = g->zlib.msg ? g->zlib.msg : "";

    if (g->header.done != 1)
        return "its beginning is gzip's, but cut off or corrupt";
    if (strcmp(message, "incorrect data check") == 0 ||
        strcmp(message, "incorrect length check") == 0)
        return "the gzip stream's checksum is wrong: something in it has changed";
    return "the compressed stream is corrupt";
}

static int decode(void *state, struct decoder_io *io)
{
    struct gunzip *g = state;
    int rc;

    g->zlib.next_in = (Bytef *)io->in;
    g->zlib.avail_in = (uInt)io->n_in;
    g->zlib.next_out = io->out;
    g->zlib.avail_out = (uInt)io->n_out;
    rc = inflate(&g->zlib, Z_NO_FLUSH);
    io->in = g->zlib.next_in;
    io->n_in = g->zlib.avail_in;
    io->out = g->zlib.next_out;
    io->n_out = g->zlib.avail_out;
    switch (rc) {
    case Z_OK:
    case Z_BUF_ERROR: /* no input, or no room */
        return INGEST_OK;
    case Z_STREAM_END:
        return INGEST_END;
    case Z_MEM_ERROR:
        return INGEST_ENOMEM;
    default:
        return damage_set(g->damage, 0, "%s", what_is_corrupt(g));
    }
}

const struct decoder decoder_gzip = {
    .name = "gzip",
    .suffixes = {".gz", ".tgz"},
    .begins = begins,
    .open = open_stream,
    .restart = restart,
    .decode = decode,
    .close = close_stream,
};
