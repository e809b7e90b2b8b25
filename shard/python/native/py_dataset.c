/* SPDX-License-Identifier: Apache-2.0
 * shard/python/native/py_dataset.c - shard/index/dataset_index.h for Python. */
#include "shard/python/native/module.h"

#include <string.h>

#include "shard/index/dataset_index.h"
#include "shard/index/table.h"

struct dataset_object {
    PyObject_HEAD struct dataset_index *index;
};

static struct dataset_index *index_of(PyObject *self)
{
    return ((struct dataset_object *)self)->index;
}

static PyObject *raise_here(PyObject *self, int status)
{
    const struct dataset_index *x = index_of(self);

    return raise_status(module_state_of(self), status, dataset_index_error(x),
                        dataset_index_why(x));
}

static PyObject *dataset_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"path", NULL};
    allocfunc alloc = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
    PyObject *path = NULL;

    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O&:DatasetFile", names,
                                     PyUnicode_FSConverter, &path))
        return NULL;
    struct dataset_object *d = (struct dataset_object *)alloc(type, 0);
    int rc = d != NULL ? dataset_index_open(&d->index, PyBytes_AsString(path)) : SHARD_OK;
    Py_DECREF(path);
    if (rc < 0) {
        raise_here((PyObject *)d, rc);
        Py_CLEAR(d);
    }
    return (PyObject *)d;
}

static void dataset_dealloc(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);
    freefunc release = (freefunc)PyType_GetSlot(type, Py_tp_free);

    dataset_index_close(index_of(self));
    release(self);
    Py_DECREF(type);
}

/* Its columns by the names that Python knows them by. */
static const char *const column_names[] = {
    [DATASET_CONFIGURATIONS] = "configurations",
    [DATASET_COLUMNS] = "columns",
    [DATASET_PATHS] = "paths",
    [DATASET_CONFIGURATION] = "configuration",
    [DATASET_BYTES] = "n_bytes",
    [DATASET_FINGERPRINT] = "fingerprints",
    [DATASET_RECORDS] = "records",
    [DATASET_BLOCKS] = "blocks",
    [DATASET_TOKENS] = "tokens",
    [DATASET_PARTS] = "parts",
    [DATASET_IMAGES] = "images",
    [DATASET_N_COLUMNS_OF] = "n_columns",
    [DATASET_COLUMN] = "column",
    [DATASET_TENSORS] = "tensors",
    [DATASET_CELLS] = "cells",
    [DATASET_IDS] = "ids",
};

/* Values of the column whose name is in args; 0, or -1 with an exception set. */
static int load_named(PyObject *self, PyObject *arg, struct shard_buffer *values)
{
    const char *name = PyUnicode_AsUTF8AndSize(arg, NULL);
    int id = DATASET_CONFIGURATIONS;

    if (name == NULL)
        return -1;
    while (id <= DATASET_N_COLUMNS && strcmp(column_names[id], name) != 0)
        id++;
    if (id > DATASET_N_COLUMNS) {
        PyErr_Format(PyExc_ValueError, "no column %s of the index", name);
        return -1;
    }
    int rc = dataset_index_load(index_of(self), (enum dataset_index_column)id,
                                &values->data, &values->len);
    if (rc < 0)
        raise_here(self, rc);
    return rc < 0 ? -1 : 0;
}

static PyObject *dataset_column(PyObject *self, PyObject *arg)
{
    struct shard_buffer values = {0};

    if (load_named(self, arg, &values) < 0)
        return NULL;
    PyObject *object = buffer_take(module_state_of(self), &values);
    shard_buffer_free(&values);
    return object;
}

/* (starts, entries): where each entry of a table begins, and the last one ends. */
static PyObject *dataset_table(PyObject *self, PyObject *arg)
{
    struct module_state *state = module_state_of(self);
    struct shard_buffer values = {0}, starts = {0};
    struct shard_table table = {0};
    PyObject *object = NULL;

    if (load_named(self, arg, &values) < 0)
        return NULL;
    int rc = shard_table_split(&table, values.data, values.len);
    for (size_t i = 0; i <= table.n && rc == SHARD_OK; i++)
        rc = shard_buffer_add_u64(&starts,
                                  (size_t)(table.bytes - values.data) + table.start[i]);
    shard_table_clear(&table);
    if (rc < 0)
        raise_status(state, rc, 0, "the index's column is no table");
    else
        object =
            Py_BuildValue("NN", buffer_take(state, &starts), buffer_take(state, &values));
    shard_buffer_free(&starts);
    shard_buffer_free(&values);
    return object;
}

/* (kind, encoder, dtype, slot) of each column. */
static PyObject *dataset_columns(PyObject *self, PyObject *unused)
{
    PyObject *name = PyUnicode_FromString(column_names[DATASET_COLUMNS]);
    struct shard_buffer values = {0};
    struct shard_table table = {0};

    (void)unused;
    const int loaded = name != NULL ? load_named(self, name, &values) : -1;
    Py_XDECREF(name);
    if (loaded < 0)
        return NULL;
    PyObject *list = PyList_New(0);
    const int rc = shard_table_split(&table, values.data, values.len);
    if (rc < 0) {
        raise_status(module_state_of(self), rc, 0, "the index's column is no table");
        Py_CLEAR(list);
    }
    for (size_t i = 0; i < table.n && list != NULL; i++) {
        PyObject *one = column_entry(module_state_of(self),
                                     (const char *)table.bytes + table.start[i],
                                     table.start[i + 1] - table.start[i]);
        if (one == NULL || PyList_Append(list, one) < 0)
            Py_CLEAR(list);
        Py_XDECREF(one);
    }
    shard_table_clear(&table);
    shard_buffer_free(&values);
    return list;
}

static PyObject *dataset_fingerprint(PyObject *self, PyObject *unused)
{
    unsigned char fingerprint[16];

    (void)unused;
    int rc = dataset_index_fingerprint(index_of(self), fingerprint);
    return rc < 0 ? raise_here(self, rc)
                  : PyBytes_FromStringAndSize((char *)fingerprint, sizeof(fingerprint));
}

static PyObject *get_n_shards(PyObject *self, void *closure)
{
    (void)closure;
    return PyLong_FromUnsignedLongLong(dataset_index_count(index_of(self)));
}

static PyObject *get_incomplete(PyObject *self, void *closure)
{
    (void)closure;
    return PyBool_FromLong(dataset_index_incomplete(index_of(self)));
}

int dataset_type_add(PyObject *module, struct module_state *state)
{
    static PyMethodDef methods[] = {
        {"column", dataset_column, METH_O,
         "column(name) -> Buffer: a column of the index (FORMAT.md, section 9), "
         "checked."},
        {"table", dataset_table, METH_O,
         "table(name) -> (starts, entries): entry i of a table is "
         "entries[starts[i]:starts[i "
         "+ 1]]; starts are uint64."},
        {"columns", dataset_columns, METH_NOARGS,
         "columns() -> list of (kind, encoder, dtype, slot)."},
        {"fingerprint", dataset_fingerprint, METH_NOARGS,
         "fingerprint() -> bytes: XXH3-128 over paths and shards; checks the file."},
        {NULL, NULL, 0, NULL},
    };
    static PyGetSetDef getters[] = {
        {"n_shards", get_n_shards, NULL, "Number of shards.", NULL},
        {"incomplete", get_incomplete, NULL, "Made of an incomplete set.", NULL},
        {NULL, NULL, NULL, NULL, NULL},
    };
    static PyType_Slot slots[] = {
        {Py_tp_doc, "DatasetFile(path): an open index.lmi. ShardError, OSError."},
        {Py_tp_new, dataset_new},
        {Py_tp_dealloc, dataset_dealloc},
        {Py_tp_methods, methods},
        {Py_tp_getset, getters},
        {0, NULL},
    };
    static PyType_Spec spec = {
        .name = "latentmill._shard.DatasetFile",
        .basicsize = sizeof(struct dataset_object),
        .flags = Py_TPFLAGS_DEFAULT,
        .slots = slots,
    };

    return module_add_type(module, &spec, &state->dataset_type);
}
