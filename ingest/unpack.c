/* SPDX-License-Identifier: Apache-2.0
 *
 * libarchive's filters under its "raw" format, which passes a stream through as it is.
 * gzip, the commonest, it gets from us decompressed (gunzip.h says why). Four more things
 * it leaves to us: what follows the end of a bzip2 stream, which it ignores; a stream
 * compressed many times over, with which a small input could keep it busy for years
 * between two calls of read(); one whose first bytes are damaged or cut off, which it
 * takes for plain; and a read() that was cancelled, whose status it does not know. */
#include "ingest/unpack.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ingest/gunzip.h"
#include "ingest/status.h"

enum { CHUNK = 128 << 10, MAGIC_MIN = 2, MAGIC_MAX = 10 };

static const struct compression {
    const char *name, *suffix;
    size_t magic_len;
    const char *magic; /* '?' stands for any byte */
} compressions[] = {
    {"gzip", ".gz", 2, "\x1F\x8B"},
    {"gzip", ".tgz", 2, "\x1F\x8B"},
    {"zstd", ".zst", 4, "\x28\xB5\x2F\xFD"},
    {"bzip2", ".bz2", MAGIC_MAX, "BZh?1AY&SY"}, /* a tar may begin with "BZh" */
    {"xz", ".xz", 6, "\xFD\x37zXZ\0"},
};
enum { N_COMPRESSIONS = sizeof(compressions) / sizeof(*compressions) };

struct unpacker {
    struct ingest_source source;
    struct damage *damage;
    struct archive *archive;   /* NULL before the first next() */
    bool source_ended;         /* read() said 0 */
    int source_status;         /* read()'s failure, or INGEST_OK */
    int status;                /* what next() returns for good, or INGEST_OK */
    uint64_t total_in;         /* bytes read() gave */
    uint64_t data_in;          /* up to the last of them that is not 0 */
    uint64_t total_out;        /* bytes next() lent */
    struct gunzip *gunzip;     /* NULL: the input is no gzip */
    char beginning[MAGIC_MAX]; /* of the input */
    char why[256];
    unsigned char chunk[CHUNK]; /* these two: lent to libarchive between two reads */
    unsigned char plain[CHUNK]; /* of gzip */
};

static int fail(struct unpacker *u, int status, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(u->why, sizeof(u->why), fmt, ap);
    va_end(ap);
    return status;
}

static void note_input(struct unpacker *u, size_t n)
{
    size_t n_data = n;

    for (size_t i = 0; i < n && u->total_in + i < MAGIC_MAX; i++)
        u->beginning[u->total_in + i] = (char)u->chunk[i];
    while (n_data > 0 && u->chunk[n_data - 1] == 0)
        n_data--;
    if (n_data > 0)
        u->data_in = u->total_in + n_data;
    u->total_in += n;
}

/* Bytes now in chunk, 0 at the end, or < 0; both ends are kept. The first time enough to
 * know gzip by. */
static ssize_t read_source(struct unpacker *u)
{
    size_t len = 0;
    ssize_t n;

    if (u->source_status < 0)
        return u->source_status;
    if (u->source_ended)
        return 0;
    do {
        n = u->source.read(u->source.ctx, u->chunk + len, sizeof(u->chunk) - len);
        len += n > 0 ? (size_t)n : 0;
    } while (n > 0 && u->total_in + len < MAGIC_MIN);
    if (n < 0) {
        u->source_status = n == INGEST_CANCELLED ? INGEST_CANCELLED : INGEST_EIO;
        fail(u, u->source_status, "%s",
             n == INGEST_CANCELLED ? "cancelled" : u->source.why(u->source.ctx));
        return n;
    }
    u->source_ended = n == 0;
    note_input(u, len);
    return (ssize_t)len;
}

/* Bytes now in plain, 0 at the end or at damage, or < 0. */
static ssize_t read_gzip(struct unpacker *u)
{
    size_t n;
    ssize_t got;

    for (;;) {
        if (gunzip_next(u->gunzip, u->plain, sizeof(u->plain), &n) < 0)
            return u->source_status = fail(u, INGEST_ENOMEM, "out of memory");
        if (n > 0 || gunzip_failed(u->gunzip))
            return (ssize_t)n;
        got = read_source(u);
        if (got <= 0)
            return got;
        gunzip_give(u->gunzip, u->chunk, (size_t)got);
    }
}

/* The first bytes are in chunk. Gives u->gunzip if they are gzip's. */
static int begin_gzip(struct unpacker *u, size_t n)
{
    if (!gunzip_begins(u->chunk, n))
        return INGEST_OK;
    if (gunzip_open(&u->gunzip) < 0)
        return u->source_status = fail(u, INGEST_ENOMEM, "out of memory");
    gunzip_give(u->gunzip, u->chunk, n);
    return INGEST_OK;
}

static la_ssize_t read_callback(struct archive *a, void *ctx, const void **bytes)
{
    struct unpacker *u = ctx;
    const bool first = u->total_in == 0;
    ssize_t n = u->gunzip ? read_gzip(u) : read_source(u);

    if (first && n > 0 && begin_gzip(u, (size_t)n) < 0)
        n = -1;
    else if (first && u->gunzip)
        n = read_gzip(u);
    if (n < 0) {
        archive_set_error(a, EIO, "source");
        return -1;
    }
    *bytes = u->gunzip ? u->plain : u->chunk;
    return n;
}

/* libarchive gave up: whose fault is it? Its own ENOMEM may mean that a stream asks for
 * more memory than it grants. */
static int explain(struct unpacker *u)
{
    const char *message = archive_error_string(u->archive);

    if (u->source_status < 0)
        return u->source_status;
    if (errno == ENOMEM)
        return fail(u, INGEST_ENOMEM, "out of memory");
    if (u->source_ended)
        return damage_set(u->damage, u->total_out,
                          "the compressed stream is cut off, or corrupt at its end");
    return damage_set(u->damage, u->total_out,
                      "the compressed stream is corrupt (libarchive: %s)",
                      message ? message : "no message");
}

static int set_up(struct unpacker *u)
{
    static int (*const support[])(struct archive *) = {
        archive_read_support_filter_gzip,  archive_read_support_filter_zstd,
        archive_read_support_filter_bzip2, archive_read_support_filter_xz,
        archive_read_support_format_raw,   archive_read_support_format_empty};

    u->archive = archive_read_new();
    if (!u->archive)
        return fail(u, INGEST_ENOMEM, "out of memory");
    for (size_t i = 0; i < sizeof(support) / sizeof(*support); i++) {
        int rc = support[i](u->archive);
        if (rc == ARCHIVE_WARN) /* it would start a program to decompress */
            return fail(u, INGEST_EIO, "this libarchive lacks gzip, zstd, bzip2 or xz");
        if (rc != ARCHIVE_OK)
            return fail(u, INGEST_ENOMEM, "out of memory");
    }
    return INGEST_OK;
}

static bool ends_in(const char *name, const char *suffix)
{
    size_t len = strlen(name), n = strlen(suffix);

    return len >= n && strcmp(name + len - n, suffix) == 0;
}

/* The input begins as c does, or is too short for more than a part of that. */
static bool begins_like(const struct unpacker *u, const struct compression *c)
{
    size_t n = u->total_in < c->magic_len ? (size_t)u->total_in : c->magic_len;

    for (size_t i = 0; i < n; i++)
        if (c->magic[i] != '?' && c->magic[i] != u->beginning[i])
            return false;
    return n > 0;
}

/* libarchive takes the input for plain: INGEST_OK where it is. */
static int check_plain(struct unpacker *u)
{
    for (size_t i = 0; i < N_COMPRESSIONS; i++) {
        const struct compression *c = &compressions[i];
        bool named = u->source.name && ends_in(u->source.name, c->suffix);

        if (named && u->total_in == 0)
            return damage_set(u->damage, 0, "the input is empty");
        if (begins_like(u, c))
            return damage_set(u->damage, 0,
                              "its beginning is %s's, but cut off or corrupt", c->name);
        if (named)
            return damage_set(u->damage, 0, "named %s, but its beginning is not %s's",
                              c->suffix, c->name);
    }
    return INGEST_OK;
}

/* Reads the first bytes, which tell how the rest is compressed. */
static int start(struct unpacker *u)
{
    struct archive_entry *entry;
    int rc = set_up(u), n_filters;

    if (rc < 0)
        return rc;
    if (archive_read_open(u->archive, u, NULL, read_callback, NULL) != ARCHIVE_OK)
        return explain(u);
    rc = archive_read_next_header(u->archive, &entry);
    if (u->source_status < 0)
        return u->source_status;
    n_filters = archive_filter_count(u->archive) + (u->gunzip != NULL);
    if (n_filters > 2)
        return damage_set(u->damage, 0, "compressed more than once");
    if (n_filters == 1 && check_plain(u) != INGEST_OK)
        return INGEST_DAMAGED;
    if (rc == ARCHIVE_EOF)
        return INGEST_END;
    return rc == ARCHIVE_OK ? INGEST_OK : explain(u);
}

/* The decompressor is done: is the input? Padding with zeros is no damage. */
static int end(struct unpacker *u)
{
    uint64_t consumed = (uint64_t)archive_filter_bytes(u->archive, -1);
    int rc = unpacker_drain(u);

    if (rc < 0)
        return rc;
    if (u->gunzip)
        return gunzip_damage(u->gunzip)
                   ? damage_set(u->damage, u->total_out, "%s", gunzip_damage(u->gunzip))
                   : INGEST_END;
    if (u->data_in > consumed)
        return damage_set(u->damage, u->total_out,
                          "data after the end of the compressed stream");
    return INGEST_END;
}

static int next(struct unpacker *u, const unsigned char **bytes, size_t *n)
{
    const void *block;
    la_int64_t offset;
    int rc;

    if (u->source.cancelled && u->source.cancelled(u->source.ctx))
        return fail(u, INGEST_CANCELLED, "cancelled");
    errno = 0;
    if (!u->archive && (rc = start(u)) != INGEST_OK)
        return rc == INGEST_END ? end(u) : rc;
    do {
        rc = archive_read_data_block(u->archive, &block, n, &offset);
    } while (rc == ARCHIVE_OK && *n == 0);
    if (u->source_status < 0)
        return u->source_status;
    if (rc == ARCHIVE_EOF)
        return end(u);
    if (rc != ARCHIVE_OK)
        return explain(u);
    *bytes = block;
    u->total_out += *n;
    return INGEST_OK;
}

int unpacker_open(struct unpacker **out, const struct ingest_source *source,
                  struct damage *damage)
{
    struct unpacker *u = calloc(1, sizeof(*u));

    *out = u;
    if (!u)
        return INGEST_ENOMEM;
    u->source = *source;
    u->damage = damage;
    return INGEST_OK;
}

int unpacker_next(struct unpacker *u, const unsigned char **bytes, size_t *n)
{
    if (u->status == INGEST_OK)
        u->status = next(u, bytes, n);
    return u->status;
}

int unpacker_drain(struct unpacker *u)
{
    ssize_t n;

    while ((n = read_source(u)) > 0)
        ;
    return n < 0 ? (int)n : INGEST_OK;
}

const char *unpacker_why(const struct unpacker *u)
{
    return u->why;
}

void unpacker_close(struct unpacker *u)
{
    if (!u)
        return;
    archive_read_free(u->archive);
    gunzip_close(u->gunzip);
    free(u);
}
