/* SPDX-License-Identifier: Apache-2.0
 * shard/record_check.c - what FORMAT.md asks of a record, said once for both directions.
 */
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "shard/format.h"
#include "shard/planes.h"
#include "shard/row.h"
#include "shard/status.h"
#include "shard/wire.h"

/* One check under way: the sums so far, and where to say what is wrong. */
struct check {
    const struct shard_record *rec;
    struct shard_row_size *size;
    char *why;
    size_t cap;
};

static int refuse(struct check *c, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

static int refuse(struct check *c, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(c->why, c->cap, fmt, ap);
    va_end(ap);
    return SHARD_EINVAL;
}

/* Adds to a sum that may reach SHARD_MAX_FRAME. */
static bool add(size_t *sum, uint64_t n)
{
    if (n > SHARD_MAX_FRAME || *sum > SHARD_MAX_FRAME - (size_t)n)
        return false;
    *sum += (size_t)n;
    return true;
}

static bool has_large_id(const struct shard_alternative *a)
{
    uint32_t bits = 0;

    for (uint32_t i = 0; i < a->n_ids; i++)
        bits |= a->ids[i];
    return bits > SHARD_MAX_ID;
}

static int check_text(struct check *c, size_t position)
{
    const struct shard_segment *segment = &c->rec->segments[position];
    size_t n = segment->n_alternatives;

    if (n == 0)
        return refuse(c, "segment %zu is a text without an alternative", position);
    if (n > SHARD_MAX_ALTERNATIVES ||
        c->size->n_alternatives + n > SHARD_MAX_ALTERNATIVES)
        return refuse(c, "more than %d alternative texts", SHARD_MAX_ALTERNATIVES);
    c->size->n_alternatives += n;

    bool fits = add(&c->size->bytes, SHARD_ROW_TEXT);
    for (size_t i = 0; i < n && fits; i++) {
        const struct shard_alternative *a = &segment->alternatives[i];
        size_t name_len = strlen(a->name);
        if (name_len > SHARD_MAX_CAPTION_NAME)
            return refuse(c, "the name of alternative %zu is longer than %d bytes", i,
                          SHARD_MAX_CAPTION_NAME);
        fits = add(&c->size->bytes, SHARD_ROW_ALTERNATIVE + name_len + 2) &&
               add(&c->size->bytes, a->text_len) &&
               add(&c->size->n_ids, a->n_ids == SHARD_NO_IDS ? 0 : a->n_ids);
        if (fits && a->n_ids != SHARD_NO_IDS && has_large_id(a))
            return refuse(c, "a token id of alternative %zu is above %d", i,
                          SHARD_MAX_ID);
    }
    if (!fits)
        return refuse(c, "its text is longer than %d bytes", SHARD_MAX_FRAME);
    return SHARD_OK;
}

/* n_bytes must be what dtype and dims say; an unknown dtype's may be anything. */
static bool shape_fits(const struct shard_segment *segment)
{
    uint64_t bytes = shard_dtype_width(segment->dtype);

    if (bytes == 0)
        return true;
    for (uint32_t i = 0; i < segment->n_dims; i++) {
        bytes *= segment->dims[i];
        if (bytes > SHARD_MAX_FRAME)
            return false;
    }
    return bytes == segment->n_bytes;
}

static int check_tensor(struct check *c, size_t position, size_t n_encoders)
{
    const struct shard_segment *segment = &c->rec->segments[position];

    if (segment->n_dims > SHARD_MAX_DIMS)
        return refuse(c, "segment %zu has %u dimensions, at most %d are possible",
                      position, segment->n_dims, SHARD_MAX_DIMS);
    if (segment->n_bytes > SHARD_MAX_FRAME || !shape_fits(segment))
        return refuse(c, "segment %zu has %zu bytes, its shape and dtype say otherwise",
                      position, segment->n_bytes);
    if (segment->image != SHARD_NONE && segment->image >= c->rec->n_images)
        return refuse(c, "segment %zu names image %u of %zu", position, segment->image,
                      c->rec->n_images);
    if (segment->encoder != SHARD_NONE && segment->encoder >= n_encoders)
        return refuse(c, "segment %zu names encoder %u of %zu", position,
                      segment->encoder, n_encoders);
    if (segment->kind == SHARD_LATENT &&
        (segment->n_dims != 3 || segment->n_bytes == 0 || segment->image == SHARD_NONE ||
         segment->encoder == SHARD_NONE))
        return refuse(c,
                      "segment %zu is a latent without image, encoder or shape (C,H,W)",
                      position);
    if (!add(&c->size->tensor_bytes, segment->n_bytes) ||
        !add(&c->size->bytes, SHARD_ROW_TENSOR + 4 * segment->n_dims))
        return refuse(c, "its tensors are larger than %d bytes", SHARD_MAX_FRAME);
    return SHARD_OK;
}

static int check_segments(struct check *c, size_t n_encoders)
{
    size_t n_captions = 0;

    for (size_t i = 0; i < c->rec->n_segments; i++) {
        const struct shard_segment *segment = &c->rec->segments[i];
        if (segment->flags != SHARD_FLAG_LOSS && segment->flags != SHARD_FLAG_CONTEXT)
            return refuse(c, "segment %zu has flags 0x%x, not loss or context", i,
                          segment->flags);
        int rc = segment->kind == SHARD_TEXT ? check_text(c, i)
                                             : check_tensor(c, i, n_encoders);
        if (rc < 0)
            return rc;
        if (segment->kind == SHARD_TEXT && n_captions == 0)
            n_captions = segment->n_alternatives;
    }
    if (c->rec->caption_drawn >= n_captions && c->rec->caption_drawn > 0)
        return refuse(c, "caption %u is drawn of %zu", c->rec->caption_drawn, n_captions);
    return SHARD_OK;
}

int shard_record_check(const struct shard_record *rec, size_t n_encoders,
                       struct shard_row_size *size, char *why, size_t cap)
{
    struct check c = {rec, size, why, cap};
    size_t key_len = strlen(rec->key), name_len = strlen(rec->name);

    *size = (struct shard_row_size){.bytes = SHARD_ROW_HEAD};
    if (key_len == 0 || key_len > SHARD_MAX_KEY)
        return refuse(&c, "a key has 1 to %d bytes, this one %zu", SHARD_MAX_KEY,
                      key_len);
    if (name_len == 0 || name_len > SHARD_MAX_NAME)
        return refuse(&c, "a NAME has 1 to %d bytes, this one %zu", SHARD_MAX_NAME,
                      name_len);
    if (rec->order != SHARD_CAPTION_FIRST && rec->order != SHARD_IMAGE_FIRST)
        return refuse(&c, "unknown order %d", (int)rec->order);
    if (rec->n_images > SHARD_MAX_IMAGES || rec->n_segments > SHARD_MAX_SEGMENTS)
        return refuse(&c, "%zu images and %zu segments, at most %d of each are possible",
                      rec->n_images, rec->n_segments, SHARD_MAX_IMAGES);
    add(&size->bytes, key_len + name_len + 3 + rec->n_images * SHARD_ROW_IMAGE);

    int rc = check_segments(&c, n_encoders);
    if (rc < 0)
        return rc;
    if (!add(&size->bytes, rec->metadata_len) ||
        size->bytes + size->n_ids * sizeof(uint32_t) >
            SHARD_MAX_FRAME - SHARD_TEXT_HEAD - SHARD_MAX_COLUMNS * SHARD_TEXT_COLUMN)
        return refuse(&c, "texts, ids and metadata are larger than %d bytes",
                      SHARD_MAX_FRAME);
    return SHARD_OK;
}

/* All exponent bits set: Inf or NaN. */
static bool finite16(const unsigned char *p, size_t n, uint16_t exponent)
{
    unsigned bad = 0;

    for (size_t i = 0; i < n; i++)
        bad |= (wire_load_u16(p + 2 * i) & exponent) == exponent;
    return bad == 0;
}

static bool finite32(const unsigned char *p, size_t n)
{
    unsigned bad = 0;

    for (size_t i = 0; i < n; i++)
        bad |= (wire_load_u32(p + 4 * i) & 0x7F800000) == 0x7F800000;
    return bad == 0;
}

static bool is_finite(const struct shard_segment *segment)
{
    switch (segment->dtype) {
    case SHARD_FP16:
        return finite16(segment->data, segment->n_bytes / 2, 0x7C00);
    case SHARD_BF16:
        return finite16(segment->data, segment->n_bytes / 2, 0x7F80);
    case SHARD_FP32:
        return finite32(segment->data, segment->n_bytes / 4);
    default:
        return true;
    }
}

int shard_record_check_values(const struct shard_record *rec, char *why, size_t cap)
{
    struct check c = {.rec = rec, .why = why, .cap = cap};

    for (size_t i = 0; i < rec->n_segments; i++) {
        const struct shard_segment *segment = &rec->segments[i];
        if (segment->kind == SHARD_TEXT || segment->n_bytes == 0)
            continue;
        if (segment->data == NULL)
            return refuse(&c, "segment %zu has no data: was only its text read?", i);
        if (!is_finite(segment))
            return refuse(&c, "segment %zu has a value that is not finite", i);
    }
    return SHARD_OK;
}
