/* SPDX-License-Identifier: Apache-2.0 */
#include "shard/index.h"

#include "shard/column_store.h"
#include "shard/format.h"
#include "shard/layout.h"
#include "shard/status.h"
#include "shard/wire.h"

uint32_t shard_index_width(uint32_t column)
{
    switch (column) {
    case INDEX_NAMES:
    case INDEX_CAPTION_NAMES:
    case INDEX_LAYOUTS:
    case INDEX_COLUMNS:
    case INDEX_KEYS:
        return 1;
    case INDEX_KEY_LENGTH:
        return 2;
    case INDEX_RECORD_INDEX:
    case INDEX_TEXT_CHECKSUM:
    case INDEX_TENSOR_CHECKSUM:
    case INDEX_FRAME_OFFSET:
    case INDEX_FRAME_CHECKSUM:
        return 8;
    default:
        return column >= INDEX_NAMES && column <= INDEX_N_COLUMNS ? 4 : 0;
    }
}

static int add32(struct shard_index *x, enum shard_index_column column, uint32_t v)
{
    return shard_buffer_add_u32(&x->column[column], v);
}

static int add64(struct shard_index *x, enum shard_index_column column, uint64_t v)
{
    return shard_buffer_add_u64(&x->column[column], v);
}

static int add_alternatives(struct shard_index *x, const struct shard_segment *segment)
{
    for (size_t i = 0; i < segment->n_alternatives; i++) {
        const struct shard_alternative *a = &segment->alternatives[i];
        uint32_t name;
        if (shard_intern(&x->caption_names, a->name, strlen(a->name), &name) < 0 ||
            add32(x, INDEX_ALTERNATIVE_NAME, name) < 0 ||
            add32(x, INDEX_ALTERNATIVE_N_IDS, a->n_ids) < 0)
            return SHARD_ENOMEM;
    }
    return SHARD_OK;
}

static int add_record(struct shard_index *x, const struct shard_record *rec, uint32_t row)
{
    size_t key_len = strlen(rec->key);
    uint32_t name, layout;

    if (shard_layout_encode(&x->scratch, rec) < 0 ||
        shard_intern(&x->layouts, x->scratch.data, x->scratch.len, &layout) < 0 ||
        shard_intern(&x->names, rec->name, strlen(rec->name), &name) < 0 ||
        add32(x, INDEX_RECORD_NAME, name) < 0 ||
        add64(x, INDEX_RECORD_INDEX, rec->index) < 0 ||
        shard_buffer_add_u16(&x->column[INDEX_KEY_LENGTH], (uint16_t)key_len) < 0 ||
        shard_buffer_add(&x->column[INDEX_KEYS], rec->key, key_len) < 0 ||
        add32(x, INDEX_RECORD_BLOCK, x->n_blocks) < 0 ||
        add32(x, INDEX_RECORD_ROW, row) < 0 ||
        add32(x, INDEX_RECORD_LAYOUT, layout) < 0 ||
        add64(x, INDEX_TEXT_CHECKSUM, rec->text_checksum) < 0 ||
        add64(x, INDEX_TENSOR_CHECKSUM, rec->tensor_checksum) < 0)
        return SHARD_ENOMEM;
    for (size_t i = 0; i < rec->n_segments; i++)
        if (rec->segments[i].kind == SHARD_TEXT &&
            add_alternatives(x, &rec->segments[i]) < 0)
            return SHARD_ENOMEM;
    x->n_records++;
    return SHARD_OK;
}

static int add_frame(struct shard_index *x, const struct shard_frame *frame,
                     uint32_t column)
{
    if (add32(x, INDEX_FRAME_BLOCK, x->n_blocks) < 0 ||
        add32(x, INDEX_FRAME_COLUMN, column) < 0 ||
        add64(x, INDEX_FRAME_OFFSET, frame->offset) < 0 ||
        add32(x, INDEX_FRAME_BYTES, frame->bytes) < 0 ||
        add32(x, INDEX_FRAME_RAW_BYTES, frame->raw_bytes) < 0 ||
        add64(x, INDEX_FRAME_CHECKSUM, frame->checksum) < 0)
        return SHARD_ENOMEM;
    x->n_frames++;
    return SHARD_OK;
}

int shard_index_add_block(struct shard_index *x, const struct shard_text_frame *text,
                          const struct shard_frame *frames)
{
    int rc = add_frame(x, &frames[0], SHARD_NONE);

    for (size_t i = 0; i < text->n_columns && rc == SHARD_OK; i++) {
        unsigned char triple[12];
        uint32_t column;
        wire_put_u32(triple, text->columns[i].kind);
        wire_put_u32(triple + 4, text->columns[i].encoder);
        wire_put_u32(triple + 8, text->columns[i].dtype);
        rc = shard_intern(&x->columns, triple, sizeof(triple), &column);
        if (rc == SHARD_OK)
            rc = add_frame(x, &frames[1 + i], column);
    }
    for (size_t i = 0; i < text->n_records && rc == SHARD_OK; i++)
        rc = add_record(x, &text->records[i], (uint32_t)i);
    x->n_blocks++;
    return rc;
}

static int encode_tables(struct shard_index *x)
{
    if (shard_intern_encode(&x->names, &x->column[INDEX_NAMES]) < 0 ||
        shard_intern_encode(&x->caption_names, &x->column[INDEX_CAPTION_NAMES]) < 0 ||
        shard_intern_encode(&x->layouts, &x->column[INDEX_LAYOUTS]) < 0 ||
        shard_intern_encode(&x->columns, &x->column[INDEX_COLUMNS]) < 0)
        return SHARD_ENOMEM;
    return SHARD_OK;
}

int shard_index_encode(struct shard_index *x, uint64_t data_bytes,
                       const unsigned char fingerprint[16], ZSTD_CCtx *zstd,
                       struct shard_buffer *out)
{
    if (encode_tables(x) < 0 || shard_column_store_begin(out, INDEX_N_COLUMNS) < 0)
        return SHARD_ENOMEM;
    unsigned char *p = wire_put_bytes(out->data, SHARD_MAGIC_INDEX_TEXT, 8);
    p = wire_put_u32(p, SHARD_VERSION);
    p = wire_put_u32(p, INDEX_N_COLUMNS);
    p = wire_put_u64(p, x->n_records);
    p = wire_put_u32(p, x->n_blocks);
    p = wire_put_u32(p, x->n_frames);
    wire_put_u64(p, data_bytes);

    for (uint32_t id = 1; id <= INDEX_N_COLUMNS; id++) {
        if (x->column[id].len > shard_max_column(data_bytes))
            return SHARD_EINVAL;
        if (shard_column_store_append(out, id, shard_index_width(id), &x->column[id],
                                      zstd, &x->scratch) < 0)
            return SHARD_ENOMEM;
    }
    if (shard_column_store_end(out, INDEX_N_COLUMNS, fingerprint) < 0)
        return SHARD_ENOMEM;
    return out->len <= UINT32_MAX - SHARD_SKIPPABLE_HEAD ? SHARD_OK : SHARD_EINVAL;
}

void shard_index_empty(struct shard_index *x)
{
    x->n_records = 0;
    x->n_blocks = x->n_frames = 0;
    shard_intern_empty(&x->names);
    shard_intern_empty(&x->caption_names);
    shard_intern_empty(&x->layouts);
    shard_intern_empty(&x->columns);
    for (size_t i = 0; i <= INDEX_N_COLUMNS; i++)
        x->column[i].len = 0;
}

void shard_index_clear(struct shard_index *x)
{
    shard_intern_clear(&x->names);
    shard_intern_clear(&x->caption_names);
    shard_intern_clear(&x->layouts);
    shard_intern_clear(&x->columns);
    for (size_t i = 0; i <= INDEX_N_COLUMNS; i++)
        shard_buffer_free(&x->column[i]);
    shard_buffer_free(&x->scratch);
    *x = (struct shard_index){0};
}
