/* SPDX-License-Identifier: Apache-2.0
 *
 * By liblzma, which counts its memory and asks for no more than it is granted. */
#include <lzma.h>
#include <stdlib.h>

#include "ingest/archive/decoder.h"
#include "ingest/status.h"

struct unxz {
    lzma_stream lzma;
    uint64_t max_memory;
    struct damage *damage;
};

static bool begins(const unsigned char *bytes, size_t n)
{
    return decoder_matches(bytes, n, "\xFD\x37zXZ\0", 6);
}

/* liblzma uses again what it has. */
static int restart(void *state)
{
    struct unxz *x = state;

    return lzma_stream_decoder(&x->lzma, x->max_memory, 0) == LZMA_OK ? INGEST_OK
                                                                      : INGEST_ENOMEM;
}

static void close_stream(void *state)
{
    struct unxz *x = state;

    if (!x)
        return;
    lzma_end(&x->lzma);
    free(x);
}

static int open_stream(void **state, uint64_t max_memory, struct damage *damage)
{
    struct unxz *x = *state = calloc(1, sizeof(*x));

    if (!x)
        return INGEST_ENOMEM;
    x->lzma = (lzma_stream)LZMA_STREAM_INIT;
    x->max_memory = max_memory;
    x->damage = damage;
    if (restart(x) < 0) {
        close_stream(x);
        *state = NULL;
        return INGEST_ENOMEM;
    }
    return INGEST_OK;
}

static int decode(void *state, struct decoder_io *io)
{
    struct unxz *x = state;
    lzma_ret rc;

    x->lzma.next_in = io->in;
    x->lzma.avail_in = io->n_in;
    x->lzma.next_out = io->out;
    x->lzma.avail_out = io->n_out;
    rc = lzma_code(&x->lzma, LZMA_RUN);
    io->in = x->lzma.next_in;
    io->n_in = x->lzma.avail_in;
    io->out = x->lzma.next_out;
    io->n_out = x->lzma.avail_out;
    switch (rc) {
    case LZMA_OK:
    case LZMA_BUF_ERROR: /* no input, or no room */
        return INGEST_OK;
    case LZMA_STREAM_END:
        return INGEST_END;
    case LZMA_MEM_ERROR:
        return INGEST_ENOMEM;
    case LZMA_MEMLIMIT_ERROR:
        return decoder_needs_memory(x->damage, "xz memory", lzma_memusage(&x->lzma),
                                    x->max_memory, "xz -dc");
    default:
        return damage_set(x->damage, 0, "the compressed stream is corrupt");
    }
}

const struct decoder decoder_xz = {
    .name = "xz",
    .suffixes = {".xz"},
    .padding_unit = 4,
    .begins = begins,
    .open = open_stream,
    .restart = restart,
    .decode = decode,
    .close = close_stream,
};
