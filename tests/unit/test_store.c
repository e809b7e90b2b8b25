/* SPDX-License-Identifier: Apache-2.0
 * A folder as a store: what is put is there whole or not at all, on file systems without
 * hard links too. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/unit/scratch_folder.h"
#include "tools/store/store.h"
#include "tools/store/store_stream.h"
#include "tools/store/temporary.h"

/* What the file system answers; 0: what it really does. */
static int link_error, renameat2_error;
/* Called before the next rename() whose target begins so, and its errno instead. */
static const char *rename_to;
static void (*others_do)(void);
static int rename_error;

int __real_link(const char *from, const char *to);
int __wrap_link(const char *from, const char *to);
int __real_renameat2(int a, const char *from, int b, const char *to, unsigned flags);
int __wrap_renameat2(int a, const char *from, int b, const char *to, unsigned flags);
int __real_rename(const char *from, const char *to);
int __wrap_rename(const char *from, const char *to);

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

int __wrap_rename(const char *from, const char *to)
{
    if (rename_to && strcmp(to, rename_to) == 0) {
        rename_to = NULL;
        if (others_do)
            others_do();
        errno = rename_error;
        if (rename_error)
            return -1;
    }
    return __real_rename(from, to);
}

static const char *host_name = "host"; /* NULL: it cannot be found out */

int __wrap_gethostname(char *name, size_t cap);

int __wrap_gethostname(char *name, size_t cap)
{
    if (host_name && strlen(host_name) < cap) {
        snprintf(name, cap, "%s", host_name);
        return 0;
    }
    errno = host_name ? ENAMETOOLONG : EINVAL;
    return -1;
}

/* A file system that knows no more than rename(). */
static void know_only_rename(bool so)
{
    link_error = so ? EPERM : 0;
    renameat2_error = so ? EINVAL : 0;
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

static void an_empty_file_is_not_there(void **state)
{
    bool there = true;

    (void)state;
    for (int only_rename = 0; only_rename < 2; only_rename++) {
        know_only_rename(only_rename);
        write_file("one", "");
        assert_int_equal(store_has(&store_folder, "one", &there), 0);
        assert_false(there);
        assert_int_equal(put("one", "ours"), 0);
        assert_int_equal(store_has(&store_folder, "one", &there), 0);
        assert_true(there);
        assert_holds("one", "ours");
        assert_alone("one");
        assert_int_equal(symlink("nowhere", "one"), 0);
        assert_int_equal(put("one", "ours"), 0);
        assert_holds("one", "ours");
        assert_alone("one");
    }
    know_only_rename(false);
}

#define CLAIM "one.tmp.claim.0.00000000"

static void who_was_killed_wins_if_it_held_the_claim(void **state)
{
    (void)state;
    for (int empty = 0; empty < 2; empty++) {
        know_only_rename(true);
        if (empty)
            write_file("one", "");
        assert_int_equal(mkdir(CLAIM, 0777), 0);
        write_file(CLAIM "/one.tmp.host.7.0123abcd", "theirs");
        assert_int_equal(put("one", "ours"), -1);
        assert_int_equal(errno, EEXIST);
        assert_holds("one", "theirs");
        assert_alone("one");
        /* It was killed before it had put anything in, or behind its end. */
        assert_int_equal(mkdir(CLAIM, 0777), 0);
        assert_int_equal(put("one", "ours"), 0);
        assert_holds("one", "ours");
        assert_alone("one");
    }
    know_only_rename(false);
}

static void come_late(void)
{
    assert_int_equal(put("one", "late"), -1);
    assert_int_equal(errno, EEXIST);
}

static void a_slow_holder_wins(void **state)
{
    (void)state;
    for (int only_rename = 0; only_rename < 2; only_rename++) {
        know_only_rename(only_rename);
        write_file("one", "");
        rename_to = "one"; /* out of the claim */
        others_do = come_late;
        assert_int_equal(put("one", "slow"), 0);
        assert_null(rename_to);
        assert_holds("one", "slow");
        assert_alone("one");
    }
    know_only_rename(false);
    others_do = NULL;
}

static void come_first(void)
{
    assert_int_equal(put("one", "first"), 0);
}

static void who_holds_the_claim_too_late_loses(void **state)
{
    (void)state;
    for (int only_rename = 0; only_rename < 2; only_rename++) {
        know_only_rename(only_rename);
        write_file("one", "");
        rename_to = CLAIM;
        others_do = come_first;
        assert_int_equal(put("one", "late"), -1);
        assert_int_equal(errno, EEXIST);
        assert_null(rename_to);
        assert_holds("one", "first");
        assert_alone("one");
    }
    know_only_rename(false);
    others_do = NULL;
}

static void a_claim_that_cannot_be_is_told(void **state)
{
    int n = 0;

    (void)state;
    know_only_rename(true);
    rename_to = CLAIM;
    rename_error = EMFILE;
    assert_int_equal(put("one", "ours"), -1);
    assert_int_equal(errno, EMFILE);
    assert_int_equal(store_folder.list(".", count, &n), 0);
    assert_int_equal(n, 0);
    rename_error = 0;
    assert_int_equal(mkdir(CLAIM, 0777), 0);
    write_file(CLAIM "/odd", "not ours");
    assert_int_equal(put("one", "ours"), -1);
    assert_int_equal(errno, EBUSY);
    assert_int_equal(unlink(CLAIM "/odd"), 0);
    assert_int_equal(rmdir(CLAIM), 0);
    know_only_rename(false);
}

enum { WON = 10, LOST };

static int put_own(int i)
{
    char text[20];

    snprintf(text, sizeof(text), "of %d", i);
    if (put("race", text) == 0)
        return WON;
    return errno == EEXIST ? LOST : errno;
}

/* Returns which of `n` processes, which start at once, put their file. */
static int race(int n)
{
    pid_t pids[16];
    int start[2], status, winner = -1;
    char c;

    assert_int_equal(pipe(start), 0);
    for (int i = 0; i < n; i++) {
        pids[i] = fork();
        if (pids[i] == 0) {
            close(start[1]);
            _exit(read(start[0], &c, 1) == 0 ? put_own(i) : 1);
        }
        assert_true(pids[i] > 0);
    }
    close(start[0]);
    close(start[1]);
    for (int i = 0; i < n; i++) {
        assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
        assert_true(WIFEXITED(status));
        if (WEXITSTATUS(status) == WON) {
            assert_int_equal(winner, -1);
            winner = i;
        } else {
            assert_int_equal(WEXITSTATUS(status), LOST);
        }
    }
    assert_int_not_equal(winner, -1);
    return winner;
}

static void of_many_one_succeeds(void **state)
{
    const int errors[][2] = {{0, 0}, {EPERM, 0}, {0, EINVAL}, {EPERM, EINVAL}};
    enum { PROCESSES = 8, ROUNDS = 80 };
    char text[20];

    (void)state;
    for (int round = 0; round < ROUNDS; round++) {
        link_error = errors[round % 4][0];
        renameat2_error = errors[round % 4][1];
        if (round / 4 % 3 == 1)
            write_file("race", "");
        if (round / 4 % 3 == 2)
            assert_int_equal(mkdir("race.tmp.claim.0.00000000", 0777), 0);
        snprintf(text, sizeof(text), "of %d", race(PROCESSES));
        assert_holds("race", text);
        rmdir("race.tmp.claim.0.00000000"); /* of whom link() was enough for */
        assert_alone("race");
    }
    know_only_rename(false);
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

/* The name is of a host called `host`; it is known as a temporary one. */
static void expect_host(const char *host)
{
    char suffix[TEMPORARY_SUFFIX_CAP], begin[60], name[TEMPORARY_SUFFIX_CAP + 5];

    temporary_suffix(suffix);
    snprintf(begin, sizeof(begin), ".tmp.%s.%ld.", host, (long)getpid());
    assert_memory_equal(suffix, begin, strlen(begin));
    assert_int_equal(strlen(suffix), strlen(begin) + 8);
    snprintf(name, sizeof(name), "n.lms%s", suffix);
    assert_int_equal(temporary_final_length(name), 5);
}

static void temporary_names_say_the_host(void **state)
{
    (void)state;
    expect_host("host");
    host_name = "a.b c/d";
    expect_host("a-b-c-d");
    host_name = "pod-of-a-cluster-with-a-long-name-as-they-have-7d9f8b6c5d-x2x4z9";
    assert_int_equal(strlen(host_name), 64);
    expect_host("pod-of-a-cluster-with-a-long");
    host_name = NULL;
    expect_host("host");
    host_name = "host";
    assert_int_equal(temporary_final_length(CLAIM), 3);
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
        cmocka_unit_test(an_empty_file_is_not_there),
        cmocka_unit_test(who_was_killed_wins_if_it_held_the_claim),
        cmocka_unit_test(a_slow_holder_wins),
        cmocka_unit_test(who_holds_the_claim_too_late_loses),
        cmocka_unit_test(a_claim_that_cannot_be_is_told),
        cmocka_unit_test(of_many_one_succeeds),
        cmocka_unit_test(reads_are_limited),
        cmocka_unit_test(a_large_file_is_read_whole),
        cmocka_unit_test(a_listing_tells_folders),
        cmocka_unit_test(another_file_has_another_id),
        cmocka_unit_test(temporary_names_say_the_host),
        cmocka_unit_test(a_stream_tells_what_was_not_written),
    };

    return cmocka_run_group_tests(tests, scratch_set_up, scratch_tear_down);
}
