/* SPDX-License-Identifier: Apache-2.0
 * tests/unit/test_pair_damage.c - each kind of damage: its text, its offset, whose group
 * it cut. All of them are the same however the input comes in pieces. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <archive.h>
#include <archive_entry.h>
#include <cmocka.h>

#include "tests/unit/make_tar.h"

/* "2 groups, damaged at 1024 in KEY: what", read in pieces of `chunk` bytes. The input
 * must have been read to its end. */
static void read_damaged(const void *bytes, size_t len, size_t chunk, char *out,
                         size_t cap)
{
    struct pair_options options = pair_options_default();
    struct memory_input in = {.bytes = bytes, .len = len, .chunk = chunk};
    struct ingest_source source = memory_source(&in);
    const struct ingest_totals *t;
    struct pair_reader *r;
    struct pair p;
    int rc;

    assert_int_equal(pair_reader_open(&r, &source, &options), INGEST_OK);
    while ((rc = pair_reader_next(r, &p)) == INGEST_OK)
        pair_clear(&p);
    assert_int_equal(rc, INGEST_END);
    assert_int_equal(in.at, len);
    t = pair_reader_totals(r);
    snprintf(out, cap, "%d groups, %s at %d in %s: %s", (int)t->groups,
             t->damaged ? "damaged" : "good", (int)t->damage_offset,
             t->partial_key ? t->partial_key : "none", t->damage);
    if (strstr(out, " (libarchive: ")) /* its words change with its version */
        *strstr(out, " (libarchive: ") = '\0';
    pair_reader_close(r);
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
              "most 1048576)");

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

enum { PACKED_MAX = 1 << 20 };

/* t compressed by one of libarchive's filters; frees t. */
static struct made_tar packed(struct made_tar t, int filter)
{
    struct made_tar out = {.bytes = malloc(PACKED_MAX)};
    struct archive *a = archive_write_new();
    struct archive_entry *entry = archive_entry_new();

    assert_int_equal(archive_write_add_filter(a, filter), ARCHIVE_OK);
    archive_write_set_format_raw(a);
    archive_write_set_bytes_per_block(a, 1);
    archive_entry_set_filetype(entry, AE_IFREG);
    assert_int_equal(archive_write_open_memory(a, out.bytes, PACKED_MAX, &out.len), 0);
    assert_int_equal(archive_write_header(a, entry), ARCHIVE_OK);
    assert_int_equal(archive_write_data(a, t.bytes, t.len), t.len);
    assert_int_equal(archive_write_close(a), ARCHIVE_OK);
    archive_entry_free(entry);
    archive_write_free(a);
    free(t.bytes);
    return out;
}

static struct made_tar packed_pairs(int filter)
{
    struct made_tar t = two_pairs();

    tar_put_end(&t);
    return packed(t, filter);
}

static void compressed_archives(void **state)
{
    static const int filters[] = {ARCHIVE_FILTER_GZIP, ARCHIVE_FILTER_ZSTD,
                                  ARCHIVE_FILTER_BZIP2, ARCHIVE_FILTER_XZ};

    (void)state;
    for (size_t i = 0; i < sizeof(filters) / sizeof(*filters); i++) {
        struct made_tar t = packed_pairs(filters[i]);
        check_bytes(t.bytes, t.len, "2 groups, good at 0 in none: ");
        t.len -= 9;
        check(&t, filters[i] == ARCHIVE_FILTER_GZIP
                      ? "2 groups, damaged at 5120 in none: the compressed stream is cut "
                        "off, or corrupt at its end"
                      : "0 groups, damaged at 0 in none: the compressed stream is cut "
                        "off, or corrupt at its end");
    }
}

static void corrupt_gzip(void **state)
{
    struct made_tar t = packed_pairs(ARCHIVE_FILTER_GZIP);

    (void)state;
    t.bytes[t.len - 6] ^= 1;
    check(&t, "2 groups, damaged at 5120 in none: the gzip stream's checksum is wrong: "
              "something in it has changed");

    t = packed_pairs(ARCHIVE_FILTER_GZIP);
    t.bytes[10] = 0x07; /* a block of a type that does not exist */
    check(&t, "0 groups, damaged at 0 in none: the compressed stream is corrupt");

    t = packed_pairs(ARCHIVE_FILTER_GZIP);
    tar_put(&t, "garbage", 7);
    check(&t, "2 groups, damaged at 5120 in none: data after the end of the compressed "
              "stream");

    t = packed_pairs(ARCHIVE_FILTER_GZIP);
    tar_put(&t, NULL, 200000);
    check(&t, "2 groups, good at 0 in none: ");
}

static void gzip_of_several_members(void **state)
{
    struct made_tar head = two_pairs();
    struct made_tar tail = {0};

    (void)state;
    tar_put_end(&tail);
    head = packed(head, ARCHIVE_FILTER_GZIP);
    tail = packed(tail, ARCHIVE_FILTER_GZIP);
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
    struct made_tar t = packed(packed_pairs(ARCHIVE_FILTER_ZSTD), ARCHIVE_FILTER_GZIP);

    (void)state;
    check(&t, "0 groups, damaged at 0 in none: compressed more than once");
}

static void compressed_nothing(void **state)
{
    struct made_tar t = {0};

    (void)state;
    tar_put(&t, "", 0);
    t = packed(t, ARCHIVE_FILTER_GZIP);
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
        cmocka_unit_test(a_cut_group_is_no_reject),
        cmocka_unit_test(compressed_archives),
        cmocka_unit_test(corrupt_gzip),
        cmocka_unit_test(gzip_of_several_members),
        cmocka_unit_test(compressed_too_often),
        cmocka_unit_test(compressed_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
