/* SPDX-License-Identifier: Apache-2.0 */
#include "ingest/gunzip.h"

#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "ingest/status.h"

enum { GZIP_WINDOW = 15 + 16 }; /* the largest, in gzip's wrapping */

struct gunzip {
    z_stream zlib;
    gz_header header; /* of the first stream: for its `done` */
    enum { WITHIN, BEHIND, PADDING } place;
    const char *corrupt; /* what is; or NULL */
};

static const char behind_the_end[] = "data after the end of the compressed stream";

bool gunzip_begins(const unsigned char *bytes, size_t n)
{
    return n >= 2 && bytes[0] == 0x1F && bytes[1] == 0x8B;
}

int gunzip_open(struct gunzip **out)
{
    struct gunzip *g = calloc(1, sizeof(*g));

    *out = g;
    if (!g)
        return INGEST_ENOMEM;
    if (inflateInit2(&g->zlib, GZIP_WINDOW) != Z_OK ||
        inflateGetHeader(&g->zlib, &g->header) != Z_OK) {
        gunzip_close(g);
        *out = NULL;
        return INGEST_ENOMEM;
    }
    return INGEST_OK;
}

void gunzip_close(struct gunzip *g)
{
    if (!g)
        return;
    inflateEnd(&g->zlib);
    free(g);
}

void gunzip_give(struct gunzip *g, unsigned char *bytes, size_t n)
{
    g->zlib.next_in = bytes;
    g->zlib.avail_in = (uInt)n;
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

/* These return INGEST_OK, INGEST_END where there is nothing more to do for now, or
 * INGEST_ENOMEM. */
static int inflate_more(struct gunzip *g)
{
    switch (inflate(&g->zlib, Z_NO_FLUSH)) {
    case Z_OK:
        return INGEST_OK;
    case Z_STREAM_END:
        g->place = BEHIND;
        return INGEST_OK;
    case Z_BUF_ERROR: /* no input, or no room */
        return INGEST_END;
    case Z_MEM_ERROR:
        return INGEST_ENOMEM;
    default:
        g->corrupt = what_is_corrupt(g);
        return INGEST_END;
    }
}

static int look_behind(struct gunzip *g)
{
    z_stream *z = &g->zlib;

    if (z->avail_in == 0)
        return INGEST_END;
    if (g->place == BEHIND && *z->next_in == 0x1F) {
        g->place = WITHIN;
        return inflateReset(z) == Z_OK ? INGEST_OK : INGEST_ENOMEM;
    }
    g->place = PADDING;
    for (; z->avail_in > 0 && *z->next_in == 0; z->avail_in--)
        z->next_in++;
    if (z->avail_in > 0)
        g->corrupt = behind_the_end;
    return INGEST_END;
}

int gunzip_next(struct gunzip *g, unsigned char *out, size_t cap, size_t *n)
{
    int rc = INGEST_OK;

    g->zlib.next_out = out;
    g->zlib.avail_out = (uInt)cap;
    while (rc == INGEST_OK && !g->corrupt)
        rc = g->place == WITHIN ? inflate_more(g) : look_behind(g);
    *n = cap - g->zlib.avail_out;
    return rc < 0 ? rc : INGEST_OK;
}

bool gunzip_failed(const struct gunzip *g)
{
    return g->corrupt != NULL;
}

const char *gunzip_damage(const struct gunzip *g)
{
    if (g->corrupt || g->place != WITHIN)
        return g->corrupt;
    return g->header.done == 1 ? "the compressed stream is cut off, or corrupt at its end"
                               : "its beginning is gzip's, but cut off or corrupt";
}
