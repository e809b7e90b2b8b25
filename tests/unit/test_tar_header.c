/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "ingest/archive/tar_header.h"
#include "tests/unit/make_tar.h"

/* A good header block of 5 bytes named "a.txt", to be changed. */
static void fill(unsigned char *block)
{
    struct made_tar t = {0};

    tar_put_header(&t, "a.txt", 5, '0', 5);
    memcpy(block, t.bytes, TAR_BLOCK);
    free(t.bytes);
}

/* The size that `text` in the size field means; -1: refused. */
static int64_t size_of(const char *text, size_t len)
{
    unsigned char block[TAR_BLOCK];
    struct tar_header h;

    fill(block);
    memset(block + 124, 0, 12);
    memcpy(block + 124, text, len);
    tar_set_checksum(block);
    return tar_header_parse(block, &h) ? -1 : (int64_t)h.size;
}

static void sizes(void **state)
{
    (void)state;
    assert_int_equal(size_of("00000000017", 11), 15);
    assert_int_equal(size_of("      17 ", 9), 15);
    assert_int_equal(size_of("777777777777", 12), INT64_C(0777777777777));
    assert_int_equal(size_of("", 0), 0);
    assert_int_equal(size_of("8", 1), -1);
    assert_int_equal(size_of("1x", 2), -1);
    assert_int_equal(size_of("-1", 2), -1);
    assert_int_equal(size_of("\x80\0\0\0\0\0\0\x02\0\0\0\x01", 12), INT64_C(0x200000001));
    assert_int_equal(size_of("\x80\0\0\0\x40\0\0\0\0\0\0\0", 12), INT64_C(1) << 62);
    assert_int_equal(size_of("\x80\0\0\0\x40\0\0\0\0\0\0\x01", 12), -1);
    assert_int_equal(size_of("\x80\x01\0\0\0\0\0\0\0\0\0\0", 12), -1);
    assert_int_equal(size_of("\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF", 12), -1);
}

static void names(void **state)
{
    unsigned char block[TAR_BLOCK];
    struct tar_header h;

    (void)state;
    fill(block);
    memcpy(block + 345, "folder", 6);
    tar_set_checksum(block);
    assert_null(tar_header_parse(block, &h));
    assert_int_equal(h.name_len, 12);
    assert_memory_equal(h.name, "folder/a.txt", 12);

    memset(block, 'n', 100);
    memset(block + 345, 'p', 155);
    tar_set_checksum(block);
    assert_null(tar_header_parse(block, &h));
    assert_int_equal(h.name_len, 256);
    assert_memory_equal(h.name + 154, "p/n", 3);

    memcpy(block + 257, "ustar  ", 8); /* GNU: times where ustar has a prefix */
    tar_set_checksum(block);
    assert_null(tar_header_parse(block, &h));
    assert_int_equal(h.name_len, 100);
}

static void old_folders_end_in_a_slash(void **state)
{
    unsigned char block[TAR_BLOCK];
    struct tar_header h;

    (void)state;
    fill(block);
    block[156] = 0;
    tar_set_checksum(block);
    assert_null(tar_header_parse(block, &h));
    assert_int_equal(h.type, '0');
    block[4] = '/';
    tar_set_checksum(block);
    assert_null(tar_header_parse(block, &h));
    assert_int_equal(h.type, '5');
}

static void checksums(void **state)
{
    unsigned char block[TAR_BLOCK];
    struct tar_header h;
    int sum = 0;

    (void)state;
    fill(block);
    assert_null(tar_header_parse(block, &h));
    block[0] ^= 1;
    assert_string_equal(tar_header_parse(block, &h), "bad header checksum");
    fill(block);
    memset(block + 148, 'x', 8);
    assert_string_equal(tar_header_parse(block, &h), "bad header checksum");

    fill(block); /* the sum of signed bytes, as some old tars have it */
    block[0] = 0xE9;
    memset(block + 148, ' ', 8);
    for (int i = 0; i < TAR_BLOCK; i++)
        sum += (signed char)block[i];
    snprintf((char *)block + 148, 8, "%06o", (unsigned)sum);
    assert_null(tar_header_parse(block, &h));
}

static bool parses(const char *text, struct tar_pax *pax)
{
    return tar_pax_parse(text, strlen(text), pax);
}

static void pax_records(void **state)
{
    struct tar_pax pax;

    (void)state;
    assert_true(parses("", &pax));
    assert_null(pax.path);
    assert_true(parses("13 path=a=b\n\n20 comment=anything\n11 size=70\n", &pax));
    assert_int_equal(pax.path_len, 4);
    assert_memory_equal(pax.path, "a=b\n", 4);
    assert_true(pax.has_size);
    assert_int_equal(pax.size, 70);
    assert_false(pax.sparse);
    assert_true(parses("10 path=a\n10 path=b\n8 path=\n", &pax));
    assert_null(pax.path);
    assert_true(
        parses("22 GNU.sparse.major=1\n10 path=x\n25 GNU.sparse.name=a.jpg\n", &pax));
    assert_true(pax.sparse);
    assert_memory_equal(pax.path, "a.jpg", pax.path_len);
}

static void broken_pax_records(void **state)
{
    static const char *const broken[] = {"path=a\n",
                                         "9 path=ab",
                                         "11 path=a\n",
                                         "8 path=a\n",
                                         "5 abc\n",
                                         "0 path=a\n",
                                         "3 \n",
                                         " path=a\n",
                                         "\n",
                                         "1x path=a\n",
                                         "11 size=7x\n",
                                         "999999999999999999999999 path=a\n",
                                         "29 size=99999999999999999999\n"};
    struct tar_pax pax;

    (void)state;
    for (size_t i = 0; i < sizeof(broken) / sizeof(*broken); i++)
        assert_false(parses(broken[i], &pax));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sizes),
        cmocka_unit_test(names),
        cmocka_unit_test(old_folders_end_in_a_slash),
        cmocka_unit_test(checksums),
        cmocka_unit_test(pax_records),
        cmocka_unit_test(broken_pax_records),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
