/* SPDX-License-Identifier: Apache-2.0 */
#include "shard/index/outline.h"

#include <stdlib.h>
#include <string.h>

#include "shard/file/format.h"
#include "shard/parts.h"
#include "shard/record_check.h"
#include "shard/status.h"
#include "shard/index/table.h"
#include "shard/file/wire.h"

static int bad(const struct shard_index_file *x, const char *what)
{
    return shard_column_store_bad(&x->store, what);
}

static int no_memory(const struct shard_index_file *x)
{
    return shard_positioned_file_fail(x->store.file, SHARD_ENOMEM, "out of memory");
}

/* A column of u32 as an array of its own. */
static int load_u32(const struct shard_index_file *x, enum shard_index_column column,
                    size_t n, uint32_t **out)
{
    struct shard_buffer values = {0};
    int rc = shard_index_load(x, column, 4 * (uint64_t)n, &values);

    if (rc < 0 || n == 0) {
        shard_buffer_free(&values);
        *out = rc == SHARD_OK ? calloc(1, sizeof(**out)) : NULL;
        return rc == SHARD_OK && *out == NULL ? no_memory(x) : rc;
    }
    *out = (uint32_t *)values.data; /* from malloc: aligned */
    return SHARD_OK;
}

/* A whole table, in *bytes. */
static int load_table(const struct shard_index_file *x, enum shard_index_column column,
                      struct shard_buffer *bytes, struct shard_table *table)
{
    int rc = shard_index_load(x, column, x->store.entry[column].raw_bytes, bytes);

    if (rc == SHARD_OK)
        rc = shard_table_split(table, bytes->data, bytes->len);
    if (rc == SHARD_ENOMEM)
        return no_memory(x);
    return rc == SHARD_EFORMAT ? bad(x, "a table that is none") : rc;
}

static int load_types(struct shard_outline *o, const struct shard_index_file *x,
                      const struct shard_header *h)
{
    struct shard_buffer bytes = {0};
    struct shard_table table = {0};
    int rc = load_table(x, INDEX_TYPES, &bytes, &table);

    if (rc == SHARD_OK) {
        o->types = calloc((size_t)table.n + 1, sizeof(o->types[0]));
        rc = o->types != NULL ? SHARD_OK : no_memory(x);
    }
    for (uint32_t i = 0; i < table.n && rc == SHARD_OK; i++) {
        o->n_types++;
        rc = shard_part_type_decode(&o->types[i], table.bytes + table.start[i],
                                    table.start[i + 1] - table.start[i], h);
        if (rc == SHARD_EFORMAT)
            rc = bad(x, shard_part_type_is_later(&o->types[i])
                            ? SHARD_LATER
                            : "an impossible type of a part");
        else if (rc == SHARD_ENOMEM)
            rc = no_memory(x);
    }
    shard_table_clear(&table);
    shard_buffer_free(&bytes);
    return rc;
}

static int load_shapes(struct shard_outline *o, const struct shard_index_file *x)
{
    struct shard_buffer bytes = {0};
    struct shard_table table = {0};
    int rc = load_table(x, INDEX_SHAPES, &bytes, &table);

    if (rc == SHARD_OK) {
        o->shapes = calloc((size_t)table.n + 1, sizeof(o->shapes[0]));
        rc = o->shapes != NULL ? SHARD_OK : no_memory(x);
    }
    for (uint32_t i = 0; i < table.n && rc == SHARD_OK; i++) {
        const size_t len = table.start[i + 1] - table.start[i];
        if (len % 4 != 0 || len / 4 > SHARD_MAX_DIMS) {
            rc = bad(x, "an impossible shape");
            break;
        }
        o->shapes[i].n_dims = (uint32_t)(len / 4);
        memcpy(o->shapes[i].dims, table.bytes + table.start[i], len);
        o->n_shapes++;
    }
    shard_table_clear(&table);
    shard_buffer_free(&bytes);
    return rc;
}

static int load_record_parts(struct shard_outline *o, const struct shard_index_file *x)
{
    struct shard_buffer counts = {0};
    int rc = shard_index_load(x, INDEX_N_PARTS, 2 * (uint64_t)o->n_records, &counts);

    if (rc == SHARD_OK) {
        o->part_start = calloc(o->n_records + 1, sizeof(o->part_start[0]));
        rc = o->part_start != NULL ? SHARD_OK : no_memory(x);
    }
    for (size_t i = 0; i < o->n_records && rc == SHARD_OK; i++)
        o->part_start[i + 1] = o->part_start[i] + wire_load_u16(counts.data + 2 * i);
    shard_buffer_free(&counts);
    if (rc == SHARD_OK)
        o->n_parts = o->part_start[o->n_records];
    return rc;
}

static int load_parts(struct shard_outline *o, const struct shard_index_file *x)
{
    int rc = load_u32(x, INDEX_PART_TYPE, o->n_parts, &o->type);

    if (rc < 0)
        return rc;
    o->alternative_start = calloc(o->n_parts + 1, sizeof(o->alternative_start[0]));
    o->tensor_start = calloc(o->n_parts + 1, sizeof(o->tensor_start[0]));
    if (o->alternative_start == NULL || o->tensor_start == NULL)
        return no_memory(x);
    for (size_t i = 0; i < o->n_parts; i++) {
        if (o->type[i] >= o->n_types)
            return bad(x, "a part of no type");
        const struct shard_part_type *type = &o->types[o->type[i]];
        o->alternative_start[i + 1] = o->alternative_start[i] + type->n_alternatives;
        o->tensor_start[i + 1] = o->tensor_start[i] + type->n_tensors;
    }
    o->n_alternatives = o->alternative_start[o->n_parts];
    o->n_tensors = o->tensor_start[o->n_parts];
    return SHARD_OK;
}

static int load_alternatives(struct shard_outline *o, const struct shard_index_file *x)
{
    int rc = load_u32(x, INDEX_ALTERNATIVE_N_IDS, o->n_alternatives, &o->n_ids);

    for (size_t i = 0; i < o->n_alternatives && rc == SHARD_OK; i++)
        if (o->n_ids[i] != SHARD_NO_IDS && o->n_ids[i] > SHARD_MAX_ROW / 4)
            rc = bad(x, "a column with an impossible value");
    return rc;
}

/* A tensor of a part as type and shape together say. */
static struct shard_tensor tensor_at(const struct shard_outline *o, size_t part,
                                     uint32_t i)
{
    struct shard_tensor t = o->types[o->type[part]].tensors[i];
    const struct shard_shape *shape = &o->shapes[o->shape[o->tensor_start[part] + i]];

    t.n_dims = shape->n_dims;
    memcpy(t.dims, shape->dims, sizeof(t.dims));
    return t;
}

static int load_tensors(struct shard_outline *o, const struct shard_index_file *x,
                        const struct shard_header *h)
{
    int rc = load_u32(x, INDEX_SHAPE, o->n_tensors, &o->shape);

    for (size_t i = 0; i < o->n_tensors && rc == SHARD_OK; i++)
        if (o->shape[i] >= o->n_shapes)
            rc = bad(x, "a tensor of no shape");
    for (size_t part = 0; part < o->n_parts && rc == SHARD_OK; part++)
        for (uint32_t i = 0; i < o->types[o->type[part]].n_tensors; i++) {
            const struct shard_tensor t = tensor_at(o, part, i);
            if (!shard_tensor_shape_fits(&t, &h->encoders[t.encoder]))
                rc = bad(x, "a tensor of an impossible shape");
        }
    return rc;
}

int shard_outline_load(struct shard_outline *o, const struct shard_index_file *x,
                       const struct shard_header *h)
{
    *o = (struct shard_outline){.n_records = (size_t)x->n_records};
    int rc = load_types(o, x, h);
    if (rc == SHARD_OK)
        rc = load_shapes(o, x);
    if (rc == SHARD_OK)
        rc = load_record_parts(o, x);
    if (rc == SHARD_OK)
        rc = load_parts(o, x);
    if (rc == SHARD_OK)
        rc = load_alternatives(o, x);
    if (rc == SHARD_OK)
        rc = load_tensors(o, x, h);
    return rc;
}

void shard_outline_clear(struct shard_outline *o)
{
    for (size_t i = 0; i < o->n_types; i++)
        shard_part_type_clear(&o->types[i]);
    free(o->types);
    free(o->shapes);
    free(o->part_start);
    free(o->type);
    free(o->alternative_start);
    free(o->tensor_start);
    free(o->n_ids);
    free(o->shape);
    *o = (struct shard_outline){0};
}

/* ---- one record ---- */

static void fill_part(const struct shard_outline *o, size_t part, struct shard_part *to,
                      struct shard_alternative *alternatives)
{
    const struct shard_part_type *type = &o->types[o->type[part]];
    const size_t first = o->alternative_start[part];

    *to = (struct shard_part){.kind = type->kind,
                              .flags = type->flags,
                              .role = type->role,
                              .n_alternatives = type->n_alternatives,
                              .alternatives = alternatives};
    for (uint32_t i = 0; i < type->n_alternatives; i++)
        alternatives[i] = (struct shard_alternative){
            .name = "", .text = "", .n_ids = o->n_ids[first + i]};
}

int shard_outline_record(const struct shard_outline *o, size_t i,
                         struct shard_outline_room *room, struct shard_record *rec)
{
    const size_t first = o->part_start[i], end = o->part_start[i + 1];
    const size_t n_alternatives = o->alternative_start[end] - o->alternative_start[first];
    const size_t n_tensors = o->tensor_start[end] - o->tensor_start[first];

    if (shard_buffer_resize(&room->parts, (end - first + 1) * sizeof(struct shard_part)) <
            0 ||
        shard_buffer_resize(&room->alternatives,
                            (n_alternatives + 1) * sizeof(struct shard_alternative)) <
            0 ||
        shard_buffer_resize(&room->tensors,
                            (n_tensors + 1) * sizeof(struct shard_tensor)) < 0)
        return SHARD_ENOMEM;
    struct shard_part *parts = (struct shard_part *)room->parts.data;
    struct shard_alternative *alternatives =
        (struct shard_alternative *)room->alternatives.data;
    struct shard_tensor *tensors = (struct shard_tensor *)room->tensors.data;
    *rec = (struct shard_record){.key = "",
                                 .name = "",
                                 .n_parts = end - first,
                                 .parts = parts,
                                 .n_tensors = n_tensors,
                                 .tensors = tensors};
    for (size_t part = first; part < end; part++) {
        fill_part(o, part, &parts[part - first], alternatives);
        alternatives += parts[part - first].n_alternatives;
        for (uint32_t j = 0; j < o->types[o->type[part]].n_tensors; j++) {
            *tensors = tensor_at(o, part, j);
            tensors++->part = (uint32_t)(part - first);
        }
    }
    if (end - first > 1 && n_tensors > 1)
        qsort(room->tensors.data, n_tensors, sizeof(struct shard_tensor),
              shard_tensor_compare);
    return SHARD_OK;
}

void shard_outline_room_clear(struct shard_outline_room *room)
{
    shard_buffer_free(&room->parts);
    shard_buffer_free(&room->alternatives);
    shard_buffer_free(&room->tensors);
}
