/* SPDX-License-Identifier: Apache-2.0
 * shard/python/native/py_attention.c - attention.h for Python. */
#include "shard/python/native/module.h"

#include "shard/python/native/attention.h"

/* Whether the arrays are of n_sequences of *n positions. */
static bool check_sizes(Py_ssize_t n_sequences, const Py_buffer *documents,
                        const Py_buffer *images, const Py_buffer *mask, size_t *n)
{
    const size_t sequences = (size_t)n_sequences;
    const size_t all = (size_t)documents->len / sizeof(int32_t);

    if (n_sequences < 1 || all % sequences != 0 || images->len != documents->len ||
        (uintptr_t)documents->buf % sizeof(int32_t) != 0 ||
        (uintptr_t)images->buf % sizeof(int32_t) != 0)
        return false;
    *n = all / sequences;
    return all <= INT32_MAX && (size_t)mask->len == all * *n;
}

static PyObject *mask_object(PyObject *module, PyObject *args)
{
    Py_buffer documents, images, mask;
    Py_ssize_t n_sequences;
    size_t n = 0;

    (void)module;
    if (!PyArg_ParseTuple(args, "ny*y*w*:attention_mask", &n_sequences, &documents,
                          &images, &mask))
        return NULL;
    const bool fit = check_sizes(n_sequences, &documents, &images, &mask, &n);
    if (fit) {
        Py_BEGIN_ALLOW_THREADS for (Py_ssize_t i = 0; i < n_sequences; i++)
            attention_mask((const int32_t *)documents.buf + (size_t)i * n,
                           (const int32_t *)images.buf + (size_t)i * n, n,
                           (uint8_t *)mask.buf + (size_t)i * n * n);
        Py_END_ALLOW_THREADS
    } else {
        PyErr_SetString(PyExc_ValueError, "doc_ids, image_ids and the mask are [b, L], "
                                          "int32, and [b, L, L]");
    }
    PyBuffer_Release(&documents);
    PyBuffer_Release(&images);
    PyBuffer_Release(&mask);
    if (!fit)
        return NULL;
    Py_RETURN_NONE;
}

int attention_function_add(PyObject *module)
{
    static PyMethodDef functions[] = {
        {"attention_mask", mask_object, METH_VARARGS,
         "attention_mask(n_sequences, doc_ids, image_ids, mask): sets what is true of "
         "mask,\nzeros before."},
        {NULL, NULL, 0, NULL},
    };

    return PyModule_AddFunctions(module, functions);
}
