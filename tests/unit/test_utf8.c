/* SPDX-License-Identifier: Apache-2.0
 * tests/unit/test_utf8.c - every character, and everything of four bytes that is none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "shard/valid_utf8.h"

static size_t encode(uint32_t c, unsigned char *out, size_t n)
{
    static const unsigned char head[] = {0, 0, 0xC0, 0xE0, 0xF0};

    for (size_t i = n; i-- > 1; c >>= 6)
        out[i] = (unsigned char)(0x80 | (c & 0x3F));
    out[0] = (unsigned char)(n == 1 ? c : head[n] | c);
    return n;
}

static size_t shortest(uint32_t c)
{
    return c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
}

/* The memory is as long as the string, for sanitizers. At each place in a word of eight.
 */
static bool is_valid(const unsigned char *bytes, size_t len)
{
    bool valid = false;

    for (size_t before = 0; before < 9; before += 4)
        for (size_t behind = 0; behind < 9; behind += 8) {
            char *s = malloc(before + len + behind);
            assert_non_null(s);
            memset(s, 'a', before + len + behind);
            memcpy(s + before, bytes, len);
            const bool now = shard_utf8_valid(s, before + len + behind);
            free(s);
            if (before + behind > 0)
                assert_int_equal(now, valid);
            valid = now;
        }
    return valid;
}

static void test_characters(void **state)
{
    unsigned char bytes[4];

    (void)state;
    for (uint32_t c = 0; c < 0x1FFFFF; c += c < 0x20000 ? 1 : 61) {
        const bool exists = c <= 0x10FFFF && (c < 0xD800 || c > 0xDFFF);
        if (shard_utf8_valid((char *)bytes, encode(c, bytes, shortest(c))) != exists)
            fail_msg("U+%04x", (unsigned)c);
    }
    for (uint32_t c = 0x10FFF0; c < 0x110010; c++)
        assert_int_equal(is_valid(bytes, encode(c, bytes, 4)), c <= 0x10FFFF);
    assert_true(shard_utf8_valid("", 0));
    assert_true(shard_utf8_valid("a\0b", 3));
}

static void test_overlong(void **state)
{
    static const uint32_t some[] = {0, 'a', 0x7F, 0x80, 0x7FF, 0x800, 0xFFFF};
    unsigned char bytes[4];

    (void)state;
    for (size_t i = 0; i < sizeof(some) / sizeof(some[0]); i++)
        for (size_t n = 1; n <= 4; n++)
            if (n >= shortest(some[i]))
                assert_int_equal(is_valid(bytes, encode(some[i], bytes, n)),
                                 n == shortest(some[i]));
}

static void test_cut(void **state)
{
    static const uint32_t some[] = {0x80, 0x7FF, 0x800, 0xFFFF, 0x10000, 0x10FFFF};
    unsigned char bytes[4];

    (void)state;
    for (size_t i = 0; i < sizeof(some) / sizeof(some[0]); i++) {
        const size_t len = encode(some[i], bytes, shortest(some[i]));
        assert_true(is_valid(bytes, len));
        for (size_t n = 1; n < len; n++) {
            assert_false(is_valid(bytes, n));
            assert_false(is_valid(bytes + n, len - n));
            const unsigned char kept = bytes[n];
            bytes[n] = 'a';
            assert_false(is_valid(bytes, len));
            bytes[n] = 0xC3;
            assert_false(is_valid(bytes, len));
            bytes[n] = kept;
        }
    }
}

static void test_first_bytes(void **state)
{
    (void)state;
    for (unsigned first = 0x80; first < 0x100; first++) {
        const unsigned char bytes[] = {
            (unsigned char)first, 0x80, 0x80, 0x80, 0x80, 0x80};
        for (size_t len = 1; len <= sizeof(bytes); len++) {
            const bool is_character = (len == 2 && first >= 0xC2 && first < 0xE0) ||
                                      (len == 3 && first > 0xE0 && first < 0xF0) ||
                                      (len == 4 && first > 0xF0 && first < 0xF5);
            if (is_valid(bytes, len) != is_character)
                fail_msg("%02x and %zu bytes", first, len - 1);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_characters),
        cmocka_unit_test(test_overlong),
        cmocka_unit_test(test_cut),
        cmocka_unit_test(test_first_bytes),
    };

    return cmocka_run_group_tests_name("utf8", tests, NULL, NULL);
}
