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

static inline void sample_unlink(const struct shard_writer *w)
{
    size_t n;
    const struct shard_file *files = shard_writer_files(w, &n);

    for (size_t i = 0; i < n; i++)
        unlink(files[i].path);
}

static inline void assert_alternatives(const struct shard_segment *got,
                                       const struct shard_segment *want)
{
    assert_int_equal(got->n_alternatives, want->n_alternatives);
    for (size_t i = 0; i < want->n_alternatives; i++) {
        const struct shard_alternative *g = &got->alternatives[i];
        const struct shard_alternative *w = &want->alternatives[i];
        assert_string_equal(g->name, w->name);
        assert_int_equal(g->text_len, w->text_len);
        assert_memory_equal(g->text, w->text, w->text_len);
        assert_int_equal(g->text[g->text_len], 0);
        assert_int_equal(g->n_ids, w->n_ids);
        if (w->n_ids != SHARD_NO_IDS && w->n_ids > 0)
            assert_memory_equal(g->ids, w->ids, 4 * w->n_ids);
    }
}

static inline void assert_tensor(const struct shard_segment *got,
                                 const struct shard_segment *want, bool text_only)
{
    assert_int_equal(got->dtype, want->dtype);
    assert_int_equal(got->image, want->image);
    assert_int_equal(got->encoder, want->encoder);
    assert_int_equal(got->n_dims, want->n_dims);
    assert_memory_equal(got->dims, want->dims, sizeof(want->dims));
    assert_int_equal(got->n_bytes, want->n_bytes);
    if (text_only)
        assert_null(got->data);
    else
        assert_memory_equal(got->data, want->data, want->n_bytes);
}

/* `got` came out of a reader; `number` went in. */
static inline void assert_sample(const struct shard_record *got, uint64_t number,
                                 bool text_only)
{
    struct sample *s = sample_make(number);
    const struct shard_record *want = &s->rec;

    assert_string_equal(got->key, want->key);
    assert_string_equal(got->name, want->name);
    assert_int_equal(got->index, want->index);
    assert_int_equal(got->order, want->order);
    assert_int_equal(got->caption_drawn, want->caption_drawn);
    assert_int_equal(got->n_images, want->n_images);
    if (want->n_images > 0)
        assert_memory_equal(got->images, want->images,
                            want->n_images * sizeof(want->images[0]));
    assert_int_equal(got->metadata_len, want->metadata_len);
    if (want->metadata_len > 0)
        assert_memory_equal(got->metadata, want->metadata, want->metadata_len);
    else
        assert_null(got->metadata);
    assert_int_equal(got->n_segments, want->n_segments);
    for (size_t i = 0; i < want->n_segments; i++) {
        assert_int_equal(got->segments[i].kind, want->segments[i].kind);
        assert_int_equal(got->segments[i].flags, want->segments[i].flags);
        if (want->segments[i].kind == SHARD_TEXT)
            assert_alternatives(&got->segments[i], &want->segments[i]);
        else
            assert_tensor(&got->segments[i], &want->segments[i], text_only);
    }
    sample_free(s);
}

#endif
