/* SPDX-License-Identifier: Apache-2.0
 * tests/unit/test_shard_writer.c - where blocks and files end, and what is refused. */
#include "tests/unit/sample_shards.h"

#include <errno.h>

#include "shard/file/file_map.h"

/* A pair with a latent of 16 KiB and n_ids ids: 32 of them are 512 KiB. */
struct pair {
    struct shard_record rec;
    struct shard_alternative caption;
    struct shard_part parts[2];
    struct shard_rendition rendition;
    struct shard_tensor tensor;
    char key[32];
    uint32_t ids[100];
    uint16_t data[8 * 32 * 32];
};

static struct pair *make_pair(uint32_t number, uint32_t n_ids)
{
    struct pair *p = calloc(1, sizeof(*p));

    snprintf(p->key, sizeof(p->key), "%09u", (unsigned)number);
    p->caption = (struct shard_alternative){
        .name = "txt", .text = "a cat", .text_len = 5, .ids = p->ids, .n_ids = n_ids};
    p->parts[0] = (struct shard_part){.kind = SHARD_PART_TEXT,
                                      .flags = SHARD_FLAG_LOSS,
                                      .role = "",
                                      .n_alternatives = 1,
                                      .alternatives = &p->caption};
    p->parts[1] = (struct shard_part){.kind = SHARD_PART_IMAGE,
                                      .flags = SHARD_FLAG_LOSS,
                                      .role = "",
                                      .width = 300,
                                      .height = 256};
    p->rendition = (struct shard_rendition){.part = 1,
                                            .target_width = 256,
                                            .target_height = 256,
                                            .crop = {22, 0, 256, 256},
                                            .content = {0, 0, 256, 256}};
    p->tensor = (struct shard_tensor){.kind = SHARD_LATENT,
                                      .part = 1,
                                      .encoder = SAMPLE_SMALL,
                                      .dtype = SHARD_FP16,
                                      .n_dims = 3,
                                      .dims = {4, 64, 32},
                                      .data = p->data,
                                      .n_bytes = sizeof(p->data)};
    uint64_t state = number;
    for (size_t i = 0; i < 8 * 32 * 32; i++) { /* finite, and not to be compressed away */
        state = state * UINT64_C(6364136223846793005) + 1442695040888963407u;
        p->data[i] = (uint16_t)(state >> 40) & 0xBBFF;
    }
    p->rec = (struct shard_record){.key = p->key,
                                   .name = "00000",
                                   .index = number,
                                   .n_parts = 2,
                                   .parts = p->parts,
                                   .n_renditions = 1,
                                   .renditions = &p->rendition,
                                   .n_tensors = 1,
                                   .tensors = &p->tensor};
    return p;
}

static void make_document(struct pair *p)
{
    p->rec.n_parts = 1;
    p->rec.n_renditions = p->rec.n_tensors = 0;
}

static struct shard_writer *open_writer(char *prefix, uint64_t max_bytes)
{
    struct shard_writer_options options = {.header = sample_header(),
                                           .path = sample_path,
                                           .ctx = prefix,
                                           .max_bytes = max_bytes};
    struct shard_writer *w;

    assert_int_equal(shard_writer_open(&w, &options), SHARD_OK);
    return w;
}

static struct shard_writer *write_pairs(char *prefix, uint32_t n, uint32_t n_ids,
                                        uint64_t max_bytes)
{
    struct shard_writer *w = open_writer(prefix, max_bytes);

    for (uint32_t i = 0; i < n; i++) {
        struct pair *p = make_pair(i, n_ids);
        assert_int_equal(shard_writer_append(w, &p->rec), SHARD_OK);
        free(p);
    }
    assert_int_equal(shard_writer_finish(w), SHARD_OK);
    return w;
}

static const char *new_prefix(char *prefix, size_t cap)
{
    snprintf(prefix, cap, "%s/s", sample_folder());
    return prefix;
}

static void remove_all(struct shard_writer *w, char *prefix)
{
    sample_unlink(w);
    shard_writer_close(w);
    *strrchr(prefix, '/') = 0;
    rmdir(prefix);
}

/* Records of each block, 0 behind the last; and bytes before the index. */
static uint64_t map_blocks(const char *path, uint32_t *n_records, size_t cap)
{
    struct shard_positioned_file file;
    struct shard_file_map map;

    memset(n_records, 0, cap * sizeof(n_records[0]));
    assert_int_equal(shard_positioned_file_open(&file, NULL, path), SHARD_OK);
    assert_int_equal(shard_file_map_open(&map, &file), SHARD_OK);
    for (uint32_t i = 0; i < map.index.n_blocks && i < cap; i++)
        n_records[i] = map.blocks[i].n_records;
    uint64_t bytes = map.index.data_bytes;
    shard_file_map_close(&map);
    shard_positioned_file_close(&file);
    return bytes;
}

static void test_blocks_end_at_512_kib(void **state)
{
    char prefix[300];
    uint32_t n_records[4];
    size_t n;

    (void)state;
    new_prefix(prefix, sizeof(prefix));
    struct shard_writer *w = write_pairs(prefix, 70, 3, 0);
    map_blocks(shard_writer_files(w, &n)[0].path, n_records, 4);
    assert_int_equal(n, 1);
    assert_int_equal(n_records[0], 32);
    assert_int_equal(n_records[1], 32);
    assert_int_equal(n_records[2], 6);
    assert_int_equal(n_records[3], 0);
    remove_all(w, prefix);
}

/* Rows above 512 KiB end a block as well; token ids, however many, do not. */
static void test_text_ends_blocks_and_ids_do_not(void **state)
{
    char prefix[300];
    uint32_t with[4], without[4];
    char *text = calloc(1, 200 << 10);
    uint32_t *ids = calloc(300 << 10, sizeof(ids[0]));
    size_t n;

    (void)state;
    for (int round = 0; round < 2; round++) {
        new_prefix(prefix, sizeof(prefix));
        struct shard_writer *w = open_writer(prefix, 0);
        for (uint32_t i = 0; i < 5; i++) {
            struct pair *p = make_pair(i, 0);
            make_document(p);
            p->caption.text = text;
            p->caption.text_len = 200 << 10;
            p->caption.ids = ids;
            p->caption.n_ids = round == 0 ? SHARD_NO_IDS : 300 << 10;
            assert_int_equal(shard_writer_append(w, &p->rec), SHARD_OK);
            free(p);
        }
        assert_int_equal(shard_writer_finish(w), SHARD_OK);
        map_blocks(shard_writer_files(w, &n)[0].path, round == 0 ? without : with, 4);
        remove_all(w, prefix);
    }
    assert_int_equal(without[0], 2);
    assert_int_equal(without[1], 2);
    assert_int_equal(without[2], 1);
    assert_memory_equal(with, without, sizeof(with));
    free(text);
    free(ids);
}

/* The same rule as at 2^30: each file ends before the block that would pass the limit, so
 * with that block it would pass it, and without it does not. */
static void test_files_end_at_the_limit(void **state)
{
    const uint64_t limit = 2000000;
    char prefix[300];
    uint32_t n_records[8];
    size_t n;

    (void)state;
    new_prefix(prefix, sizeof(prefix));
    struct shard_writer *w = write_pairs(prefix, 300, 10, limit);
    const struct shard_file *files = shard_writer_files(w, &n);
    assert_true(n >= 3);
    for (size_t i = 0; i < n; i++) {
        uint64_t bytes = map_blocks(files[i].path, n_records, 8);
        assert_true(bytes <= limit);
        if (i + 1 < n)
            assert_true(bytes > limit - (560 << 10));
    }
    remove_all(w, prefix);
}

static void test_a_block_larger_than_a_file(void **state)
{
    char prefix[300];
    size_t n;

    (void)state;
    new_prefix(prefix, sizeof(prefix));
    struct shard_writer *w = write_pairs(prefix, 70, 3, 1000);
    shard_writer_files(w, &n);
    assert_int_equal(n, 3);
    remove_all(w, prefix);
}

static void test_many_small_records(void **state)
{
    const uint32_t n_documents = 60000;
    char prefix[300], key[16];
    struct shard_reader *r;
    struct shard_record rec;
    uint64_t i;
    size_t n;

    (void)state;
    new_prefix(prefix, sizeof(prefix));
    struct shard_writer *w = open_writer(prefix, 0);
    struct pair *p = make_pair(0, 2);
    make_document(p);
    for (uint32_t j = 0; j < n_documents; j++) {
        snprintf(p->key, sizeof(p->key), "%u", (unsigned)j);
        assert_int_equal(shard_writer_append(w, &p->rec), SHARD_OK);
    }
    free(p);
    assert_int_equal(shard_writer_finish(w), SHARD_OK);
    assert_int_equal(shard_reader_open(&r, shard_writer_files(w, &n)[0].path), SHARD_OK);
    assert_int_equal(shard_reader_count(r), n_documents);
    for (uint32_t j = 0; j < n_documents; j += 7919) {
        snprintf(key, sizeof(key), "%u", (unsigned)j);
        assert_int_equal(shard_reader_find(r, "00000", key, &i), SHARD_OK);
        assert_int_equal(i, j);
        assert_int_equal(shard_reader_at(r, i, &rec), SHARD_OK);
        assert_string_equal(rec.key, key);
    }
    shard_reader_close(r);
    remove_all(w, prefix);
}

/* Every block has at most 256 columns; a record that alone has more is refused. */
static void test_many_columns(void **state)
{
    enum { N_TENSORS = 300 };
    char prefix[300];
    uint32_t n_records[4];
    struct shard_tensor *tensors = calloc(N_TENSORS, sizeof(tensors[0]));
    struct pair *p = make_pair(0, 0);
    size_t n;

    (void)state;
    new_prefix(prefix, sizeof(prefix));
    struct shard_writer *w = open_writer(prefix, 0);
    p->parts[1].kind = 77; /* its tensors may have any owner and any kind */
    p->rec.n_renditions = 0;
    for (uint32_t i = 0; i < N_TENSORS; i++)
        tensors[i] = (struct shard_tensor){.kind = 1000 + i,
                                           .part = 1,
                                           .owner = i,
                                           .encoder = SAMPLE_LATER,
                                           .dtype = SHARD_U16,
                                           .n_dims = 1,
                                           .dims = {8},
                                           .data = p->data,
                                           .n_bytes = 16};
    p->rec.tensors = tensors;
    p->rec.n_tensors = 200;
    assert_int_equal(shard_writer_append(w, &p->rec), SHARD_OK);
    p->rec.n_tensors = N_TENSORS;
    assert_int_equal(shard_writer_append(w, &p->rec), SHARD_EINVAL);
    assert_non_null(strstr(shard_writer_why(w), "too many columns"));
    p->rec.tensors = tensors + 100;
    p->rec.n_tensors = 200;
    assert_int_equal(shard_writer_append(w, &p->rec), SHARD_OK);
    assert_int_equal(shard_writer_finish(w), SHARD_OK);
    map_blocks(shard_writer_files(w, &n)[0].path, n_records, 4);
    assert_int_equal(n_records[0], 1);
    assert_int_equal(n_records[1], 1);
    free(tensors);
    free(p);
    remove_all(w, prefix);
}

static void refused(struct shard_writer *w, const struct pair *p, const char *reason)
{
    assert_int_equal(shard_writer_append(w, &p->rec), SHARD_EINVAL);
    if (strstr(shard_writer_why(w), reason) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", shard_writer_why(w), reason);
}

/* What only the writer asks: values. The rest is in test_record_check.c. */
static void refuse_changed(struct shard_writer *w, int what, const char *reason)
{
    struct pair *p = make_pair(7, 2);

    switch (what) {
    case 0:
        p->rec.key = "";
        break;
    case 1:
        p->data[77] = 0x7C00;
        break;
    case 2:
        p->data[77] = 0xFE01;
        break;
    case 3:
        p->tensor.dtype = SHARD_BF16;
        p->data[1] = 0x7F80;
        break;
    case 4:
        p->tensor.data = NULL;
        break;
    default:
        p->ids[1] = UINT32_C(1) << 31;
    }
    refused(w, p, reason);
    free(p);
}

/* A refused record leaves the writer as it was. */
static void test_refusals(void **state)
{
    static const char *const reasons[6] = {"1 to 1024 bytes", "not finite", "not finite",
                                           "not finite",      "no data",    "token id"};
    char prefix[300];
    struct shard_reader *r;
    struct shard_record rec;
    size_t n;

    (void)state;
    new_prefix(prefix, sizeof(prefix));
    struct shard_writer *w = open_writer(prefix, 0);
    for (int i = 0; i < 6; i++) {
        struct sample *s = sample_make((uint64_t)i);
        refuse_changed(w, i, reasons[i]);
        assert_int_equal(shard_writer_append(w, &s->rec), SHARD_OK);
        sample_free(s);
    }
    assert_int_equal(shard_writer_finish(w), SHARD_OK);
    assert_int_equal(shard_reader_open(&r, shard_writer_files(w, &n)[0].path), SHARD_OK);
    for (uint64_t i = 0; i < 6; i++) {
        assert_int_equal(shard_reader_next(r, &rec), SHARD_OK);
        assert_sample(&rec, i, false);
    }
    assert_int_equal(shard_reader_next(r, &rec), SHARD_EOF);
    shard_reader_close(r);
    remove_all(w, prefix);
}

/* Three records that may stand alone are no block together. */
static void test_a_text_frame_too_large(void **state)
{
    enum { TEXT = 96 << 20 };
    struct shard_record records[3];
    char *text = calloc(1, TEXT);
    struct pair *p = make_pair(1, 1);
    char prefix[300];
    size_t n;

    (void)state;
    new_prefix(prefix, sizeof(prefix));
    struct shard_writer *w = open_writer(prefix, 0);
    make_document(p);
    p->caption.text = text;
    p->caption.text_len = TEXT;
    for (int i = 0; i < 3; i++)
        records[i] = p->rec;
    assert_int_equal(shard_writer_append_block(w, records, 3, NULL, 0), SHARD_EINVAL);
    assert_non_null(strstr(shard_writer_why(w), "more than 268435456 bytes"));
    assert_int_equal(shard_writer_finish(w), SHARD_EINVAL);
    shard_writer_files(w, &n);
    assert_int_equal(n, 0);
    free(text);
    free(p);
    remove_all(w, prefix);
}

static int fixed_path(void *ctx, uint32_t part, char *path, size_t cap)
{
    (void)part;
    return snprintf(path, cap, "%s", (const char *)ctx) < (int)cap ? 0 : -1;
}

static int no_path(void *ctx, uint32_t part, char *path, size_t cap)
{
    (void)ctx;
    (void)part;
    (void)path;
    (void)cap;
    return -1;
}

/* A write that fails ends the writer: every later call says the same. */
static void check_dead(int (*path)(void *, uint32_t, char *, size_t), const char *target,
                       int status, const char *reason)
{
    struct shard_writer_options options = {
        .header = sample_header(), .path = path, .ctx = (char *)target};
    struct pair *p = make_pair(1, 1);
    struct shard_writer *w;

    assert_int_equal(shard_writer_open(&w, &options), SHARD_OK);
    assert_int_equal(shard_writer_append(w, &p->rec), SHARD_OK);
    assert_int_equal(shard_writer_finish(w), status);
    assert_non_null(strstr(shard_writer_why(w), reason));
    assert_int_equal(shard_writer_append(w, &p->rec), status);
    assert_int_equal(shard_writer_finish(w), status);
    shard_writer_close(w);
    free(p);
}

static void test_what_ends_a_writer(void **state)
{
    (void)state;
    check_dead(fixed_path, "/dev/full", SHARD_EIO, "/dev/full: byte 0: No space left");
    check_dead(fixed_path, "/nonexistent/s.lms", SHARD_EIO,
               "/nonexistent/s.lms: No such file");
    check_dead(no_path, "", SHARD_EINVAL, "too long");
}

static void test_a_header_that_cannot_be(void **state)
{
    struct shard_header h = *sample_header();
    struct shard_writer_options options = {.header = &h, .path = no_path};
    struct shard_writer *w;

    (void)state;
    h.patch = 3;
    assert_int_equal(shard_writer_open(&w, &options), SHARD_EFORMAT);
    assert_non_null(strstr(shard_writer_why(w), "patch"));
    shard_writer_close(w);
    h = *sample_header();
    h.config = "not JSON";
    assert_int_equal(shard_writer_open(&w, &options), SHARD_EINVAL);
    shard_writer_close(w);
    char config[2 * 63 + 16]; /* within the header and itself: 65 */
    snprintf(config, sizeof(config), "{\"a\":%0*d%0*d}", 63, 0, 63, 0);
    memset(config + strlen("{\"a\":"), '[', 63);
    memset(config + strlen("{\"a\":") + 63, ']', 63);
    h.config = config;
    assert_int_equal(shard_writer_open(&w, &options), SHARD_EFORMAT);
    assert_non_null(strstr(shard_writer_why(w), "nested deeper than 64"));
    shard_writer_close(w);
    config[strlen("{\"a\":")] = config[strlen("{\"a\":") + 125] = ' '; /* 64 */
    assert_int_equal(shard_writer_open(&w, &options), SHARD_OK);
    shard_writer_close(w);
    shard_writer_close(NULL);
}

/* A place for files that is no file system. */
static struct {
    unsigned char bytes[1 << 18];
    size_t len, room;
    int n_open, n_finished, n_given_up;
} memory;

static int memory_open(void **file, const char *path)
{
    (void)path;
    *file = &memory;
    memory.n_open++;
    return 0;
}

static int memory_write(void *file, const void *data, size_t len)
{
    assert_ptr_equal(file, &memory);
    if (len > memory.room - memory.len) {
        errno = ENOSPC;
        return -1;
    }
    memcpy(memory.bytes + memory.len, data, len);
    memory.len += len;
    return 0;
}

static int memory_finish(void *file)
{
    memory.n_finished += file == &memory;
    return 0;
}

static void memory_close(void *file)
{
    memory.n_given_up += file == &memory;
}

/* One record, into so many bytes. */
static int write_to_memory(char *prefix, size_t room)
{
    const struct shard_output output = {memory_open, memory_write, memory_finish,
                                        memory_close};
    struct shard_writer_options options = {
        .header = sample_header(), .path = sample_path, .ctx = prefix, .output = &output};
    struct pair *p = make_pair(0, 2);
    struct shard_writer *w;

    memset(&memory, 0, sizeof(memory));
    memory.room = room;
    assert_int_equal(shard_writer_open(&w, &options), SHARD_OK);
    assert_int_equal(shard_writer_append(w, &p->rec), SHARD_OK);
    free(p);
    const int rc = shard_writer_finish(w);
    if (rc != SHARD_OK)
        assert_non_null(strstr(shard_writer_why(w), strerror(ENOSPC)));
    shard_writer_close(w);
    return rc;
}

static void test_another_output_gets_the_same_bytes(void **state)
{
    char prefix[300];
    unsigned char *plain = malloc(sizeof(memory.bytes));
    struct shard_writer *w;
    size_t n;

    (void)state;
    assert_non_null(plain);
    w = write_pairs((char *)new_prefix(prefix, sizeof(prefix)), 1, 2, 0);
    FILE *f = fopen(shard_writer_files(w, &n)[0].path, "rb");
    assert_non_null(f);
    const size_t len = fread(plain, 1, sizeof(memory.bytes), f);
    fclose(f);
    remove_all(w, prefix);

    snprintf(prefix, sizeof(prefix), "/nowhere/s");
    assert_int_equal(write_to_memory(prefix, sizeof(memory.bytes)), SHARD_OK);
    assert_int_equal(memory.len, len);
    assert_memory_equal(memory.bytes, plain, len);
    assert_true(memory.n_open == 1 && memory.n_finished == 1 && memory.n_given_up == 0);
    assert_int_equal(write_to_memory(prefix, len - 1), SHARD_EIO);
    assert_true(memory.n_open == 1 && memory.n_finished == 0 && memory.n_given_up == 1);
    free(plain);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_blocks_end_at_512_kib),
        cmocka_unit_test(test_text_ends_blocks_and_ids_do_not),
        cmocka_unit_test(test_files_end_at_the_limit),
        cmocka_unit_test(test_a_block_larger_than_a_file),
        cmocka_unit_test(test_many_small_records),
        cmocka_unit_test(test_many_columns),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_a_text_frame_too_large),
        cmocka_unit_test(test_what_ends_a_writer),
        cmocka_unit_test(test_a_header_that_cannot_be),
        cmocka_unit_test(test_another_output_gets_the_same_bytes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
