/* SPDX-License-Identifier: Apache-2.0
 * tests/unit/test_safetensors.c - what the reader of safetensors files takes and refuses,
 * word by word. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "vae_encode/model/safetensors.h"
#include "vae_encode/status.h"

/* Gives a file of this header and n_data bytes, in memory exactly as long, so that the
 * sanitizers see any byte read behind. */
static unsigned char *file_of(const char *header, const void *data, size_t n_data,
                              size_t *len)
{
    size_t n = strlen(header);
    unsigned char *bytes = malloc(8 + n + n_data);

    assert_non_null(bytes);
    for (int i = 0; i < 8; i++)
        bytes[i] = (unsigned char)((uint64_t)n >> 8 * i);
    memcpy(bytes + 8, header, n);
    if (n_data > 0)
        memcpy(bytes + 8 + n, data, n_data);
    *len = 8 + n + n_data;
    return bytes;
}

/* `why` is what is said first: the words behind it may be jansson's. */
static void refused(const char *header, size_t n_data, const char *why)
{
    static const unsigned char zeros[64];
    struct safetensors *s;
    size_t len;
    unsigned char *bytes = file_of(header, zeros, n_data, &len);

    assert_int_equal(safetensors_open_memory(&s, bytes, len, "m"), VAE_EFORMAT);
    if (strncmp(safetensors_why(s), why, strlen(why)) != 0)
        fail_msg("\"%s\" instead of \"%s\"", safetensors_why(s), why);
    safetensors_close(s);
    free(bytes);
}

#define T(range) "{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[" range "]}"

static void damaged_headers_are_named(void **state)
{
    (void)state;
    refused("", 0, "m: not a safetensors file: no header at byte 0");
    refused("[]", 0, "m: not a safetensors file: no header at byte 0");
    refused("{\"a\":", 0, "m: header: ");
    refused("{\"a\":" T("0,8") ",\"a\":" T("8,16") "}", 16, "m: header: duplicate");
    refused("{\"a\":1}", 0, "m: tensor a: no dtype");
    refused("{\"a\":{\"dtype\":\"F32\"}}", 0,
            "m: tensor a: shape is not a list of at most 8 sizes");
    refused("{\"a\":{\"dtype\":\"F32\",\"shape\":[1,1,1,1,1,1,1,1,1]}}", 0,
            "m: tensor a: shape is not a list of at most 8 sizes");
    refused("{\"a\":{\"dtype\":\"F32\",\"shape\":[-1]}}", 0,
            "m: tensor a: shape is not a list of sizes");
    refused("{\"a\":{\"dtype\":\"F32\",\"shape\":[1.5]}}", 0,
            "m: tensor a: shape is not a list of sizes");
    refused("{\"a\":{\"dtype\":\"F32\",\"shape\":[4294967296,4294967296]}}", 0,
            "m: tensor a: shape has more values than 2^64");
    refused("{\"a\":{\"dtype\":\"F32\",\"shape\":[4611686018427387904],"
            "\"data_offsets\":[0,0]}}",
            0, "m: tensor a: 0 bytes do not hold 4611686018427387904 values of F32");
    refused("{\"a\":{\"dtype\":\"F32\",\"shape\":[2]}}", 8,
            "m: tensor a: data_offsets is not [begin, end]");
    refused("{\"a\":" T("8,0") "}", 8, "m: tensor a: data_offsets is not [begin, end]");
    refused("{\"a\":" T("-8,0") "}", 8, "m: tensor a: data_offsets is not [begin, end]");
    refused("{\"a\":" T("0,4") "}", 4,
            "m: tensor a: 4 bytes do not hold 2 values of F32");
}

static void damaged_ranges_are_named(void **state)
{
    (void)state;
    refused("{\"a\":" T("0,8") "}", 7,
            "m: tensor a ends at byte 70, but the file has 69: truncated?");
    refused("{\"a\":" T("9223372036854775799,9223372036854775807") "}", 8,
            "m: tensor a ends at byte 9223372036854775905, but the file has 106: "
            "truncated?");
    refused("{\"a\":" T("0,8") ",\"b\":" T("4,12") "}", 12,
            "m: tensors a and b overlap at byte 120");
    refused("{\"b\":" T("0,8") ",\"a\":" T("0,8") "}", 8,
            "m: tensors a and b overlap at byte 115");
    refused("{\"a\":" T("0,8") ",\"b\":" T("12,20") "}", 20,
            "m: no tensor covers bytes 125 to 129");
    refused("{\"a\":" T("4,12") "}", 12, "m: no tensor covers bytes 63 to 67");
    refused("{\"a\":" T("0,8") "}", 9, "m: no tensor covers bytes 70 to 71");
    refused("{}", 1, "m: no tensor covers bytes 10 to 11");
}

static void short_files_are_no_header(void **state)
{
    const unsigned char bytes[] = {255, 255, 255, 255, 255, 255, 255, 127, '{', '}'};
    const unsigned char cut[] = {3, 0, 0, 0, 0, 0, 0, 0, '{', '}'};
    struct safetensors *s;

    (void)state;
    for (size_t len = 0; len < 8; len++) {
        char why[64];
        snprintf(why, sizeof(why), "m: not a safetensors file: only %zu bytes", len);
        assert_int_equal(safetensors_open_memory(&s, bytes, len, "m"), VAE_EFORMAT);
        assert_string_equal(safetensors_why(s), why);
        safetensors_close(s);
    }
    for (size_t len = 8; len <= 10; len++) {
        assert_int_equal(safetensors_open_memory(&s, bytes, len, "m"), VAE_EFORMAT);
        assert_string_equal(safetensors_why(s),
                            "m: not a safetensors file: no header at byte 0");
        safetensors_close(s);
    }
    assert_int_equal(safetensors_open_memory(&s, cut, sizeof(cut), "m"), VAE_EFORMAT);
    assert_string_equal(safetensors_why(s),
                        "m: the header ends at byte 11, but the file has 10: truncated?");
    safetensors_close(s);
}

static void tensors_are_found(void **state)
{
    static const char header[] =
        "{\"__metadata__\":{\"format\":\"pt\"},"
        "\"z\":{\"dtype\":\"F32\",\"shape\":[],\"data_offsets\":[0,4]},"
        "\"empty\":{\"dtype\":\"F16\",\"shape\":[3,0],\"data_offsets\":[4,4]},"
        "\"odd\":{\"dtype\":\"F4_FUTURE\",\"shape\":[7],\"data_offsets\":[4,8]}}  ";
    static const unsigned char data[8] = {0, 0, 0x80, 0x3f};
    struct safetensors *s;
    const struct safetensors_tensor *t;
    char text[64];
    float value;
    size_t len;
    unsigned char *bytes = file_of(header, data, sizeof(data), &len);

    (void)state;
    assert_int_equal(safetensors_open_memory(&s, bytes, len, "m"), VAE_OK);
    assert_int_equal(safetensors_count(s), 3);
    assert_int_equal(safetensors_find(s, "__metadata__"), -1);
    assert_int_equal(safetensors_find(s, "zz"), -1);
    t = safetensors_at(s, (size_t)safetensors_find(s, "z"));
    assert_int_equal(t->n_dims, 0);
    assert_int_equal(safetensors_to_fp32(t, &value), VAE_OK);
    assert_true(value == 1);
    t = safetensors_at(s, (size_t)safetensors_find(s, "empty"));
    assert_int_equal(t->n_values, 0);
    safetensors_describe(t, text, sizeof(text));
    assert_string_equal(text, "F16 (3, 0)");
    t = safetensors_at(s, (size_t)safetensors_find(s, "odd"));
    assert_int_equal(t->n_bytes, 4);
    assert_int_equal(safetensors_to_fp32(t, &value), VAE_EMODEL);
    safetensors_close(s);
    free(bytes);
}

static void halves_are_converted(void **state)
{
    static const uint16_t halves[] = {0x0000, 0x8000, 0x0001, 0x8001, 0x03ff,
                                      0x0400, 0x3c00, 0xc000, 0x7bff, 0x7c00,
                                      0xfc00, 0x7e00, 0x3555};
    static const float expected[] = {
        0,    -0.0f, 0x1p-24f, -0x1p-24f, 0x1.ff8p-15f, 0x1p-14f,   1,
        -2.f, 65504, INFINITY, -INFINITY, NAN,          0x1.554p-2f};
    enum { N = sizeof(halves) / sizeof(halves[0]) };
    const struct safetensors_tensor t = {.dtype = "F16",
                                         .n_values = N,
                                         .data = (const unsigned char *)halves,
                                         .n_bytes = sizeof(halves)};
    float found[N];

    (void)state;
    assert_int_equal(safetensors_to_fp32(&t, found), VAE_OK);
    for (int i = 0; i < N; i++) {
        assert_int_equal(isnan(found[i]) != 0, isnan(expected[i]) != 0);
        if (!isnan(expected[i]))
            assert_memory_equal(&found[i], &expected[i], sizeof(float));
    }
}

static void bfloats_are_converted(void **state)
{
    static const uint16_t bits[] = {0x3f80, 0xc040, 0x0001, 0x7f80};
    static const float expected[] = {1, -3, 0x1p-133f, INFINITY};
    const struct safetensors_tensor t = {.dtype = "BF16",
                                         .n_values = 4,
                                         .data = (const unsigned char *)bits,
                                         .n_bytes = sizeof(bits)};
    float found[4];

    (void)state;
    assert_int_equal(safetensors_to_fp32(&t, found), VAE_OK);
    assert_memory_equal(found, expected, sizeof(found));
}

static void files_that_cannot_be_mapped(void **state)
{
    static const struct {
        const char *path, *why;
        int status;
    } cases[] = {
        {"tests/no-such-file", "tests/no-such-file: No such file or directory",
         VAE_EMODEL},
        {"tests", "tests: not a regular file", VAE_EMODEL},
        {"/dev/null", "/dev/null: not a regular file", VAE_EMODEL},
        {"Makefile", "Makefile: not a safetensors file: no header at byte 0",
         VAE_EFORMAT},
    };
    struct safetensors *s;

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_int_equal(safetensors_open(&s, cases[i].path), cases[i].status);
        assert_string_equal(safetensors_why(s), cases[i].why);
        safetensors_close(s);
    }
    safetensors_close(NULL);
    assert_non_null(safetensors_why(NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(damaged_headers_are_named),
        cmocka_unit_test(damaged_ranges_are_named),
        cmocka_unit_test(short_files_are_no_header),
        cmocka_unit_test(tensors_are_found),
        cmocka_unit_test(halves_are_converted),
        cmocka_unit_test(bfloats_are_converted),
        cmocka_unit_test(files_that_cannot_be_mapped),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
