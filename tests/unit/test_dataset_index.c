/* SPDX-License-Identifier: Apache-2.0
 * tests/unit/test_dataset_index.c - index.lmi says what the shards say, and any damage of
 * it is an error. */
#include "tests/unit/sample_shards.h"

#include <sys/mman.h>
#include <sys/stat.h>

#include <xxhash.h>

#include "shard/index/dataset_index.h"
#include "shard/parts.h"
#include "shard/index/table.h"
#include "shard/file/wire.h"

enum { N = 60 };

static unsigned char *file; /* of all shards */
static size_t file_len;
static char folder[256];
static struct shard_writer *writer;
static size_t n_shards;

static unsigned char *make_index(bool incomplete, size_t *len)
{
    const struct shard_file *files = shard_writer_files(writer, &n_shards);
    struct dataset_index_writer *w;
    unsigned char *bytes;

    assert_int_equal(dataset_index_writer_open(&w, NULL), SHARD_OK);
    for (size_t i = 0; i < n_shards; i++)
        assert_int_equal(dataset_index_writer_add(w, files[i].path,
                                                  files[i].path + strlen(folder) + 1),
                         SHARD_OK);
    assert_int_equal(dataset_index_writer_finish(w, incomplete, &bytes, len), SHARD_OK);
    dataset_index_writer_close(w);
    return bytes;
}

static int setup(void **state)
{
    char prefix[300];

    (void)state;
    snprintf(folder, sizeof(folder), "%s", sample_folder());
    snprintf(prefix, sizeof(prefix), "%s/s", folder);
    writer = sample_write(prefix, N, 100 << 10, 20 << 10);
    file = make_index(false, &file_len);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    free(file);
    sample_unlink(writer);
    shard_writer_close(writer);
    rmdir(folder);
    return 0;
}

/* A file without a name that holds these bytes. */
static int open_bytes(const unsigned char *data, size_t len, char path[32])
{
    int fd = memfd_create("index", MFD_CLOEXEC);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, data, len), len);
    snprintf(path, 32, "/proc/self/fd/%d", fd);
    return fd;
}

static struct dataset_index *open_index(int *fd)
{
    struct dataset_index *x;
    char path[32];

    *fd = open_bytes(file, file_len, path);
    assert_int_equal(dataset_index_open(&x, path), SHARD_OK);
    return x;
}

static unsigned char *column(struct dataset_index *x, enum dataset_index_column id,
                             size_t *len)
{
    unsigned char *values;

    assert_int_equal(dataset_index_load(x, id, &values, len), SHARD_OK);
    return values;
}

/* What one shard's records say, read one by one; and of one column all its tensors. */
struct sums {
    uint64_t records, tokens, parts, images;
};

struct column_sums {
    uint64_t tensors, cells, ids;
};

static uint64_t tokens_of(const struct shard_record *rec)
{
    uint64_t tokens = 0;

    for (size_t i = 0; i < rec->n_parts; i++) {
        const struct shard_part *p = &rec->parts[i];
        uint64_t sum = 0, n = p->n_alternatives;
        for (size_t j = 0; j < n; j++)
            sum +=
                p->alternatives[j].n_ids == SHARD_NO_IDS ? 0 : p->alternatives[j].n_ids;
        if (p->kind == SHARD_PART_TEXT)
            tokens += (2 * sum + n) / (2 * n);
    }
    return tokens;
}

/* Of a column: kind, encoder, dtype, slot, as the table has it. */
static struct column_sums sum_column(const char *path, const unsigned char *column)
{
    struct shard_reader *r;
    struct shard_record rec;
    struct column_sums sums = {0};

    assert_int_equal(shard_reader_open(&r, path), SHARD_OK);
    while (shard_reader_next(r, &rec) == SHARD_OK)
        for (size_t i = 0; i < rec.n_tensors; i++) {
            const struct shard_tensor *t = &rec.tensors[i];
            const uint32_t of[4] = {t->kind, t->encoder, t->dtype, t->slot};
            if (memcmp(of, column, sizeof(of)) != 0)
                continue;
            sums.tensors++;
            sums.cells += shard_tensor_cells(t);
            sums.ids += shard_tensor_ids(t);
        }
    shard_reader_close(r);
    return sums;
}

static struct sums sum_shard(const char *path)
{
    struct shard_reader *r;
    struct shard_record rec;
    struct sums sums = {0};

    assert_int_equal(shard_reader_open(&r, path), SHARD_OK);
    while (shard_reader_next(r, &rec) == SHARD_OK) {
        sums.records++;
        sums.tokens += tokens_of(&rec);
        sums.parts += rec.n_parts;
        sums.images += shard_count_parts(&rec, SHARD_PART_IMAGE);
    }
    shard_reader_close(r);
    return sums;
}

static void test_sums(void **state)
{
    const struct shard_file *files = shard_writer_files(writer, &n_shards);
    int fd;
    struct dataset_index *x = open_index(&fd);
    size_t len;
    unsigned char *records = column(x, DATASET_RECORDS, &len);
    unsigned char *tokens = column(x, DATASET_TOKENS, &len);
    unsigned char *parts = column(x, DATASET_PARTS, &len);
    unsigned char *images = column(x, DATASET_IMAGES, &len);
    unsigned char *bytes = column(x, DATASET_BYTES, &len);
    struct sums all = {0};

    (void)state;
    assert_true(n_shards > 2);
    assert_int_equal(dataset_index_count(x), n_shards);
    assert_false(dataset_index_incomplete(x));
    for (size_t i = 0; i < n_shards; i++) {
        struct sums sums = sum_shard(files[i].path);
        assert_int_equal(wire_load_u32(records + 4 * i), sums.records);
        assert_int_equal(wire_load_u64(tokens + 8 * i), sums.tokens);
        assert_int_equal(wire_load_u64(parts + 8 * i), sums.parts);
        assert_int_equal(wire_load_u64(images + 8 * i), sums.images);
        assert_int_equal(wire_load_u64(bytes + 8 * i), files[i].bytes);
        all.records += sums.records;
        all.images += sums.images;
        all.tokens += sums.tokens;
    }
    assert_int_equal(all.records, N);
    assert_true(all.images > 0 && all.tokens > 0);
    free(records);
    free(tokens);
    free(parts);
    free(images);
    free(bytes);
    dataset_index_close(x);
    close(fd);
}

static void test_columns(void **state)
{
    const struct shard_file *files = shard_writer_files(writer, &n_shards);
    int fd;
    struct dataset_index *x = open_index(&fd);
    struct shard_table table;
    size_t len, pair = 0, n_tensors = 0;
    unsigned char *columns = column(x, DATASET_COLUMNS, &len);
    assert_int_equal(shard_table_split(&table, columns, len), SHARD_OK);
    unsigned char *counts = column(x, DATASET_N_COLUMNS_OF, &len);
    unsigned char *positions = column(x, DATASET_COLUMN, &len);
    unsigned char *tensors = column(x, DATASET_TENSORS, &len);
    unsigned char *cells = column(x, DATASET_CELLS, &len);
    unsigned char *ids = column(x, DATASET_IDS, &len);

    (void)state;
    assert_true(table.n > 8);
    for (size_t i = 0; i < n_shards; i++)
        for (uint32_t n = wire_load_u32(counts + 4 * i); n > 0; n--, pair++) {
            const uint32_t at = wire_load_u32(positions + 4 * pair);
            struct column_sums sums =
                sum_column(files[i].path, table.bytes + table.start[at]);
            assert_int_equal(wire_load_u64(tensors + 8 * pair), sums.tensors);
            assert_int_equal(wire_load_u64(cells + 8 * pair), sums.cells);
            assert_int_equal(wire_load_u64(ids + 8 * pair), sums.ids);
            n_tensors += sums.tensors;
        }
    assert_int_equal(8 * pair, len);
    for (size_t i = 0; i < N; i++) {
        struct sample *s = sample_make(i);
        n_tensors -= s->rec.n_tensors;
        sample_free(s);
    }
    assert_int_equal(n_tensors, 0);
    shard_table_clear(&table);
    free(columns);
    free(counts);
    free(positions);
    free(tensors);
    free(cells);
    free(ids);
    dataset_index_close(x);
    close(fd);
}

static void test_tables(void **state)
{
    int fd;
    struct dataset_index *x = open_index(&fd);
    struct shard_table table;
    size_t len;
    unsigned char *paths = column(x, DATASET_PATHS, &len);

    (void)state;
    assert_int_equal(shard_table_split(&table, paths, len), SHARD_OK);
    assert_int_equal(table.n, n_shards);
    assert_memory_equal(table.bytes, "s-00000.lmss-00001.lms", 22);
    shard_table_clear(&table);
    free(paths);

    unsigned char *configurations = column(x, DATASET_CONFIGURATIONS, &len);
    assert_int_equal(wire_load_u32(configurations), 1); /* less name and part */
    free(configurations);
    dataset_index_close(x);
    close(fd);
}

/* XXH3-128 over each shard's path, a zero byte and its fingerprint: FORMAT.md, section 9.
 */
static void test_fingerprint(void **state)
{
    const struct shard_file *files = shard_writer_files(writer, &n_shards);
    unsigned char fingerprint[16], bytes[4096];
    int fd;
    struct dataset_index *x = open_index(&fd);
    size_t len, n = 0;
    unsigned char *of_shards = column(x, DATASET_FINGERPRINT, &len);

    (void)state;
    for (size_t i = 0; i < n_shards; i++) {
        const char *name = files[i].path + strlen(folder) + 1;
        assert_true(n + strlen(name) + 17 < sizeof(bytes));
        memcpy(bytes + n, name, strlen(name) + 1);
        memcpy(bytes + n + strlen(name) + 1, of_shards + 16 * i, 16);
        n += strlen(name) + 17;
    }
    XXH128_canonical_t want;
    XXH128_canonicalFromHash(&want, XXH3_128bits(bytes, n));
    assert_int_equal(dataset_index_fingerprint(x, fingerprint), SHARD_OK);
    assert_memory_equal(fingerprint, want.digest, 16);
    free(of_shards);
    dataset_index_close(x);
    close(fd);
}

static void test_same_bytes(void **state)
{
    size_t len;
    unsigned char *again = make_index(false, &len);

    (void)state;
    assert_int_equal(len, file_len);
    assert_memory_equal(again, file, len);
    free(again);
    again = make_index(true, &len);
    char path[32];
    int fd = open_bytes(again, len, path);
    struct dataset_index *x;
    assert_int_equal(dataset_index_open(&x, path), SHARD_OK);
    assert_true(dataset_index_incomplete(x));
    dataset_index_close(x);
    close(fd);
    free(again);
}

/* SHARD_OK where everything in the file could be read. */
static int read_all(const char *path)
{
    struct dataset_index *x;
    unsigned char fingerprint[16];
    int rc = dataset_index_open(&x, path);

    for (int id = 1; id <= DATASET_N_COLUMNS && rc == SHARD_OK; id++) {
        unsigned char *values;
        size_t len;
        rc = dataset_index_load(x, (enum dataset_index_column)id, &values, &len);
        free(values);
    }
    if (rc == SHARD_OK)
        rc = dataset_index_fingerprint(x, fingerprint);
    if (rc < 0)
        assert_non_null(strstr(dataset_index_why(x), path));
    dataset_index_close(x);
    return rc;
}

static void test_any_damage(void **state)
{
    char path[32];
    int fd = open_bytes(file, file_len, path);

    (void)state;
    assert_int_equal(read_all(path), SHARD_OK);
    for (size_t i = 0; i < file_len; i++) {
        unsigned char flipped = file[i] ^ (unsigned char)(1u << i % 8);
        assert_int_equal(pwrite(fd, &flipped, 1, (off_t)i), 1);
        int rc = read_all(path);
        assert_int_equal(rc, i >= 8 && i < 12 ? SHARD_EVERSION : SHARD_EFORMAT);
        assert_int_equal(pwrite(fd, &file[i], 1, (off_t)i), 1);
    }
    for (size_t len = file_len; len-- > 0;) {
        assert_int_equal(ftruncate(fd, (off_t)len), 0);
        assert_true(read_all(path) < 0);
    }
    close(fd);
}

/* An index whose one shard has this path. */
static int path_status(const char *name)
{
    const struct shard_file *files = shard_writer_files(writer, &n_shards);
    struct dataset_index_writer *w;
    unsigned char *bytes, *values;
    size_t len;
    char path[32];
    struct dataset_index *x;

    assert_int_equal(dataset_index_writer_open(&w, NULL), SHARD_OK);
    assert_int_equal(dataset_index_writer_add(w, files[0].path, name), SHARD_OK);
    assert_int_equal(dataset_index_writer_finish(w, false, &bytes, &len), SHARD_OK);
    dataset_index_writer_close(w);
    int fd = open_bytes(bytes, len, path);
    assert_int_equal(dataset_index_open(&x, path), SHARD_OK);
    int rc = dataset_index_load(x, DATASET_PATHS, &values, &len);
    free(values);
    dataset_index_close(x);
    close(fd);
    free(bytes);
    return rc;
}

static void test_paths_stay_below(void **state)
{
    static const char *const good[] = {"a.lms", "a/b.lms", "..a/.b", "a..", "..."};
    static const char *const bad[] = {"",     "/a", "../a", "a/..", "a/../b",
                                      "a//b", "a/", ".",    "./a",  ".."};

    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++)
        assert_int_equal(path_status(good[i]), SHARD_OK);
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
        assert_int_equal(path_status(bad[i]), SHARD_EFORMAT);
}

/* As many pairs as FORMAT.md allows are looked for, one more is not. */
static void test_most_pairs(void **state)
{
    const uint64_t most = UINT64_C(1) << 28;
    unsigned char *values;
    size_t len;

    (void)state;
    for (uint64_t more = 0; more < 2; more++) {
        unsigned char *changed = malloc(file_len);
        char path[32];
        struct dataset_index *x;
        memcpy(changed, file, file_len);
        wire_put_u64(changed + 32, most + more);
        const size_t head = 40 + 40 * (size_t)wire_load_u32(changed + 12);
        wire_put_u64(changed + head, XXH3_64bits(changed, head));
        int fd = open_bytes(changed, file_len, path);
        assert_int_equal(dataset_index_open(&x, path), more ? SHARD_EFORMAT : SHARD_OK);
        if (!more)
            assert_int_equal(dataset_index_load(x, DATASET_IDS, &values, &len),
                             SHARD_EFORMAT);
        assert_non_null(
            strstr(dataset_index_why(x), more ? "impossible counts" : "its counts say"));
        dataset_index_close(x);
        close(fd);
        free(changed);
    }
}

/* What is reserved is not called damage. */
static void test_reserved(void **state)
{
    (void)state;
    for (size_t at = 24; at < 32; at++) {
        unsigned char *changed = malloc(file_len);
        char path[32];
        struct dataset_index *x;
        memcpy(changed, file, file_len);
        changed[at] ^= 0x40;
        const size_t head = 40 + 40 * (size_t)wire_load_u32(changed + 12);
        wire_put_u64(changed + head, XXH3_64bits(changed, head));
        int fd = open_bytes(changed, file_len, path);
        assert_int_equal(dataset_index_open(&x, path), SHARD_EFORMAT);
        assert_non_null(strstr(dataset_index_why(x), "a later version may"));
        dataset_index_close(x);
        close(fd);
        free(changed);
    }
}

static void test_what_is_no_shard(void **state)
{
    struct dataset_index_writer *w;
    char path[32];
    int fd = open_bytes((const unsigned char *)"no shard", 8, path);
    struct dataset_index *x;

    (void)state;
    assert_int_equal(dataset_index_writer_open(&w, NULL), SHARD_OK);
    assert_int_equal(dataset_index_writer_add(w, path, "a"), SHARD_EFORMAT);
    assert_non_null(strstr(dataset_index_writer_why(w), path));
    dataset_index_writer_close(w);
    dataset_index_writer_close(NULL);

    assert_int_equal(dataset_index_open(&x, path), SHARD_EFORMAT);
    dataset_index_close(x);
    assert_int_equal(dataset_index_open(&x, "/nonexistent"), SHARD_EIO);
    dataset_index_close(x);
    dataset_index_close(NULL);
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sums),
        cmocka_unit_test(test_columns),
        cmocka_unit_test(test_tables),
        cmocka_unit_test(test_fingerprint),
        cmocka_unit_test(test_same_bytes),
        cmocka_unit_test(test_any_damage),
        cmocka_unit_test(test_paths_stay_below),
        cmocka_unit_test(test_most_pairs),
        cmocka_unit_test(test_reserved),
        cmocka_unit_test(test_what_is_no_shard),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
