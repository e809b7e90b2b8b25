/* SPDX-License-Identifier: Apache-2.0
 * tests/unit/compare_records.h - two records are the same, field by field. */
#ifndef TESTS_UNIT_COMPARE_RECORDS_H
#define TESTS_UNIT_COMPARE_RECORDS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "shard/record.h"

static inline void assert_unknown(const struct shard_unknown *got,
                                  const struct shard_unknown *want)
{
    assert_int_equal(got->len, want->len);
    if (want->len > 0)
        assert_memory_equal(got->bytes, want->bytes, want->len);
}

static inline void assert_alternative(const struct shard_alternative *got,
                                      const struct shard_alternative *want)
{
    assert_int_equal(got->kind, want->kind);
    assert_string_equal(got->name, want->name);
    assert_int_equal(got->text_len, want->kind == 0 ? want->text_len : 0);
    if (want->kind == 0)
        assert_memory_equal(got->text, want->text, want->text_len);
    assert_int_equal(got->text[got->text_len], 0);
    assert_int_equal(got->n_ids, want->n_ids);
    if (want->n_ids != SHARD_NO_IDS && want->n_ids > 0)
        assert_memory_equal(got->ids, want->ids, 4 * want->n_ids);
    if (want->kind != 0)
        assert_unknown(&got->unknown, &want->unknown);
}

static inline void assert_part(const struct shard_part *got,
                               const struct shard_part *want)
{
    assert_int_equal(got->kind, want->kind);
    assert_int_equal(got->flags, want->flags);
    assert_string_equal(got->role, want->role);
    if (want->kind == SHARD_PART_TEXT) {
        assert_int_equal(got->n_alternatives, want->n_alternatives);
        for (size_t i = 0; i < want->n_alternatives; i++)
            assert_alternative(&got->alternatives[i], &want->alternatives[i]);
    } else if (want->kind == SHARD_PART_IMAGE) {
        assert_int_equal(got->width, want->width);
        assert_int_equal(got->height, want->height);
        assert_memory_equal(got->sha256, want->sha256, sizeof(want->sha256));
    } else if (want->kind > SHARD_PART_DATA) {
        assert_unknown(&got->unknown, &want->unknown);
    }
}

static inline void assert_rendition(const struct shard_rendition *got,
                                    const struct shard_rendition *want)
{
    assert_int_equal(got->kind, want->kind);
    assert_int_equal(got->part, want->part);
    if (want->kind != 0) {
        assert_unknown(&got->unknown, &want->unknown);
        return;
    }
    assert_int_equal(got->mirrored, want->mirrored);
    assert_int_equal(got->fit, want->fit);
    assert_int_equal(got->target_width, want->target_width);
    assert_int_equal(got->target_height, want->target_height);
    assert_memory_equal(&got->crop, &want->crop, sizeof(want->crop));
    assert_memory_equal(&got->content, &want->content, sizeof(want->content));
}

static inline void assert_tensor(const struct shard_tensor *got,
                                 const struct shard_tensor *want, bool text_only)
{
    assert_int_equal(got->kind, want->kind);
    assert_int_equal(got->part, want->part);
    assert_int_equal(got->owner, want->owner);
    assert_int_equal(got->encoder, want->encoder);
    assert_int_equal(got->slot, want->slot);
    assert_int_equal(got->dtype, want->dtype);
    assert_int_equal(got->n_dims, want->n_dims);
    assert_memory_equal(got->dims, want->dims, want->n_dims * sizeof(want->dims[0]));
    assert_int_equal(got->n_bytes, want->n_bytes);
    if (text_only)
        assert_null(got->data);
    else if (want->n_bytes > 0)
        assert_memory_equal(got->data, want->data, want->n_bytes);
}

/* `got` came out of a reader, by text_only without the tensors' bytes; `want` went in. */
static inline void assert_record(const struct shard_record *got,
                                 const struct shard_record *want, bool text_only)
{
    assert_string_equal(got->key, want->key);
    assert_string_equal(got->name, want->name);
    assert_int_equal(got->index, want->index);
    assert_int_equal(got->order, want->order);
    assert_int_equal(got->caption_drawn, want->caption_drawn);
    assert_int_equal(got->metadata_len, want->metadata_len);
    if (want->metadata_len > 0)
        assert_memory_equal(got->metadata, want->metadata, want->metadata_len);
    else
        assert_null(got->metadata);
    assert_int_equal(got->n_parts, want->n_parts);
    for (size_t i = 0; i < want->n_parts; i++)
        assert_part(&got->parts[i], &want->parts[i]);
    assert_int_equal(got->n_renditions, want->n_renditions);
    for (size_t i = 0; i < want->n_renditions; i++)
        assert_rendition(&got->renditions[i], &want->renditions[i]);
    assert_int_equal(got->n_tensors, want->n_tensors);
    for (size_t i = 0; i < want->n_tensors; i++)
        assert_tensor(&got->tensors[i], &want->tensors[i], text_only);
}

#endif
