/* SPDX-License-Identifier: Apache-2.0
 * tests/unit/test_shard_oom.c - each allocation fails once: a status and words, no crash,
 * and all that was allocated is freed. */
#include "tests/unit/sample_shards.h"

#include <errno.h>
#include <jansson.h>
#include <openssl/crypto.h>

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
                                           .max_bytes = 6000,
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
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_each_allocation)};

    if (CRYPTO_set_mem_functions(crypto_malloc, crypto_realloc, crypto_free) != 1)
        return 1;
    for (uint64_t i = 0; i < SAMPLE_KINDS; i++)
        samples[i] = sample_make(i + 10);
    snprintf(prefix, sizeof(prefix), "%s/s", sample_folder());
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#endif
