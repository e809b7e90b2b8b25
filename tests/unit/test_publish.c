/* SPDX-License-Identifier: Apache-2.0
 * A name that exists is complete: the publishing protocol, step by step. */
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
#include "tools/store/publish.h"

static bool exists(const char *path)
{
    return access(path, F_OK) == 0;
}

static bool is_complete(struct publication *p)
{
    bool complete;

    assert_int_equal(publication_look(p, &complete), PUBLISH_OK);
    return complete;
}

/* The unit's shards 0..n-1, and its rejects, under their temporary names. */
static void write_unit(struct publication *p, unsigned n, bool rejects, const char *text)
{
    char suffix[PUBLISH_SUFFIX_CAP], *path;

    for (unsigned i = 0; i < n; i++) {
        publication_shard_suffix(suffix, i);
        path = publication_temporary(p, suffix);
        write_file(path, text);
        free(path);
    }
    if (rejects) {
        path = publication_temporary(p, ".rejects.jsonl");
        write_file(path, text);
        free(path);
    }
}

static int count_files(const char *pattern)
{
    char command[300];
    int n = -1;
    FILE *f;

    snprintf(command, sizeof(command), "ls -d %s 2>/dev/null | wc -l", pattern);
    f = popen(command, "r");
    assert_non_null(f);
    assert_int_equal(fscanf(f, "%d", &n), 1);
    pclose(f);
    return n;
}

static void publishes_all_files_and_no_temporaries(void **state)
{
    struct publication p;
    bool renamed;

    (void)state;
    assert_int_equal(publication_init(&p, &publication_shards, "out1", "deep/er/unit"),
                     PUBLISH_FAILED);
    publication_free(&p);
    assert_int_equal(publication_init(&p, &publication_shards, ".", "deep/er/unit"),
                     PUBLISH_OK);
    write_unit(&p, 2, true, "x");
    assert_false(is_complete(&p));
    assert_int_equal(publication_publish(&p, 2, true, "{}", 2, &renamed), PUBLISH_OK);
    assert_true(renamed);
    assert_true(is_complete(&p));
    assert_true(exists("deep/er/unit.lms") && exists("deep/er/unit+00001.lms"));
    assert_true(exists("deep/er/unit.rejects.jsonl"));
    assert_int_equal(count_files("deep/er/*"), 4);
    publication_free(&p);
}

static void a_redo_removes_what_it_lacks(void **state)
{
    struct publication p;
    bool renamed;

    (void)state;
    assert_int_equal(publication_init(&p, &publication_shards, ".", "redo"), PUBLISH_OK);
    write_unit(&p, 3, true, "old");
    assert_int_equal(publication_publish(&p, 3, true, "{}", 2, &renamed), PUBLISH_OK);
    assert_int_equal(publication_withdraw(&p), PUBLISH_OK);
    assert_false(is_complete(&p));
    publication_free(&p);
    assert_int_equal(publication_init(&p, &publication_shards, ".", "redo"), PUBLISH_OK);
    write_unit(&p, 1, false, "new");
    assert_int_equal(publication_publish(&p, 1, false, "{}", 2, &renamed), PUBLISH_OK);
    assert_int_equal(count_files("redo.lms"), 1);
    assert_int_equal(count_files("redo+*"), 0);
    assert_int_equal(count_files("redo.rejects.jsonl"), 0);
    publish_sweep(".", &publication_shards);
    assert_int_equal(count_files("redo*"), 2);
    publication_free(&p);
}

static void a_redo_that_cannot_remove_fails(void **state)
{
    struct publication p;
    bool renamed;

    (void)state;
    assert_int_equal(publication_init(&p, &publication_shards, ".", "stuck"), PUBLISH_OK);
    assert_int_equal(mkdir("stuck+00001.lms", 0777), 0); /* unlink() refuses a folder */
    write_unit(&p, 1, false, "new");
    assert_int_equal(publication_publish(&p, 1, false, "{}", 2, &renamed),
                     PUBLISH_FAILED);
    assert_non_null(strstr(p.why, "stuck+00001.lms"));
    assert_false(is_complete(&p));
    publication_free(&p);
}

static void the_first_manifest_wins(void **state)
{
    struct publication a, b;
    bool renamed;

    (void)state;
    assert_int_equal(publication_init(&a, &publication_shards, ".", "race"), PUBLISH_OK);
    assert_int_equal(publication_init(&b, &publication_shards, ".", "race"), PUBLISH_OK);
    write_unit(&a, 1, false, "a");
    write_unit(&b, 1, true, "b");
    assert_int_equal(publication_publish(&a, 1, false, "{}", 2, &renamed), PUBLISH_OK);
    assert_int_equal(publication_publish(&b, 1, true, "{}", 2, &renamed), PUBLISH_EXISTS);
    assert_false(renamed);
    assert_int_equal(count_files("race*"), 2);
    publication_free(&a);
    publication_free(&b);
}

static void lost_temporaries_mean_somebody_else_was_first(void **state)
{
    struct publication a, b;
    bool renamed;

    (void)state;
    assert_int_equal(publication_init(&a, &publication_shards, ".", "swept"), PUBLISH_OK);
    assert_int_equal(publication_init(&b, &publication_shards, ".", "swept"), PUBLISH_OK);
    write_unit(&a, 1, false, "a");
    write_unit(&b, 1, false, "b");
    assert_int_equal(publication_publish(&a, 1, false, "{}", 2, &renamed), PUBLISH_OK);
    publish_sweep(".", &publication_shards); /* a third process, at its start */
    assert_int_equal(publication_publish(&b, 1, false, "{}", 2, &renamed),
                     PUBLISH_EXISTS);
    publication_free(&b);
    /* Without a manifest they are lost; without the folder that is an error. */
    assert_int_equal(publication_init(&b, &publication_shards, ".", "nobody"),
                     PUBLISH_OK);
    assert_int_equal(publication_publish(&b, 1, false, "{}", 2, &renamed), PUBLISH_LOST);
    assert_non_null(strstr(b.why, "nobody.lms.tmp."));
    publication_free(&b);
    assert_int_equal(publication_init(&b, &publication_shards, ".", "removed/unit"),
                     PUBLISH_OK);
    assert_int_equal(rmdir("removed"), 0);
    assert_int_equal(publication_publish(&b, 1, false, "{}", 2, &renamed),
                     PUBLISH_FAILED);
    publication_free(&a);
    publication_free(&b);
}

static void sweep_takes_only_temporaries_of_complete_units(void **state)
{
    (void)state;
    write_file("s.manifest.json", "{}");
    write_file("s.lms.tmp.host.12.0123abcd", "");
    write_file("s+00001.lms.tmp.host.12.0123abcd", "");
    write_file("s.lms.tmp.host.12.0123abcd.lms", ""); /* a final name */
    write_file("t.lms.tmp.host.12.0123abcd", "");     /* no manifest */
    write_file("s.txt.tmp.host.12.0123abcd", "");     /* not ours */
    write_file("dataset.json", "{}");
    write_file("dataset.json.tmp.host.12.0123abcd", "");
    /* Folders of those who want a name. */
    assert_int_equal(mkdir("s.manifest.json.tmp.claim.0.00000000", 0777), 0);
    write_file("s.manifest.json.tmp.claim.0.00000000/s.tmp.host.12.0123abcd", "");
    assert_int_equal(mkdir("t.manifest.json.tmp.claim.0.00000000", 0777), 0);
    write_file("t.manifest.json.tmp.claim.0.00000000/t.tmp.host.12.0123abcd", "");
    assert_int_equal(mkdir("s.lms.tmp.host.12.0123abce", 0777), 0);
    write_file("s.lms.tmp.host.12.0123abce/not ours", "");
    publish_sweep(".", &publication_shards);
    assert_false(exists("s.manifest.json.tmp.claim.0.00000000"));
    assert_true(exists("t.manifest.json.tmp.claim.0.00000000/t.tmp.host.12.0123abcd"));
    assert_true(exists("s.lms.tmp.host.12.0123abce/not ours"));
    assert_int_equal(count_files("s.lms.tmp.host.12.0123abcd s+*"), 0);
    assert_true(exists("s.lms.tmp.host.12.0123abcd.lms"));
    assert_true(exists("t.lms.tmp.host.12.0123abcd"));
    assert_true(exists("s.txt.tmp.host.12.0123abcd"));
    assert_false(exists("dataset.json.tmp.host.12.0123abcd"));
}

static void publish_file_is_exclusive(void **state)
{
    char why[200];

    (void)state;
    assert_int_equal(publish_file("one.json", "1", 1, why, sizeof(why)), PUBLISH_OK);
    assert_int_equal(publish_file("one.json", "2", 1, why, sizeof(why)), PUBLISH_EXISTS);
    assert_int_equal(publish_file("no/one.json", "1", 1, why, sizeof(why)),
                     PUBLISH_FAILED);
    assert_non_null(strstr(why, "no/one.json"));
    assert_int_equal(count_files("one.json*"), 1);
}

/* Another process sweeps before the next `n_sweeps` renames, or puts a file of its own
 * under this final name as soon as one stands there. */
static int n_sweeps;
static const char *other_replaces;

int __real_rename(const char *from, const char *to);
int __wrap_rename(const char *from, const char *to);

int __wrap_rename(const char *from, const char *to)
{
    if (n_sweeps > 0) {
        n_sweeps--;
        publish_sweep(".", &publication_shards);
    }
    if (other_replaces && exists(other_replaces)) {
        write_file("other", "other");
        assert_int_equal(__real_rename("other", other_replaces), 0);
        other_replaces = NULL;
    }
    return __real_rename(from, to);
}

static void publish_replace_outlives_the_sweeps_of_others(void **state)
{
    char why[200];

    (void)state;
    write_file("index.lmi", "older");
    n_sweeps = 3;
    assert_int_equal(publish_replace("index.lmi", "newer", 5, why, sizeof(why)),
                     PUBLISH_OK);
    assert_int_equal(n_sweeps, 0);
    assert_int_equal(count_files("index.lmi*"), 1);
    assert_int_equal(publish_replace("no/one.json", "1", 1, why, sizeof(why)),
                     PUBLISH_FAILED);
    assert_non_null(strstr(why, "no/one.json"));
}

static void what_another_replaced_is_seen(void **state)
{
    struct publication p;
    bool renamed;

    (void)state;
    assert_int_equal(publication_init(&p, &publication_shards, ".", "mixed"), PUBLISH_OK);
    write_unit(&p, 2, true, "x");
    other_replaces = "mixed.lms"; /* while the second one is renamed */
    assert_int_equal(publication_publish(&p, 2, true, "{}", 2, &renamed),
                     PUBLISH_REPLACED);
    assert_true(renamed && is_complete(&p));
    assert_int_equal(publication_withdraw(&p), PUBLISH_OK);
    assert_int_equal(publication_remove_beyond(&p, 1, false), PUBLISH_OK);
    publication_drop(&p, 2);
    assert_int_equal(count_files("mixed*"), 1);
    publication_free(&p);
}

static int look_errno;

static int look_badly(const char *path, struct store_entry *entry)
{
    int rc = store_folder.look(path, entry);

    entry->id[0] = entry->id[1] = 0;
    errno = rc != 0 && errno == ENOENT && look_errno != 0 ? look_errno : errno;
    return rc;
}

static void what_the_store_cannot_tell_is_not_believed(void **state)
{
    struct store store = store_folder;
    struct publication p;
    bool renamed, complete;

    (void)state;
    store.look = look_badly;
    assert_int_equal(publication_init(&p, &publication_shards, ".", "odd"), PUBLISH_OK);
    p.store = &store;
    /* Whether there is a manifest. */
    write_unit(&p, 1, false, "x");
    look_errno = EIO;
    assert_int_equal(publication_look(&p, &complete), PUBLISH_FAILED);
    assert_int_equal(publication_publish(&p, 1, false, "{}", 2, &renamed),
                     PUBLISH_FAILED);
    assert_false(renamed);
    assert_non_null(strstr(p.why, "odd.manifest.json: cannot look for it"));
    /* Whether the files are still this process's. */
    look_errno = 0;
    write_unit(&p, 1, false, "x");
    assert_int_equal(publication_publish(&p, 1, false, "{}", 2, &renamed),
                     PUBLISH_REPLACED);
    assert_true(is_complete(&p));
    publication_free(&p);
}

static void expect_base(const char *path, size_t base, uint32_t part)
{
    uint32_t n = 77;

    assert_int_equal(publication_shard_base(path, strlen(path), &n), base);
    assert_int_equal(n, base > 0 ? part : 77);
}

static void a_shard_is_known_by_its_name(void **state)
{
    (void)state;
    expect_base("n.lms", 1, 0);
    expect_base("n+00001.lms", 1, 1);
    expect_base("a/n+99999.lms", 3, 99999);
    expect_base("n+1.lms", 3, 0);
    expect_base("n+000001.lms", 8, 0);
    expect_base("n+0000a.lms", 7, 0);
    expect_base("+00001.lms", 6, 0);
    expect_base("a/+00001.lms", 8, 0);
    expect_base("n~0123abcd.lms", 1, 0);
    expect_base("a/n~0123abcd+00002.lms", 3, 2);
    expect_base("n+00002~0123abcd.lms", 7, 0);
    expect_base("n~0123ABCD.lms", 10, 0);
    expect_base("n~0123abc.lms", 9, 0);
    expect_base("~0123abcd.lms", 9, 0);
    expect_base("a/~0123abcd+00001.lms", 11, 1);
    expect_base("n.lmsx", 0, 0);
    expect_base(".lms", 0, 0);
    expect_base("a/.lms", 0, 0);
    expect_base("n.manifest.json", 0, 0);
    assert_int_equal(publication_shard_base("n+00002.lms.tmp", 11, NULL), 1);
}

/* {"result": ...} that names the shards of a try and its rejects. */
static void write_manifest_of(const char *path, const char *name)
{
    char text[500];

    snprintf(text, sizeof(text),
             "{\"result\": {\"inputs\": [{\"status\": \"complete\"}], \"shards\": "
             "[{\"name\": \"%s.lms\", \"bytes\": 1}], \"rejects\": "
             "{\"name\": \"%s.rejects.jsonl\"}}, "
             "\"run\": {\"input\": {\"path\": \"x\", \"size\": null}}}",
             name, name);
    write_file(path, text);
}

/* Two tries of one unit never touch each other's files; what the manifest does not name
 * goes, of this unit and of those that have a sound manifest. */
static void each_try_has_names_of_its_own(void **state)
{
    struct publication a, b;
    char name[64];
    bool renamed;

    (void)state;
    write_file("own.lms", "plain"); /* an older result's */
    write_file("own+00001.lms", "plain");
    assert_int_equal(publication_init(&a, &publication_shards, ".", "own"), PUBLISH_OK);
    assert_int_equal(publication_init(&b, &publication_shards, ".", "own"), PUBLISH_OK);
    publication_name_try(&a);
    publication_name_try(&b);
    assert_string_not_equal(a.try_name, b.try_name);
    write_unit(&a, 2, true, "a");
    write_unit(&b, 1, true, "b");
    assert_int_equal(publication_publish(&a, 2, true, "{}", 2, &renamed), PUBLISH_OK);
    assert_int_equal(publication_publish(&b, 1, true, "{}", 2, &renamed), PUBLISH_EXISTS);
    assert_int_equal(count_files("own*"), 4);
    snprintf(name, sizeof(name), "own%s", a.try_name);
    write_manifest_of("own.manifest.json", name);
    write_file("own~00000000.lms", "killed");
    write_file("own~00000000+00007.lms", "killed");
    write_file("own~00000000.rejects.jsonl", "killed");
    write_file("owner~00000000.lms", "of another unit");
    write_file("torn~00000000.lms", "its manifest says nothing");
    write_file("torn.manifest.json", "{}");
    publication_sweep_tries(&b);
    assert_int_equal(count_files("own~*"), 3 - 1); /* its second shard is named by none */
    assert_int_equal(count_files("torn~* owner~*"), 2);
    write_manifest_of("owner.manifest.json", "owner~11111111");
    publish_sweep(".", &publication_shards);
    assert_int_equal(count_files("owner~*"), 0);
    assert_int_equal(count_files("own~* torn~*"), 3);
    publication_free(&a);
    publication_free(&b);
}

static void what_was_withdrawn_can_be_put_back(void **state)
{
    struct publication p;
    bool renamed;

    (void)state;
    assert_int_equal(publication_init(&p, &publication_shards, ".", "back"), PUBLISH_OK);
    write_unit(&p, 1, false, "x");
    assert_int_equal(publication_publish(&p, 1, false, "{}", 2, &renamed), PUBLISH_OK);
    assert_int_equal(publication_withdraw(&p), PUBLISH_OK);
    assert_false(is_complete(&p));
    assert_int_equal(publication_restore(&p), PUBLISH_OK);
    assert_true(is_complete(&p));
    assert_int_equal(publication_withdraw(&p), PUBLISH_OK);
    write_file("back.manifest.json", "another one");
    assert_int_equal(publication_restore(&p), PUBLISH_EXISTS);
    assert_int_equal(count_files("back*"), 2);
    publication_free(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(publishes_all_files_and_no_temporaries),
        cmocka_unit_test(a_redo_removes_what_it_lacks),
        cmocka_unit_test(each_try_has_names_of_its_own),
        cmocka_unit_test(a_redo_that_cannot_remove_fails),
        cmocka_unit_test(the_first_manifest_wins),
        cmocka_unit_test(lost_temporaries_mean_somebody_else_was_first),
        cmocka_unit_test(sweep_takes_only_temporaries_of_complete_units),
        cmocka_unit_test(publish_file_is_exclusive),
        cmocka_unit_test(publish_replace_outlives_the_sweeps_of_others),
        cmocka_unit_test(what_another_replaced_is_seen),
        cmocka_unit_test(what_the_store_cannot_tell_is_not_believed),
        cmocka_unit_test(a_shard_is_known_by_its_name),
        cmocka_unit_test(what_was_withdrawn_can_be_put_back),
    };

    return cmocka_run_group_tests(tests, scratch_set_up, scratch_tear_down);
}
