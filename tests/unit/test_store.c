/* SPDX-License-Identifier: Apache-2.0
 * A folder as a store: what is put is there whole or not at all, on file systems without
 * hard links too. */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "tools/store/store.h"
#include "tools/store/store_stream.h"

static char folder[] = "/tmp/latentmill-store-XXXXXX";

static int set_up(void **state)
{
    (void)state;
    return mkdtemp(folder) && chdir(folder) == 0 ? 0 : -1;
}

static int tear_down(void **state)
{
    char command[300];

    (void)state;
    snprintf(command, sizeof(command), "rm -rf '%s'", folder);
    return chdir("/") != 0 || system(command) != 0;
}

/* What the file system answers; 0: what it really does. */
static int link_error, renameat2_error;
/* At so many pauses from now on somebody fills `claimed`; 0: never. */
static int fill_at;
static bool pauses; /* are real ones */

int __real_link(const char *from, const char *to);
int __wrap_link(const char *from, const char *to);
int __real_renameat2(int a, const char *from, int b, const char *to, unsigned flags);
int __wrap_renameat2(int a, const char *from, int b, const char *to, unsigned flags);
int __real_nanosleep(const struct timespec *pause, struct timespec *left);
int __wrap_nanosleep(const struct timespec *pause, struct timespec *left);

int __wrap_link(const char *from, const char *to)
{
    errno = link_error;
    return link_error ? -1 : __real_link(from, to);
}

int __wrap_renameat2(int a, const char *from, int b, const char *to, unsigned flags)
{
    errno = renameat2_error;
    return renameat2_error ? -1 : __real_renameat2(a, from, b, to, flags);
}

static void write_file(const char *path, const char *text)
{
    FILE *f = fopen(path, "w");

    assert_non_null(f);
    fputs(text, f);
    assert_int_equal(fclose(f), 0);
}

int __wrap_nanosleep(const struct timespec *pause, struct timespec *left)
{
    if (fill_at > 0 && --fill_at == 0) {
        write_file("theirs", "theirs");
        assert_int_equal(rename("theirs", "claimed"), 0);
    }
    return pauses ? __real_nanosleep(pause, left) : 0;
}

static void assert_holds(const char *path, const char *text)
{
    char *bytes;
    size_t len;

    assert_int_equal(store_read(&store_folder, path, 100, &bytes, &len), 0);
    assert_string_equal(bytes, text);
    assert_int_equal(len, strlen(text));
    free(bytes);
}

static int count(void *ctx, const char *name, bool is_folder)
{
    int *n = ctx;

    (void)name;
    (void)is_folder;
    ++*n;
    return 0;
}

/* Only this file is in the folder; removes it. */
static void assert_alone(const char *path)
{
    int n = 0;

    assert_int_equal(store_folder.list(".", count, &n), 0);
    assert_int_equal(n, 1);
    assert_int_equal(store_folder.remove(path), 0);
}

static int put(const char *path, const char *text)
{
    return store_folder.put_if_absent(path, text, strlen(text));
}

static void put_if_absent_needs_no_links(void **state)
{
    const int errors[][2] = {{0, 0},           {EPERM, 0},       {EOPNOTSUPP, EINVAL},
                             {ENOSYS, ENOSYS}, {EMLINK, EINVAL}, {EPERM, EOPNOTSUPP}};

    (void)state;
    for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
        link_error = errors[i][0];
        renameat2_error = errors[i][1];
        assert_int_equal(put("one", "first"), 0);
        assert_int_equal(put("one", "second"), -1);
        assert_int_equal(errno, EEXIST);
        assert_holds("one", "first");
        assert_alone("one");
    }
    link_error = renameat2_error = 0;
}

static void other_errors_are_told(void **state)
{
    int n = 0;

    (void)state;
    link_error = EIO;
    assert_int_equal(put("one", "first"), -1);
    assert_int_equal(errno, EIO);
    link_error = EPERM;
    renameat2_error = ENOSPC;
    assert_int_equal(put("one", "first"), -1);
    assert_int_equal(errno, ENOSPC);
    assert_int_equal(put("no/one", "first"), -1);
    assert_int_equal(errno, ENOENT);
    assert_int_equal(store_folder.list(".", count, &n), 0);
    assert_int_equal(n, 0);
    link_error = renameat2_error = 0;
}

static void a_claim_left_behind_is_taken_over(void **state)
{
    bool there = true;

    (void)state;
    for (link_error = 0; link_error <= EPERM; link_error++) {
        renameat2_error = link_error ? EINVAL : 0;
        write_file("claimed", "");
        assert_int_equal(store_has(&store_folder, "claimed", &there), 0);
        assert_false(there);
        assert_int_equal(put("claimed", "ours"), 0);
        assert_int_equal(store_has(&store_folder, "claimed", &there), 0);
        assert_true(there);
        assert_holds("claimed", "ours");
        assert_alone("claimed");
    }
    link_error = renameat2_error = 0;
}

static void a_claim_that_is_filled_is_left(void **state)
{
    (void)state;
    link_error = EPERM;
    renameat2_error = EINVAL;
    write_file("claimed", "");
    fill_at = 3;
    assert_int_equal(put("claimed", "ours"), -1);
    assert_int_equal(errno, EEXIST);
    assert_int_equal(fill_at, 0);
    assert_holds("claimed", "theirs");
    assert_alone("claimed");
    link_error = renameat2_error = 0;
}

static void *put_one(void *result)
{
    *(int *)result = put("race", "whole");
    return NULL;
}

static void of_many_one_succeeds(void **state)
{
    enum { THREADS = 8, ROUNDS = 20 };
    pthread_t threads[THREADS];
    int results[THREADS], n;

    (void)state;
    link_error = EPERM;
    pauses = true;
    for (int round = 0; round < ROUNDS; round++) {
        renameat2_error = round % 2 ? EINVAL : 0;
        n = 0;
        for (int i = 0; i < THREADS; i++)
            assert_int_equal(pthread_create(&threads[i], NULL, put_one, &results[i]), 0);
        for (int i = 0; i < THREADS; i++) {
            assert_int_equal(pthread_join(threads[i], NULL), 0);
            n += results[i] == 0;
        }
        assert_int_equal(n, 1);
        assert_holds("race", "whole");
        assert_alone("race");
    }
    link_error = renameat2_error = 0;
    pauses = false;
}

static void reads_are_limited(void **state)
{
    char *bytes;
    size_t len;

    (void)state;
    write_file("ten", "0123456789");
    assert_int_equal(store_read(&store_folder, "ten", 10, &bytes, &len), 0);
    assert_string_equal(bytes, "0123456789");
    free(bytes);
    assert_int_equal(store_read(&store_folder, "ten", 9, &bytes, &len), -1);
    assert_int_equal(errno, EFBIG);
    assert_null(bytes);
    assert_int_equal(store_read(&store_folder, "none", 9, &bytes, &len), -1);
    assert_int_equal(errno, ENOENT);
    assert_int_equal(store_folder.remove("ten"), 0);
}

static void a_large_file_is_read_whole(void **state)
{
    enum { LEN = 100000 };
    char *text = malloc(LEN), *bytes;
    size_t len;

    (void)state;
    assert_non_null(text);
    for (size_t i = 0; i < LEN; i++)
        text[i] = (char)('a' + i % 23);
    assert_int_equal(store_folder.put("large", text, LEN), 0);
    assert_int_equal(store_read(&store_folder, "large", SIZE_MAX / 4, &bytes, &len), 0);
    assert_int_equal(len, LEN);
    assert_memory_equal(bytes, text, LEN);
    free(bytes);
    free(text);
    assert_alone("large");
}

/* Ends at a file; a link to a folder is one. */
static int end_at_file(void *ctx, const char *name, bool is_folder)
{
    (void)ctx;
    if (is_folder)
        assert_string_equal(name, "folder");
    return is_folder ? 0 : 7;
}

static void a_listing_tells_folders(void **state)
{
    (void)state;
    assert_int_equal(store_folder.make_folder("folder"), 0);
    assert_int_equal(store_folder.make_folder("folder"), 0);
    assert_int_equal(store_folder.list(".", end_at_file, NULL), 0);
    assert_int_equal(symlink("folder", "linked"), 0);
    assert_int_equal(store_folder.list(".", end_at_file, NULL), 7);
    assert_int_equal(store_folder.list("none", end_at_file, NULL), -1);
    assert_int_equal(errno, ENOENT);
    assert_int_equal(unlink("linked"), 0);
    assert_int_equal(rmdir("folder"), 0);
}

static void another_file_has_another_id(void **state)
{
    struct store_entry a, b;

    (void)state;
    assert_int_equal(store_folder.put("a", "one", 3), 0);
    assert_int_equal(store_folder.put("b", "four", 4), 0);
    assert_int_equal(store_folder.look("a", &a), 0);
    assert_int_equal(store_folder.rename("b", "a"), 0);
    assert_int_equal(store_folder.look("a", &b), 0);
    assert_true(a.bytes == 3 && b.bytes == 4);
    assert_memory_not_equal(a.id, b.id, sizeof(a.id));
    assert_alone("a");
}

static void a_stream_tells_what_was_not_written(void **state)
{
    struct store_stream s;

    (void)state;
    assert_int_equal(store_stream_open(&s, &store_folder, "stream"), 0);
    fprintf(s.file, "%d lines\n", 2);
    fputs("second\n", s.file);
    assert_int_equal(store_stream_finish(&s), 0);
    store_stream_close(&s);
    assert_holds("stream", "2 lines\nsecond\n");
    assert_alone("stream");

    assert_int_equal(store_stream_open(&s, &store_folder, "/dev/full"), 0);
    for (int i = 0; i < 100000; i++)
        putc('x', s.file);
    errno = 0;
    assert_int_equal(store_stream_finish(&s), -1);
    assert_int_equal(errno, ENOSPC);
    assert_int_equal(store_stream_open(&s, &store_folder, "no/stream"), -1);
    assert_int_equal(errno, ENOENT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(put_if_absent_needs_no_links),
        cmocka_unit_test(other_errors_are_told),
        cmocka_unit_test(a_claim_left_behind_is_taken_over),
        cmocka_unit_test(a_claim_that_is_filled_is_left),
        cmocka_unit_test(of_many_one_succeeds),
        cmocka_unit_test(reads_are_limited),
        cmocka_unit_test(a_large_file_is_read_whole),
        cmocka_unit_test(a_listing_tells_folders),
        cmocka_unit_test(another_file_has_another_id),
        cmocka_unit_test(a_stream_tells_what_was_not_written),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
