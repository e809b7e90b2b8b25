/* SPDX-License-Identifier: Apache-2.0 */
#include "shard/block.h"

#include "shard/planes.h"
#include "shard/status.h"
#include "shard/wire.h"

static bool column_is(const struct shard_block_column *column,
                      const struct shard_segment *segment)
{
    return column->kind == segment->kind && column->encoder == segment->encoder &&
           column->dtype == segment->dtype;
}

static uint32_t find_column(const struct shard_block *b,
                            const struct shard_segment *segment)
{
    uint32_t i = 0;

    while (i < b->n_columns && !column_is(&b->columns[i], segment))
        i++;
    return i;
}

/* Adds the record's columns; false where they would be too many: then none is added. */
static bool add_columns(struct shard_block *b, const struct shard_record *rec)
{
    uint32_t before = b->n_columns;

    for (size_t i = 0; i < rec->n_segments; i++) {
        const struct shard_segment *segment = &rec->segments[i];
        if (segment->kind == SHARD_TEXT || find_column(b, segment) < b->n_columns)
            continue;
        if (b->n_columns == SHARD_MAX_COLUMNS) {
            b->n_columns = before;
            return false;
        }
        struct shard_block_column *column = &b->columns[b->n_columns++];
        column->kind = segment->kind;
        column->encoder = segment->encoder;
        column->dtype = segment->dtype;
        column->raw.len = 0;
    }
    return true;
}

bool shard_block_fits(const struct shard_block *b, const struct shard_row_size *size,
                      uint64_t max_bytes)
{
    return b->tensor_bytes + size->tensor_bytes <= max_bytes &&
           b->rows.len + size->bytes <= max_bytes &&
           b->rows.len + size->bytes + b->ids.len + size->n_ids * sizeof(uint32_t) <=
               SHARD_MAX_FRAME - SHARD_TEXT_HEAD - SHARD_MAX_COLUMNS * SHARD_TEXT_COLUMN;
}

static int add_ids(struct shard_block *b, const struct shard_segment *segment)
{
    int rc = SHARD_OK;

    for (size_t i = 0; i < segment->n_alternatives && rc == SHARD_OK; i++) {
        const struct shard_alternative *a = &segment->alternatives[i];
        if (a->n_ids != SHARD_NO_IDS)
            rc = shard_buffer_add(&b->ids, a->ids, a->n_ids * sizeof(a->ids[0]));
    }
    return rc;
}

static int add_tensor(struct shard_block *b, const struct shard_segment *segment)
{
    struct shard_block_column *column = &b->columns[find_column(b, segment)];

    b->tensor_bytes += segment->n_bytes;
    return shard_buffer_add(&column->raw, segment->data, segment->n_bytes);
}

int shard_block_add(struct shard_block *b, const struct shard_record *rec,
                    const struct shard_row_size *size)
{
    int rc = SHARD_OK;

    if (!add_columns(b, rec))
        return SHARD_EINVAL;
    unsigned char *row = shard_buffer_extend(&b->rows, size->bytes);
    if (row == NULL)
        return SHARD_ENOMEM;
    shard_row_write(rec, size, row);
    for (size_t i = 0; i < rec->n_segments && rc == SHARD_OK; i++)
        rc = rec->segments[i].kind == SHARD_TEXT ? add_ids(b, &rec->segments[i])
                                                 : add_tensor(b, &rec->segments[i]);
    b->n_records++;
    return rc;
}

int shard_block_text(const struct shard_block *b, struct shard_buffer *out)
{
    size_t len =
        SHARD_TEXT_HEAD + b->n_columns * SHARD_TEXT_COLUMN + b->rows.len + b->ids.len;

    if (shard_buffer_resize(out, len) < 0)
        return SHARD_ENOMEM;
    unsigned char *p = wire_put_u32(out->data, SHARD_MAGIC_TEXT);
    p = wire_put_u32(p, b->n_records);
    p = wire_put_u32(p, b->n_columns);
    p = wire_put_u32(p, 0);
    p = wire_put_u64(p, b->rows.len);
    p = wire_put_u64(p, b->ids.len / sizeof(uint32_t));
    for (uint32_t i = 0; i < b->n_columns; i++) {
        p = wire_put_u32(p, b->columns[i].kind);
        p = wire_put_u32(p, b->columns[i].encoder);
        p = wire_put_u32(p, b->columns[i].dtype);
        p = wire_put_u32(p, 0);
        p = wire_put_u64(p, b->columns[i].raw.len);
    }
    p = wire_put_bytes(p, b->rows.data, b->rows.len);
    shard_planes_split(b->ids.data, p, b->ids.len, sizeof(uint32_t));
    return SHARD_OK;
}

int shard_block_tensor(const struct shard_block *b, uint32_t column,
                       struct shard_buffer *out)
{
    const struct shard_block_column *c = &b->columns[column];

    if (shard_buffer_resize(out, c->raw.len) < 0)
        return SHARD_ENOMEM;
    shard_planes_split(c->raw.data, out->data, c->raw.len, shard_dtype_planes(c->dtype));
    return SHARD_OK;
}

void shard_block_empty(struct shard_block *b)
{
    b->n_records = 0;
    b->n_columns = 0;
    b->tensor_bytes = 0;
    b->rows.len = 0;
    b->ids.len = 0;
}

void shard_block_clear(struct shard_block *b)
{
    shard_block_empty(b);
    shard_buffer_free(&b->rows);
    shard_buffer_free(&b->ids);
    for (size_t i = 0; i < SHARD_MAX_COLUMNS; i++)
        shard_buffer_free(&b->columns[i].raw);
}
