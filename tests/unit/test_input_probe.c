/* SPDX-License-Identifier: Apache-2.0
 * The probe of a stream is that of the file with the same bytes, and both are what
 * input_probe.h says. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <xxhash.h>

#include <cmocka.h>

#include "tools/run/input_probe.h"

enum { MOST = 2100000 };

static unsigned char *bytes; /* MOST */
static int fd;
static struct input_probe probe;

static int set_up(void **state)
{
    FILE *f = tmpfile();
    uint32_t x = 1;

    (void)state;
    bytes = malloc(MOST);
    if (!f || !bytes)
        return -1;
    for (size_t i = 0; i < MOST; i++)
        bytes[i] = (unsigned char)((x = x * 1664525u + 1013904223u) >> 24);
    fd = fileno(f);
    return write(fd, bytes, MOST) == MOST ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    free(bytes);
    return 0;
}

static void stream_hex(size_t n, size_t step, char hex[PROBE_HEX_CAP])
{
    memset(&probe, 0, sizeof(probe));
    for (size_t i = 0; i < n; i += step)
        input_probe_update(&probe, bytes + i, n - i < step ? n - i : step);
    input_probe_hex(&probe, hex);
}

/* Written from the definition. */
static void expected_hex(size_t n, char hex[PROBE_HEX_CAP])
{
    unsigned char *pieces = malloc(3 * 65536);
    size_t middle = 1;
    XXH128_hash_t h;

    assert_non_null(pieces);
    while (middle * 2 <= n / 2)
        middle *= 2;
    if (n > 3 * 65536) {
        memcpy(pieces, bytes, 65536);
        memcpy(pieces + 65536, bytes + middle, 65536);
        memcpy(pieces + 2 * 65536, bytes + n - 65536, 65536);
        h = XXH3_128bits(pieces, 3 * 65536);
    } else {
        h = XXH3_128bits(bytes, n);
    }
    snprintf(hex, PROBE_HEX_CAP, "%016llx%016llx", (unsigned long long)h.high64,
             (unsigned long long)h.low64);
    free(pieces);
}

static void check(size_t n, size_t step)
{
    char stream[PROBE_HEX_CAP], file[PROBE_HEX_CAP], expected[PROBE_HEX_CAP];

    expected_hex(n, expected);
    stream_hex(n, step, stream);
    assert_int_equal(input_probe_file(fd, n, file), 0);
    if (strcmp(stream, expected) != 0 || strcmp(file, expected) != 0)
        fail_msg("%zu bytes in steps of %zu: %s, stream %s, file %s", n, step, expected,
                 stream, file);
}

static void a_stream_and_a_file_agree_around_every_boundary(void **state)
{
    static const size_t steps[] = {1000, 65536, 262144, 1000003};

    (void)state;
    for (size_t s = 0; s < sizeof(steps) / sizeof(*steps); s++) {
        for (size_t n = 0; n < 3; n++)
            check(n, steps[s]);
        for (size_t at = 65536; at < MOST - 65538; at += 65536)
            for (size_t n = at - 2; n <= at + 2; n++)
                check(n, steps[s]);
    }
    check(MOST, 1);
}

static void one_other_byte_in_a_piece_is_seen(void **state)
{
    enum { n = 1500000 };
    static const size_t at[] = {0, 65535, 524288, 524288 + 65535, n - 65536, n - 1};
    char before[PROBE_HEX_CAP], after[PROBE_HEX_CAP];

    (void)state;
    stream_hex(n, 4096, before);
    for (size_t i = 0; i < sizeof(at) / sizeof(*at); i++) {
        bytes[at[i]] ^= 1;
        stream_hex(n, 4096, after);
        bytes[at[i]] ^= 1;
        assert_string_not_equal(before, after);
    }
}

static void a_file_that_ends_early_is_an_error(void **state)
{
    char hex[PROBE_HEX_CAP];

    (void)state;
    assert_int_equal(input_probe_file(fd, MOST + 1, hex), -1);
    assert_int_equal(errno, ENODATA);
    assert_int_equal(input_probe_file(-1, 10, hex), -1);
    assert_int_equal(errno, EBADF);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_stream_and_a_file_agree_around_every_boundary),
        cmocka_unit_test(one_other_byte_in_a_piece_is_seen),
        cmocka_unit_test(a_file_that_ends_early_is_an_error),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
