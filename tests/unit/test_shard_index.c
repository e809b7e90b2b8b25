/* SPDX-License-Identifier: Apache-2.0
 * tests/unit/test_shard_index.c - what the index costs where nearly every record has a
 * shape of its own.
 *
 *     test_shard_index [RECORDS [SHARDS]]
 *
 * With numbers it is `make check-sizes`: RECORDS of random sizes, what each column takes,
 * and the index of a data set of SHARDS, which opens without its columns being read. */
#include "tests/unit/sample_shards.h"

#include <time.h>

#include "shard/file/file_map.h"
#include "shard/index/dataset_index.h"
#include "shard/index/outline.h"

enum { N = 50000, SIDE = 1100, MOST_SIDE = 1024 }; /* SIDE x SIDE shapes */

static bool random_sizes; /* of 1 to MOST_SIDE, rather than each once */

/* A pair whose picture is of width and height that no other has, and compresses to
 * nothing. */
struct pair {
    struct shard_record rec;
    char key[16];
    uint32_t ids[80];
    struct shard_alternative caption;
    struct shard_part parts[2];
    struct shard_rendition rendition;
    struct shard_tensor tensor;
    uint64_t state, picture;
};

static uint64_t next(struct pair *p)
{
    uint64_t z = p->state += UINT64_C(0x9E3779B97F4A7C15);

    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return z ^ (z >> 31);
}

static void begin_pair(struct pair *p)
{
    *p = (struct pair){.state = 1};
    p->caption = (struct shard_alternative){
        .name = "txt", .text = "a cat", .text_len = 5, .ids = p->ids};
    p->parts[0] = (struct shard_part){.flags = SHARD_FLAG_LOSS,
                                      .role = "",
                                      .n_alternatives = 1,
                                      .alternatives = &p->caption};
    p->parts[1] = (struct shard_part){
        .kind = SHARD_PART_IMAGE, .flags = SHARD_FLAG_LOSS, .role = ""};
    p->rendition = (struct shard_rendition){.part = 1, .fit = SHARD_STRETCH};
    p->tensor = (struct shard_tensor){.kind = SHARD_PIXELS,
                                      .part = 1,
                                      .dtype = SHARD_FILE,
                                      .n_dims = 3,
                                      .dims = {0, 0, 3},
                                      .data = &p->picture,
                                      .n_bytes = sizeof(p->picture)};
    p->rec = (struct shard_record){.key = p->key,
                                   .name = "unit",
                                   .n_parts = 2,
                                   .parts = p->parts,
                                   .n_renditions = 1,
                                   .renditions = &p->rendition,
                                   .n_tensors = 1,
                                   .tensors = &p->tensor};
}

static void set_pair(struct pair *p, uint32_t number)
{
    /* Multiplied by what has no factor in common with the number of shapes. */
    const uint32_t shape = (uint32_t)((uint64_t)number * 777767 % (SIDE * SIDE));
    uint32_t height = 1 + shape / SIDE, width = 1 + shape % SIDE;

    if (random_sizes) {
        height = 1 + (uint32_t)(next(p) % MOST_SIDE);
        width = 1 + (uint32_t)(next(p) % MOST_SIDE);
    }
    snprintf(p->key, sizeof(p->key), "%09u", (unsigned)number);
    p->rec.index = number;
    p->caption.n_ids = (uint32_t)(next(p) % 81);
    p->picture = next(p);
    for (int i = 0; i < 32; i += 8)
        memcpy(p->parts[1].sha256 + i, &(uint64_t){next(p)}, 8);
    p->parts[1].width = p->rendition.target_width = p->tensor.dims[1] = width;
    p->parts[1].height = p->rendition.target_height = p->tensor.dims[0] = height;
    p->rendition.crop = p->rendition.content = (struct shard_box){0, 0, width, height};
}

/* Gives the path of a shard of n records. */
static void write_shard(uint32_t n, char path[320])
{
    char prefix[300];
    struct pair p;
    size_t n_files;
    struct shard_header h = *sample_header();
    struct shard_writer_options options = {
        .header = &h, .path = sample_path, .ctx = prefix};
    struct shard_writer *w;

    h.encoders += SAMPLE_JPEG;
    h.n_encoders = 1;
    snprintf(prefix, sizeof(prefix), "%s/s", sample_folder());
    assert_int_equal(shard_writer_open(&w, &options), SHARD_OK);
    begin_pair(&p);
    for (uint32_t i = 0; i < n; i++) {
        set_pair(&p, i);
        if (shard_writer_append(w, &p.rec) != SHARD_OK)
            fail_msg("%s", shard_writer_why(w));
    }
    assert_int_equal(shard_writer_finish(w), SHARD_OK);
    snprintf(path, 320, "%s", shard_writer_files(w, &n_files)[0].path);
    assert_int_equal(n_files, 1);
    shard_writer_close(w);
}

static void remove_shard(char path[320])
{
    unlink(path);
    *strrchr(path, '/') = 0;
    rmdir(path);
}

/* Compressed bytes of some columns, for each of n. */
static double cost(const struct shard_file_map *map, const uint8_t *columns, uint64_t n)
{
    uint64_t bytes = 0;

    for (size_t i = 0; columns[i] != 0; i++)
        bytes += map->index.store.entry[columns[i]].bytes;
    return (double)bytes / (double)n;
}

static const uint8_t of_records[] = {
    INDEX_RECORD_NAME,   INDEX_RECORD_INDEX,    INDEX_KEY_LENGTH, INDEX_N_PARTS,
    INDEX_TEXT_CHECKSUM, INDEX_TENSOR_CHECKSUM, INDEX_PART_TYPE,  0};
static const uint8_t of_tensors[] = {INDEX_SHAPE, INDEX_CHECKSUM, 0};
static const uint8_t of_shapes[] = {INDEX_SHAPES, 0};
static const uint8_t of_images[] = {INDEX_SOURCE, 0};
static const uint8_t of_alternatives[] = {INDEX_ALTERNATIVE_NAME, INDEX_ALTERNATIVE_N_IDS,
                                          0};
static const uint8_t of_frames[] = {INDEX_FRAME_COLUMN,   INDEX_FRAME_FIRST_ROW,
                                    INDEX_FRAME_BYTES,    INDEX_FRAME_RAW_BYTES,
                                    INDEX_FRAME_CHECKSUM, 0};

static void check_costs(const struct shard_file_map *map, uint64_t n)
{
    assert_int_equal(map->index.n_records, n);
    assert_true(cost(map, of_records, n) < 24);
    assert_true(cost(map, of_tensors, n) + cost(map, of_shapes, n) < 12);
    assert_true(cost(map, of_images, n) < 12);
    assert_true(cost(map, of_alternatives, n) < 3);
    assert_true(cost(map, of_frames, map->index.n_frames) < 16);
}

static void test_size(void **state)
{
    struct shard_positioned_file file;
    struct shard_file_map map;
    char path[320];

    (void)state;
    write_shard(N, path);
    assert_int_equal(shard_positioned_file_open(&file, NULL, path), SHARD_OK);
    assert_int_equal(shard_file_map_open(&map, &file), SHARD_OK);
    check_costs(&map, N);
    shard_file_map_close(&map);
    shard_positioned_file_close(&file);
    remove_shard(path);
}

/* Each shape is its record's own, and comes back. */
static void test_shapes(void **state)
{
    struct shard_positioned_file file;
    struct shard_file_map map;
    struct shard_outline outline;
    struct shard_outline_room room = {0};
    struct shard_record rec;
    struct pair p;
    char path[320];

    (void)state;
    write_shard(N, path);
    assert_int_equal(shard_positioned_file_open(&file, NULL, path), SHARD_OK);
    assert_int_equal(shard_file_map_open(&map, &file), SHARD_OK);
    assert_int_equal(shard_outline_load(&outline, &map.index, map.header), SHARD_OK);
    assert_int_equal(outline.n_shapes, N);
    assert_int_equal(outline.n_types, 2);
    begin_pair(&p);
    for (uint32_t i = 0; i < N; i++) {
        set_pair(&p, i);
        assert_int_equal(shard_outline_record(&outline, i, &room, &rec), SHARD_OK);
        assert_memory_equal(rec.tensors[0].dims, p.tensor.dims, 12);
        assert_int_equal(rec.parts[0].alternatives[0].n_ids, p.caption.n_ids);
    }
    shard_outline_room_clear(&room);
    shard_outline_clear(&outline);
    shard_file_map_close(&map);
    shard_positioned_file_close(&file);
    remove_shard(path);
}

/* ---- make check-sizes ---- */

static uint32_t n_records, n_shards;

static void print_costs(const struct shard_file_map *map, uint64_t n)
{
    printf("%llu records, %u blocks, %u frames, %llu bytes before the index of %llu\n",
           (unsigned long long)n, (unsigned)map->index.n_blocks,
           (unsigned)map->index.n_frames, (unsigned long long)map->index.data_bytes,
           (unsigned long long)map->index.store.bytes);
    for (uint32_t id = 1; id <= INDEX_N_COLUMNS; id++)
        printf("column %2u %10llu bytes of %10llu\n", (unsigned)id,
               (unsigned long long)map->index.store.entry[id].bytes,
               (unsigned long long)map->index.store.entry[id].raw_bytes);
    printf("a record %.2f, a tensor %.2f, its shape in the table %.2f, an image %.2f, an "
           "alternative %.2f, a frame %.2f\n",
           cost(map, of_records, n), cost(map, of_tensors, n), cost(map, of_shapes, n),
           cost(map, of_images, n), cost(map, of_alternatives, n),
           cost(map, of_frames, map->index.n_frames));
}

static void check_records(void **state)
{
    struct shard_positioned_file file;
    struct shard_file_map map;
    char path[320];

    (void)state;
    random_sizes = true;
    write_shard(n_records, path);
    assert_int_equal(shard_positioned_file_open(&file, NULL, path), SHARD_OK);
    assert_int_equal(shard_file_map_open(&map, &file), SHARD_OK);
    print_costs(&map, n_records);
    check_costs(&map, n_records);
    shard_file_map_close(&map);
    shard_positioned_file_close(&file);
    remove_shard(path);
}

/* One shard under so many names. */
static void write_index(const char *shard, const char *to)
{
    struct dataset_index_writer *w;
    unsigned char *bytes;
    char name[64];
    size_t len;

    assert_int_equal(dataset_index_writer_open(&w, NULL), SHARD_OK);
    for (uint32_t i = 0; i < n_shards; i++) {
        snprintf(name, sizeof(name), "part-%03u/pairs-%06u.lms", (unsigned)i / 1000,
                 (unsigned)i);
        assert_int_equal(dataset_index_writer_add(w, shard, name), SHARD_OK);
    }
    assert_int_equal(dataset_index_writer_finish(w, false, &bytes, &len), SHARD_OK);
    dataset_index_writer_close(w);
    FILE *out = fopen(to, "wb");
    assert_non_null(out);
    assert_int_equal(fwrite(bytes, 1, len, out), len);
    assert_int_equal(fclose(out), 0);
    free(bytes);
}

/* That this process has read so far. */
static unsigned long long bytes_read(void)
{
    unsigned long long n = 0;
    FILE *io = fopen("/proc/self/io", "r");

    assert_non_null(io);
    assert_int_equal(fscanf(io, "rchar: %llu", &n), 1);
    fclose(io);
    return n;
}

static double seconds(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Opening reads head and directory alone, one column no other one. */
static void check_shards(void **state)
{
    enum { HEAD = 16384 }; /* with what /proc says of it */
    char path[320], index[340];
    struct dataset_index *x;
    unsigned char *records;
    size_t len;

    (void)state;
    write_shard(3, path);
    snprintf(index, sizeof(index), "%s.lmi", path);
    write_index(path, index);
    const unsigned long long before = bytes_read();
    const double start = seconds();
    assert_int_equal(dataset_index_open(&x, index), SHARD_OK);
    const double opened = seconds();
    const unsigned long long head = bytes_read();
    assert_int_equal(dataset_index_load(x, DATASET_RECORDS, &records, &len), SHARD_OK);
    const unsigned long long column = bytes_read();
    assert_int_equal(dataset_index_count(x), n_shards);
    assert_int_equal(len, 4 * (size_t)n_shards);
    printf("%u shards: opened in %.3f ms, %llu bytes read, %llu of a column\n",
           (unsigned)n_shards, 1e3 * (opened - start), head - before, column - head);
    assert_true(head - before < HEAD && column - head < HEAD);
    free(records);
    dataset_index_close(x);
    unlink(index);
    remove_shard(path);
}

static int check_sizes(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(check_records),
                                       cmocka_unit_test(check_shards)};

    n_records = (uint32_t)strtoul(argv[1], NULL, 10);
    n_shards = argc > 2 ? (uint32_t)strtoul(argv[2], NULL, 10) : 0;
    return cmocka_run_group_tests(tests, NULL, NULL);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_size),
        cmocka_unit_test(test_shapes),
    };

    return argc > 1 ? check_sizes(argc, argv) : cmocka_run_group_tests(tests, NULL, NULL);
}
