/* SPDX-License-Identifier: Apache-2.0
 * shard/python/native/py_index.c - what a shard's index says, as Python's tuples and as
 * buffers for numpy. Only here and in shard/ it is known which column of it is what. */
#include "shard/python/native/module.h"

#include <stdlib.h>
#include <string.h>

#include "shard/file/column.h"
#include "shard/file/file_map.h"
#include "shard/file/format.h"
#include "shard/index/outline.h"
#include "shard/record_check.h"
#include "shard/sequence.h"
#include "shard/status.h"
#include "shard/index/table.h"

/* ---- parts of the index that are read by themselves ---- */

/* Any column as values; 0, or -1 with an exception set. */
static int load(PyObject *shard, enum shard_index_column column, struct shard_buffer *out)
{
    const struct shard_file_map *map = shard_object_map(shard);
    int rc = shard_positioned_file_attach(map->file);

    if (rc == SHARD_OK)
        rc = shard_index_load(&map->index, column,
                              map->index.store.entry[column].raw_bytes, out);
    shard_positioned_file_detach(map->file);
    if (rc < 0)
        shard_object_raise(shard, rc);
    return rc < 0 ? -1 : 0;
}

/* A column of n values as a Buffer. */
static PyObject *values(PyObject *shard, enum shard_index_column column, size_t n)
{
    struct shard_buffer bytes = {0};
    PyObject *object = NULL;

    if (load(shard, column, &bytes) < 0)
        return NULL;
    if (bytes.len != n * shard_index_width(column))
        PyErr_Format(module_state_of(shard)->shard_error,
                     "column %d of the index is of another length than its counts say",
                     (int)column);
    else
        object = buffer_take(module_state_of(shard), &bytes);
    shard_buffer_free(&bytes);
    return object;
}

/* A table as a list of what `make` gives for its entries. */
static PyObject *table_of(PyObject *shard, enum shard_index_column column,
                          PyObject *(*make)(const struct module_state *state,
                                            const char *entry, size_t len))
{
    struct shard_buffer bytes = {0};
    struct shard_table table = {0};
    PyObject *list = NULL;

    if (load(shard, column, &bytes) < 0)
        return NULL;
    int rc = shard_table_split(&table, bytes.data, bytes.len);
    if (rc < 0)
        raise_status(module_state_of(shard), rc, 0, "the index has a table that is none");
    else
        list = PyList_New((Py_ssize_t)table.n);
    for (uint32_t i = 0; i < table.n && list != NULL; i++) {
        PyObject *entry =
            make(module_state_of(shard), (const char *)table.bytes + table.start[i],
                 table.start[i + 1] - table.start[i]);
        if (entry == NULL || PyList_SetItem(list, (Py_ssize_t)i, entry) < 0)
            Py_CLEAR(list);
    }
    shard_table_clear(&table);
    shard_buffer_free(&bytes);
    return list;
}

static PyObject *column_object(const struct shard_column *c)
{
    return Py_BuildValue("kkkkNN", (unsigned long)c->kind, (unsigned long)c->encoder,
                         (unsigned long)c->dtype,
                         (unsigned long)shard_slot_output(c->slot),
                         PyBool_FromLong(shard_slot_is_mirrored(c->slot)),
                         PyBool_FromLong(shard_slot_is_logvar(c->slot)));
}

PyObject *column_entry(const struct module_state *state, const char *entry, size_t len)
{
    struct wire_cursor c = {.p = (const unsigned char *)entry, .left = len};
    const struct shard_column column = shard_column_take(&c);

    if (shard_slot_is_later(column.slot))
        return raise_status(state, SHARD_EFORMAT, 0, "the index's columns: " SHARD_LATER);
    return column_object(&column);
}

/* ---- the outline ---- */

/* (column, owner) */
static PyObject *tensor_type(const struct shard_tensor *t)
{
    const struct shard_column column = shard_column_of(t);

    return Py_BuildValue("Nk", column_object(&column), (unsigned long)t->owner);
}

/* (kind, loss, role, number of alternatives, tensors) */
static PyObject *part_type(const struct shard_part_type *type)
{
    PyObject *tensors = PyTuple_New((Py_ssize_t)type->n_tensors);

    for (uint32_t i = 0; i < type->n_tensors && tensors != NULL; i++) {
        PyObject *t = tensor_type(&type->tensors[i]);
        if (t == NULL || PyTuple_SetItem(tensors, (Py_ssize_t)i, t) < 0)
            Py_CLEAR(tensors);
    }
    return Py_BuildValue("kNsNN", (unsigned long)type->kind,
                         PyBool_FromLong(type->flags == SHARD_FLAG_LOSS), type->role,
                         PyLong_FromUnsignedLong(type->n_alternatives), tensors);
}

static PyObject *types_object(const struct shard_outline *o)
{
    PyObject *list = PyList_New((Py_ssize_t)o->n_types);

    for (size_t i = 0; i < o->n_types && list != NULL; i++) {
        PyObject *type = part_type(&o->types[i]);
        if (type == NULL || PyList_SetItem(list, (Py_ssize_t)i, type) < 0)
            Py_CLEAR(list);
    }
    return list;
}

static size_t count_images(const struct shard_outline *o)
{
    size_t n = 0;

    for (size_t i = 0; i < o->n_parts; i++)
        n += o->types[o->type[i]].kind == SHARD_PART_IMAGE;
    return n;
}

/* Sets dict[name] to a value that it takes; NULL stays NULL. */
static int put(PyObject *dict, const char *name, PyObject *value)
{
    int rc = value != NULL ? PyDict_SetItemString(dict, name, value) : -1;

    Py_XDECREF(value);
    return rc;
}

static int put_lent(PyObject *dict, const char *name, PyObject *shard, const void *data,
                    size_t len)
{
    return put(dict, name, buffer_lend(module_state_of(shard), data, len, shard));
}

static int put_outline(PyObject *dict, PyObject *shard, const struct shard_outline *o)
{
    const size_t start = sizeof(size_t), u32 = sizeof(uint32_t);

    return put(dict, "types", types_object(o)) < 0 ||
                   put_lent(dict, "shapes", shard, o->shapes,
                            o->n_shapes * sizeof(o->shapes[0])) < 0 ||
                   put_lent(dict, "part_start", shard, o->part_start,
                            (o->n_records + 1) * start) < 0 ||
                   put_lent(dict, "type", shard, o->type, o->n_parts * u32) < 0 ||
                   put_lent(dict, "alternative_start", shard, o->alternative_start,
                            (o->n_parts + 1) * start) < 0 ||
                   put_lent(dict, "tensor_start", shard, o->tensor_start,
                            (o->n_parts + 1) * start) < 0 ||
                   put_lent(dict, "alternative_n_ids", shard, o->n_ids,
                            o->n_alternatives * u32) < 0 ||
                   put_lent(dict, "shape", shard, o->shape, o->n_tensors * u32) < 0
               ? -1
               : 0;
}

static PyObject *name_entry(const struct module_state *state, const char *entry,
                            size_t len)
{
    (void)state;
    return text_object(entry, len);
}

static int put_columns(PyObject *dict, PyObject *shard, const struct shard_outline *o)
{
    const size_t n = o->n_records;

    return put(dict, "names", table_of(shard, INDEX_NAMES, name_entry)) < 0 ||
                   put(dict, "caption_names",
                       table_of(shard, INDEX_CAPTION_NAMES, name_entry)) < 0 ||
                   put(dict, "name", values(shard, INDEX_RECORD_NAME, n)) < 0 ||
                   put(dict, "index", values(shard, INDEX_RECORD_INDEX, n)) < 0 ||
                   put(dict, "text_checksum", values(shard, INDEX_TEXT_CHECKSUM, n)) <
                       0 ||
                   put(dict, "tensor_checksum", values(shard, INDEX_TENSOR_CHECKSUM, n)) <
                       0 ||
                   put(dict, "alternative_name",
                       values(shard, INDEX_ALTERNATIVE_NAME, o->n_alternatives)) < 0 ||
                   put(dict, "source", values(shard, INDEX_SOURCE, count_images(o))) <
                       0 ||
                   put(dict, "checksum", values(shard, INDEX_CHECKSUM, o->n_tensors)) <
                       0 ||
                   put(dict, "block_records",
                       values(shard, INDEX_BLOCK_RECORDS,
                              shard_object_map(shard)->index.n_blocks)) < 0
               ? -1
               : 0;
}

PyObject *shard_index_columns(PyObject *self, PyObject *unused)
{
    const struct shard_outline *o = shard_object_outline(self);
    PyObject *dict = o != NULL ? PyDict_New() : NULL;

    (void)unused;
    if (dict != NULL &&
        (put_outline(dict, self, o) < 0 || put_columns(dict, self, o) < 0))
        Py_CLEAR(dict);
    return dict;
}

PyObject *shard_index_frames(PyObject *self, PyObject *unused)
{
    const struct shard_file_map *map = shard_object_map(self);
    const size_t n = map->index.n_frames;
    PyObject *dict = PyDict_New();

    (void)unused;
    if (dict != NULL &&
        (put(dict, "columns", table_of(self, INDEX_COLUMNS, column_entry)) < 0 ||
         put(dict, "block_frames",
             values(self, INDEX_BLOCK_FRAMES, map->index.n_blocks)) < 0 ||
         put(dict, "column", values(self, INDEX_FRAME_COLUMN, n)) < 0 ||
         put(dict, "first_row", values(self, INDEX_FRAME_FIRST_ROW, n)) < 0 ||
         put(dict, "n_bytes", values(self, INDEX_FRAME_BYTES, n)) < 0 ||
         put(dict, "raw_bytes", values(self, INDEX_FRAME_RAW_BYTES, n)) < 0 ||
         put(dict, "checksum", values(self, INDEX_FRAME_CHECKSUM, n)) < 0 ||
         put(dict, "start", PyLong_FromUnsignedLongLong(map->header_end)) < 0))
        Py_CLEAR(dict);
    return dict;
}

/* ---- lengths ---- */

struct measures {
    struct shard_buffer arrangement, n_texts, n_framed, lengths[2];
};

static int measure_all(struct measures *m, const struct shard_view *view,
                       const struct shard_outline *o, size_t *failed, char *why,
                       size_t cap)
{
    struct shard_outline_room room = {0};
    struct shard_record rec;
    struct shard_measure one;
    int rc = SHARD_OK;

    for (size_t i = 0; i < o->n_records && rc == SHARD_OK; i++) {
        *failed = i;
        rc = shard_outline_record(o, i, &room, &rec);
        if (rc == SHARD_OK)
            rc = shard_sequence_measure(view, &rec, &one);
        if (rc == SHARD_EINVAL)
            shard_sequence_explain(view, &rec, NULL, why, cap);
        if (rc < 0)
            break;
        const unsigned char arrangement = (unsigned char)one.arrangement;
        if (shard_buffer_add(&m->arrangement, &arrangement, 1) < 0 ||
            shard_buffer_add_u32(&m->n_texts, one.n_texts) < 0 ||
            shard_buffer_add_u32(&m->n_framed, one.n_framed) < 0 ||
            shard_buffer_add_u64(&m->lengths[0], one.length[0]) < 0 ||
            shard_buffer_add_u64(&m->lengths[1], one.length[1]) < 0)
            rc = SHARD_ENOMEM;
    }
    shard_outline_room_clear(&room);
    return rc;
}

static PyObject *measures_object(struct module_state *state, struct measures *m)
{
    PyObject *arrangement = buffer_take(state, &m->arrangement);
    PyObject *n_texts = buffer_take(state, &m->n_texts);
    PyObject *n_framed = buffer_take(state, &m->n_framed);
    PyObject *caption_first = buffer_take(state, &m->lengths[0]);
    PyObject *image_first = buffer_take(state, &m->lengths[1]);

    return Py_BuildValue("NNNNN", arrangement, n_texts, n_framed, caption_first,
                         image_first);
}

PyObject *shard_index_measure(PyObject *self, PyObject *args)
{
    struct module_state *state = module_state_of(self);
    const struct shard_outline *o = shard_object_outline(self);
    struct measures m = {.arrangement = {0}};
    PyObject *sequencer, *object = NULL;
    size_t failed = 0;
    char why[128];

    if (o == NULL ||
        !PyArg_ParseTuple(args, "O!:measure", state->sequencer_type, &sequencer))
        return NULL;
    const struct shard_view view =
        sequencer_view(sequencer, shard_object_map(self)->header);
    if (check_plan(&view) < 0)
        return NULL;
    int rc = measure_all(&m, &view, o, &failed, why, sizeof(why));
    if (rc == SHARD_OK)
        object = measures_object(state, &m);
    else if (rc == SHARD_ENOMEM)
        PyErr_NoMemory();
    else
        PyErr_Format(PyExc_ValueError, "record %zd: %s", (Py_ssize_t)failed, why);
    shard_buffer_free(&m.arrangement);
    shard_buffer_free(&m.n_texts);
    shard_buffer_free(&m.n_framed);
    shard_buffer_free(&m.lengths[0]);
    shard_buffer_free(&m.lengths[1]);
    return object;
}
