/* SPDX-License-Identifier: Apache-2.0 */
#include "shard/file/block.h"

#include "shard/file/planes.h"
#include "shard/status.h"
#include "shard/file/wire.h"

/* Position of a column, or where it would stand. */
static uint32_t lower_bound(const struct shard_block *b,
                            const struct shard_column *column)
{
    uint32_t i = 0;

    while (i < b->n_columns && shard_column_compare(&b->columns[i].column, column) < 0)
        i++;
    return i;
}

static bool has_column(const struct shard_block *b, uint32_t i,
                       const struct shard_column *column)
{
    return i < b->n_columns && shard_column_compare(&b->columns[i].column, column) == 0;
}

static struct shard_block_column *find_column(struct shard_block *b,
                                              const struct shard_tensor *t)
{
    const struct shard_column column = shard_column_of(t);

    return &b->columns[lower_bound(b, &column)];
}

/* At position i; the memory of one that is not used goes with it. */
static void insert_column(struct shard_block *b, uint32_t i,
                          const struct shard_column *column)
{
    struct shard_block_column fresh = b->columns[b->n_columns];

    memmove(&b->columns[i + 1], &b->columns[i],
            (b->n_columns - i) * sizeof(b->columns[0]));
    fresh.column = *column;
    fresh.raw.len = fresh.frames.len = 0;
    fresh.row_bytes = 0;
    fresh.kept = false;
    b->columns[i] = fresh;
    b->n_columns++;
}

/* How many columns the record would add. */
static size_t count_new_columns(const struct shard_block *b,
                                const struct shard_record *rec)
{
    struct shard_column seen[SHARD_MAX_COLUMNS + 1];
    size_t n = 0;

    for (size_t i = 0; i < rec->n_tensors && n <= SHARD_MAX_COLUMNS; i++) {
        const struct shard_column column = shard_column_of(&rec->tensors[i]);
        size_t j = 0;
        if (has_column(b, lower_bound(b, &column), &column))
            continue;
        while (j < n && shard_column_compare(&seen[j], &column) != 0)
            j++;
        if (j == n)
            seen[n++] = column;
    }
    return n;
}

/* Adds the record's columns; false where they would be too many: then none is added. */
static bool add_columns(struct shard_block *b, const struct shard_record *rec)
{
    if (count_new_columns(b, rec) > SHARD_MAX_COLUMNS - b->n_columns)
        return false;
    for (size_t i = 0; i < rec->n_tensors; i++) {
        const struct shard_column column = shard_column_of(&rec->tensors[i]);
        const uint32_t at = lower_bound(b, &column);
        if (!has_column(b, at, &column))
            insert_column(b, at, &column);
    }
    return true;
}

bool shard_block_fits(const struct shard_block *b, const struct shard_row_size *size,
                      uint64_t max_bytes)
{
    const size_t frames = b->n_frames + SHARD_MAX_COLUMNS;

    return b->tensor_bytes + size->tensor_bytes <= max_bytes &&
           b->rows.len + size->bytes <= max_bytes &&
           b->rows.len + size->bytes + b->ids.len + size->n_ids * sizeof(uint32_t) <=
               SHARD_MAX_FRAME - SHARD_TEXT_HEAD - frames * SHARD_TEXT_FRAME;
}

static int add_frame(struct shard_block *b, struct shard_block_column *c,
                     const struct shard_tensor_frame *frame)
{
    if (b->n_frames == SHARD_MAX_BLOCK_FRAMES)
        return SHARD_EINVAL;
    b->n_frames++;
    return shard_buffer_add(&c->frames, frame, sizeof(*frame));
}

int shard_block_keep(struct shard_block *b, const struct shard_tensor_frame *frame)
{
    const uint32_t at = lower_bound(b, &frame->column);

    if (!has_column(b, at, &frame->column)) {
        if (b->n_columns == SHARD_MAX_COLUMNS)
            return SHARD_EINVAL;
        insert_column(b, at, &frame->column);
        b->columns[at].kept = true;
    }
    return add_frame(b, &b->columns[at], frame);
}

bool shard_block_keeps(const struct shard_block *b, const struct shard_tensor *t)
{
    const struct shard_column column = shard_column_of(t);
    const uint32_t at = lower_bound(b, &column);

    return has_column(b, at, &column) && b->columns[at].kept;
}

size_t shard_block_n_frames(const struct shard_block_column *c)
{
    return c->frames.len / sizeof(struct shard_tensor_frame);
}

static struct shard_tensor_frame *frame_at(const struct shard_block_column *c, size_t i)
{
    return (struct shard_tensor_frame *)c->frames.data + i; /* from malloc: aligned */
}

const struct shard_tensor_frame *shard_block_frame(const struct shard_block_column *c,
                                                   size_t i)
{
    return frame_at(c, i);
}

static int add_ids(struct shard_block *b, const struct shard_part *part)
{
    int rc = SHARD_OK;

    for (size_t i = 0; i < part->n_alternatives && rc == SHARD_OK; i++) {
        const struct shard_alternative *a = &part->alternatives[i];
        if (a->n_ids != SHARD_NO_IDS)
            rc = shard_buffer_add(&b->ids, a->ids, a->n_ids * sizeof(a->ids[0]));
    }
    return rc;
}

/* Opens a frame for the row's tensors where the last one has no room for them. */
static int make_room(struct shard_block *b, struct shard_block_column *c,
                     uint64_t max_bytes)
{
    const size_t n = shard_block_n_frames(c);

    if (n > 0 && frame_at(c, n - 1)->bytes + c->row_bytes <= max_bytes)
        return SHARD_OK;
    /* The first one has all rows before this one, which have none of its tensors. */
    return add_frame(b, c,
                     &(struct shard_tensor_frame){.column = c->column,
                                                  .first_row = n > 0 ? b->n_records : 0});
}

static int add_tensor(struct shard_block *b, const struct shard_tensor *t,
                      uint64_t max_bytes)
{
    struct shard_block_column *c = find_column(b, t);
    int rc = SHARD_OK;

    if (c->kept)
        return rc;
    if (c->row_bytes != SIZE_MAX) { /* the row's first */
        rc = make_room(b, c, max_bytes);
        c->row_bytes = SIZE_MAX;
    }
    if (rc == SHARD_OK)
        frame_at(c, shard_block_n_frames(c) - 1)->bytes += t->n_bytes;
    return rc == SHARD_OK ? shard_buffer_add(&c->raw, t->data, t->n_bytes) : rc;
}

static int add_tensors(struct shard_block *b, const struct shard_record *rec,
                       uint64_t max_bytes)
{
    int rc = SHARD_OK;

    for (size_t i = 0; i < rec->n_tensors; i++)
        find_column(b, &rec->tensors[i])->row_bytes = 0;
    for (size_t i = 0; i < rec->n_tensors; i++)
        find_column(b, &rec->tensors[i])->row_bytes += rec->tensors[i].n_bytes;
    for (size_t i = 0; i < rec->n_tensors && rc == SHARD_OK; i++)
        rc = add_tensor(b, &rec->tensors[i], max_bytes);
    return rc;
}

/* Whether a frame more for each of the record's columns may join the block's. */
static bool frames_fit(const struct shard_block *b, const struct shard_record *rec)
{
    size_t n = b->n_frames;

    if (n <= SHARD_MAX_BLOCK_FRAMES - SHARD_MAX_COLUMNS)
        return true;
    for (size_t i = 0; i < rec->n_tensors; i++)
        n += !shard_block_keeps(b, &rec->tensors[i]);
    return n <= SHARD_MAX_BLOCK_FRAMES;
}

int shard_block_add(struct shard_block *b, const struct shard_header *h,
                    const struct shard_record *rec, const struct shard_row_size *size,
                    uint64_t max_bytes)
{
    if (!frames_fit(b, rec) || !add_columns(b, rec))
        return SHARD_EINVAL;
    unsigned char *row = shard_buffer_extend(&b->rows, size->bytes);
    if (row == NULL)
        return SHARD_ENOMEM;
    shard_row_write(rec, h, size, row);
    int rc = SHARD_OK;
    for (size_t i = 0; i < rec->n_parts && rc == SHARD_OK; i++)
        rc = add_ids(b, &rec->parts[i]);
    if (rc == SHARD_OK)
        rc = add_tensors(b, rec, max_bytes);
    b->tensor_bytes += size->tensor_bytes;
    b->n_records++;
    return rc;
}

static unsigned char *put_frame(unsigned char *p, const struct shard_tensor_frame *f)
{
    p = shard_column_put(p, &f->column);
    p = wire_put_u32(p, f->first_row);
    p = wire_put_u32(p, 0);
    return wire_put_u64(p, f->bytes);
}

int shard_block_text(const struct shard_block *b, struct shard_buffer *out)
{
    size_t len =
        SHARD_TEXT_HEAD + b->n_frames * SHARD_TEXT_FRAME + b->rows.len + b->ids.len;

    if (len > SHARD_MAX_FRAME)
        return SHARD_EINVAL;
    if (shard_buffer_resize(out, len) < 0)
        return SHARD_ENOMEM;
    unsigned char *p = wire_put_u32(out->data, SHARD_MAGIC_TEXT);
    p = wire_put_u32(p, b->n_records);
    p = wire_put_u32(p, (uint32_t)b->n_frames);
    p = wire_put_u32(p, 0);
    p = wire_put_u64(p, b->rows.len);
    p = wire_put_u64(p, b->ids.len / sizeof(uint32_t));
    for (uint32_t i = 0; i < b->n_columns; i++)
        for (size_t j = 0; j < shard_block_n_frames(&b->columns[i]); j++)
            p = put_frame(p, frame_at(&b->columns[i], j));
    p = wire_put_bytes(p, b->rows.data, b->rows.len);
    shard_planes_split(b->ids.data, p, b->ids.len, sizeof(uint32_t));
    return SHARD_OK;
}

int shard_block_tensors(const struct shard_block_column *c, size_t i,
                        struct shard_buffer *out)
{
    const size_t bytes = (size_t)frame_at(c, i)->bytes;
    size_t start = 0;

    for (size_t j = 0; j < i; j++)
        start += (size_t)frame_at(c, j)->bytes;
    if (shard_buffer_resize(out, bytes) < 0)
        return SHARD_ENOMEM;
    shard_planes_split(c->raw.data + start, out->data, bytes,
                       shard_dtype_planes(c->column.dtype));
    return SHARD_OK;
}

void shard_block_empty(struct shard_block *b)
{
    b->n_records = 0;
    b->n_columns = 0;
    b->n_frames = 0;
    b->tensor_bytes = 0;
    b->rows.len = 0;
    b->ids.len = 0;
}

void shard_block_clear(struct shard_block *b)
{
    shard_block_empty(b);
    shard_buffer_free(&b->rows);
    shard_buffer_free(&b->ids);
    for (size_t i = 0; i < SHARD_MAX_COLUMNS; i++) {
        shard_buffer_free(&b->columns[i].raw);
        shard_buffer_free(&b->columns[i].frames);
    }
}
