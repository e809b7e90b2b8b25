/* SPDX-License-Identifier: Apache-2.0 */
#include "shard/index/index.h"

#include <assert.h>

#include "shard/index/column_store.h"
#include "shard/file/format.h"
#include "shard/index/part_type.h"
#include "shard/status.h"
#include "shard/file/wire.h"

uint32_t shard_index_width(uint32_t column)
{
    /* No default: the compiler names a column without its width. */
    switch ((enum shard_index_column)column) {
    case INDEX_NAMES:
    case INDEX_CAPTION_NAMES:
    case INDEX_TYPES:
    case INDEX_COLUMNS:
    case INDEX_SHAPES:
    case INDEX_KEYS:
        return 1;
    case INDEX_KEY_LENGTH:
    case INDEX_N_PARTS:
        return 2;
    case INDEX_RECORD_INDEX:
    case INDEX_TEXT_CHECKSUM:
    case INDEX_TENSOR_CHECKSUM:
    case INDEX_SOURCE:
    case INDEX_CHECKSUM:
    case INDEX_FRAME_CHECKSUM:
        return 8;
    case INDEX_RECORD_NAME:
    case INDEX_PART_TYPE:
    case INDEX_ALTERNATIVE_NAME:
    case INDEX_ALTERNATIVE_N_IDS:
    case INDEX_SHAPE:
    case INDEX_BLOCK_RECORDS:
    case INDEX_BLOCK_FRAMES:
    case INDEX_FRAME_COLUMN:
    case INDEX_FRAME_FIRST_ROW:
    case INDEX_FRAME_BYTES:
    case INDEX_FRAME_RAW_BYTES:
        return 4;
    }
    return 0;
}

/* v is at most 65535: the writer has checked keys and parts against format.h's limits. */
static int add16(struct shard_index *x, enum shard_index_column column, size_t v)
{
    assert(v <= UINT16_MAX);
    return shard_buffer_add_u16(&x->column[column], (uint16_t)v);
}

static int add32(struct shard_index *x, enum shard_index_column column, uint32_t v)
{
    return shard_buffer_add_u32(&x->column[column], v);
}

static int add64(struct shard_index *x, enum shard_index_column column, uint64_t v)
{
    return shard_buffer_add_u64(&x->column[column], v);
}

/* Adds the position of an entry in a table to a column. */
static int add_entry(struct shard_index *x, enum shard_index_column table,
                     const void *data, size_t len, enum shard_index_column column)
{
    uint32_t position;
    int rc = shard_intern(&x->table[table], data, len, &position);

    return rc == SHARD_OK ? add32(x, column, position) : rc;
}

static int add_alternatives(struct shard_index *x, const struct shard_part *part)
{
    for (size_t i = 0; i < part->n_alternatives; i++) {
        const struct shard_alternative *a = &part->alternatives[i];
        if (add_entry(x, INDEX_CAPTION_NAMES, a->name, strlen(a->name),
                      INDEX_ALTERNATIVE_NAME) < 0 ||
            add32(x, INDEX_ALTERNATIVE_N_IDS, a->n_ids) < 0)
            return SHARD_ENOMEM;
    }
    return SHARD_OK;
}

static int add_part(struct shard_index *x, const struct shard_record *rec,
                    const struct shard_parts_tensors *of, size_t i)
{
    const struct shard_part *part = &rec->parts[i];

    if (shard_part_type_encode(&x->scratch, rec, of, i) < 0 ||
        add_entry(x, INDEX_TYPES, x->scratch.data, x->scratch.len, INDEX_PART_TYPE) < 0 ||
        add_alternatives(x, part) < 0)
        return SHARD_ENOMEM;
    if (part->kind == SHARD_PART_IMAGE &&
        shard_buffer_add(&x->column[INDEX_SOURCE], part->sha256, 8) < 0)
        return SHARD_ENOMEM;
    for (size_t j = of->start[i]; j < of->start[i + 1]; j++) {
        const struct shard_tensor *t = &rec->tensors[of->tensor[j]];
        if (add_entry(x, INDEX_SHAPES, t->dims, t->n_dims * sizeof(t->dims[0]),
                      INDEX_SHAPE) < 0 ||
            add64(x, INDEX_CHECKSUM, t->checksum) < 0)
            return SHARD_ENOMEM;
    }
    return SHARD_OK;
}

static int add_parts(struct shard_index *x, const struct shard_record *rec)
{
    struct shard_parts_tensors of;
    int rc = shard_parts_tensors_make(&of, rec);

    for (size_t i = 0; i < rec->n_parts && rc == SHARD_OK; i++)
        rc = add_part(x, rec, &of, i);
    shard_parts_tensors_clear(&of);
    return rc;
}

static int add_record(struct shard_index *x, const struct shard_record *rec)
{
    const size_t key_len = strlen(rec->key);

    if (add_entry(x, INDEX_NAMES, rec->name, strlen(rec->name), INDEX_RECORD_NAME) < 0 ||
        add64(x, INDEX_RECORD_INDEX, rec->index) < 0 ||
        add16(x, INDEX_KEY_LENGTH, key_len) < 0 ||
        shard_buffer_add(&x->column[INDEX_KEYS], rec->key, key_len) < 0 ||
        add16(x, INDEX_N_PARTS, rec->n_parts) < 0 ||
        add64(x, INDEX_TEXT_CHECKSUM, rec->text_checksum) < 0 ||
        add64(x, INDEX_TENSOR_CHECKSUM, rec->tensor_checksum) < 0)
        return SHARD_ENOMEM;
    x->n_records++;
    return add_parts(x, rec);
}

static int add_frame(struct shard_index *x, const struct shard_frame *frame,
                     uint32_t first_row)
{
    if (add32(x, INDEX_FRAME_FIRST_ROW, first_row) < 0 ||
        add32(x, INDEX_FRAME_BYTES, frame->bytes) < 0 ||
        add32(x, INDEX_FRAME_RAW_BYTES, frame->raw_bytes) < 0 ||
        add64(x, INDEX_FRAME_CHECKSUM, frame->checksum) < 0)
        return SHARD_ENOMEM;
    x->n_frames++;
    return SHARD_OK;
}

static int add_tensor_frame(struct shard_index *x, const struct shard_tensor_frame *f,
                            const struct shard_frame *frame)
{
    unsigned char column[SHARD_COLUMN_BYTES];

    shard_column_put(column, &f->column);
    int rc = add_entry(x, INDEX_COLUMNS, column, sizeof(column), INDEX_FRAME_COLUMN);
    return rc == SHARD_OK ? add_frame(x, frame, f->first_row) : rc;
}

int shard_index_add_block(struct shard_index *x, const struct shard_text_frame *text,
                          const struct shard_frame *frames)
{
    int rc = SHARD_OK;

    if (add32(x, INDEX_BLOCK_RECORDS, (uint32_t)text->n_records) < 0 ||
        add32(x, INDEX_BLOCK_FRAMES, (uint32_t)text->n_frames + 1) < 0 ||
        add32(x, INDEX_FRAME_COLUMN, SHARD_NONE) < 0 || add_frame(x, &frames[0], 0) < 0)
        return SHARD_ENOMEM;
    for (size_t i = 0; i < text->n_frames && rc == SHARD_OK; i++)
        rc = add_tensor_frame(x, &text->frames[i], &frames[1 + i]);
    for (size_t i = 0; i < text->n_records && rc == SHARD_OK; i++)
        rc = add_record(x, &text->records[i]);
    x->n_blocks++;
    return rc;
}

int shard_index_encode(struct shard_index *x, uint64_t data_bytes,
                       const unsigned char fingerprint[16], ZSTD_CCtx *zstd,
                       struct shard_buffer *out)
{
    for (uint32_t id = INDEX_NAMES; id <= INDEX_SHAPES; id++)
        if (shard_intern_encode(&x->table[id], &x->column[id]) < 0)
            return SHARD_ENOMEM;
    if (shard_column_store_begin(out, INDEX_N_COLUMNS) < 0)
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
    for (size_t i = 0; i <= INDEX_SHAPES; i++)
        shard_intern_empty(&x->table[i]);
    for (size_t i = 0; i <= INDEX_N_COLUMNS; i++)
        x->column[i].len = 0;
}

void shard_index_clear(struct shard_index *x)
{
    for (size_t i = 0; i <= INDEX_SHAPES; i++)
        shard_intern_clear(&x->table[i]);
    for (size_t i = 0; i <= INDEX_N_COLUMNS; i++)
        shard_buffer_free(&x->column[i]);
    shard_buffer_free(&x->scratch);
    *x = (struct shard_index){0};
}
