/* SPDX-License-Identifier: Apache-2.0
 * tests/unit/packing.h - bytes compressed in each of the ways that unpack.c reads. For
 * unit tests: what fails, aborts. */
#ifndef TESTS_PACKING_H
#define TESTS_PACKING_H

#include <bzlib.h>
#include <lzma.h>
#include <zlib.h>
#include <zstd.h>

#include "tests/unit/make_tar.h"

enum packing { PACKING_GZIP, PACKING_ZSTD, PACKING_BZIP2, PACKING_XZ, N_PACKINGS };

enum { PACKED_ROOM = 1 << 20 }; /* more than any test's bytes */

static inline size_t pack_gzip(const struct made_tar *t, unsigned char *out)
{
    z_stream z = {.next_in = t->bytes,
                  .avail_in = (uInt)t->len,
                  .next_out = out,
                  .avail_out = PACKED_ROOM};

    if (deflateInit2(&z, 6, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY) != Z_OK ||
        deflate(&z, Z_FINISH) != Z_STREAM_END || deflateEnd(&z) != Z_OK)
        abort();
    return z.total_out;
}

/* With a checksum. */
static inline size_t pack_zstd(const struct made_tar *t, unsigned char *out)
{
    ZSTD_CCtx *c = ZSTD_createCCtx();
    size_t len;

    ZSTD_CCtx_setParameter(c, ZSTD_c_checksumFlag, 1);
    len = ZSTD_compress2(c, out, PACKED_ROOM, t->bytes, t->len);
    ZSTD_freeCCtx(c);
    if (ZSTD_isError(len))
        abort();
    return len;
}

static inline size_t pack_bzip2(const struct made_tar *t, unsigned char *out)
{
    unsigned len = PACKED_ROOM;

    if (BZ2_bzBuffToBuffCompress((char *)out, &len, (char *)t->bytes, (unsigned)t->len, 1,
                                 0, 0) != BZ_OK)
        abort();
    return len;
}

static inline size_t pack_xz(const struct made_tar *t, unsigned char *out)
{
    size_t len = 0;

    if (lzma_easy_buffer_encode(0, LZMA_CHECK_CRC64, NULL, t->bytes, t->len, out, &len,
                                PACKED_ROOM) != LZMA_OK)
        abort();
    return len;
}

/* t compressed; frees t. */
static inline struct made_tar packed(struct made_tar t, enum packing how)
{
    static size_t (*const pack[])(const struct made_tar *, unsigned char *) = {
        pack_gzip, pack_zstd, pack_bzip2, pack_xz};
    struct made_tar out = {.bytes = malloc(PACKED_ROOM)};

    if (!out.bytes)
        abort();
    out.len = pack[how](&t, out.bytes);
    free(t.bytes);
    return out;
}

#endif
