/* SPDX-License-Identifier: Apache-2.0
 * shard/text_frame.c - two passes: the first adds up what the rows say they hold, so that
 * every array is allocated once and never larger than the frame can fill; the second
 * takes the rows apart and may not pass those sums. */
#include "shard/text_frame.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "shard/format.h"
#include "shard/planes.h"
#include "shard/row.h"
#include "shard/status.h"
#include "shard/wire.h"

/* Offsets in a row's fixed head, see FORMAT.md. */
enum { ROW_BYTES = 16, ROW_IMAGES = 36, ROW_SEGMENTS = 40, ROW_ALTERNATIVES = 44 };

struct decoder {
    struct shard_text_frame *frame;
    size_t n_encoders;
    const unsigned char *rows;
    size_t rows_bytes;
    const unsigned char *planes;                        /* of all ids */
    size_t n_images, n_segments, n_alternatives, n_ids; /* the rows' sums */
    size_t image, segment, alternative, id;             /* taken so far */
    uint64_t filled[SHARD_MAX_COLUMNS];                 /* bytes given out */
    uint32_t n_used;                                    /* columns met so far */
    char *why;
    size_t cap;
};

static int damaged(struct decoder *d, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

static int damaged(struct decoder *d, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(d->why, d->cap, fmt, ap);
    va_end(ap);
    return SHARD_EDAMAGED;
}

static int read_head(struct decoder *d, struct wire_cursor *c)
{
    struct shard_text_frame *frame = d->frame;
    uint32_t magic = wire_take_u32(c);
    uint32_t n_records = wire_take_u32(c);
    uint32_t n_columns = wire_take_u32(c);
    uint32_t reserved = wire_take_u32(c);
    uint64_t rows_bytes = wire_take_u64(c);
    uint64_t n_ids = wire_take_u64(c);

    if (c->bad || magic != SHARD_MAGIC_TEXT || reserved != 0 ||
        n_columns > SHARD_MAX_COLUMNS)
        return damaged(d, "not a text frame");

    frame->columns = calloc(n_columns + 1u, sizeof(frame->columns[0]));
    if (frame->columns == NULL)
        return SHARD_ENOMEM;
    frame->n_columns = n_columns;
    for (uint32_t i = 0; i < n_columns; i++) {
        frame->columns[i].kind = wire_take_u32(c);
        frame->columns[i].encoder = wire_take_u32(c);
        frame->columns[i].dtype = wire_take_u32(c);
        reserved |= wire_take_u32(c);
        frame->columns[i].bytes = wire_take_u64(c);
    }
    if (reserved != 0 || n_ids > SHARD_MAX_FRAME / sizeof(uint32_t))
        return damaged(d, "text frame with an impossible column table");

    d->rows = wire_take(c, rows_bytes);
    d->planes = wire_take(c, n_ids * sizeof(uint32_t));
    if (c->bad || c->left != 0 || n_records == 0 ||
        n_records > rows_bytes / SHARD_ROW_HEAD)
        return damaged(d, "text frame of another length than its head says");
    d->rows_bytes = (size_t)rows_bytes;
    d->n_ids = frame->n_ids = (size_t)n_ids;
    frame->n_records = n_records;
    return SHARD_OK;
}

/* First pass. */
static int add_up_rows(struct decoder *d)
{
    size_t at = 0;

    for (size_t i = 0; i < d->frame->n_records; i++) {
        const unsigned char *row = d->rows + at;
        if (d->rows_bytes - at < SHARD_ROW_HEAD)
            return damaged(d, "row %zu is cut off", i);
        uint64_t bytes = wire_load_u32(row + ROW_BYTES);
        uint64_t n_images = wire_load_u32(row + ROW_IMAGES);
        uint64_t n_segments = wire_load_u32(row + ROW_SEGMENTS);
        uint64_t n_alternatives = wire_load_u32(row + ROW_ALTERNATIVES);
        if (bytes > d->rows_bytes - at || SHARD_ROW_HEAD + n_images * SHARD_ROW_IMAGE +
                                                  n_segments * SHARD_ROW_TEXT +
                                                  n_alternatives * SHARD_ROW_ALTERNATIVE >
                                              bytes)
            return damaged(d, "row %zu is shorter than what it holds", i);
        d->n_images += (size_t)n_images;
        d->n_segments += (size_t)n_segments;
        d->n_alternatives += (size_t)n_alternatives;
        at += (size_t)bytes;
    }
    if (at != d->rows_bytes)
        return damaged(d, "bytes behind the last row");
    return SHARD_OK;
}

static int allocate(struct decoder *d)
{
    struct shard_text_frame *frame = d->frame;

    frame->records = calloc(frame->n_records, sizeof(frame->records[0]));
    frame->images = calloc(d->n_images + 1, sizeof(frame->images[0]));
    frame->segments = calloc(d->n_segments + 1, sizeof(frame->segments[0]));
    frame->places = calloc(d->n_segments + 1, sizeof(frame->places[0]));
    frame->alternatives = calloc(d->n_alternatives + 1, sizeof(frame->alternatives[0]));
    frame->ids = calloc(d->n_ids + 1, sizeof(frame->ids[0]));
    if (frame->records == NULL || frame->images == NULL || frame->segments == NULL ||
        frame->places == NULL || frame->alternatives == NULL || frame->ids == NULL)
        return SHARD_ENOMEM;
    shard_planes_join(d->planes, (unsigned char *)frame->ids,
                      d->n_ids * sizeof(frame->ids[0]), sizeof(frame->ids[0]));
    return SHARD_OK;
}

static void take_image(struct wire_cursor *c, struct shard_image *image)
{
    image->original_width = wire_take_u32(c);
    image->original_height = wire_take_u32(c);
    image->crop_left = wire_take_u32(c);
    image->crop_top = wire_take_u32(c);
    image->crop_width = wire_take_u32(c);
    image->crop_height = wire_take_u32(c);
    image->target_width = wire_take_u32(c);
    image->target_height = wire_take_u32(c);
    const unsigned char *sha256 = wire_take(c, sizeof(image->sha256));
    if (sha256 != NULL)
        memcpy(image->sha256, sha256, sizeof(image->sha256));
}

static void take_text(struct decoder *d, struct wire_cursor *c,
                      struct shard_segment *segment)
{
    uint32_t n = wire_take_u32(c);

    if (n > d->n_alternatives - d->alternative) {
        c->bad = true;
        return;
    }
    segment->n_alternatives = n;
    segment->alternatives = d->frame->alternatives + d->alternative;
    for (uint32_t i = 0; i < n && !c->bad; i++) {
        struct shard_alternative *a = &d->frame->alternatives[d->alternative++];
        a->n_ids = wire_take_u32(c);
        a->text_len = wire_take_u32(c);
        uint16_t name_len = wire_take_u16(c);
        c->bad |= wire_take_u16(c) != 0;
        a->name = wire_take_string(c, name_len);
        a->text = wire_take_string(c, a->text_len);
        c->bad |= a->name != NULL && strlen(a->name) != name_len;
        if (a->n_ids == SHARD_NO_IDS)
            continue;
        if (a->n_ids > d->n_ids - d->id) {
            c->bad = true;
            return;
        }
        a->ids = d->frame->ids + d->id;
        d->id += a->n_ids;
    }
}

/* The column of a segment: one met before or the next in the table. */
static void place_tensor(struct decoder *d, struct wire_cursor *c,
                         const struct shard_segment *segment, struct shard_place *place)
{
    uint32_t i;

    for (i = 0; i < d->frame->n_columns; i++) {
        const struct shard_column *column = &d->frame->columns[i];
        if (column->kind == segment->kind && column->encoder == segment->encoder &&
            column->dtype == segment->dtype)
            break;
    }
    if (i == d->frame->n_columns || i > d->n_used ||
        segment->n_bytes > d->frame->columns[i].bytes - d->filled[i]) {
        c->bad = true;
        return;
    }
    d->n_used += i == d->n_used;
    place->column = i;
    place->offset = (size_t)d->filled[i];
    d->filled[i] += segment->n_bytes;
}

static void take_tensor(struct decoder *d, struct wire_cursor *c,
                        struct shard_segment *segment, struct shard_place *place)
{
    segment->dtype = wire_take_u32(c);
    segment->image = wire_take_u32(c);
    segment->encoder = wire_take_u32(c);
    segment->n_dims = wire_take_u32(c);
    uint64_t n_bytes = wire_take_u64(c);
    if (segment->n_dims > SHARD_MAX_DIMS || n_bytes > SHARD_MAX_FRAME) {
        c->bad = true;
        return;
    }
    segment->n_bytes = (size_t)n_bytes;
    for (uint32_t i = 0; i < segment->n_dims; i++)
        segment->dims[i] = wire_take_u32(c);
    place_tensor(d, c, segment, place);
}

static void take_segments(struct decoder *d, struct wire_cursor *c, uint32_t n)
{
    for (uint32_t i = 0; i < n && !c->bad; i++, d->segment++) {
        struct shard_segment *segment = &d->frame->segments[d->segment];
        segment->kind = wire_take_u32(c);
        segment->flags = wire_take_u32(c);
        if (segment->kind == SHARD_TEXT)
            take_text(d, c, segment);
        else
            take_tensor(d, c, segment, &d->frame->places[d->segment]);
    }
}

/* One row, whose counts add_up_rows() has found to be possible. */
static void take_row(struct decoder *d, struct wire_cursor *c, struct shard_record *rec)
{
    rec->text_checksum = wire_take_u64(c);
    rec->tensor_checksum = wire_take_u64(c);
    wire_take_u32(c); /* the row's length */
    uint32_t n_ids = wire_take_u32(c);
    rec->index = wire_take_u64(c);
    rec->caption_drawn = wire_take_u32(c);
    uint32_t n_images = wire_take_u32(c);
    uint32_t n_segments = wire_take_u32(c);
    uint32_t n_alternatives = wire_take_u32(c);
    rec->metadata_len = wire_take_u32(c);
    uint16_t key_len = wire_take_u16(c);
    uint16_t name_len = wire_take_u16(c);
    uint64_t order = wire_take_u64(c);
    rec->order = order == 0 ? SHARD_CAPTION_FIRST : SHARD_IMAGE_FIRST;
    c->bad |= order > 1;
    rec->key = wire_take_string(c, key_len);
    rec->name = wire_take_string(c, name_len);

    rec->n_images = n_images;
    rec->images = d->frame->images + d->image;
    for (uint32_t i = 0; i < n_images; i++)
        take_image(c, &d->frame->images[d->image++]);

    size_t first_id = d->id, first_alternative = d->alternative;
    rec->n_segments = n_segments;
    rec->segments = d->frame->segments + d->segment;
    take_segments(d, c, n_segments);
    rec->metadata = wire_take_string(c, rec->metadata_len);
    if (rec->metadata_len == 0)
        rec->metadata = NULL;
    c->bad |= c->left != 0 || d->id - first_id != n_ids ||
              d->alternative - first_alternative != n_alternatives ||
              (rec->key != NULL && strlen(rec->key) != key_len) ||
              (rec->name != NULL && strlen(rec->name) != name_len);
}

/* Second pass. */
static int take_rows(struct decoder *d)
{
    const unsigned char *row = d->rows;

    for (size_t i = 0; i < d->frame->n_records; i++) {
        struct wire_cursor c = {.p = row, .left = wire_load_u32(row + ROW_BYTES)};
        struct shard_row_size size;
        char reason[160];
        row += c.left;
        take_row(d, &c, &d->frame->records[i]);
        if (c.bad)
            return damaged(d, "row %zu is not as its lengths say", i);
        if (shard_record_check(&d->frame->records[i], d->n_encoders, &size, reason,
                               sizeof(reason)) < 0)
            return damaged(d, "row %zu: %s", i, reason);
    }
    for (size_t i = 0; i < d->frame->n_columns; i++)
        if (i >= d->n_used || d->filled[i] != d->frame->columns[i].bytes)
            return damaged(d, "column %zu is not filled by the rows", i);
    if (d->id != d->n_ids)
        return damaged(d, "token ids that no row has");
    return SHARD_OK;
}

int shard_text_frame_decode(struct shard_text_frame *frame, const unsigned char *raw,
                            size_t len, size_t n_encoders, char *why, size_t cap)
{
    struct decoder d = {.frame = frame, .n_encoders = n_encoders, .why = why, .cap = cap};
    struct wire_cursor c = {.p = raw, .left = len};

    *frame = (struct shard_text_frame){0};
    int rc = read_head(&d, &c);
    if (rc == SHARD_OK)
        rc = add_up_rows(&d);
    if (rc == SHARD_OK)
        rc = allocate(&d);
    if (rc == SHARD_OK)
        rc = take_rows(&d);
    return rc;
}

void shard_text_frame_clear(struct shard_text_frame *frame)
{
    free(frame->records);
    free(frame->columns);
    free(frame->segments);
    free(frame->places);
    free(frame->alternatives);
    free(frame->images);
    free(frame->ids);
    *frame = (struct shard_text_frame){0};
}
