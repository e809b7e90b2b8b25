/* SPDX-License-Identifier: Apache-2.0
 * shard/python/native/py_draw.c - draw.h for many records of a shard at once. */
#include "shard/python/native/module.h"

#include <string.h>

#include "shard/draw.h"
#include "shard/file/file_map.h"

struct draw_request {
    PyObject *shard;
    const char *purpose;
    uint64_t epoch, seed;
};

/* `positions` and `out` have n values, aligned or not. 0, or -1 with an exception set. */
static int draw_all(const struct draw_request *r, const char *positions, size_t n,
                    char *out)
{
    uint64_t n_records = shard_object_map(r->shard)->index.n_records;

    for (size_t i = 0; i < n; i++) {
        const char *name, *key;
        int64_t position;
        memcpy(&position, positions + 8 * i, sizeof(position));
        if (position < 0 || (uint64_t)position >= n_records) {
            PyErr_Format(PyExc_IndexError, "no record %lld", (long long)position);
            return -1;
        }
        if (shard_object_identity(r->shard, (uint64_t)position, &name, &key) < 0)
            return -1;
        uint64_t u = shard_draw(r->purpose, name, key, r->epoch, r->seed);
        memcpy(out + 8 * i, &u, sizeof(u));
    }
    return 0;
}

static PyObject *draw(PyObject *module, PyObject *args)
{
    struct module_state *state = PyModule_GetState(module);
    struct draw_request r;
    Py_buffer positions, out;
    int rc = -1;

    if (!PyArg_ParseTuple(args, "O!sy*O&O&w*:draw", state->shard_type, &r.shard,
                          &r.purpose, &positions, take_u64, &r.epoch, take_u64, &r.seed,
                          &out))
        return NULL;
    if (positions.len != out.len || positions.len % 8 != 0)
        PyErr_SetString(PyExc_ValueError, "positions and out are 8 bytes a record");
    else
        rc = draw_all(&r, positions.buf, (size_t)positions.len / 8, out.buf);
    PyBuffer_Release(&positions);
    PyBuffer_Release(&out);
    if (rc < 0)
        return NULL;
    Py_RETURN_NONE;
}

/* `out` has 8 bytes a record of the shard. 0, or -1 with an exception set. */
static int draw_all_keys(PyObject *shard, const char *purpose, char *out)
{
    uint64_t n_records = shard_object_map(shard)->index.n_records;

    for (uint64_t i = 0; i < n_records; i++) {
        const char *name, *key;
        if (shard_object_identity(shard, i, &name, &key) < 0)
            return -1;
        uint64_t u = shard_draw(purpose, "", key, 0, 0);
        memcpy(out + 8 * i, &u, sizeof(u));
    }
    return 0;
}

static PyObject *draw_keys(PyObject *module, PyObject *args)
{
    struct module_state *state = PyModule_GetState(module);
    PyObject *shard;
    const char *purpose;
    Py_buffer out;
    int rc = -1;

    if (!PyArg_ParseTuple(args, "O!sw*:draw_keys", state->shard_type, &shard, &purpose,
                          &out))
        return NULL;
    if ((uint64_t)out.len != 8 * shard_object_map(shard)->index.n_records)
        PyErr_SetString(PyExc_ValueError, "out is 8 bytes a record");
    else
        rc = draw_all_keys(shard, purpose, out.buf);
    PyBuffer_Release(&out);
    if (rc < 0)
        return NULL;
    Py_RETURN_NONE;
}

static PyObject *draw_one(PyObject *module, PyObject *args)
{
    const char *purpose, *name, *key;
    uint64_t epoch, seed;

    (void)module;
    if (!PyArg_ParseTuple(args, "sssO&O&:draw_one", &purpose, &name, &key, take_u64,
                          &epoch, take_u64, &seed))
        return NULL;
    return PyLong_FromUnsignedLongLong(shard_draw(purpose, name, key, epoch, seed));
}

static PyObject *purpose_of(void (*name)(size_t, char *), PyObject *number)
{
    char purpose[SHARD_MAX_PURPOSE];
    const size_t i = PyLong_AsSize_t(number);

    if (PyErr_Occurred())
        return NULL;
    name(i, purpose);
    return PyUnicode_FromString(purpose);
}

static PyObject *caption_purpose(PyObject *module, PyObject *text)
{
    (void)module;
    return purpose_of(shard_draw_caption_purpose, text);
}

static PyObject *mirror_purpose(PyObject *module, PyObject *image)
{
    (void)module;
    return purpose_of(shard_draw_mirror_purpose, image);
}

int draw_functions_add(PyObject *module)
{
    static PyMethodDef functions[] = {
        {"draw", draw, METH_VARARGS,
         "draw(shard, purpose, positions, epoch, seed, out): FORMAT.md, section 7.\n\n"
         "positions: int64 of each record; out: uint64 of each, written."},
        {"draw_keys", draw_keys, METH_VARARGS,
         "draw_keys(shard, purpose, out): of each record, by its key alone: NAME is "
         "empty, "
         "epoch and seed are 0."},
        {"draw_one", draw_one, METH_VARARGS,
         "draw_one(purpose, name, key, epoch, seed) -> int: FORMAT.md, section 7."},
        {"caption_purpose", caption_purpose, METH_O,
         "caption_purpose(text) -> str: what a record's text, by its number, is drawn "
         "by."},
        {"mirror_purpose", mirror_purpose, METH_O,
         "mirror_purpose(image) -> str: the same of the mirroring of an image."},
        {NULL, NULL, 0, NULL},
    };

    return PyModule_AddFunctions(module, functions);
}
