/* SPDX-License-Identifier: Apache-2.0
 * tests/unit/test_shard_oom.c - each allocation fails once: a status and words, no crash,
 * and all that was allocated is freed. */
#include "tests/unit/sample_shards.h"

#include <errno.h>
#include <jansson.h>
#include <openssl/crypto.h>

#include "shard/index/dataset_index.h"
#include "shard/file/file_map.h"
#include "shard/index/outline.h"
#include "shard/sequence.h"

#ifndef __has_feature
#define __has_feature(x) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) ||                     \
    __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) ||               \
    !defined(__GLIBC__)

int main(void)
{
    printf("the allocator belongs to the sanitizer\n");
    return 77;
}

#else

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t size);
void __libc_free(void *p);

static long until_failure = -1; /* < 0: never */
static long n_live;             /* allocations not yet freed */

static bool fails(void)
{
    if (until_failure < 0 || until_failure-- > 0)
        return false;
    errno = ENOMEM;
    return true;
}

static void *counted(void *p)
{
    n_live += p != NULL;
    return p;
}

void *malloc(size_t size)
{
    return fails() ? NULL : counted(__libc_malloc(size));
}

void *calloc(size_t n, size_t size)
{
    return fails() ? NULL : counted(__libc_calloc(n, size));
}

void *realloc(void *p, size_t size)
{
    if (fails())
        return NULL;
    return p == NULL ? counted(__libc_malloc(size)) : __libc_realloc(p, size);
}

void free(void *p)
{
    n_live -= p != NULL;
    __libc_free(p);
}

static char prefix[300];
static struct sample *samples[SAMPLE_KINDS];

static int write_all(void)
{
    struct shard_writer_options options = {.header = sample_header(),
                                           .path = sample_path,
                                           .ctx = prefix,
                                           .max_bytes = 8000,
                                           .max_block_bytes = 2000};
    struct shard_writer *w;
    int rc = shard_writer_open(&w, &options);

    for (size_t i = 0; i < SAMPLE_KINDS && rc == SHARD_OK; i++)
        rc = shard_writer_append(w, &samples[i]->rec);
    if (rc == SHARD_OK)
        rc = shard_writer_finish(w);
    if (rc < 0)
        assert_true(shard_writer_why(w)[0] != 0);
    shard_writer_close(w);
    return rc;
}

static int read_all(void)
{
    char path[400];
    struct shard_reader *r;
    struct shard_record rec;
    uint64_t i;

    sample_path(prefix, 0, path, sizeof(path));
    int rc = shard_reader_open(&r, path);
    if (rc == SHARD_OK)
        rc = shard_reader_find(r, NULL, samples[1]->rec.key, &i);
    while (rc == SHARD_OK)
        rc = shard_reader_next(r, &rec);
    if (rc < 0)
        assert_true(shard_reader_why(r)[0] != 0);
    shard_reader_close(r);
    return rc == SHARD_EOF ? SHARD_OK : rc;
}

/* jansson drops bytes where it cannot grow a string, and then trusts its length: its own
 * allocations are counted, but do not fail. */
static void *json_malloc(size_t size)
{
    return counted(__libc_malloc(size));
}

/* libcrypto keeps what it has looked up: its allocations are none of ours either. */
static void *crypto_malloc(size_t size, const char *file, int line)
{
    (void)file;
    (void)line;
    return __libc_malloc(size);
}

static void *crypto_realloc(void *p, size_t size, const char *file, int line)
{
    (void)file;
    (void)line;
    return __libc_realloc(p, size);
}

static void crypto_free(void *p, const char *file, int line)
{
    (void)file;
    (void)line;
    __libc_free(p);
}

/* From the index alone, as a packer does, by a plan of its own. */
static int plan_all(void)
{
    static const char json[] =
        "{\"rules\":[{\"part\":\"text\",\"see\":[{},{\"encoder\":"
        "\"words\"}]},{\"part\":\"image\",\"see\":[{}]},"
        "{\"part\":\"data\",\"see\":[]},{\"part\":77,\"see\":[]}]}";
    char path[400], why[200], *text = NULL;
    struct shard_positioned_file file;
    struct shard_file_map map = {0};
    struct shard_outline outline = {0};
    struct shard_outline_room room = {0};
    struct shard_plan *plan = NULL;
    struct shard_measure m;
    struct shard_record rec;

    sample_path(prefix, 0, path, sizeof(path));
    int rc = shard_positioned_file_open(&file, NULL, path);
    if (rc == SHARD_OK)
        rc = shard_file_map_open(&map, &file);
    if (rc == SHARD_OK)
        rc = shard_outline_load(&outline, &map.index, map.header);
    if (rc == SHARD_OK)
        rc = shard_plan_from_json(json, sizeof(json) - 1, &plan, why, sizeof(why));
    if (rc == SHARD_OK)
        rc = shard_plan_to_json(plan, &text);
    for (size_t i = 0; rc == SHARD_OK && i < outline.n_records; i++) {
        const struct shard_view view = {.header = map.header, .plan = plan, .window = 2};
        rc = shard_outline_record(&outline, i, &room, &rec);
        if (rc == SHARD_OK)
            rc = shard_sequence_measure(&view, &rec, &m);
    }
    free(text);
    shard_plan_free(plan);
    shard_outline_room_clear(&room);
    shard_outline_clear(&outline);
    shard_file_map_close(&map);
    shard_positioned_file_close(&file);
    return rc;
}

static int build_all(void)
{
    const struct shard_view view = {
        .header = sample_header(), .plan = shard_plan_default(), .window = 2};
    int rc = SHARD_OK;

    for (size_t i = 0; i < SAMPLE_KINDS && rc == SHARD_OK; i++) {
        struct shard_sequence seq = {0};
        struct shard_draws draws;
        if (i == 1 || i == 5) /* not tokenized; of a later version */
            continue;
        rc = shard_draws_stored(&draws, &samples[i]->rec, 7);
        if (rc == SHARD_OK)
            rc = shard_sequence_build(&view, &samples[i]->rec, &draws, &seq);
        shard_sequence_clear(&seq);
        shard_draws_clear(&draws);
    }
    return rc;
}

static int index_all(void)
{
    struct dataset_index_writer *w;
    unsigned char *bytes = NULL;
    char path[400];
    size_t len;

    sample_path(prefix, 0, path, sizeof(path));
    int rc = dataset_index_writer_open(&w, NULL);
    if (rc == SHARD_OK)
        rc = dataset_index_writer_add(w, path, "a.lms");
    if (rc == SHARD_OK)
        rc = dataset_index_writer_finish(w, false, &bytes, &len);
    free(bytes);
    dataset_index_writer_close(w);
    return rc;
}

/* The number of allocations of a whole `run`. */
static long fail_each(int (*run)(void))
{
    bool happened = true;
    long n = 0;

    while (happened && n < 20000) {
        long before = n_live;
        until_failure = n++;
        int rc = run();
        happened = until_failure < 0;
        until_failure = -1;
        assert_int_equal(n_live, before);
        assert_true(rc <= SHARD_OK);
        assert_true(happened || rc == SHARD_OK);
    }
    return n;
}

static void test_each_allocation(void **state)
{
    (void)state;
    json_set_alloc_funcs(json_malloc, free);
    assert_int_equal(write_all(), SHARD_OK); /* libcrypto sets itself up only once */
    assert_int_equal(read_all(), SHARD_OK);
    assert_in_range(fail_each(write_all), 100, 19999);
    assert_int_equal(read_all(), SHARD_OK);
    assert_in_range(fail_each(read_all), 50, 19999);
    assert_in_range(fail_each(plan_all), 50, 19999);
    assert_in_range(fail_each(build_all), 30, 19999);
    assert_in_range(fail_each(index_all), 50, 19999);
}

static int write_header(void)
{
    struct shard_encoder e[3] = {sample_header()->encoders[SAMPLE_SMALL],
                                 sample_header()->encoders[SAMPLE_MOMENTS],
                                 sample_header()->encoders[SAMPLE_FEATURES]};
    struct shard_header h = *sample_header();
    char *json;

    e[0].config = e[0].geometry = e[0].input = h.config = NULL;
    h.encoders = e;
    h.n_encoders = 3;
    int rc = shard_header_to_json(&h, &json);
    free(json);
    return rc;
}

static int write_plan(void)
{
    char *json;
    int rc = shard_plan_to_json(shard_plan_default(), &json);

    free(json);
    return rc;
}

/* A lack of memory is not said to be the caller's fault. Each of the first n allocations:
 * those for the tree, before jansson writes and reads (json_malloc()). */
static void fail_first(int (*run)(void), long n)
{
    const long before = n_live;

    json_set_alloc_funcs(malloc, free);
    for (long i = 0; i < n; i++) {
        until_failure = i;
        int rc = run();
        assert_true(until_failure < 0);
        until_failure = -1;
        assert_int_equal(rc, SHARD_ENOMEM);
        assert_int_equal(n_live, before);
    }
    json_set_alloc_funcs(json_malloc, free);
}

static void test_trees_of_json(void **state)
{
    (void)state;
    fail_first(write_header, 300);
    fail_first(write_plan, 40);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_each_allocation),
                                       cmocka_unit_test(test_trees_of_json)};

    if (CRYPTO_set_mem_functions(crypto_malloc, crypto_realloc, crypto_free) != 1)
        return 1;
    for (uint64_t i = 0; i < SAMPLE_KINDS; i++)
        samples[i] = sample_make(i + 10);
    snprintf(prefix, sizeof(prefix), "%s/s", sample_folder());
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#endif
