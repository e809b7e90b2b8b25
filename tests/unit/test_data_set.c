/* SPDX-License-Identifier: Apache-2.0
 * What is in a folder and what it lacks: as data, for made-up folders. */
#include <dirent.h>
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
    write_file("set/b/later.lms.tmp.host.1.0123abcd", "");
    write_file("set/b/later+00001.lms.tmp.host.1.0123abcd", "");
    write_file("set/b/later.lms.tmp.host.1.0", ""); /* is somebody else's */
    write_file("set/b/later.rejects.jsonl.tmp.host.1.0123abcd", "");
    write_file("set/done.lms.tmp.host.1.0123abcd", "");
    write_file("set/done+00001.lms.tmp.host.1.0123abcd", "");
    write_manifest("set/done.manifest.json", "complete", "");
    assert_int_equal(mkfifo("set/begin.manifest.json", 0666), 0);
    write_file("set/begun.manifest.json", ""); /* its name is claimed, no more */
    write_file("set/begun.lms.tmp.host.1.0123abcd", "");
    find(&d);
    assert_int_equal(d.n_shards, 0);
    assert_int_equal(d.foreign.n, 1);
    assert_string_equal(d.foreign.paths[0], "a.lms");
    assert_int_equal(d.unfinished.n, 5);
    assert_string_equal(d.unfinished.paths[0], "b/later.lms.tmp.host.1.0123abcd");
    assert_string_equal(d.unfinished.paths[1], "b/later+00001.lms.tmp.host.1.0123abcd");
    assert_string_equal(d.unfinished.paths[2], "begin.manifest.json");
    assert_string_equal(d.unfinished.paths[3], "begun.lms.tmp.host.1.0123abcd");
    assert_string_equal(d.unfinished.paths[4], "begun.manifest.json");
    assert_int_equal(data_set_n_unfinished(&d), 5);
    data_set_clear(&d);
    write_file("set/dataset.json", "{}"); /* a.lms is of a unit being made */
    find(&d);
    assert_int_equal(data_set_n_unfinished(&d), 6);
    assert_int_equal(data_set_n_lacking(&d), 6);
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
    write_file("set/torn.lms", "1");
    write_file("set/torn+00003.lms", "1");
    write_file("set/torn+1.lms", "1");
    assert_int_equal(symlink("b", "set/m.manifest.json"), 0); /* a folder: no manifest */
    assert_int_equal(symlink("nowhere", "set/link.manifest.json"), 0);
    find(&d);
    assert_true(d.has_manifests);
    assert_int_equal(d.n_unreadable, 3);
    assert_string_equal(d.unreadable[0].path, "link.manifest.json");
    assert_int_equal(d.unreadable[0].error, ENOENT);
    assert_string_equal(d.unreadable[1].path, "torn.manifest.json");
    assert_non_null(strstr(d.unreadable[1].why, "line 1"));
    assert_string_equal(d.unreadable[2].why, why);
    assert_int_equal(d.foreign.n, 1); /* not torn's: that is said */
    assert_string_equal(d.foreign.paths[0], "torn+1.lms");
    assert_false(data_set_may_pass(&d));
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

/* What a try has left that lost is as good as a temporary. Where no manifest tells which
 * of two counts none is taken. */
static void test_tries(void **state)
{
    struct data_set d;

    (void)state;
    write_file("set/a~00000001.lms", "1");
    write_file("set/a~00000001+00001.lms", "1");
    write_file("set/b.lms", "1");
    find(&d);
    assert_int_equal(d.n_shards, 3);
    assert_int_equal(d.shards[0].name_len + d.shards[1].name_len, 2);
    assert_int_equal(data_set_n_lacking(&d), 0);
    data_set_clear(&d);
    write_file("set/a~00000002.lms", "22");
    find(&d);
    assert_int_equal(d.n_shards, 1);
    assert_int_equal(d.n_unreadable, 3);
    assert_non_null(strstr(d.unreadable[0].why, "two tries"));
    assert_int_equal(data_set_n_lacking(&d), 3);
    data_set_clear(&d);
    write_file("set/dataset.json", "{}");
    find(&d);
    assert_int_equal(d.n_shards, 0);
    assert_int_equal(d.foreign.n, 4);
    data_set_clear(&d);
    write_manifest("set/a.manifest.json", "complete",
                   "{\"name\": \"a~00000002.lms\", \"bytes\": 2, \"samples\": 8}");
    find(&d);
    assert_int_equal(d.n_shards, 1);
    assert_int_equal(d.shards[0].samples, 8);
    assert_int_equal(d.foreign.n, 1);
    assert_string_equal(d.foreign.paths[0], "b.lms");
    data_set_clear(&d);
}

/* ---- while `prepare` is at work ---- */

static void (*after_listing)(void);
int __real_closedir(DIR *d);
int __wrap_closedir(DIR *d);

int __wrap_closedir(DIR *d)
{
    void (*then)(void) = after_listing;
    const int rc = __real_closedir(d);

    after_listing = NULL;
    if (then != NULL)
        then();
    return rc;
}

static void finish_units(void)
{
    write_manifest("set/a.manifest.json", "complete",
                   "{\"name\": \"a.lms\", \"bytes\": 1}");
    assert_int_equal(rename("set/b.lms.tmp.h.1.0123abcd", "set/b.lms"), 0);
    write_file("set/b+00001.lms", "333");
    write_manifest("set/b.manifest.json", "complete",
                   "{\"name\": \"b.lms\", \"bytes\": 2},"
                   "{\"name\": \"b+00001.lms\", \"bytes\": 3}");
    write_file("set/c.lms", "1");
    write_file("set/d.lms", "22");
}

/* What a listing has not seen together is not lost: it is looked at again. */
static void test_at_work(void **state)
{
    static const char *const shards[] = {"a.lms", "b.lms", "b+00001.lms", "c.lms",
                                         "d.lms"};
    struct data_set d;

    (void)state;
    write_file("set/dataset.json", "{}");
    write_file("set/a.lms", "1");
    write_file("set/b.lms.tmp.h.1.0123abcd", "22");
    write_manifest("set/c.manifest.json", "complete",
                   "{\"name\": \"c.lms\", \"bytes\": 1}");
    write_file("set/d.lms", "1");
    write_manifest("set/d.manifest.json", "complete",
                   "{\"name\": \"d.lms\", \"bytes\": 2, \"samples\": 5}");
    after_listing = finish_units;
    find(&d);
    assert_int_equal(data_set_n_lacking(&d), 0);
    assert_int_equal(d.n_shards, 5);
    for (size_t i = 0; i < 5; i++)
        assert_string_equal(d.shards[i].path, shards[i]);
    assert_int_equal(d.shards[2].part, 1);
    assert_string_equal(d.shards[2].manifest, "b.manifest.json");
    assert_int_equal(d.shards[4].bytes, 2);
    assert_int_equal(d.shards[4].samples, 5);
    assert_int_equal(d.n_units, 4);
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(d.units[i].manifest[0], "abcd"[i]);
    data_set_clear(&d);
}

/* ---- links ---- */

/* `prepare` writes through links to folders, so they are looked into: once, under the
 * name that is no link's, or the first one. */
static void redo_units(void)
{
    assert_int_equal(unlink("set/a.manifest.json"), 0);
    assert_int_equal(unlink("set/b.manifest.json"), 0);
}

/* What --redo has taken away to make it again is unfinished, not lost. */
static void test_redo(void **state)
{
    struct data_set d;

    (void)state;
    write_file("set/dataset.json", "{}");
    write_file("set/a.lms", "1");
    write_manifest("set/a.manifest.json", "complete",
                   "{\"name\": \"a.lms\", \"bytes\": 1}");
    write_manifest("set/b.manifest.json", "rejected", "");
    after_listing = redo_units;
    find(&d);
    assert_int_equal(d.n_unreadable + d.n_missing + d.n_shards, 0);
    assert_int_equal(d.unfinished.n, 2);
    assert_string_equal(d.unfinished.paths[0], "a.manifest.json");
    assert_string_equal(d.unfinished.paths[1], "b.manifest.json");
    assert_int_equal(d.foreign.n, 1);
    assert_int_equal(data_set_n_unfinished(&d), data_set_n_lacking(&d));
    data_set_clear(&d);
}

static void test_links(void **state)
{
    struct data_set d;

    (void)state;
    assert_int_equal(mkdir("other", 0777), 0);
    assert_int_equal(mkdir("other/below", 0777), 0);
    write_file("other/x.lms", "1");
    write_file("other/below/y.lms", "1");
    write_file("set/b/a.lms", "1");
    assert_int_equal(symlink("../other", "set/2"), 0);
    assert_int_equal(symlink("../other", "set/1"), 0);
    assert_int_equal(symlink("b", "set/a.lms"), 0);
    assert_int_equal(symlink("../set", "other/loop"), 0);
    assert_int_equal(symlink("self", "set/self"), 0);
    find(&d);
    assert_int_equal(d.n_shards, 3);
    assert_string_equal(d.shards[0].path, "1/below/y.lms");
    assert_string_equal(d.shards[1].path, "1/x.lms");
    assert_string_equal(d.shards[2].path, "b/a.lms");
    assert_int_equal(data_set_n_lacking(&d), 0);
    data_set_clear(&d);
}

static void test_passed_over(void **state)
{
    struct data_set d;

    (void)state;
    write_file("set/a.lms", "1");
    assert_int_equal(mkdir("set/.ipynb_checkpoints", 0777), 0);
    assert_int_equal(mkdir("set/b/lost+found", 0), 0);
    write_file("set/.ipynb_checkpoints/a.lms", "1");
    find(&d);
    assert_int_equal(d.n_shards, 1);
    assert_int_equal(data_set_n_lacking(&d), 0);
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
        cmocka_unit_test_setup_teardown(test_tries, set_up, scratch_tear_down),
        cmocka_unit_test_setup_teardown(test_at_work, set_up, scratch_tear_down),
        cmocka_unit_test_setup_teardown(test_redo, set_up, scratch_tear_down),
        cmocka_unit_test_setup_teardown(test_links, set_up, scratch_tear_down),
        cmocka_unit_test_setup_teardown(test_passed_over, set_up, scratch_tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
