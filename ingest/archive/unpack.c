/* SPDX-License-Identifier: Apache-2.0
 *
 * source -> chunk -> a decoder -> plain; an input that is not compressed stays in chunk.
 *
 * Streams follow one another; zeros behind the last one are padding. How the input comes
 * in pieces changes nothing. */
#include "ingest/archive/unpack.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ingest/archive/decoder.h"
#include "ingest/status.h"

enum { CHUNK = 128 << 10, PADDING_MAX = 1 << 20 };

static const struct decoder *const decoders[] = {&decoder_gzip, &decoder_zstd,
                                                 &decoder_bzip2, &decoder_xz};
enum { N_DECODERS = sizeof(decoders) / sizeof(*decoders) };

struct unpacker {
    struct ingest_source source;
    struct damage *damage;
    uint64_t max_memory;
    bool started;                  /* the first bytes were looked at */
    bool source_ended;             /* read() said 0 */
    int source_status;             /* read()'s failure, or INGEST_OK */
    int status;                    /* what next() returns for good, or INGEST_OK */
    int decoder_status;            /* and what it will, once plain is lent */
    uint64_t total_out;            /* bytes next() lent */
    const struct decoder *decoder; /* NULL: the input is not compressed */
    void *decoding;
    enum { WITHIN, BEHIND } place; /* of the compressed stream */
    uint64_t n_zeros;              /* behind it */
    const unsigned char *in;       /* bytes of chunk not yet taken */
    size_t n_in;
    char why[256];
    unsigned char chunk[CHUNK];
    unsigned char plain[DECODER_OUT_MIN + DECODER_BEGIN_MAX]; /* decompressed */
};

static int fail(struct unpacker *u, int status, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(u->why, sizeof(u->why), fmt, ap);
    va_end(ap);
    return status;
}

/* Fills chunk behind what is left in it, or up to the input's end: a decoder then is
 * given the same whatever pieces the input comes in, and how far liblzma goes into a
 * corrupt stream depends on that. What came before a failure comes out before it, where
 * it is enough to tell what begins there. INGEST_OK or < 0; both ends are kept. */
static int read_source(struct unpacker *u)
{
    if (u->source_status < 0)
        return u->source_status;
    memmove(u->chunk, u->in, u->n_in);
    u->in = u->chunk;
    while (!u->source_ended && u->n_in < CHUNK) {
        ssize_t n = u->source.read(u->source.ctx, u->chunk + u->n_in, CHUNK - u->n_in);
        if (n < 0) {
            u->source_status = n == INGEST_CANCELLED ? INGEST_CANCELLED : INGEST_EIO;
            fail(u, u->source_status, "%s",
                 n == INGEST_CANCELLED ? "cancelled" : u->source.why(u->source.ctx));
            return u->n_in < DECODER_BEGIN_MAX ? u->source_status : INGEST_OK;
        }
        u->source_ended = n == 0;
        u->n_in += (size_t)n;
    }
    return INGEST_OK;
}

static bool may_follow_zeros(const struct unpacker *u)
{
    const unsigned unit = u->decoder->padding_unit;

    return u->n_zeros == 0 || (unit > 0 && u->n_zeros % unit == 0);
}

/* Behind a stream's end: another stream, or zeros. INGEST_OK, INGEST_END or
 * INGEST_DAMAGED, or < 0. */
static int look_behind(struct unpacker *u)
{
    int rc;

    for (; u->n_in > 0 && *u->in == 0; u->in++, u->n_in--)
        u->n_zeros++;
    if (u->n_zeros > PADDING_MAX)
        return damage_set(u->damage, 0,
                          "more than 1 MiB of zeros after the end of the compressed "
                          "stream: other data may have been there");
    rc = u->n_in < DECODER_BEGIN_MAX ? read_source(u) : INGEST_OK;
    if (rc < 0 || (u->n_in > 0 && *u->in == 0))
        return rc;
    if (u->n_in == 0)
        return INGEST_END;
    if (!may_follow_zeros(u) || !u->decoder->begins(u->in, u->n_in))
        return damage_set(u->damage, 0, "data after the end of the compressed stream");
    u->place = WITHIN;
    return u->decoder->restart(u->decoding);
}

/* The input ends within a stream, n bytes of which are in plain. */
static int cut_off(struct unpacker *u, size_t n)
{
    if (u->total_out + n == 0)
        return damage_set(u->damage, 0, "its beginning is %s's, but cut off or corrupt",
                          u->decoder->name);
    return damage_set(u->damage, 0,
                      "the compressed stream is cut off, or corrupt at its end");
}

/* One step of the decoder. INGEST_END: the input is complete. */
static int decode_more(struct unpacker *u, size_t *n)
{
    struct decoder_io io = {u->in, u->n_in, u->plain + *n, sizeof(u->plain) - *n};
    int rc = u->decoder->decode(u->decoding, &io);
    const bool idle = io.n_in == 0 && io.out == u->plain + *n;

    u->in = io.in;
    u->n_in = io.n_in;
    *n = (size_t)(io.out - u->plain);
    if (rc == INGEST_END) {
        u->place = BEHIND;
        u->n_zeros = 0;
        return INGEST_OK;
    }
    if (rc != INGEST_OK || !idle)
        return rc;
    rc = read_source(u);
    return rc == INGEST_OK && u->n_in == 0 ? cut_off(u, *n) : rc;
}

/* Decompresses at least `want` bytes into plain, or up to the end or the damage. */
static int decode(struct unpacker *u, size_t want, size_t *n)
{
    int rc = u->decoder_status;

    *n = 0;
    while (rc == INGEST_OK && *n < want)
        rc = u->place == WITHIN ? decode_more(u, n) : look_behind(u);
    u->decoder_status = rc;
    if (rc < 0 && rc != u->source_status)
        return fail(u, rc, "out of memory");
    return *n > 0 && rc >= 0 ? INGEST_OK : rc;
}

static bool ends_in(const char *name, const char *suffix)
{
    size_t len = strlen(name), n = strlen(suffix);

    return len >= n && strcmp(name + len - n, suffix) == 0;
}

/* NULL, or the suffix by which the input's name promises to be compressed by d. */
static const char *promise(const struct unpacker *u, const struct decoder *d)
{
    for (size_t i = 0; u->source.name && i < 2 && d->suffixes[i]; i++)
        if (ends_in(u->source.name, d->suffixes[i]))
            return d->suffixes[i];
    return NULL;
}

/* NULL, or what the bytes begin as. */
static const struct decoder *find_decoder(const unsigned char *bytes, size_t n)
{
    for (size_t i = 0; n > 0 && i < N_DECODERS; i++)
        if (decoders[i]->begins(bytes, n))
            return decoders[i];
    return NULL;
}

/* The input is not compressed: should it be? */
static int check_plain(struct unpacker *u)
{
    for (size_t i = 0; i < N_DECODERS; i++) {
        const char *suffix = promise(u, decoders[i]);

        if (suffix && u->n_in == 0)
            return damage_set(u->damage, 0, "the input is empty");
        if (suffix)
            return damage_set(u->damage, 0, "named %s, but its beginning is not %s's",
                              suffix, decoders[i]->name);
    }
    return INGEST_OK;
}

/* Reads the first bytes, which tell how the rest is compressed, and lends it. */
static int start(struct unpacker *u, size_t *n)
{
    int rc = read_source(u);

    if (rc < 0)
        return rc;
    u->started = true;
    u->decoder = find_decoder(u->in, u->n_in);
    if (!u->decoder)
        return check_plain(u);
    if (u->decoder->open(&u->decoding, u->max_memory, u->damage) < 0)
        return fail(u, INGEST_ENOMEM, "out of memory");
    rc = decode(u, DECODER_BEGIN_MAX, n);
    if (rc == INGEST_OK && *n >= DECODER_BEGIN_MAX && find_decoder(u->plain, *n))
        return damage_set(u->damage, 0, "compressed more than once");
    return rc;
}

/* Takes all of chunk. */
static int next_plain(struct unpacker *u, const unsigned char **bytes, size_t *n)
{
    int rc = u->n_in > 0 ? INGEST_OK : read_source(u);

    *bytes = u->in;
    *n = u->n_in;
    u->in += u->n_in;
    u->n_in = 0;
    return rc == INGEST_OK && *n == 0 ? INGEST_END : rc;
}

static int next(struct unpacker *u, const unsigned char **bytes, size_t *n)
{
    int rc = INGEST_OK;

    *n = 0;
    if (u->source.cancelled && u->source.cancelled(u->source.ctx))
        return fail(u, INGEST_CANCELLED, "cancelled");
    if (!u->started)
        rc = start(u, n);
    if (rc == INGEST_OK && !u->decoder)
        rc = next_plain(u, bytes, n);
    else if (rc == INGEST_OK && *n == 0)
        rc = decode(u, 1, n);
    if (u->decoder)
        *bytes = u->plain;
    if (rc == INGEST_DAMAGED)
        u->damage->offset = u->total_out;
    if (rc == INGEST_OK)
        u->total_out += *n;
    return rc;
}

int unpacker_open(struct unpacker **out, const struct ingest_source *source,
                  uint64_t max_memory, struct damage *damage)
{
    struct unpacker *u = calloc(1, sizeof(*u));

    *out = u;
    if (!u)
        return INGEST_ENOMEM;
    u->source = *source;
    u->max_memory = max_memory;
    u->damage = damage;
    u->in = u->chunk;
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
    int rc;

    do {
        u->n_in = 0;
        rc = read_source(u);
    } while (rc == INGEST_OK && u->n_in > 0);
    return rc;
}

const char *unpacker_why(const struct unpacker *u)
{
    return u->why;
}

void unpacker_close(struct unpacker *u)
{
    if (!u)
        return;
    if (u->decoder)
        u->decoder->close(u->decoding);
    free(u);
}
