/* SPDX-License-Identifier: Apache-2.0
 * shard/python/native/py_tokenizer.c - the module latentmill._tokenizer: tokenizer.h for
 * Python.
 *
 * A module of its own, since the reader's links no SentencePiece. CPython's limited API
 * of 3.11 alone. A Tokenizer has one worker, which the GIL guards. */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "shard/status.h"
#include "shard/tokenizer/tokenizer.h"

struct tokenizer_object {
    PyObject_HEAD struct tokenizer *tokenizer;
    struct tokenizer_worker *worker;
};

static struct tokenizer_object *of(PyObject *self)
{
    return (struct tokenizer_object *)self;
}

static PyObject *text_of(const char *text, size_t len)
{
    return PyUnicode_DecodeUTF8(text, (Py_ssize_t)len, "replace");
}

static PyObject *raise(int status, const char *why)
{
    if (status == SHARD_ENOMEM)
        return PyErr_NoMemory();
    PyErr_SetString(PyExc_ValueError, *why != '\0' ? why : shard_strerror(status));
    return NULL;
}

/* Fills `named` with what the dict {piece: id} lends. 0, or -1 with an exception set. */
static int take_named(PyObject *dict, struct tokenizer_named *named, size_t *n)
{
    PyObject *piece, *id;
    Py_ssize_t at = 0, len;

    *n = 0;
    while (PyDict_Next(dict, &at, &piece, &id)) {
        int beyond;
        const long long value = PyLong_AsLongLongAndOverflow(id, &beyond);
        const char *name = PyUnicode_AsUTF8AndSize(piece, &len);

        if (name == NULL || (value == -1 && PyErr_Occurred()))
            return -1;
        if (beyond != 0 || value < 0 || value > INT32_MAX ||
            strlen(name) != (size_t)len) {
            PyErr_Format(
                PyExc_ValueError,
                "the special token %R: %R is not as it may be: a text without NUL, "
                "and an id from 0 to %d",
                piece, id, INT32_MAX);
            return -1;
        }
        named[(*n)++] = (struct tokenizer_named){name, (uint32_t)value};
    }
    return 0;
}

/* 0, or -1 with an exception set. */
static int open_tokenizer(struct tokenizer_object *t, const char *bytes, Py_ssize_t len,
                          const char *what, struct tokenizer_options *options,
                          PyObject *dict)
{
    struct tokenizer_named *named = calloc((size_t)PyDict_Size(dict) + 1, sizeof(*named));
    int rc = SHARD_ENOMEM;

    if (named != NULL && take_named(dict, named, &options->n_named) != 0) {
        free(named);
        return -1;
    }
    options->named = named;
    if (named != NULL)
        rc = tokenizer_open(&t->tokenizer, bytes, (size_t)len, what, options);
    free(named);
    if (rc == SHARD_OK && (t->worker = tokenizer_worker_new(t->tokenizer)) == NULL)
        rc = SHARD_ENOMEM;
    if (rc != SHARD_OK)
        raise(rc, tokenizer_why(t->tokenizer));
    return rc == SHARD_OK ? 0 : -1;
}

static PyObject *tokenizer_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"data", "what", "special_tokens", "pattern", "named", NULL};
    allocfunc alloc = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
    struct tokenizer_options options = {0};
    const char *bytes, *what;
    Py_ssize_t len;
    int mode;
    PyObject *named;

    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "y#sizO!:Tokenizer", names, &bytes,
                                     &len, &what, &mode, &options.pattern, &PyDict_Type,
                                     &named))
        return NULL;
    if (mode < TOKENIZER_SPECIAL_PLAIN || mode > TOKENIZER_SPECIAL_REJECT)
        return raise(SHARD_EINVAL, "special_tokens is no mode");
    options.special_tokens = (enum tokenizer_special_tokens)mode;
    PyObject *self = alloc(type, 0);
    if (self != NULL &&
        open_tokenizer(of(self), bytes, len, what, &options, named) != 0) {
        Py_DECREF(self);
        return NULL;
    }
    return self;
}

static void tokenizer_dealloc(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);
    freefunc release = (freefunc)PyType_GetSlot(type, Py_tp_free);

    tokenizer_worker_free(of(self)->worker);
    tokenizer_close(of(self)->tokenizer);
    release(self);
    Py_DECREF(type);
}

static PyObject *list_of(const uint32_t *ids, uint32_t n)
{
    PyObject *list = PyList_New(n);

    for (uint32_t i = 0; list != NULL && i < n; i++) {
        PyObject *id = PyLong_FromUnsignedLong(ids[i]);

        if (id == NULL || PyList_SetItem(list, i, id) != 0)
            Py_CLEAR(list);
    }
    return list;
}

static PyObject *encode(PyObject *self, PyObject *arg)
{
    uint32_t *ids, n;
    const char *text;
    Py_ssize_t len;

    if (!PyArg_Parse(arg, "s#:encode", &text, &len))
        return NULL;
    int rc = tokenizer_encode(of(self)->worker, text, (size_t)len, &ids, &n);
    if (rc != SHARD_OK)
        return raise(rc, tokenizer_worker_why(of(self)->worker));
    PyObject *list = list_of(ids, n);
    free(ids);
    return list;
}

/* The ids of a list; NULL with an exception set. */
static uint32_t *ids_of(PyObject *list, size_t *n)
{
    uint32_t *ids;

    *n = (size_t)PyList_Size(list);
    ids = calloc(*n + 1, sizeof(*ids));
    if (ids == NULL) {
        PyErr_NoMemory();
        return NULL;
    }
    for (size_t i = 0; i < *n; i++) {
        int beyond;
        const long long id =
            PyLong_AsLongLongAndOverflow(PyList_GetItem(list, (Py_ssize_t)i), &beyond);

        if (PyErr_Occurred()) {
            free(ids);
            return NULL;
        }
        ids[i] = id < 0 || id > UINT32_MAX ? UINT32_MAX : (uint32_t)id;
    }
    return ids;
}

static PyObject *decode(PyObject *self, PyObject *arg)
{
    PyObject *list, *bytes;
    char *text;
    size_t n, len;

    if (!PyArg_Parse(arg, "O!:decode", &PyList_Type, &list))
        return NULL;
    uint32_t *ids = ids_of(list, &n);
    if (ids == NULL)
        return NULL;
    int rc = tokenizer_decode(of(self)->tokenizer, ids, n, &text, &len);
    free(ids);
    if (rc != SHARD_OK)
        return raise(rc, rc == SHARD_EINVAL ? "an id has no piece" : "");
    bytes = PyBytes_FromStringAndSize(text, (Py_ssize_t)len);
    free(text);
    return bytes;
}

/* The id of a piece that exists; -1 with an exception set. */
static int64_t take_id(PyObject *self, PyObject *arg)
{
    const uint32_t n = tokenizer_n_pieces(of(self)->tokenizer);
    const Py_ssize_t id = PyNumber_AsSsize_t(arg, PyExc_IndexError);

    if (id == -1 && PyErr_Occurred())
        return -1;
    if (id >= 0 && id < (Py_ssize_t)n)
        return id;
    PyErr_Format(PyExc_IndexError, "no piece %zd", id);
    return -1;
}

static PyObject *piece(PyObject *self, PyObject *arg)
{
    const int64_t id = take_id(self, arg);
    size_t len;

    if (id < 0)
        return NULL;
    const char *text = tokenizer_piece(of(self)->tokenizer, (uint32_t)id, &len);
    return text_of(text, len);
}

static PyObject *shown(PyObject *self, PyObject *arg)
{
    const int64_t id = take_id(self, arg);

    if (id < 0)
        return NULL;
    size_t len = tokenizer_piece_shown(of(self)->tokenizer, (uint32_t)id, NULL, 0);
    char *text = malloc(len + 1);
    if (text == NULL)
        return PyErr_NoMemory();
    tokenizer_piece_shown(of(self)->tokenizer, (uint32_t)id, text, len + 1);
    PyObject *object = text_of(text, len);
    free(text);
    return object;
}

static PyObject *id_object(int64_t id)
{
    return id < 0 ? Py_NewRef(Py_None) : PyLong_FromLongLong(id);
}

static PyObject *piece_id(PyObject *self, PyObject *arg)
{
    const char *text;

    if (!PyArg_Parse(arg, "s:piece_id", &text))
        return NULL;
    return id_object(tokenizer_piece_id(of(self)->tokenizer, text));
}

static PyObject *get_n_pieces(PyObject *self, void *closure)
{
    (void)closure;
    return PyLong_FromUnsignedLong(tokenizer_n_pieces(of(self)->tokenizer));
}

static PyObject *get_bos(PyObject *self, void *closure)
{
    (void)closure;
    return id_object(tokenizer_bos(of(self)->tokenizer));
}

static PyObject *get_eos(PyObject *self, void *closure)
{
    (void)closure;
    return id_object(tokenizer_eos(of(self)->tokenizer));
}

static PyObject *get_word(PyObject *self, void *closure)
{
    const char *(*word)(const struct tokenizer *) = NULL;

    memcpy(&word, closure, sizeof(word));
    const char *text = word(of(self)->tokenizer);
    return text_of(text, strlen(text));
}

/* What get_word() calls. */
static const char *(*const kind_word)(const struct tokenizer *) = tokenizer_kind;
static const char *(*const special_word)(const struct tokenizer *) = tokenizer_special;
static const char *(*const versions_word)(const struct tokenizer *) = tokenizer_versions;

static int module_exec(PyObject *module)
{
    static PyMethodDef methods[] = {
        {"encode", encode, METH_O, "encode(text) -> list of ids, without BOS or EOS."},
        {"decode", decode, METH_O, "decode(list of ids) -> the text's bytes."},
        {"piece", piece, METH_O, "piece(id) -> as the file spells it."},
        {"shown", shown, METH_O, "shown(id) -> the piece for people."},
        {"piece_id", piece_id, METH_O, "piece_id(piece) -> its id, or None."},
        {NULL, NULL, 0, NULL},
    };
    static PyGetSetDef getters[] = {
        {"n_pieces", get_n_pieces, NULL, "Above the highest id.", NULL},
        {"bos", get_bos, NULL, "The file's, or None.", NULL},
        {"eos", get_eos, NULL, "The file's, or None.", NULL},
        {"kind", get_word, NULL, "FORMAT.md, section 2.", (void *)&kind_word},
        {"special", get_word, NULL, "FORMAT.md, section 2.", (void *)&special_word},
        {"versions", get_word, NULL, "Of linked tables.", (void *)&versions_word},
        {NULL, NULL, NULL, NULL, NULL},
    };
    static PyType_Slot type_slots[] = {
        {Py_tp_doc, "Tokenizer(data, what, special_tokens, pattern, named)"},
        {Py_tp_new, tokenizer_new},
        {Py_tp_dealloc, tokenizer_dealloc},
        {Py_tp_methods, methods},
        {Py_tp_getset, getters},
        {0, NULL},
    };
    static PyType_Spec spec = {
        .name = "latentmill._tokenizer.Tokenizer",
        .basicsize = sizeof(struct tokenizer_object),
        .flags = Py_TPFLAGS_DEFAULT,
        .slots = type_slots,
    };
    PyObject *type = PyType_FromModuleAndSpec(module, &spec, NULL);
    const int rc = type == NULL ? -1 : PyModule_AddType(module, (PyTypeObject *)type);

    Py_XDECREF(type);
    return rc;
}

static PyModuleDef_Slot slots[] = {{Py_mod_exec, module_exec}, {0, NULL}};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT,
    .m_name = "_tokenizer",
    .m_doc = "The C tokenizer.",
    .m_slots = slots,
};

PyMODINIT_FUNC PyInit__tokenizer(void)
{
    return PyModuleDef_Init(&definition);
}
