/* SPDX-License-Identifier: Apache-2.0
 * tests/unit/sample_shards.h - sample records in files below a folder of the test's own,
 * and the comparison of what comes back. */
#ifndef TESTS_UNIT_SAMPLE_SHARDS_H
#define TESTS_UNIT_SAMPLE_SHARDS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>

#include "shard/reader.h"
#include "shard/writer.h"
#include "tests/unit/compare_records.h"
#include "tests/unit/sample_records.h"

static inline int sample_path(void *ctx, uint32_t part, char *path, size_t cap)
{
    int n = snprintf(path, cap, "%s-%05u.lms", (const char *)ctx, (unsigned)part);
    return n > 0 && (size_t)n < cap ? 0 : -1;
}

/* A new folder; its name is lent until the next call. */
static inline char *sample_folder(void)
{
    static char folder[256];
    const char *parent = getenv("TMPDIR");

    snprintf(folder, sizeof(folder), "%s/shard-XXXXXX", parent ? parent : "/tmp");
    assert_non_null(mkdtemp(folder));
    return folder;
}

/* Writes records 0..n-1; gives the open writer, finished. */
static inline struct shard_writer *sample_write(char *prefix, uint64_t n,
                                                uint64_t max_bytes, uint64_t max_block)
{
    struct shard_writer_options options = {.header = sample_header(),
                                           .path = sample_path,
                                           .ctx = prefix,
                                           .max_bytes = max_bytes,
                                           .max_block_bytes = max_block};
    struct shard_writer *w;

    assert_int_equal(shard_writer_open(&w, &options), SHARD_OK);
    for (uint64_t i = 0; i < n; i++) {
        struct sample *s = sample_make(i);
        if (shard_writer_append(w, &s->rec) != SHARD_OK)
            fail_msg("record %d: %s", (int)i, shard_writer_why(w));
        sample_free(s);
    }
    if (shard_writer_finish(w) != SHARD_OK)
        fail_msg("%s", shard_writer_why(w));
    return w;
}

/* Writes records 0..n-1 in small blocks into one shard, whose path it gives. */
static inline void sample_write_one(uint64_t n, char *path, size_t cap)
{
    char prefix[300];
    size_t n_files;

    snprintf(prefix, sizeof(prefix), "%s/s", sample_folder());
    struct shard_writer *w = sample_write(prefix, n, 1 << 30, 8 << 10);
    snprintf(path, cap, "%s", shard_writer_files(w, &n_files)[0].path);
    shard_writer_close(w);
}

static inline void sample_unlink(const struct shard_writer *w)
{
    size_t n;
    const struct shard_file *files = shard_writer_files(w, &n);

    for (size_t i = 0; i < n; i++)
        unlink(files[i].path);
}

/* `got` came out of a reader; `number` went in. */
static inline void assert_sample(const struct shard_record *got, uint64_t number,
                                 bool text_only)
{
    struct sample *s = sample_make(number);

    assert_record(got, &s->rec, text_only);
    sample_free(s);
}

#endif
