/* SPDX-License-Identifier: Apache-2.0
 * tests/unit/test_reader_tar_damage.c - each kind of damage: its text, its offset, whose
 * group it cut. All of them are the same however the input comes in pieces. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "tests/unit/packing.h"

/* "2 groups, damaged at 1024 in KEY: what", read in pieces of `chunk` bytes. The input
 * must have been read to its end. */
static void read_damaged(const void *bytes, size_t len, size_t chunk, char *out,
                         size_t cap)
{
    struct reader_options options = reader_options_default();
    struct memory_input in = {.bytes = bytes, .len = len, .chunk = chunk};
    struct ingest_source source = memory_source(&in);
    const struct ingest_totals *t;
    void *r;
    struct ingest_sample p;
    int rc;

    assert_int_equal(reader_tar.open(&r, &source, &options), INGEST_OK);
    while ((rc = reader_tar.next(r, &p)) == INGEST_OK)
        ingest_sample_clear(&p);
    assert_int_equal(rc, INGEST_END);
    assert_int_equal(in.at, len);
    t = reader_tar.totals(r);
    snprintf(out, cap, "%d groups, %s at %d in %s: %s", (int)t->groups,
             t->damaged ? "damaged" : "good", (int)t->damage_offset,
             t->partial_key ? t->partial_key : "none", t->damage);
    reader_tar.close(r);
}

static void check_bytes(const void *bytes, size_t len, const char *expected)
{
    static const size_t chunks[] = {1 << 20, 512, 100, 1};
    char out[400];

    for (size_t i = 0; i < sizeof(chunks) / sizeof(*chunks); i++) {
        read_damaged(bytes, len, chunks[i], out, sizeof(out));
        assert_string_equal(out, expected);
    }
}

/* Frees the archive. */
static void check(struct made_tar *t, const char *expected)
{
    check_bytes(t->bytes, t->len, expected);
    free(t->bytes);
}

/* Two pairs of 2048 bytes each: jpg at 0 and 2048, txt at 1024 and 3072. */
static struct made_tar two_pairs(void)
{
    struct made_tar t = {0};

    tar_put_pair(&t, "a");
    tar_put_pair(&t, "b");
    assert_int_equal(t.len, 4096);
    return t;
}

static void cut_at(size_t len, const char *expected)
{
    struct made_tar t = two_pairs();

    tar_put_end(&t);
    t.len = len;
    check(&t, expected);
}

static void cut_archives(void **state)
{
    (void)state;
    cut_at(5120, "2 groups, good at 0 in none: ");
    cut_at(5119, "1 groups, damaged at 5119 in b: cut off: one zero block at the end "
                 "instead of two");
    cut_at(4608, "1 groups, damaged at 4608 in b: cut off: one zero block at the end "
                 "instead of two");
    cut_at(4607, "1 groups, damaged at 4607 in b: cut off inside a header");
    cut_at(4096,
           "1 groups, damaged at 4096 in b: cut off: no two zero blocks at the end");
    cut_at(4095, "1 groups, damaged at 4095 in b: cut off inside a member: 6 of 6 bytes "
                 "are there");
    cut_at(3587, "1 groups, damaged at 3587 in b: cut off inside a member: 3 of 6 bytes "
                 "are there");
    cut_at(3072,
           "1 groups, damaged at 3072 in b: cut off: no two zero blocks at the end");
    cut_at(2560, "1 groups, damaged at 2560 in b: cut off inside a member: 0 of 19 bytes "
                 "are there");
    cut_at(2048,
           "0 groups, damaged at 2048 in a: cut off: no two zero blocks at the end");
    cut_at(512, "0 groups, damaged at 512 in a: cut off inside a member: 0 of 19 bytes "
                "are there");
    cut_at(511, "0 groups, damaged at 0 in none: not a tar archive");
    cut_at(0, "0 groups, damaged at 0 in none: the input is empty");
}

static void what_is_no_archive(void **state)
{
    static const char page[] = "<!DOCTYPE html><title>404 Not Found</title>";
    char long_page[2000];

    (void)state;
    check_bytes(page, strlen(page), "0 groups, damaged at 0 in none: not a tar archive");
    memset(long_page, 'x', sizeof(long_page));
    check_bytes(long_page, sizeof(long_page),
                "0 groups, damaged at 0 in none: not a tar archive");
}

static void broken_headers(void **state)
{
    struct made_tar t = two_pairs();

    (void)state;
    tar_put_end(&t);
    t.bytes[2048 + 5] ^= 1;
    check(&t, "0 groups, damaged at 2048 in a: bad header checksum");

    t = two_pairs();
    tar_put_header(&t, "c.jpg", 5, '0', 0);
    memset(t.bytes + 4096 + 124, 'z', 11);
    tar_set_checksum(t.bytes + 4096);
    check(&t, "1 groups, damaged at 4096 in b: bad size in a header");
}

static void broken_extended_headers(void **state)
{
    struct made_tar t = two_pairs();

    (void)state;
    tar_put_member(&t, "x", 'x', "99 path=c.jpg\n", 14);
    tar_put_image(&t, "short");
    tar_put_end(&t);
    check(&t, "1 groups, damaged at 4096 in b: bad extended header");

    t = two_pairs();
    tar_put_pax(&t, "path", "c.jpg");
    tar_put_end(&t);
    check(&t, "1 groups, damaged at 5120 in b: an extended header without its member");

    t = two_pairs();
    tar_put_header(&t, "x", 1, 'x', (1 << 20) + 1);
    check(&t, "1 groups, damaged at 4608 in b: an extended header of 1048577 bytes (at "
              "most 1048576): pack the archive with tar --no-xattrs --no-acls");

    t = two_pairs();
    tar_put_header(&t, "x", 1, 'L', 600);
    tar_put(&t, NULL, 512);
    check(&t, "1 groups, damaged at 5120 in b: cut off inside a member: 512 of 600 bytes "
              "are there");

    t = two_pairs();
    tar_put_header(&t, "c.jpg", 5, 'S', 0);
    t.bytes[4096 + 482] = 1;
    tar_set_checksum(t.bytes + 4096);
    check(&t, "1 groups, damaged at 4608 in b: cut off inside a header");
}

static void data_after_the_end(void **state)
{
    struct made_tar t = two_pairs();

    (void)state;
    tar_put(&t, NULL, 512);
    tar_put_pair(&t, "c");
    tar_put_end(&t);
    check(&t, "1 groups, damaged at 4608 in b: data after a single zero block");

    t = two_pairs();
    tar_put_end(&t);
    tar_put_pair(&t, "c");
    tar_put_end(&t);
    check(&t, "2 groups, damaged at 5120 in none: data after the end of the archive");

    t = two_pairs();
    tar_put_end(&t);
    tar_put(&t, NULL, 300000);
    tar_put(&t, "x", 1);
    check(&t, "2 groups, damaged at 305120 in none: data after the end of the archive");
}

/* As pixz writes it: names and offsets, little-endian; at last the archive's size. */
static struct made_tar with_pixz_index(size_t padding, uint64_t size)
{
    static const char mark_and_names[] = "\xA6\x4C\x32\x2E\xD6\x14\xAE\xDB"
                                         "a.jpg\0\0\0\0\0\0\0\0\0"
                                         "a.txt\0\0\4\0\0\0\0\0\0";
    struct made_tar t = two_pairs();

    tar_put_end(&t);
    tar_put(&t, NULL, padding);
    tar_put(&t, mark_and_names, sizeof(mark_and_names));
    for (int i = 0; i < 8; i++)
        tar_put(&t, (unsigned char[]){(unsigned char)(size >> 8 * i)}, 1);
    return t;
}

static void an_index_of_pixz_is_no_damage(void **state)
{
    struct made_tar t;

    (void)state;
    t = with_pixz_index(0, 5120);
    check(&t, "2 groups, good at 0 in none: ");
    t = with_pixz_index(5120, 10240);
    check(&t, "2 groups, good at 0 in none: ");
    t = packed(with_pixz_index(5120, 10240), PACKING_XZ);
    check(&t, "2 groups, good at 0 in none: ");
    /* Another archive's, cut, changed, or behind a hole. */
    t = with_pixz_index(0, 10240);
    check(&t, "2 groups, damaged at 5120 in none: data after the end of the archive");
    for (size_t cut = 1; cut < 40; cut++) {
        t = with_pixz_index(0, 5120);
        t.len -= cut;
        if (t.len > 5120)
            check(&t, "2 groups, damaged at 5120 in none: data after the end of the "
                      "archive");
        else
            free(t.bytes);
    }
    t = with_pixz_index(0, 5120);
    t.bytes[5127] ^= 1;
    check(&t, "2 groups, damaged at 5120 in none: data after the end of the archive");
    t = with_pixz_index(300000, 305120);
    check(&t, "2 groups, damaged at 3590 in none: zeros where data should be, more than "
              "an archive's padding");
}

#define HOLE "zeros where data should be, more than an archive's padding"

/* A hole up to the end of a file that has its size. */
static void hole_from(size_t at, const char *expected)
{
    struct made_tar t = two_pairs();

    tar_put(&t, "", 0);
    t.len = at;
    tar_put(&t, NULL, 30 * 1024 - at);
    check(&t, expected);
}

static void zeros_for_data(void **state)
{
    (void)state;
    hole_from(0, "0 groups, damaged at 0 in none: nothing but zeros");
    hole_from(512, "0 groups, damaged at 265 in a: " HOLE); /* the header's end */
    hole_from(1024, "1 groups, damaged at 530 in none: " HOLE);
    hole_from(2048, "1 groups, damaged at 1542 in none: " HOLE);
}

/* Two pairs, their end, and zeros up to `size`. */
static void padded_to(size_t size, const char *expected)
{
    struct made_tar t = two_pairs();
    char out[400];

    tar_put_end(&t);
    tar_put(&t, NULL, size - t.len);
    read_damaged(t.bytes, t.len, 1000, out, sizeof(out));
    assert_string_equal(out, expected);
    free(t.bytes);
}

static void padding_fills_a_record(void **state)
{
    static const char good[] = "2 groups, good at 0 in none: ",
                      hole[] = "2 groups, damaged at 3590 in none: " HOLE;

    (void)state;
    padded_to(10240, good);
    padded_to(7000, good);
    padded_to(5120 + 10240, good);
    padded_to(5120 + 10241, hole);
    padded_to(20480, good);
    padded_to(32768, good);
    padded_to(64 << 10, good);
    padded_to((64 << 10) + 512, hole);
    padded_to(1 << 20, good);
    padded_to((1 << 20) + 5120, hole);
    padded_to(2 << 20, hole);
}

/* A group that would be rejected is no reject either when damage cuts it. */
static void a_cut_group_is_no_reject(void **state)
{
    struct made_tar t = two_pairs();

    (void)state;
    tar_put_pair(&t, "a");
    check(&t, "2 groups, damaged at 6144 in a: cut off: no two zero blocks at the end");
    t = two_pairs();
    tar_put_pair(&t, "\xFF");
    check(&t, "2 groups, damaged at 6144 in \\xFF: cut off: no two zero blocks at the "
              "end");
}

static struct made_tar packed_pairs(enum packing how)
{
    struct made_tar t = two_pairs();

    tar_put_end(&t);
    return packed(t, how);
}

static void compressed_archives(void **state)
{
    (void)state;
    for (enum packing how = 0; how < N_PACKINGS; how++) {
        struct made_tar t = packed_pairs(how);
        check_bytes(t.bytes, t.len, "2 groups, good at 0 in none: ");
        tar_put(&t, NULL, 4000);
        check_bytes(t.bytes, t.len, "2 groups, good at 0 in none: ");
        tar_put(&t, "x", 1);
        check(&t, "2 groups, damaged at 5120 in none: data after the end of the "
                  "compressed stream");
    }
}

/* All but the end of the stream itself is there. */
static void cut_in_the_trailer(void **state)
{
    (void)state;
    for (enum packing how = 0; how < N_PACKINGS; how++) {
        struct made_tar t = packed_pairs(how);
        t.len -= how == PACKING_ZSTD ? 1 : 3;
        check(&t, "2 groups, damaged at 5120 in none: the compressed stream is cut off, "
                  "or corrupt at its end");
    }
}

static void several_streams(void **state)
{
    (void)state;
    for (enum packing how = 0; how < N_PACKINGS; how++) {
        struct made_tar t = packed(two_pairs(), how);
        struct made_tar nothing = {0}, end = {0};
        tar_put(&nothing, "", 0);
        nothing = packed(nothing, how);
        tar_put_end(&end);
        end = packed(end, how);
        tar_put(&t, nothing.bytes, nothing.len);
        tar_put(&t, end.bytes, end.len);
        check(&t, "2 groups, good at 0 in none: ");
        tar_put(&nothing, end.bytes, end.len);
        check(&nothing, "0 groups, damaged at 0 in none: nothing but zeros");
        free(end.bytes);
    }
}

/* Only xz may have another stream behind them, and behind a multiple of four. */
static void a_stream_behind_zeros(void **state)
{
    (void)state;
    for (enum packing how = 0; how < N_PACKINGS; how++)
        for (size_t n = 4; n < 6; n++) {
            struct made_tar t = packed(two_pairs(), how), end = {0};
            tar_put_end(&end);
            end = packed(end, how);
            tar_put(&t, NULL, n);
            tar_put(&t, end.bytes, end.len);
            free(end.bytes);
            check(&t, how == PACKING_XZ && n == 4
                          ? "2 groups, good at 0 in none: "
                          : "1 groups, damaged at 4096 in b: data after the end of the "
                            "compressed stream");
        }
}

static void too_many_zeros_behind_a_stream(void **state)
{
    char out[400];

    (void)state;
    for (enum packing how = 0; how < N_PACKINGS; how++) {
        struct made_tar t = packed_pairs(how);
        tar_put(&t, NULL, 1 << 20);
        read_damaged(t.bytes, t.len, 1000, out, sizeof(out));
        assert_string_equal(out, "2 groups, good at 0 in none: ");
        tar_put(&t, NULL, 1);
        read_damaged(t.bytes, t.len, 1000, out, sizeof(out));
        assert_string_equal(out, "2 groups, damaged at 5120 in none: more than 1 MiB of "
                                 "zeros after the end of the compressed stream: other "
                                 "data may have been there");
        free(t.bytes);
    }
}

/* pzstd's stream: before each frame one to be skipped. */
static void frames_to_skip(void **state)
{
    static const unsigned char skip[] = {0x50, 0x2A, 0x4D, 0x18, 4, 0, 0, 0, 1, 2, 3, 4};
    struct made_tar t = {0}, frame;

    (void)state;
    tar_put(&t, skip, sizeof(skip));
    frame = packed(two_pairs(), PACKING_ZSTD);
    tar_put(&t, frame.bytes, frame.len);
    free(frame.bytes);
    tar_put(&t, skip, sizeof(skip));
    frame = (struct made_tar){0};
    tar_put_end(&frame);
    frame = packed(frame, PACKING_ZSTD);
    tar_put(&t, frame.bytes, frame.len);
    free(frame.bytes);
    check_bytes(t.bytes, t.len, "2 groups, good at 0 in none: ");
    t.len -= 5;
    check(&t, "1 groups, damaged at 4096 in b: the compressed stream is cut off, or "
              "corrupt at its end");
}

static void a_wrong_checksum_loses_nothing(void **state)
{
    struct made_tar t = packed_pairs(PACKING_ZSTD);

    (void)state;
    t.bytes[t.len - 1] ^= 1;
    check(&t, "2 groups, damaged at 5120 in none: the zstd frame's checksum is wrong: "
              "something in it has changed");
}

static void corrupt_gzip(void **state)
{
    struct made_tar t = packed_pairs(PACKING_GZIP);

    (void)state;
    t.bytes[t.len - 6] ^= 1;
    check(&t, "2 groups, damaged at 5120 in none: the gzip stream's checksum is wrong: "
              "something in it has changed");

    t = packed_pairs(PACKING_GZIP);
    t.bytes[10] = 0x07; /* a block of a type that does not exist */
    check(&t, "0 groups, damaged at 0 in none: the compressed stream is corrupt");
}

static void gzip_of_several_members(void **state)
{
    struct made_tar head = two_pairs();
    struct made_tar tail = {0};

    (void)state;
    tar_put_end(&tail);
    head = packed(head, PACKING_GZIP);
    tail = packed(tail, PACKING_GZIP);
    const size_t first = head.len;
    tar_put(&head, tail.bytes, tail.len);
    free(tail.bytes);
    check_bytes(head.bytes, head.len, "2 groups, good at 0 in none: ");
    head.bytes[first - 8] ^= 1;
    check(&head, "1 groups, damaged at 4096 in b: the gzip stream's checksum is "
                 "wrong: something in it has changed");
}

static void compressed_too_often(void **state)
{
    struct made_tar t = packed(packed_pairs(PACKING_ZSTD), PACKING_GZIP);

    (void)state;
    check(&t, "0 groups, damaged at 0 in none: compressed more than once");
}

static void compressed_nothing(void **state)
{
    struct made_tar t = {0};

    (void)state;
    tar_put(&t, "", 0);
    t = packed(t, PACKING_GZIP);
    check(&t, "0 groups, damaged at 0 in none: the input is empty");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cut_archives),
        cmocka_unit_test(what_is_no_archive),
        cmocka_unit_test(broken_headers),
        cmocka_unit_test(broken_extended_headers),
        cmocka_unit_test(data_after_the_end),
        cmocka_unit_test(an_index_of_pixz_is_no_damage),
        cmocka_unit_test(a_cut_group_is_no_reject),
        cmocka_unit_test(compressed_archives),
        cmocka_unit_test(cut_in_the_trailer),
        cmocka_unit_test(several_streams),
        cmocka_unit_test(a_stream_behind_zeros),
        cmocka_unit_test(too_many_zeros_behind_a_stream),
        cmocka_unit_test(frames_to_skip),
        cmocka_unit_test(a_wrong_checksum_loses_nothing),
        cmocka_unit_test(zeros_for_data),
        cmocka_unit_test(padding_fills_a_record),
        cmocka_unit_test(corrupt_gzip),
        cmocka_unit_test(gzip_of_several_members),
        cmocka_unit_test(compressed_too_often),
        cmocka_unit_test(compressed_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
