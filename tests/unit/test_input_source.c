/* SPDX-License-Identifier: Apache-2.0
 * A regular file that changes while it is read is no input. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "ingest/status.h"
#include "tools/run/input_source.h"

static char path[] = "/tmp/latentmill-source-XXXXXX";
static int fd, cancel_fd;

static int set_up(void **state)
{
    (void)state;
    fd = mkstemp(path);
    cancel_fd = eventfd(0, EFD_CLOEXEC);
    return fd >= 0 && cancel_fd >= 0 && write(fd, "0123456789", 10) == 10 ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    close(cancel_fd);
    close(fd);
    return unlink(path);
}

/* Opens it as it was listed with `bytes`, reads some, does change(), and ends. */
static int read_while(uint64_t bytes, void (*change)(void), char why[512])
{
    const struct input in = {
        .kind = INPUT_PATH, .text = path, .regular = true, .bytes = bytes};
    char buf[4], sha256[SHA256_HEX_CAP], probe[PROBE_HEX_CAP];
    struct source *s;
    int rc = source_open(&s, &in, cancel_fd);

    if (rc == INGEST_OK) {
        const struct ingest_source *from = source_callback(s);

        assert_int_equal(from->read(from->ctx, buf, sizeof(buf)), sizeof(buf));
        change();
        rc = source_finish(s, true);
        assert_int_equal(source_hashes(s, sha256, probe), 0);
    }
    snprintf(why, 512, "%s", source_why(s));
    source_close(s);
    return rc;
}

static void nothing(void)
{
}

static void grow(void)
{
    assert_int_equal(pwrite(fd, "x", 1, 10), 1);
}

static void shrink(void)
{
    assert_int_equal(ftruncate(fd, 10), 0);
}

static void rewrite(void)
{
    const struct timespec times[] = {{.tv_nsec = UTIME_OMIT}, {.tv_sec = 12345}};

    assert_int_equal(pwrite(fd, "9", 1, 0), 1);
    assert_int_equal(futimens(fd, times), 0);
}

static void a_change_is_seen(void **state)
{
    char why[512];

    (void)state;
    assert_int_equal(read_while(10, nothing, why), INGEST_OK);
    assert_string_equal(why, "");
    assert_int_equal(read_while(10, grow, why), INGEST_EIO);
    assert_non_null(
        strstr(why, "it has changed while it was read (from 10 bytes to 11)"));
    assert_int_equal(read_while(11, shrink, why), INGEST_EIO);
    assert_int_equal(read_while(10, rewrite, why), INGEST_EIO);
    assert_int_equal(read_while(9, nothing, why), INGEST_EIO);
    assert_non_null(strstr(why, "since this run began (from 9 bytes to 10)"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_change_is_seen)};

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
