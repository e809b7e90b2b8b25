/* SPDX-License-Identifier: Apache-2.0
 * shard/python/native/py_buffer.c - bytes of the C side as a read-only buffer. */
#include "shard/python/native/module.h"

#include <stdlib.h>

struct buffer_object {
    PyObject_HEAD void *data;
    size_t len;
    PyObject *owner; /* NULL: data is this object's own */
};

static PyObject *make(struct module_state *state, const void *data, size_t len,
                      PyObject *owner)
{
    allocfunc alloc = (allocfunc)PyType_GetSlot(state->buffer_type, Py_tp_alloc);
    struct buffer_object *b = (struct buffer_object *)alloc(state->buffer_type, 0);

    if (b == NULL)
        return NULL;
    b->data = (void *)data;
    b->len = len;
    b->owner = owner;
    Py_XINCREF(owner);
    return (PyObject *)b;
}

PyObject *buffer_take(struct module_state *state, struct shard_buffer *b)
{
    PyObject *object = make(state, b->data, b->len, NULL);

    if (object != NULL)
        *b = (struct shard_buffer){0};
    return object;
}

PyObject *buffer_lend(struct module_state *state, const void *data, size_t len,
                      PyObject *owner)
{
    return make(state, data, len, owner);
}

const unsigned char *buffer_bytes(PyObject *buffer)
{
    static const unsigned char nothing;
    const struct buffer_object *b = (struct buffer_object *)buffer;

    return b->data != NULL ? b->data : &nothing;
}

static int get_buffer(PyObject *self, Py_buffer *view, int flags)
{
    struct buffer_object *b = (struct buffer_object *)self;
    static char nothing;

    return PyBuffer_FillInfo(view, self, b->data != NULL ? b->data : &nothing,
                             (Py_ssize_t)b->len, 1, flags);
}

static Py_ssize_t length(PyObject *self)
{
    return (Py_ssize_t)((struct buffer_object *)self)->len;
}

static void dealloc(PyObject *self)
{
    struct buffer_object *b = (struct buffer_object *)self;
    PyTypeObject *type = Py_TYPE(self);
    freefunc release = (freefunc)PyType_GetSlot(type, Py_tp_free);

    if (b->owner == NULL)
        free(b->data);
    Py_XDECREF(b->owner);
    release(self);
    Py_DECREF(type);
}

int buffer_type_add(PyObject *module, struct module_state *state)
{
    static PyType_Slot slots[] = {
        {Py_tp_doc, "Read-only bytes, for numpy.frombuffer() and memoryview()."},
        {Py_tp_dealloc, dealloc},
        {Py_bf_getbuffer, get_buffer},
        {Py_sq_length, length},
        {0, NULL},
    };
    static PyType_Spec spec = {
        .name = "latentmill._shard.Buffer",
        .basicsize = sizeof(struct buffer_object),
        .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
        .slots = slots,
    };

    return module_add_type(module, &spec, &state->buffer_type);
}
