/* SPDX-License-Identifier: Apache-2.0
 * What is in a folder and what it lacks: as data, for made-up folders. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/unit/scratch_folder.h"
#include "tools/store/data_set.h"

static int set_up(void **state)
{
    return scratch_set_up(state) == 0 && mkdir("set", 0777) == 0 &&
                   mkdir("set/b", 0777) == 0
               ? 0
               : -1;
}

/* `shards`: what stands between the brackets. */
static void write_manifest(const char *path, const char *status, const char *shards)
{
    char text[1000];

    snprintf(text, sizeof(text),
             "{\"result\": {\"inputs\": [{\"status\": \"%s\"}], \"shards\": [%s]},"
             " \"run\": {\"input\": {\"path\": \"x\", \"size\": null}}}",
             status, shards);
    write_file(path, text);
}

static void find(struct data_set *d)
{
    assert_int_equal(data_set_find(d, "set//"), 0);
    assert_string_equal(d->folder, "set");
}

static void test_whole(void **state)
{
    struct data_set d;

    (void)state;
    write_file("set/a.lms", "1");
    write_file("set/a+00001.lms", "22");
    write_file("set/a+1.lms", "22");
    write_file("set/b/a.lms", "333");
    write_manifest("set/a.manifest.json", "complete",
                   "{\"name\": \"a.lms\", \"bytes\": 1, \"samples\": 7},"
                   "{\"name\": \"a+00001.lms\", \"bytes\": 2, \"samples\": 8}");
    write_manifest("set/a+1.manifest.json", "damaged",
                   "{\"name\": \"a+1.lms\", \"bytes\": 2, \"samples\": 9}");
    write_manifest("set/b/a.manifest.json", "complete",
                   "{\"name\": \"a.lms\", \"bytes\": 3}");
    write_manifest("set/none.manifest.json", "rejected", "");
    find(&d);
    assert_int_equal(data_set_n_lacking(&d), 0);
    assert_int_equal(d.n_units, 4);
    assert_string_equal(d.units[0].manifest, "a.manifest.json");
    assert_int_equal(d.units[0].name_len, 1);
    assert_int_equal(d.units[0].n_shards, 2);
    assert_int_equal(d.units[1].state, DATA_SET_DAMAGED);
    assert_string_equal(d.units[2].manifest, "b/a.manifest.json");
    assert_int_equal(d.units[2].name_len, 3);
    assert_int_equal(d.units[2].state, DATA_SET_COMPLETE);
    assert_int_equal(d.units[3].state, DATA_SET_REJECTED);
    assert_int_equal(d.n_shards, 4);
    assert_string_equal(d.shards[0].path, "a.lms");
    assert_int_equal(d.shards[0].part, 0);
    assert_int_equal(d.shards[0].samples, 7);
    assert_string_equal(d.shards[1].path, "a+00001.lms");
    assert_int_equal(d.shards[1].part, 1);
    assert_int_equal(d.shards[1].name_len, 1);
    assert_int_equal(d.shards[1].bytes, 2);
    assert_string_equal(d.shards[1].manifest, "a.manifest.json");
    assert_string_equal(d.shards[2].path, "a+1.lms");
    assert_int_equal(d.shards[2].name_len, 3);
    assert_string_equal(d.shards[3].path, "b/a.lms");
    data_set_clear(&d);
}

static void test_missing(void **state)
{
    struct data_set d;

    (void)state;
    write_file("set/short.lms", "1");
    assert_int_equal(mkfifo("set/pipe.lms", 0666), 0);
    write_manifest("set/x.manifest.json", "complete",
                   "{\"name\": \"short.lms\", \"bytes\": 9},"
                   "{\"name\": \"pipe.lms\", \"bytes\": 2},"
                   "{\"name\": \"gone.lms\", \"bytes\": 4}");
    find(&d);
    assert_int_equal(d.n_shards, 0);
    assert_int_equal(d.foreign.n, 0);
    assert_int_equal(d.n_missing, 3);
    assert_string_equal(d.missing[0].path, "gone.lms");
    assert_false(d.missing[0].there);
    assert_int_equal(d.missing[0].bytes, 4);
    assert_string_equal(d.missing[0].manifest, "x.manifest.json");
    assert_string_equal(d.missing[1].path, "pipe.lms");
    assert_int_equal(d.missing[1].there_bytes, 0);
    assert_string_equal(d.missing[2].path, "short.lms");
    assert_true(d.missing[2].there);
    assert_int_equal(d.missing[2].there_bytes, 1);
    assert_int_equal(data_set_n_lacking(&d), 3);
    data_set_clear(&d);
}

static void test_unfinished(void **state)
{
    struct data_set d;

    (void)state;
    write_file("set/a.lms", "1");
    write_file("set/._a.lms", "1");
    write_file("set/b/later.lms.tmp.host.1.0", "");
    write_file("set/b/later+00001.lms.tmp.host.1.0", "");
    write_file("set/done.lms.tmp.host.1.0", "");
    write_file("set/done+00001.lms.tmp.host.1.0", "");
    write_manifest("set/done.manifest.json", "complete", "");
    assert_int_equal(mkfifo("set/begin.manifest.json", 0666), 0);
    write_file("set/begun.manifest.json", ""); /* its name is claimed, no more */
    write_file("set/begun.lms.tmp.host.1.0", "");
    find(&d);
    assert_int_equal(d.n_shards, 0);
    assert_int_equal(d.foreign.n, 1);
    assert_string_equal(d.foreign.paths[0], "a.lms");
    assert_int_equal(d.unfinished.n, 5);
    assert_string_equal(d.unfinished.paths[0], "b/later+00001.lms.tmp.host.1.0");
    assert_string_equal(d.unfinished.paths[1], "b/later.lms.tmp.host.1.0");
    assert_string_equal(d.unfinished.paths[2], "begin.manifest.json");
    assert_string_equal(d.unfinished.paths[3], "begun.lms.tmp.host.1.0");
    assert_string_equal(d.unfinished.paths[4], "begun.manifest.json");
    data_set_clear(&d);
}

static void expect_unreadable(const char *shards, const char *why)
{
    struct data_set d;

    write_manifest("set/x.manifest.json", "complete", shards);
    find(&d);
    assert_int_equal(d.n_units, 0);
    assert_int_equal(d.n_unreadable, 1);
    assert_string_equal(d.unreadable[0].path, "x.manifest.json");
    assert_int_equal(d.unreadable[0].error, 0);
    assert_string_equal(d.unreadable[0].why, why);
    data_set_clear(&d);
}

static void test_unreadable(void **state)
{
    const char *why = "its members are not those of a manifest";
    struct data_set d;

    (void)state;
    expect_unreadable("5", why);
    expect_unreadable("{\"name\": \"a.lms\"}", why);
    expect_unreadable("{\"name\": \"a.lms\", \"bytes\": 0}", why);
    expect_unreadable("{\"name\": \"b/a.lms\", \"bytes\": 1}", why);
    expect_unreadable("{\"name\": \"a.txt\", \"bytes\": 1}", why);
    write_manifest("set/x.manifest.json", "odd", "");
    write_file("set/torn.manifest.json", "{");
    assert_int_equal(symlink("b", "set/m.manifest.json"), 0);
    assert_int_equal(symlink("nowhere", "set/link.manifest.json"), 0);
    find(&d);
    assert_true(d.has_manifests);
    assert_int_equal(d.n_unreadable, 4);
    assert_string_equal(d.unreadable[0].path, "link.manifest.json");
    assert_int_equal(d.unreadable[0].error, ENOENT);
    assert_string_equal(d.unreadable[1].why, "it is a folder");
    assert_string_equal(d.unreadable[2].path, "torn.manifest.json");
    assert_non_null(strstr(d.unreadable[2].why, "line 1"));
    assert_string_equal(d.unreadable[3].why, why);
    data_set_clear(&d);
    assert_int_equal(data_set_find(&d, "nowhere"), ENOENT);
    data_set_clear(&d);
}

/* Where somebody put shards alone, they are all finished; beside a dataset.json they are
 * left over from a run that was killed. */
static void test_shards_alone(void **state)
{
    struct data_set d;

    (void)state;
    find(&d);
    assert_true(data_set_is_empty(&d));
    data_set_clear(&d);
    write_file("set/b+00002.lms", "12");
    write_file("set/b/a.lms", "1");
    find(&d);
    assert_int_equal(d.n_shards, 2);
    assert_int_equal(d.foreign.n, 0);
    assert_int_equal(d.shards[0].part, 2);
    assert_int_equal(d.shards[0].bytes, 2);
    assert_null(d.shards[0].manifest);
    assert_int_equal(data_set_n_lacking(&d), 0);
    data_set_clear(&d);
    write_file("set/b/dataset.json", "{}");
    find(&d);
    assert_int_equal(d.n_shards, 0);
    assert_int_equal(d.foreign.n, 2);
    data_set_clear(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_whole, set_up, scratch_tear_down),
        cmocka_unit_test_setup_teardown(test_missing, set_up, scratch_tear_down),
        cmocka_unit_test_setup_teardown(test_unfinished, set_up, scratch_tear_down),
        cmocka_unit_test_setup_teardown(test_unreadable, set_up, scratch_tear_down),
        cmocka_unit_test_setup_teardown(test_shards_alone, set_up, scratch_tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
