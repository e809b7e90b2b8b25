/* SPDX-License-Identifier: Apache-2.0
 * shard/python/native/py_packing.c - pack_documents.h for Python. */
#include "shard/python/native/module.h"

#include "shard/python/native/pack_documents.h"
#include "shard/status.h"

static PyObject *packing_object(struct module_state *state, struct packing *p)
{
    PyObject *first = buffer_take(state, &p->first);
    PyObject *item = buffer_take(state, &p->item);
    PyObject *start = buffer_take(state, &p->start);
    PyObject *length = buffer_take(state, &p->length);

    return Py_BuildValue("NNNN", first, item, start, length);
}

static PyObject *pack(PyObject *module, PyObject *args)
{
    Py_buffer lengths, is_text;
    struct packing p = {.first = {0}};
    PyObject *object = NULL;
    long long capacity;
    int rc = SHARD_EINVAL;

    if (!PyArg_ParseTuple(args, "y*y*L:pack", &lengths, &is_text, &capacity))
        return NULL;
    if (lengths.len == is_text.len * (Py_ssize_t)sizeof(int64_t) &&
        (uintptr_t)lengths.buf % sizeof(int64_t) == 0) {
        Py_BEGIN_ALLOW_THREADS rc =
            packing_make(&p, lengths.buf, is_text.buf, (size_t)is_text.len, capacity);
        Py_END_ALLOW_THREADS
    }
    if (rc == SHARD_OK)
        object = packing_object(PyModule_GetState(module), &p);
    else if (rc == SHARD_ENOMEM)
        PyErr_NoMemory();
    else
        PyErr_SetString(PyExc_ValueError,
                        "a document is empty, or may not be cut and is longer than the "
                        "sequence");
    packing_clear(&p);
    PyBuffer_Release(&lengths);
    PyBuffer_Release(&is_text);
    return object;
}

int packing_function_add(PyObject *module)
{
    static PyMethodDef functions[] = {
        {"pack", pack, METH_VARARGS,
         "pack(lengths, is_text, capacity) -> first, item, start, length: int64 each."},
        {NULL, NULL, 0, NULL},
    };

    return PyModule_AddFunctions(module, functions);
}
