/* SPDX-License-Identifier: Apache-2.0
 * tests/unit/test_unpack.c - every cut and many corrupt bytes of compressed streams that
 * follow one another: all that was whole before comes out, and nothing else does. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "ingest/archive/unpack.h"
#include "tests/unit/packing.h"

enum { N_STREAMS = 4, PIECE = 3000, MEMORY = 16 << 20 };

/* Streams of PIECE bytes each, or of none, which are all good. */
struct streams {
    struct made_tar packed, plain;
    size_t ends[N_STREAMS];
};

/* Words that compress to about a half. */
static struct made_tar piece(unsigned *seed)
{
    struct made_tar t = {0};

    while (t.len < PIECE) {
        char word[16];
        *seed = *seed * 1103515245 + 12345;
        int n = snprintf(word, sizeof(word), "%u ", *seed >> 16);
        tar_put(&t, word, n < PIECE - (int)t.len ? (size_t)n : PIECE - t.len);
    }
    return t;
}

static struct streams make_streams(enum packing how)
{
    struct streams s = {0};
    unsigned seed = 1;

    for (int i = 0; i < N_STREAMS; i++) {
        struct made_tar t = {0};
        if (i == 2)
            tar_put(&t, "", 0);
        else
            t = piece(&seed);
        tar_put(&s.plain, t.bytes, t.len);
        t = packed(t, how);
        tar_put(&s.packed, t.bytes, t.len);
        free(t.bytes);
        s.ends[i] = s.packed.len;
    }
    return s;
}

static void free_streams(struct streams *s)
{
    free(s->packed.bytes);
    free(s->plain.bytes);
}

/* What comes out of bytes[0..len). */
static struct made_tar unpack(const unsigned char *bytes, size_t len, int *status)
{
    struct memory_input in = {.bytes = bytes, .len = len, .chunk = 1000};
    struct ingest_source source = memory_source(&in);
    struct damage damage = {0};
    struct made_tar out = {0};
    struct unpacker *u;
    const unsigned char *got;
    size_t n;

    tar_put(&out, "", 0);
    assert_int_equal(unpacker_open(&u, &source, MEMORY, &damage), INGEST_OK);
    while ((*status = unpacker_next(u, &got, &n)) == INGEST_OK) {
        assert_true(n > 0);
        tar_put(&out, got, n);
    }
    if (*status == INGEST_DAMAGED)
        assert_int_equal(damage.offset, out.len);
    assert_int_equal(unpacker_drain(u), INGEST_OK);
    assert_int_equal(in.at, len);
    unpacker_close(u);
    return out;
}

/* `out` is the beginning of the good bytes, and no less than `least` of them. */
static void expect_prefix(const struct streams *s, const struct made_tar *out,
                          size_t least)
{
    assert_in_range(out->len, least, s->plain.len);
    assert_memory_equal(out->bytes, s->plain.bytes, out->len);
}

/* What is whole before the place `at`. */
static size_t whole_before(const struct streams *s, size_t at)
{
    size_t len = 0;

    for (int i = 0; i < N_STREAMS && s->ends[i] <= at; i++)
        len += i == 2 ? 0 : PIECE;
    return len;
}

static bool is_an_end(const struct streams *s, size_t at)
{
    for (int i = 0; i < N_STREAMS; i++)
        if (s->ends[i] == at)
            return true;
    return false;
}

static void cuts_lose_nothing(void **state)
{
    (void)state;
    for (enum packing how = 0; how < N_PACKINGS; how++) {
        struct streams s = make_streams(how);
        for (size_t at = 1; at <= s.packed.len; at++) {
            const int expected = is_an_end(&s, at) ? INGEST_END : INGEST_DAMAGED;
            int status;
            struct made_tar out = unpack(s.packed.bytes, at, &status);
            assert_int_equal(status, expected);
            expect_prefix(&s, &out, whole_before(&s, at));
            free(out.bytes);
        }
        free_streams(&s);
    }
}

/* A byte that reads as another is found, but where it says nothing about the content, and
 * what was whole before it is given. */
static void corrupt_bytes_lose_nothing(void **state)
{
    (void)state;
    for (enum packing how = 0; how < N_PACKINGS; how++) {
        struct streams s = make_streams(how);
        for (size_t at = s.ends[0]; at < s.packed.len; at += 11) {
            const size_t whole = whole_before(&s, at);
            int status;
            s.packed.bytes[at] ^= 0x55;
            struct made_tar out = unpack(s.packed.bytes, s.packed.len, &status);
            s.packed.bytes[at] ^= 0x55;
            if (status == INGEST_END)
                expect_prefix(&s, &out, s.plain.len);
            assert_true(out.len >= whole);
            assert_memory_equal(out.bytes, s.plain.bytes, whole);
            free(out.bytes);
        }
        free_streams(&s);
    }
}

/* "DAMAGE at OFFSET" of one stream, with so much memory. */
static void expect_limit(struct made_tar t, uint64_t memory, const char *expected)
{
    struct memory_input in = {.bytes = t.bytes, .len = t.len, .chunk = 1000};
    struct ingest_source source = memory_source(&in);
    struct damage damage = {.what = "none"};
    struct unpacker *u;
    const unsigned char *got;
    char found[300];
    size_t n;

    assert_int_equal(unpacker_open(&u, &source, memory, &damage), INGEST_OK);
    while (unpacker_next(u, &got, &n) == INGEST_OK)
        ;
    snprintf(found, sizeof(found), "%s at %d", damage.what, (int)damage.offset);
    assert_string_equal(found, expected);
    unpacker_close(u);
    free(t.bytes);
}

/* A frame of `len` bytes that comes from a pipe, or is said to be so long. */
static struct made_tar wide_frame(size_t len, int window_log, bool said)
{
    ZSTD_CCtx *c = ZSTD_createCCtx();
    char *text = calloc(1, len);
    struct made_tar t = {.bytes = malloc(ZSTD_compressBound(len))};
    ZSTD_inBuffer in = {text, len, 0};
    ZSTD_outBuffer out = {t.bytes, ZSTD_compressBound(len), 0};

    assert_true(c && text && t.bytes);
    memset(text, 'x', len);
    ZSTD_CCtx_setParameter(c, ZSTD_c_windowLog, window_log);
    ZSTD_CCtx_setParameter(c, ZSTD_c_contentSizeFlag, said);
    if (said)
        ZSTD_CCtx_setPledgedSrcSize(c, len);
    assert_false(ZSTD_isError(ZSTD_compressStream2(c, &out, &in, ZSTD_e_flush)));
    assert_int_equal(ZSTD_compressStream2(c, &out, &in, ZSTD_e_end), 0);
    t.len = out.pos;
    ZSTD_freeCCtx(c);
    free(text);
    return t;
}

static void windows_have_a_limit(void **state)
{
    enum { MIB = 1 << 20 };
    static const char help[] = "a zstd window of 8 MiB, more than --decode-mem (4 MiB): "
                               "raise that, or read 'pipe:zstd -dc --long=31 FILE' at ";
    char expected[300];

    (void)state;
    expect_limit(wide_frame(3 * MIB, 23, false), 4 * MIB, "none at 0");
    expect_limit(wide_frame(6 * MIB, 22, false), 4 * MIB, "none at 0");
    expect_limit(wide_frame(6 * MIB, 23, false), 8 * MIB, "none at 0");
    snprintf(expected, sizeof(expected), "%s%d", help, 4 * MIB + (128 << 10));
    expect_limit(wide_frame(6 * MIB, 23, false), 4 * MIB, expected);
    snprintf(expected, sizeof(expected), "%s0", help);
    expect_limit(wide_frame(9 * MIB, 23, true), 4 * MIB, expected);
}

static void dictionaries_have_a_limit(void **state)
{
    lzma_options_lzma lzma;
    lzma_filter filters[] = {{LZMA_FILTER_LZMA2, &lzma}, {LZMA_VLI_UNKNOWN, NULL}};
    struct made_tar t = {.bytes = malloc(1000)};

    (void)state;
    assert_false(lzma_lzma_preset(&lzma, 0));
    lzma.dict_size = 64 << 20;
    assert_int_equal(lzma_stream_buffer_encode(filters, LZMA_CHECK_CRC32, NULL,
                                               (const uint8_t *)"text", 4, t.bytes,
                                               &t.len, 1000),
                     LZMA_OK);
    expect_limit(t, 32 << 20,
                 "xz memory of 65 MiB, more than --decode-mem (32 MiB): raise that, or "
                 "read 'pipe:xz -dc FILE' at 0");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cuts_lose_nothing),
        cmocka_unit_test(corrupt_bytes_lose_nothing),
        cmocka_unit_test(windows_have_a_limit),
        cmocka_unit_test(dictionaries_have_a_limit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
