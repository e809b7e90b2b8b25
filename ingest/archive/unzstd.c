/* SPDX-License-Identifier: Apache-2.0
 *
 * By libzstd, one block a call: a call that fails does not say how much it had given
 * before, and one that is given a whole frame checks it before it says anything.
 *
 * A frame's header names a window, and libzstd asks for that much memory at once. But it
 * writes to no more of it than the frame decompresses to, and a frame that was made in a
 * pipe names what its maker was allowed, 2 GiB with --long=31, however short it is. So
 * what counts is how much has come out. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>
#include <zstd_errors.h>

#include "ingest/archive/decoder.h"
#include "ingest/status.h"

enum {
    HEADER_MAX = 18,
    FIRST_BYTES = 5, /* those that tell how long the header is */
#ifdef FUZZING_BUILD_MODE_UNSAFE_FOR_PRODUCTION
    WINDOW_LOG_MAX = 27 /* fuzzers refuse to give more, used or not */
#else
    WINDOW_LOG_MAX = sizeof(size_t) > 4 ? 31 : 30
#endif
};

struct unzstd {
    ZSTD_DCtx *zstd;
    uint64_t max_memory;
    struct damage *damage;
    unsigned char header[HEADER_MAX]; /* the frame's first bytes */
    size_t n_header;
    size_t wanted;  /* input up to the end of the next block */
    uint64_t n_out; /* of the frame */
};

/* A frame, or one to skip; pzstd puts such a one before each of its frames. */
static bool begins(const unsigned char *bytes, size_t n)
{
    return decoder_matches(bytes, n, "\x28\xB5\x2F\xFD", 4) ||
           (bytes[0] >> 4 == 5 && decoder_matches(bytes + 1, n - 1, "\x2A\x4D\x18", 3));
}

static int restart(void *state)
{
    struct unzstd *z = state;

    z->n_header = 0;
    z->wanted = FIRST_BYTES;
    z->n_out = 0;
    return INGEST_OK;
}

static void close_stream(void *state)
{
    struct unzstd *z = state;

    if (!z)
        return;
    ZSTD_freeDCtx(z->zstd);
    free(z);
}

static int open_stream(void **state, uint64_t max_memory, struct damage *damage)
{
    struct unzstd *z = *state = calloc(1, sizeof(*z));

    if (!z)
        return INGEST_ENOMEM;
    z->max_memory = max_memory;
    z->damage = damage;
    z->zstd = ZSTD_createDCtx();
    if (!z->zstd || ZSTD_isError(ZSTD_DCtx_setParameter(z->zstd, ZSTD_d_windowLogMax,
                                                        WINDOW_LOG_MAX))) {
        close_stream(z);
        *state = NULL;
        return INGEST_ENOMEM;
    }
    return restart(z);
}

/* In bytes; the frame's header is read. */
static uint64_t window_of(const struct unzstd *z)
{
    enum { DESCRIPTOR_AT = 4, WINDOW_AT = 5, SINGLE_SEGMENT = 0x20 };
    uint64_t window;

    if (z->header[DESCRIPTOR_AT] & SINGLE_SEGMENT) /* its window is its content */
        return ZSTD_getFrameContentSize(z->header, z->n_header);
    window = (uint64_t)1 << (10 + (z->header[WINDOW_AT] >> 3));
    return window + window / 8 * (z->header[WINDOW_AT] & 7);
}

static int too_large(const struct unzstd *z)
{
    return decoder_needs_memory(z->damage, "a zstd window", window_of(z), z->max_memory,
                                "zstd -dc --long=31");
}

static int explain(const struct unzstd *z, size_t result)
{
    switch (ZSTD_getErrorCode(result)) {
    case ZSTD_error_memory_allocation:
        return INGEST_ENOMEM;
    case ZSTD_error_frameParameter_windowTooLarge:
        return damage_set(z->damage, 0,
                          "a zstd window of %" PRIu64 " MiB, more than libzstd takes",
                          window_of(z) >> 20);
    case ZSTD_error_checksum_wrong:
        return damage_set(z->damage, 0,
                          "the zstd frame's checksum is wrong: something in it has "
                          "changed");
    case ZSTD_error_dictionary_wrong:
        return damage_set(z->damage, 0,
                          "it needs the dictionary that it was compressed with: read "
                          "'pipe:zstd -dc -D DICTIONARY FILE'");
    default:
        return damage_set(z->damage, 0, "the compressed stream is corrupt");
    }
}

/* The next n bytes of input belong to the frame. INGEST_DAMAGED where its header, once
 * complete, says of a content too large that all of it may be referred to. */
static int note_header(struct unzstd *z, const unsigned char *bytes, size_t n)
{
    size_t room = HEADER_MAX - z->n_header;
    unsigned long long content;

    n = n < room ? n : room;
    memcpy(z->header + z->n_header, bytes, n);
    z->n_header += n;
    content = ZSTD_getFrameContentSize(z->header, z->n_header);
    if (content == ZSTD_CONTENTSIZE_ERROR || content == ZSTD_CONTENTSIZE_UNKNOWN)
        return INGEST_OK;
    return content > z->max_memory && window_of(z) > z->max_memory ? too_large(z)
                                                                   : INGEST_OK;
}

static int decode(void *state, struct decoder_io *io)
{
    struct unzstd *z = state;
    ZSTD_inBuffer in = {io->in, io->n_in < z->wanted ? io->n_in : z->wanted, 0};
    ZSTD_outBuffer out = {io->out, io->n_out, 0};
    size_t rc;

    if (in.size == 0)
        return INGEST_OK;
    if (z->n_header < HEADER_MAX && note_header(z, io->in, in.size) != INGEST_OK)
        return INGEST_DAMAGED;
    rc = ZSTD_decompressStream(z->zstd, &out, &in);
    if (ZSTD_isError(rc))
        return explain(z, rc);
    io->in += in.pos;
    io->n_in -= in.pos;
    io->out += out.pos;
    io->n_out -= out.pos;
    z->n_out += out.pos;
    z->wanted = rc;
    if (rc > 0 && z->n_out > z->max_memory && window_of(z) > z->max_memory)
        return too_large(z);
    return rc == 0 ? INGEST_END : INGEST_OK;
}

const struct decoder decoder_zstd = {
    .name = "zstd",
    .suffixes = {".zst"},
    .begins = begins,
    .open = open_stream,
    .restart = restart,
    .decode = decode,
    .close = close_stream,
};
