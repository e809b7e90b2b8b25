/* SPDX-License-Identifier: Apache-2.0
 * Keys in tars: one group each by WebDataset's rule, and the same key back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "tools/export/wds_key.h"

static const struct {
    const char *key, *encoded;
} cases[] = {
    {"000000001", "000000001"},
    {"dir.v1/0001", "dir.v1/0001"},
    {"./0001", "./0001"},
    {"two words", "two words"},
    {"k\xc3\xa9y", "k\xc3\xa9y"},
    {"a.b", "a%2Eb"},
    {"a.b/c.d", "a.b/c%2Ed"},
    {".", "%2E"},
    {"..", "%2E%2E"},
    {"../x", "%2E%2E/x"},
    {"a/../x", "a/%2E%2E/x"},
    {"...", "%2E%2E%2E"},
    {".../x", ".../x"},
    {"/x", "%2Fx"},
    {"/../x", "%2F%2E%2E/x"},
    {"a//b", "a/%2Fb"},
    {"a/", "a%2F"},
    {"a./", "a%2E%2F"},
    {"a.//", "a./%2F"},
    {"/", "%2F"},
    {"//", "%2F%2F"},
    {"100%", "100%25"},
    {"a%2Eb", "a%252Eb"},
    {"__x__/y", "%5F_x__/y"},
    {"a/__x__/y", "a/__x__/y"},
    {"__x__", "__x__"},
    {"__x/y", "__x/y"},
    {"____/y", "%5F___/y"},
    {"___/y", "___/y"},
};
enum { N_CASES = sizeof(cases) / sizeof(*cases) };

static void keys_become_what_they_should(void **state)
{
    char out[64];

    (void)state;
    for (size_t i = 0; i < N_CASES; i++) {
        assert_true(WDS_KEY_CAP(strlen(cases[i].key)) <= sizeof(out));
        assert_int_equal(wds_key_encode(out, cases[i].key), strlen(cases[i].encoded));
        assert_string_equal(out, cases[i].encoded);
    }
}

static int hex_digit(char c)
{
    return c <= '9' ? c - '0' : c - 'A' + 10;
}

static void decode(char *out, const char *encoded)
{
    for (; *encoded != '\0'; encoded++) {
        if (*encoded == '%') {
            *out++ = (char)(hex_digit(encoded[1]) << 4 | hex_digit(encoded[2]));
            encoded += 2;
        } else {
            *out++ = *encoded;
        }
    }
    *out = '\0';
}

/* Every short key of the bytes that matter: the first dot of the file name ends it, no
 * component is empty or leads upwards, and decoding gives the key back, so no two keys
 * become the same. */
static void every_key_is_a_group_of_its_own(void **state)
{
    static const char bytes[] = "./%_a";
    enum { LEN = 7 };
    char key[LEN + 1], encoded[WDS_KEY_CAP(LEN)], back[WDS_KEY_CAP(LEN)];

    (void)state;
    for (int length = 1; length <= LEN; length++) {
        uint32_t n = 1;
        for (int i = 0; i < length; i++)
            n *= 5;
        for (uint32_t number = 0; number < n; number++) {
            uint32_t rest = number;
            for (int i = 0; i < length; i++, rest /= 5)
                key[i] = bytes[rest % 5];
            key[length] = '\0';
            wds_key_encode(encoded, key);
            decode(back, encoded);
            assert_string_equal(back, key);
            const char *slash = strrchr(encoded, '/');
            assert_null(strchr(slash != NULL ? slash : encoded, '.'));
            assert_null(strstr(encoded, "//"));
            assert_true(encoded[0] != '/' && encoded[strlen(encoded) - 1] != '/');
            assert_true(strncmp(encoded, "../", 3) != 0 &&
                        strstr(encoded, "/../") == NULL);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_become_what_they_should),
        cmocka_unit_test(every_key_is_a_group_of_its_own),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
