/* SPDX-License-Identifier: Apache-2.0
 * tests/unit/test_compose.c - threads that compose from the same blocks at once fill the
 * same arrays as one alone. What these hold, tests/python/test_dataset_compose.py says.
 */
#include "tests/unit/sample_shards.h"

#include <pthread.h>
#include <sys/stat.h>

#include "shard/file/loaded_block.h"
#include "shard/python/native/compose.h"

enum { N = 60, LENGTH = 4096, THREADS = 4, MOST_FRAMES = 1024 };

static struct shard_positioned_file file;
static struct shard_file_map map;
static char path[300];
static struct loaded_block **loaded;
static struct compose_block *blocks;
static const unsigned char *values[MOST_FRAMES];
static struct compose_piece pieces[N];

/* What one call fills. */
struct filled {
    struct compose_job job;
    struct composed composed;
    int32_t *numbers; /* of all arrays of int32 */
    int64_t *labels;
};

static void fill(struct filled *f)
{
    const size_t n = (size_t)N * LENGTH;

    f->numbers = calloc(5 * n + 2 * N + 1, sizeof(f->numbers[0]));
    f->labels = calloc(n, sizeof(f->labels[0]));
    assert_true(f->numbers != NULL && f->labels != NULL);
    f->job = (struct compose_job){.n_blocks = map.index.n_blocks,
                                  .n_pieces = N,
                                  .blocks = blocks,
                                  .pieces = pieces,
                                  .seed = 3,
                                  .collapsed = true,
                                  .out = {.n_sequences = N,
                                          .length = LENGTH,
                                          .tokens = f->numbers,
                                          .doc_ids = f->numbers + n,
                                          .position_ids = f->numbers + 2 * n,
                                          .source_ids = f->numbers + 3 * n,
                                          .image_ids = f->numbers + 4 * n,
                                          .begins = f->numbers + 5 * n,
                                          .labels = f->labels}};
    f->composed = (struct composed){.images = {0}};
    assert_int_equal(compose(&f->job, &f->composed), SHARD_OK);
}

static void clear(struct filled *f)
{
    free(f->numbers);
    free(f->labels);
    compose_clear(&f->composed);
}

static void *fill_in_thread(void *arg)
{
    fill(arg);
    return NULL;
}

static void load_block(struct block_loader *l, uint32_t i, size_t *n_values)
{
    const struct block_want all = {.tensors = true};

    assert_int_equal(block_loader_load(l, i, all, &loaded[i]), SHARD_OK);
    const struct shard_block_reader *content = &loaded[i]->content;
    blocks[i] = (struct compose_block){
        .view = {.header = map.header, .plan = shard_plan_default(), .window = 1},
        .frame = &content->frame,
        .values = values + *n_values};
    for (size_t frame = 0; frame < content->frame.n_frames; frame++) {
        assert_true(*n_values < MOST_FRAMES);
        values[(*n_values)++] = content->tensors[frame].data;
    }
    for (uint32_t row = 0; row < map.blocks[i].n_records; row++) {
        const size_t record = map.blocks[i].first_record + row;
        pieces[record] = (struct compose_piece){.sequence = (int64_t)record,
                                                .length = 1,
                                                .block = i,
                                                .row = row,
                                                .whole = 1,
                                                .keep = 1 << 20,
                                                .own = -1};
    }
}

/* Gives pieces the length that their documents have; what has none is padding. */
static size_t settle(void)
{
    struct filled f;
    size_t n = 0;

    fill(&f);
    for (size_t i = 0; i < f.composed.n_problems; i++) {
        const struct compose_problem *problem = &compose_problems(&f.composed)[i];
        struct compose_piece *p = &pieces[problem->piece];
        if (problem->trouble == COMPOSE_LENGTH && problem->number <= LENGTH)
            p->length = p->whole = (int64_t)problem->number;
        else
            p->block = -1;
    }
    for (size_t i = 0; i < N; i++)
        n += pieces[i].block >= 0;
    clear(&f);
    return n;
}

static int setup(void **state)
{
    struct block_loader l = {0};
    size_t n_values = 0;

    (void)state;
    sample_write_one(N, path, sizeof(path));
    assert_int_equal(shard_positioned_file_open(&file, NULL, path), SHARD_OK);
    assert_int_equal(shard_file_map_open(&map, &file), SHARD_OK);
    loaded = calloc(map.index.n_blocks, sizeof(*loaded));
    blocks = calloc(map.index.n_blocks, sizeof(*blocks));
    assert_true(loaded != NULL && blocks != NULL);
    assert_int_equal(block_loader_open(&l, &map), SHARD_OK);
    for (uint32_t i = 0; i < map.index.n_blocks; i++)
        load_block(&l, i, &n_values);
    block_loader_close(&l);
    settle();
    assert_true(settle() > N / 3);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < map.index.n_blocks; i++)
        loaded_block_free(loaded[i]);
    free(loaded);
    free(blocks);
    shard_file_map_close(&map);
    shard_positioned_file_close(&file);
    unlink(path);
    *strrchr(path, '/') = 0;
    rmdir(path);
    return 0;
}

static void at_once(void **state)
{
    const size_t n = 5 * (size_t)N * LENGTH;
    pthread_t threads[THREADS];
    struct filled alone, each[THREADS];

    (void)state;
    fill(&alone);
    assert_int_equal(alone.composed.n_problems, 0);
    assert_true(alone.composed.n_images > 5);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, fill_in_thread, &each[i]), 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    for (int i = 0; i < THREADS; i++) {
        assert_memory_equal(each[i].numbers, alone.numbers, n * sizeof(int32_t));
        assert_memory_equal(each[i].labels, alone.labels, n / 5 * sizeof(int64_t));
        assert_int_equal(each[i].composed.n_patches, alone.composed.n_patches);
        clear(&each[i]);
    }
    clear(&alone);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(at_once)};

    return cmocka_run_group_tests(tests, setup, teardown);
}
