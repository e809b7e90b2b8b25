/* SPDX-License-Identifier: Apache-2.0
 * tests/unit/test_base64.c - base64: RFC 4648's own vectors, and nothing else than what
 * the encoder writes is taken. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "shard/base64.h"

/* Exactly as long as told, so that the sanitizers see any byte read behind. */
static bool decodes(unsigned char *bytes, size_t n, const char *text)
{
    const size_t len = strlen(text);
    char *copy = malloc(len > 0 ? len : 1);

    memcpy(copy, text, len);
    const bool is = shard_base64_decode(bytes, n, copy, len);
    free(copy);
    return is;
}

static void test_vectors(void **state)
{
    static const char *const vectors[][2] = {{"", ""},
                                             {"f", "Zg=="},
                                             {"fo", "Zm8="},
                                             {"foo", "Zm9v"},
                                             {"foob", "Zm9vYg=="},
                                             {"fooba", "Zm9vYmE="},
                                             {"foobar", "Zm9vYmFy"},
                                             {"\xff\xfe\xfd", "//79"},
                                             {"\xfb\xef\xbe", "++++"}};

    (void)state;
    for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
        const size_t n = strlen(vectors[i][0]);
        unsigned char bytes[8] = {0};
        char text[16] = "";
        assert_int_equal(shard_base64_len(n), strlen(vectors[i][1]));
        shard_base64_encode(text, (const unsigned char *)vectors[i][0], n);
        assert_string_equal(text, vectors[i][1]);
        assert_true(decodes(bytes, n, text));
        assert_memory_equal(bytes, vectors[i][0], n);
    }
}

static void test_nothing_else(void **state)
{
    static const struct {
        size_t n;
        const char *text;
    } wrong[] = {{1, "Zg="},     {1, "Zg"},       {1, "Zg==="}, {1, "Zh=="},
                 {1, "Zg=A"},    {1, "Z==="},     {1, "===="},  {2, "Zm9="},
                 {2, "Zm8"},     {2, "Zm=="},     {3, "Zm9 "},  {3, "Zm9\n"},
                 {3, "Zm9-"},    {3, "Zm9_"},     {3, "Zm9="},  {3, "Zm\xc3\xa9"},
                 {3, "Zm9v\n"},  {3, "Zm9vZm9v"}, {6, "Zm9="},  {0, "===="},
                 {6, "Zg==Zm9v"}};
    unsigned char bytes[8];

    (void)state;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        if (decodes(bytes, wrong[i].n, wrong[i].text))
            fail_msg("\"%s\" is taken for %zu bytes", wrong[i].text, wrong[i].n);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vectors),
        cmocka_unit_test(test_nothing_else),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
