/* SPDX-License-Identifier: Apache-2.0
 * tests/unit/test_prefetch.c - blocks come back in the order asked for, by any number of
 * threads and in any budget, damaged or not. */
#include "tests/unit/sample_shards.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "shard/python/native/prefetch.h"

enum { N = 60 };

static struct shard_positioned_file file;
static struct shard_file_map map;
static char path[300];

static int setup(void **state)
{
    (void)state;
    sample_write_one(N, path, sizeof(path));
    assert_int_equal(shard_positioned_file_open(&file, NULL, path), SHARD_OK);
    assert_int_equal(shard_file_map_open(&map, &file), SHARD_OK);
    assert_true(map.index.n_blocks > 5);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    shard_file_map_close(&map);
    shard_positioned_file_close(&file);
    unlink(path);
    *strrchr(path, '/') = 0;
    rmdir(path);
    return 0;
}

static const struct block_want all = {.tensors = true};

static struct loaded_block *take(struct prefetch *p)
{
    struct loaded_block *block;
    int rc;

    while ((rc = prefetch_take(p, 1000, &block)) == PREFETCH_AGAIN)
        continue;
    assert_int_equal(rc, SHARD_OK);
    return block;
}

static void assert_block(const struct loaded_block *block, uint32_t number, bool tensors)
{
    const struct shard_text_frame *frame = &block->content.frame;

    assert_int_equal(block->block, number);
    assert_int_equal(block->text.status, SHARD_OK);
    assert_int_equal(frame->n_records, map.blocks[number].n_records);
    for (size_t i = 0; i < frame->n_frames; i++)
        assert_int_equal(block->tensors[i].tried, tensors);
    for (size_t row = 0; row < frame->n_records; row++) {
        struct shard_record rec = frame->records[row];
        size_t first = (size_t)(rec.tensors - frame->tensors);
        for (size_t i = first; tensors && i < first + rec.n_tensors; i++)
            frame->tensors[i].data = block->content.tensors[frame->places[i].frame].data +
                                     frame->places[i].offset;
        assert_sample(&rec, map.blocks[number].first_record + row, !tensors);
    }
}

/* Some 40 requests, blocks in no order, some without tensors. */
static void run(unsigned n_threads, uint64_t max_bytes)
{
    struct prefetch *p;
    const uint32_t n = map.index.n_blocks;

    assert_int_equal(prefetch_open(&p, n_threads, max_bytes), SHARD_OK);
    for (uint32_t i = 0; i < 40; i++)
        assert_int_equal(prefetch_submit(p, &map, i * 7 % n,
                                         (struct block_want){.tensors = i % 3 != 0}),
                         SHARD_OK);
    for (uint32_t i = 0; i < 40; i++) {
        struct loaded_block *block = take(p);
        assert_block(block, i * 7 % n, i % 3 != 0);
        loaded_block_free(block);
    }
    prefetch_close(p);
}

static void test_order(void **state)
{
    (void)state;
    run(1, 1 << 30);
    run(4, 1 << 30);
    run(4, 40 << 10);
    run(3, 0); /* one block at a time */
}

static void test_submit_between(void **state)
{
    struct prefetch *p;
    const uint32_t n = map.index.n_blocks;

    (void)state;
    assert_int_equal(prefetch_open(&p, 2, 100 << 10), SHARD_OK);
    assert_int_equal(prefetch_submit(p, &map, 0, all), SHARD_OK);
    for (uint32_t i = 1; i < 60; i++) {
        assert_int_equal(prefetch_submit(p, &map, i % n, all), SHARD_OK);
        struct loaded_block *block = take(p);
        assert_int_equal(block->block, (i - 1) % n);
        loaded_block_free(block);
    }
    prefetch_close(p);
}

static void test_close_in_the_middle(void **state)
{
    (void)state;
    for (uint32_t taken = 0; taken < 4; taken++) {
        struct prefetch *p;
        assert_int_equal(prefetch_open(&p, 3, 1 << 20), SHARD_OK);
        for (uint32_t i = 0; i < 20; i++)
            assert_int_equal(prefetch_submit(p, &map, i % map.index.n_blocks, all),
                             SHARD_OK);
        for (uint32_t i = 0; i < taken; i++)
            loaded_block_free(take(p));
        prefetch_close(p);
    }
    prefetch_close(NULL);
}

/* When the file that was opened was, and some nanoseconds. */
static struct timespec modified(long more)
{
    const uint64_t *version = file.entry.version;

    return (struct timespec){(time_t)version[0], ((long)version[1] + more) % 1000000000};
}

/* Exchanges four bytes of the file, as a fault of the disk would. */
static void overwrite(uint64_t offset, unsigned char bytes[4])
{
    const struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, modified(0)};
    unsigned char before[4];
    int fd = open(path, O_RDWR | O_CLOEXEC);

    assert_true(fd >= 0);
    assert_int_equal(pread(fd, before, 4, (off_t)offset), 4);
    assert_int_equal(pwrite(fd, bytes, 4, (off_t)offset), 4);
    assert_int_equal(futimens(fd, times), 0);
    memcpy(bytes, before, 4);
    close(fd);
}

static void test_damage_keeps_its_place(void **state)
{
    unsigned char text[4] = "\xAA\x55\xAA\x55", tensor[4] = "\xAA\x55\xAA\x55";
    const struct shard_frame *frames = map.frames;
    uint64_t text_at = frames[map.blocks[1].first_frame].offset + 20;
    uint64_t tensor_at = frames[map.blocks[3].first_frame + 1].offset + 20;
    struct prefetch *p;

    (void)state;
    overwrite(text_at, text);
    overwrite(tensor_at, tensor);
    assert_int_equal(prefetch_open(&p, 2, 1 << 20), SHARD_OK);
    for (uint32_t i = 0; i < 5; i++)
        assert_int_equal(prefetch_submit(p, &map, i, all), SHARD_OK);
    for (uint32_t i = 0; i < 5; i++) {
        struct loaded_block *block = take(p);
        assert_int_equal(block->block, i);
        assert_int_equal(block->text.status, i == 1 ? SHARD_EDAMAGED : SHARD_OK);
        if (i == 1)
            assert_non_null(strstr(block->text.why, "text frame of block 1"));
        if (i == 3) {
            assert_int_equal(block->tensors[0].status, SHARD_EDAMAGED);
            assert_non_null(strstr(block->tensors[0].why, "tensor frame 0 of block 3"));
        }
        loaded_block_free(block);
    }
    prefetch_close(p);
    overwrite(text_at, text);
    overwrite(tensor_at, tensor);
}

/* A file in the place of the one that was opened is not read, whatever its size. */
static void test_another_file(void **state)
{
    const struct timespec later[2] = {{.tv_nsec = UTIME_OMIT}, modified(1)};
    const struct timespec before[2] = {{.tv_nsec = UTIME_OMIT}, modified(0)};
    struct prefetch *p;

    (void)state;
    assert_int_equal(utimensat(AT_FDCWD, path, later, 0), 0);
    assert_int_equal(prefetch_open(&p, 1, 1 << 20), SHARD_OK);
    assert_int_equal(prefetch_submit(p, &map, 0, all), SHARD_OK);
    struct loaded_block *block = take(p);
    assert_int_equal(block->text.status, SHARD_EFORMAT);
    assert_non_null(strstr(block->text.why, path));
    assert_non_null(strstr(block->text.why, "replaced or changed"));
    loaded_block_free(block);
    assert_int_equal(utimensat(AT_FDCWD, path, before, 0), 0);
    assert_int_equal(prefetch_submit(p, &map, 0, all), SHARD_OK);
    block = take(p);
    assert_block(block, 0, true);
    loaded_block_free(block);
    prefetch_close(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order),
        cmocka_unit_test(test_submit_between),
        cmocka_unit_test(test_close_in_the_middle),
        cmocka_unit_test(test_damage_keeps_its_place),
        cmocka_unit_test(test_another_file),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
