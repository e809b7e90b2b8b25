/* SPDX-License-Identifier: Apache-2.0
 *
 * By libbz2, which takes 4 MB. */
#include <bzlib.h>
#include <stdlib.h>

#include "ingest/archive/decoder.h"
#include "ingest/status.h"

struct unbzip2 {
    bz_stream bzip2;
    struct damage *damage;
};

/* "BZh" and the size of blocks, then a block or the stream's end: a tar may begin with
 * "BZh" too. */
static bool begins(const unsigned char *bytes, size_t n)
{
    static const char block[] = "1AY&SY", end[] = "\x17\x72\x45\x38\x50\x90";
    enum { BLOCK_AT = 4 };

    if (!decoder_matches(bytes, n, "BZh", 3))
        return false;
    if (n < BLOCK_AT)
        return true;
    return bytes[3] >= '1' && bytes[3] <= '9' &&
           (decoder_matches(bytes + BLOCK_AT, n - BLOCK_AT, block, 6) ||
            decoder_matches(bytes + BLOCK_AT, n - BLOCK_AT, end, 6));
}

static int begin(struct unbzip2 *b)
{
    return BZ2_bzDecompressInit(&b->bzip2, 0, 0) == BZ_OK ? INGEST_OK : INGEST_ENOMEM;
}

static int open_stream(void **state, uint64_t max_memory, struct damage *damage)
{
    struct unbzip2 *b = *state = calloc(1, sizeof(*b));

    (void)max_memory;
    if (!b)
        return INGEST_ENOMEM;
    b->damage = damage;
    if (begin(b) < 0) {
        free(b);
        *state = NULL;
        return INGEST_ENOMEM;
    }
    return INGEST_OK;
}

static void close_stream(void *state)
{
    struct unbzip2 *b = state;

    if (!b)
        return;
    BZ2_bzDecompressEnd(&b->bzip2);
    free(b);
}

static int restart(void *state)
{
    struct unbzip2 *b = state;

    BZ2_bzDecompressEnd(&b->bzip2);
    return begin(b);
}

static int decode(void *state, struct decoder_io *io)
{
    struct unbzip2 *b = state;
    int rc;

    b->bzip2.next_in = (char *)io->in;
    b->bzip2.avail_in = (unsigned)io->n_in;
    b->bzip2.next_out = (char *)io->out;
    b->bzip2.avail_out = (unsigned)io->n_out;
    rc = BZ2_bzDecompress(&b->bzip2);
    io->in = (const unsigned char *)b->bzip2.next_in;
    io->n_in = b->bzip2.avail_in;
    io->out = (unsigned char *)b->bzip2.next_out;
    io->n_out = b->bzip2.avail_out;
    switch (rc) {
    case BZ_OK:
        return INGEST_OK;
    case BZ_STREAM_END:
        return INGEST_END;
    case BZ_MEM_ERROR:
        return INGEST_ENOMEM;
    default:
        return damage_set(b->damage, 0, "the compressed stream is corrupt");
    }
}

const struct decoder decoder_bzip2 = {
    .name = "bzip2",
    .suffixes = {".bz2"},
    .begins = begins,
    .open = open_stream,
    .restart = restart,
    .decode = decode,
    .close = close_stream,
};
