/* SPDX-License-Identifier: Apache-2.0
 * shard/python/native/py_dataset.c - shard/dataset_index.h for Python. */
#include "shard/python/native/module.h"

#include "shard/dataset_index.h"

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

static PyObject *dataset_column(PyObject *self, PyObject *arg)
{
    unsigned long id = PyLong_AsUnsignedLong(arg);
    struct shard_buffer values = {0};

    if (PyErr_Occurred())
        return NULL;
    if (id < 1 || id > DATASET_N_COLUMNS) {
        PyErr_Format(PyExc_ValueError, "no column %lu of the index", id);
        return NULL;
    }
    int rc = dataset_index_load(index_of(self), (enum dataset_index_column)id,
                                &values.data, &values.len);
    PyObject *object =
        rc < 0 ? raise_here(self, rc) : buffer_take(module_state_of(self), &values);
    shard_buffer_free(&values);
    return object;
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
         "column(id) -> Buffer: a column of the index (FORMAT.md, section 9), checked."},
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
