/* SPDX-License-Identifier: Apache-2.0
 * tests/unit/test_shard_roundtrip.c - what goes into a writer comes out of a reader. */
#include "tests/unit/sample_shards.h"

#include <errno.h>
#include <sys/stat.h>

#include "shard/index/dataset_index.h"

static struct shard_reader *open_shard(const char *path)
{
    struct shard_reader *r;

    if (shard_reader_open(&r, path) != SHARD_OK)
        fail_msg("%s", shard_reader_why(r));
    return r;
}

static const struct shard_file *only_file(const struct shard_writer *w)
{
    size_t n;
    const struct shard_file *files = shard_writer_files(w, &n);

    assert_int_equal(n, 1);
    return &files[0];
}

static void make_prefix(char *prefix, size_t cap)
{
    snprintf(prefix, cap, "%s/s", sample_folder());
}

static void remove_all(struct shard_writer *w, char *prefix)
{
    sample_unlink(w);
    shard_writer_close(w);
    *strrchr(prefix, '/') = 0;
    rmdir(prefix);
}

static void test_sequential(void **state)
{
    char prefix[300];
    struct shard_record rec;
    uint64_t i = 0;
    int rc;

    (void)state;
    make_prefix(prefix, sizeof(prefix));
    struct shard_writer *w = sample_write(prefix, 230, 0, 0);
    const struct shard_file *file = only_file(w);
    struct shard_reader *r = open_shard(file->path);
    struct stat st;

    assert_int_equal(stat(file->path, &st), 0);
    assert_int_equal(st.st_size, file->bytes);
    assert_int_equal(file->n_records, 230);
    assert_int_equal(shard_reader_count(r), 230);
    while ((rc = shard_reader_next(r, &rec)) == SHARD_OK)
        assert_sample(&rec, i++, false);
    assert_int_equal(rc, SHARD_EOF);
    assert_int_equal(i, 230);
    shard_reader_close(r);
    remove_all(w, prefix);
}

static void test_by_position_and_text_only(void **state)
{
    char prefix[300];
    struct shard_record rec;

    (void)state;
    make_prefix(prefix, sizeof(prefix));
    struct shard_writer *w = sample_write(prefix, 100, 0, 4096);
    struct shard_reader *r = open_shard(only_file(w)->path);

    for (uint64_t i = 0; i < 300; i++) {
        uint64_t at = i * 37 % 100;
        shard_reader_text_only(r, i % 3 == 0);
        assert_int_equal(shard_reader_at(r, at, &rec), SHARD_OK);
        assert_sample(&rec, at, i % 3 == 0);
    }
    shard_reader_text_only(r, false);
    assert_int_equal(shard_reader_at(r, 98, &rec), SHARD_OK);
    assert_int_equal(shard_reader_next(r, &rec), SHARD_OK);
    assert_sample(&rec, 99, false);
    assert_int_equal(shard_reader_next(r, &rec), SHARD_EOF);
    assert_int_equal(shard_reader_at(r, 100, &rec), SHARD_NOT_FOUND);
    shard_reader_close(r);
    remove_all(w, prefix);
}

static void test_find(void **state)
{
    char prefix[300];
    uint64_t i = 0;

    (void)state;
    make_prefix(prefix, sizeof(prefix));
    struct shard_writer *w = sample_write(prefix, 100, 0, 0);
    struct shard_reader *r = open_shard(only_file(w)->path);

    assert_int_equal(shard_reader_find(r, "unit", "dir/000042", &i), SHARD_OK);
    assert_int_equal(i, 42);
    assert_int_equal(shard_reader_find(r, "other/unit", "dir/000006", &i), SHARD_OK);
    assert_int_equal(i, 6);
    assert_int_equal(shard_reader_find(r, NULL, "dir/000099", &i), SHARD_OK);
    assert_int_equal(i, 99);
    assert_int_equal(shard_reader_find(r, "unit", "dir/000006", &i), SHARD_NOT_FOUND);
    assert_int_equal(shard_reader_find(r, NULL, "dir/1", &i), SHARD_NOT_FOUND);
    assert_int_equal(shard_reader_find(r, NULL, "", &i), SHARD_NOT_FOUND);

    struct shard_record rec;
    assert_int_equal(shard_reader_identify(r, 6, &rec), SHARD_OK);
    assert_string_equal(rec.name, "other/unit");
    assert_string_equal(rec.key, "dir/000006");
    assert_int_equal(rec.n_parts, 0);
    const uint64_t index = rec.index;
    assert_int_equal(shard_reader_at(r, 6, &rec), SHARD_OK);
    assert_int_equal(rec.index, index);
    assert_int_equal(shard_reader_identify(r, 100, &rec), SHARD_NOT_FOUND);
    assert_string_equal(rec.key, "");
    shard_reader_close(r);
    remove_all(w, prefix);
}

/* A limit of 40,000 bytes stands for 2^30: no file passes it (less index and seek table),
 * none is lost, and numbering goes on. */
static void test_several_files(void **state)
{
    char prefix[300];
    struct shard_record rec;
    uint64_t number = 0;
    size_t n;

    (void)state;
    make_prefix(prefix, sizeof(prefix));
    struct shard_writer *w = sample_write(prefix, 90, 40000, 8192);
    const struct shard_file *files = shard_writer_files(w, &n);

    assert_true(n > 2);
    for (size_t f = 0; f < n; f++) {
        struct shard_reader *r = open_shard(files[f].path);
        assert_int_equal(shard_reader_header(r)->part, f);
        assert_int_equal(shard_reader_count(r), files[f].n_records);
        while (shard_reader_next(r, &rec) == SHARD_OK)
            assert_sample(&rec, number++, false);
        shard_reader_close(r);
    }
    assert_int_equal(number, 90);
    remove_all(w, prefix);
}

static void test_same_bytes(void **state)
{
    char prefix[300], other[300];

    (void)state;
    make_prefix(prefix, sizeof(prefix));
    make_prefix(other, sizeof(other));
    struct shard_writer *w = sample_write(prefix, 120, 0, 0);
    struct shard_writer *v = sample_write(other, 120, 0, 0);

    assert_memory_equal(only_file(w)->sha256, only_file(v)->sha256, 32);
    remove_all(w, prefix);
    remove_all(v, other);
}

static void test_no_records_no_file(void **state)
{
    char prefix[300];
    size_t n;

    (void)state;
    make_prefix(prefix, sizeof(prefix));
    struct shard_writer *w = sample_write(prefix, 0, 0, 0);
    shard_writer_files(w, &n);
    assert_int_equal(n, 0);
    remove_all(w, prefix);
}

/* ---- a place that is not the file system ---- */

static int n_open;
static bool broken;

static int other_open(void **file, const char *path, struct shard_input_entry *entry)
{
    const int rc = strncmp(path, "other:", 6) == 0
                       ? shard_plain_input.open(file, path + 6, entry)
                       : -1;

    n_open += rc == 0;
    return rc;
}

/* In small pieces. */
static ssize_t other_read_at(void *file, uint64_t offset, void *to, size_t cap)
{
    errno = EACCES;
    return broken ? -1
                  : shard_plain_input.read_at(file, offset, to, cap < 999 ? cap : 999);
}

static void other_close(void *file)
{
    n_open--;
    shard_plain_input.close(file);
}

static const struct shard_input other_input = {other_open, other_read_at, other_close};

static void test_another_place(void **state)
{
    char prefix[300], path[400];
    struct shard_reader *r;
    struct shard_record rec;
    struct dataset_index_writer *index;

    (void)state;
    make_prefix(prefix, sizeof(prefix));
    struct shard_writer *w = sample_write(prefix, 100, 0, 4096);
    snprintf(path, sizeof(path), "other:%s", only_file(w)->path);
    assert_int_equal(shard_reader_open_from(&r, &other_input, path), SHARD_OK);
    assert_int_equal(n_open, 1);
    for (uint64_t i = 0; i < 50; i++) {
        assert_int_equal(shard_reader_next(r, &rec), SHARD_OK);
        assert_sample(&rec, i, false);
    }
    broken = true;
    assert_int_equal(shard_reader_at(r, 99, &rec), SHARD_EIO);
    assert_non_null(strstr(shard_reader_why(r), strerror(EACCES)));
    broken = false;
    shard_reader_close(r);
    assert_int_equal(n_open, 0);

    assert_int_equal(dataset_index_writer_open(&index, &other_input), SHARD_OK);
    assert_int_equal(dataset_index_writer_add(index, path, "s.lms"), SHARD_OK);
    dataset_index_writer_close(index);
    assert_int_equal(n_open, 0);
    remove_all(w, prefix);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sequential),
        cmocka_unit_test(test_by_position_and_text_only),
        cmocka_unit_test(test_find),
        cmocka_unit_test(test_several_files),
        cmocka_unit_test(test_same_bytes),
        cmocka_unit_test(test_no_records_no_file),
        cmocka_unit_test(test_another_place),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
