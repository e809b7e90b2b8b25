/* SPDX-License-Identifier: Apache-2.0
 * shard/file/text_frame.c - two passes: the first adds up what the rows say they hold, so
 * that every array is allocated once and never larger than the frame can fill; the second
 * takes the rows apart and may not pass those sums. */
#include "shard/file/text_frame.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "shard/file/format.h"
#include "shard/file/planes.h"
#include "shard/record_check.h"
#include "shard/file/row.h"
#include "shard/file/row_read.h"
#include "shard/status.h"
#include "shard/file/wire.h"

struct decoder {
    struct shard_text_frame *frame;
    const struct shard_header *h;
    const unsigned char *rows;
    size_t rows_bytes;
    const unsigned char *planes; /* of all ids */
    struct shard_row_room room;
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

/* Columns ascend, and within one the first rows from 0 on. */
static bool frame_follows(const struct shard_tensor_frame *f, size_t i, size_t n_records)
{
    const int order = i > 0 ? shard_column_compare(&f[i - 1].column, &f[i].column) : -1;

    return order < 0 ? f[i].first_row == 0
                     : order == 0 && f[i].first_row > f[i - 1].first_row &&
                           f[i].first_row < n_records;
}

static int read_frames(struct decoder *d, struct wire_cursor *c, uint32_t n)
{
    struct shard_text_frame *frame = d->frame;
    uint32_t n_columns = 0;

    if (n > SHARD_MAX_BLOCK_FRAMES || n > c->left / SHARD_TEXT_FRAME)
        return damaged(d, "text frame with an impossible number of tensor frames");
    frame->frames = calloc(n + 1u, sizeof(frame->frames[0]));
    if (frame->frames == NULL)
        return SHARD_ENOMEM;
    frame->n_frames = n;
    for (uint32_t i = 0; i < n; i++) {
        struct shard_tensor_frame *f = &frame->frames[i];
        f->column = shard_column_take(c);
        f->first_row = wire_take_u32(c);
        const uint32_t reserved = wire_take_u32(c);
        f->bytes = wire_take_u64(c);
        n_columns += f->first_row == 0;
        if (reserved != 0)
            return damaged(d, "tensor frame %u: " SHARD_LATER, i);
        if (f->bytes > SHARD_MAX_FRAME || n_columns > SHARD_MAX_COLUMNS ||
            !frame_follows(frame->frames, i, frame->n_records))
            return damaged(d, "text frame with an impossible tensor frame");
    }
    return SHARD_OK;
}

static int read_head(struct decoder *d, struct wire_cursor *c)
{
    struct shard_text_frame *frame = d->frame;
    const bool fits = c->left <= SHARD_MAX_FRAME;
    const uint32_t magic = wire_take_u32(c);
    const uint32_t n_records = wire_take_u32(c);
    const uint32_t n_frames = wire_take_u32(c);
    const uint32_t reserved = wire_take_u32(c);
    const uint64_t rows_bytes = wire_take_u64(c);
    const uint64_t n_ids = wire_take_u64(c);

    if (!fits)
        return damaged(d, "text frame of more than %d bytes", SHARD_MAX_FRAME);
    if (c->bad || magic != SHARD_MAGIC_TEXT)
        return damaged(d, "not a text frame");
    if (reserved != 0)
        return damaged(d, SHARD_LATER);
    frame->n_records = n_records;
    int rc = read_frames(d, c, n_frames);
    if (rc < 0)
        return rc;
    if (n_ids > SHARD_MAX_FRAME / sizeof(uint32_t))
        return damaged(d, "text frame with an impossible number of ids");
    d->rows = wire_take(c, rows_bytes);
    d->planes = wire_take(c, n_ids * sizeof(uint32_t));
    if (c->bad || c->left != 0 || n_records == 0 ||
        n_records > rows_bytes / (SHARD_ROW_HEAD + SHARD_ROW_CONTENT))
        return damaged(d, "text frame of another length than its head says");
    d->rows_bytes = (size_t)rows_bytes;
    d->room.n_ids = frame->n_ids = (size_t)n_ids;
    return SHARD_OK;
}

/* First pass. */
static int add_up_rows(struct decoder *d)
{
    size_t at = 0;

    for (size_t i = 0; i < d->frame->n_records; i++) {
        if (d->rows_bytes - at < SHARD_ROW_HEAD + SHARD_ROW_CONTENT)
            return damaged(d, "row %zu is cut off", i);
        if (!shard_row_add_up(d->rows + at, d->rows_bytes - at, &d->room))
            return damaged(d, "row %zu is shorter than what it holds", i);
        at += wire_load_u32(d->rows + at + 16);
    }
    if (at != d->rows_bytes)
        return damaged(d, "bytes behind the last row");
    return SHARD_OK;
}

static int allocate(struct decoder *d)
{
    struct shard_text_frame *f = d->frame;
    struct shard_row_room *room = &d->room;

    f->records = calloc(f->n_records, sizeof(f->records[0]));
    f->parts = calloc(room->n_parts + 1, sizeof(f->parts[0]));
    f->alternatives = calloc(room->n_alternatives + 1, sizeof(f->alternatives[0]));
    f->renditions = calloc(room->n_renditions + 1, sizeof(f->renditions[0]));
    f->tensors = calloc(room->n_tensors + 1, sizeof(f->tensors[0]));
    f->places = calloc(room->n_tensors + 1, sizeof(f->places[0]));
    f->ids = calloc(f->n_ids + 1, sizeof(f->ids[0]));
    if (f->records == NULL || f->parts == NULL || f->alternatives == NULL ||
        f->renditions == NULL || f->tensors == NULL || f->places == NULL ||
        f->ids == NULL)
        return SHARD_ENOMEM;
    room->parts = f->parts;
    room->alternatives = f->alternatives;
    room->renditions = f->renditions;
    room->tensors = f->tensors;
    room->ids = f->ids;
    shard_planes_join(d->planes, (unsigned char *)f->ids, f->n_ids * sizeof(f->ids[0]),
                      sizeof(f->ids[0]));
    return SHARD_OK;
}

/* Second pass. */
static int take_rows(struct decoder *d)
{
    const unsigned char *row = d->rows;

    for (size_t i = 0; i < d->frame->n_records; i++) {
        struct shard_row_size size;
        char reason[200];
        if (!shard_row_read(row, &d->room, &d->frame->records[i]))
            return damaged(d,
                           d->room.later ? "row %zu: " SHARD_LATER
                                         : "row %zu is not as its lengths say",
                           i);
        if (shard_record_check(&d->frame->records[i], d->h, &size, reason,
                               sizeof(reason)) < 0)
            return damaged(d, "row %zu: %s", i, reason);
        row += wire_load_u32(row + 16);
    }
    if (d->room.n_ids != 0)
        return damaged(d, "token ids that no row has");
    return SHARD_OK;
}

/* ---- where the tensors are ---- */

/* The column of a tensor, as the first of its frames; n_frames: there is none. */
static size_t find_column(const struct shard_text_frame *frame,
                          const struct shard_tensor *t)
{
    const struct shard_column column = shard_column_of(t);
    size_t low = 0, high = frame->n_frames;

    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        if (shard_column_compare(&frame->frames[middle].column, &column) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low < frame->n_frames &&
                   shard_column_compare(&frame->frames[low].column, &column) == 0
               ? low
               : frame->n_frames;
}

/* Of each frame. */
struct filling {
    size_t at;      /* of a column's first: the frame that its next tensors are in */
    uint64_t bytes; /* given out */
    bool used;
};

static int place_row(struct decoder *d, size_t row, struct filling *filling)
{
    struct shard_text_frame *frame = d->frame;
    const struct shard_record *rec = &frame->records[row];
    const size_t first = (size_t)(rec->tensors - frame->tensors);

    for (size_t i = first; i < first + rec->n_tensors; i++) {
        const struct shard_tensor *t = &frame->tensors[i];
        const size_t column = find_column(frame, t);
        if (column == frame->n_frames)
            return damaged(d, "row %zu has a tensor of no frame", row);
        size_t f = filling[column].at;
        while (f + 1 < frame->n_frames && frame->frames[f + 1].first_row > 0 &&
               frame->frames[f + 1].first_row <= row)
            f++;
        filling[column].at = f;
        if (t->n_bytes > frame->frames[f].bytes - filling[f].bytes)
            return damaged(d, "tensor frame %zu is too short for row %zu", f, row);
        frame->places[i] = (struct shard_place){(uint32_t)f, (size_t)filling[f].bytes};
        filling[f].bytes += t->n_bytes;
        filling[f].used = true;
    }
    return SHARD_OK;
}

static int place_tensors(struct decoder *d)
{
    const size_t n = d->frame->n_frames;
    struct filling *filling = calloc(n + 1, sizeof(filling[0]));
    int rc = filling != NULL ? SHARD_OK : SHARD_ENOMEM;

    for (size_t i = 0; i < n && rc == SHARD_OK; i++)
        filling[i].at = i;
    for (size_t i = 0; i < d->frame->n_records && rc == SHARD_OK; i++)
        rc = place_row(d, i, filling);
    for (size_t i = 0; i < n && rc == SHARD_OK; i++)
        if (!filling[i].used || filling[i].bytes != d->frame->frames[i].bytes)
            rc = damaged(d, "tensor frame %zu is not filled by the rows", i);
    free(filling);
    return rc;
}

int shard_text_frame_decode(struct shard_text_frame *frame, const unsigned char *raw,
                            size_t len, const struct shard_header *h, char *why,
                            size_t cap)
{
    struct decoder d = {.frame = frame, .h = h, .why = why, .cap = cap};
    struct wire_cursor c = {.p = raw, .left = len};

    *frame = (struct shard_text_frame){0};
    int rc = read_head(&d, &c);
    if (rc == SHARD_OK)
        rc = add_up_rows(&d);
    if (rc == SHARD_OK)
        rc = allocate(&d);
    if (rc == SHARD_OK)
        rc = take_rows(&d);
    if (rc == SHARD_OK)
        rc = place_tensors(&d);
    return rc;
}

void shard_text_frame_clear(struct shard_text_frame *frame)
{
    free(frame->records);
    free(frame->frames);
    free(frame->parts);
    free(frame->alternatives);
    free(frame->renditions);
    free(frame->tensors);
    free(frame->places);
    free(frame->ids);
    *frame = (struct shard_text_frame){0};
}
