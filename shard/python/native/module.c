/* SPDX-License-Identifier: Apache-2.0
 * shard/python/native/module.c - the module latentmill._shard: its types and errors. */
#include "shard/python/native/module.h"

#include <string.h>

#include "shard/parts.h"
#include "shard/status.h"
#include "shard/version.h"

struct module_state *module_state_of(PyObject *self)
{
    return PyType_GetModuleState(Py_TYPE(self));
}

int module_add_type(PyObject *module, PyType_Spec *spec, PyTypeObject **type)
{
    *type = (PyTypeObject *)PyType_FromModuleAndSpec(module, spec, NULL);
    return *type == NULL ? -1 : PyModule_AddType(module, *type);
}

PyObject *status_object(const struct module_state *state, int status, int error,
                        const char *why)
{
    PyObject *text = text_object(why, strlen(why));

    if (status != SHARD_EIO)
        return PyObject_CallFunction(state->shard_error, "N", text);
    return error != 0 ? PyObject_CallFunction(PyExc_OSError, "iN", error, text)
                      : PyObject_CallFunction(PyExc_OSError, "N", text);
}

PyObject *raise_status(const struct module_state *state, int status, int error,
                       const char *why)
{
    if (status == SHARD_ENOMEM)
        return PyErr_NoMemory();
    PyObject *object = status_object(state, status, error, why);
    if (object != NULL)
        PyErr_SetObject((PyObject *)Py_TYPE(object), object);
    Py_XDECREF(object);
    return NULL;
}

int refuse_value(const char *why)
{
    PyErr_SetString(PyExc_ValueError, why);
    return -1;
}

int take_position(PyObject *arg, const char *what, uint64_t n, uint64_t *out)
{
    Py_ssize_t position = PyNumber_AsSsize_t(arg, PyExc_IndexError);

    if (position == -1 && PyErr_Occurred())
        return -1;
    if (position < 0 || (uint64_t)position >= n) {
        PyErr_Format(PyExc_IndexError, "no %s %zd", what, position);
        return -1;
    }
    *out = (uint64_t)position;
    return 0;
}

int take_u64(PyObject *arg, void *out)
{
    PyObject *number = PyNumber_Index(arg);

    if (number == NULL)
        return 0;
    *(uint64_t *)out = PyLong_AsUnsignedLongLong(number);
    Py_DECREF(number);
    return PyErr_Occurred() ? 0 : 1;
}

PyObject *text_object(const char *text, size_t len)
{
    return PyUnicode_DecodeUTF8(text, (Py_ssize_t)len, "surrogateescape");
}

static int add_errors(PyObject *module, struct module_state *state)
{
    state->shard_error = PyErr_NewExceptionWithDoc(
        "latentmill.ShardError",
        "A file that is no shard, or one whose header or index is damaged.", NULL, NULL);
    if (state->shard_error == NULL)
        return -1;
    state->damaged_error = PyErr_NewExceptionWithDoc(
        "latentmill.DamagedError",
        "A damaged frame: its samples are lost, all others of the shard are not.\n\n"
        "shard: the file's path. block: number of the block. frame: 0 for the block's\n"
        "text frame, 1 + i for its tensor frame i. keys: keys of all samples that are\n"
        "lost with it, as far as the index can be read.",
        state->shard_error, NULL);
    if (state->damaged_error == NULL)
        return -1;
    return PyModule_AddObjectRef(module, "ShardError", state->shard_error) < 0 ||
                   PyModule_AddObjectRef(module, "DamagedError", state->damaged_error) < 0
               ? -1
               : 0;
}

static int add_name(PyObject *dict, uint32_t number, const char *name)
{
    PyObject *key = PyLong_FromUnsignedLong(number), *value = PyUnicode_FromString(name);
    int rc = key != NULL && value != NULL ? PyDict_SetItem(dict, key, value) : -1;

    Py_XDECREF(key);
    Py_XDECREF(value);
    return rc;
}

/* Names of kinds, dtypes and fits by their numbers in the file. */
static int add_names(PyObject *module)
{
    PyObject *kinds = PyDict_New(), *dtypes = PyDict_New();
    PyObject *parts = PyDict_New(), *fits = PyDict_New();
    int rc = kinds != NULL && dtypes != NULL && parts != NULL && fits != NULL ? 0 : -1;

    for (uint32_t i = 0; i <= SHARD_IDS && rc == 0; i++)
        if (shard_kind_name(i) != NULL)
            rc = add_name(kinds, i, shard_kind_name(i));
    for (uint32_t i = 0; i <= SHARD_FILE && rc == 0; i++)
        rc = add_name(dtypes, i, shard_dtype_name(i));
    for (uint32_t i = 0; i <= SHARD_PART_DATA && rc == 0; i++)
        rc = add_name(parts, i, shard_part_name(i));
    for (uint32_t i = 0; i <= SHARD_STRETCH && rc == 0; i++)
        rc = add_name(fits, i, shard_fit_name((enum shard_fit)i));
    if (rc == 0)
        rc = PyModule_AddObjectRef(module, "PARTS", parts);
    if (rc == 0)
        rc = PyModule_AddObjectRef(module, "FITS", fits);
    if (rc == 0)
        rc = PyModule_AddObjectRef(module, "KINDS", kinds);
    if (rc == 0)
        rc = PyModule_AddObjectRef(module, "DTYPES", dtypes);
    Py_XDECREF(parts);
    Py_XDECREF(fits);
    Py_XDECREF(kinds);
    Py_XDECREF(dtypes);
    return rc;
}

static int add_numbers(PyObject *module)
{
    const struct {
        const char *name;
        uint32_t value;
    } numbers[] = {
        {"NO_IDS", SHARD_NO_IDS}, {"NONE", SHARD_NONE}, {"MAX_DIMS", SHARD_MAX_DIMS}};
    int rc = 0;

    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]) && rc == 0; i++) {
        PyObject *value = PyLong_FromUnsignedLong(numbers[i].value);
        rc = value == NULL ? -1 : PyModule_AddObjectRef(module, numbers[i].name, value);
        Py_XDECREF(value);
    }
    return rc;
}

/* Names of arrangements, by the numbers that measure() gives. */
static int add_arrangements(PyObject *module)
{
    PyObject *names = Py_BuildValue("sss", shard_arrangement_name(SHARD_OTHER),
                                    shard_arrangement_name(SHARD_PAIR),
                                    shard_arrangement_name(SHARD_LONE_TEXT));
    const int rc =
        names == NULL ? -1 : PyModule_AddObjectRef(module, "ARRANGEMENTS", names);

    Py_XDECREF(names);
    return rc;
}

/* What a template of a Sequencer holds besides ids, by its names. */
static int add_items(PyObject *module)
{
    PyObject *items = Py_BuildValue(
        "{sisisisisisi}", "text", (int)SHARD_ITEM_TEXT, "image", (int)SHARD_ITEM_IMAGE,
        "bos", (int)SHARD_ITEM_BOS, "eos", (int)SHARD_ITEM_EOS, "boi",
        (int)SHARD_ITEM_BOI, "eoi", (int)SHARD_ITEM_EOI);
    const int rc = items == NULL ? -1 : PyModule_AddObjectRef(module, "ITEMS", items);

    Py_XDECREF(items);
    return rc;
}

static int module_exec(PyObject *module)
{
    struct module_state *state = PyModule_GetState(module);

    return PyModule_AddStringConstant(module, "__version__", LATENTMILL_VERSION) < 0 ||
                   add_errors(module, state) < 0 || buffer_type_add(module, state) < 0 ||
                   shard_type_add(module, state) < 0 ||
                   block_type_add(module, state) < 0 ||
                   prefetcher_type_add(module, state) < 0 ||
                   draw_functions_add(module) < 0 || patches_function_add(module) < 0 ||
                   dataset_type_add(module, state) < 0 ||
                   plan_type_add(module, state) < 0 ||
                   sequencer_type_add(module, state) < 0 ||
                   composed_type_add(module, state) < 0 ||
                   compose_function_add(module) < 0 || packing_function_add(module) < 0 ||
                   attention_function_add(module) < 0 || add_items(module) < 0 ||
                   add_names(module) < 0 || add_arrangements(module) < 0 ||
                   add_numbers(module) < 0
               ? -1
               : 0;
}

static int module_traverse(PyObject *module, visitproc visit, void *arg)
{
    struct module_state *state = PyModule_GetState(module);

    Py_VISIT(state->buffer_type);
    Py_VISIT(state->shard_type);
    Py_VISIT(state->block_type);
    Py_VISIT(state->prefetcher_type);
    Py_VISIT(state->dataset_type);
    Py_VISIT(state->plan_type);
    Py_VISIT(state->sequencer_type);
    Py_VISIT(state->composed_type);
    Py_VISIT(state->shard_error);
    Py_VISIT(state->damaged_error);
    return 0;
}

static int module_clear(PyObject *module)
{
    struct module_state *state = PyModule_GetState(module);

    Py_CLEAR(state->buffer_type);
    Py_CLEAR(state->shard_type);
    Py_CLEAR(state->block_type);
    Py_CLEAR(state->prefetcher_type);
    Py_CLEAR(state->dataset_type);
    Py_CLEAR(state->plan_type);
    Py_CLEAR(state->sequencer_type);
    Py_CLEAR(state->composed_type);
    Py_CLEAR(state->shard_error);
    Py_CLEAR(state->damaged_error);
    return 0;
}

static void module_free(void *module)
{
    module_clear(module);
}

static PyModuleDef_Slot slots[] = {{Py_mod_exec, module_exec}, {0, NULL}};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT,
    .m_name = "_shard",
    .m_doc = "The C reader of shards, its prefetcher and its data-set index.",
    .m_size = sizeof(struct module_state),
    .m_slots = slots,
    .m_traverse = module_traverse,
    .m_clear = module_clear,
    .m_free = module_free,
};

PyMODINIT_FUNC PyInit__shard(void)
{
    return PyModuleDef_Init(&definition);
}
