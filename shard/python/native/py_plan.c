/* SPDX-License-Identifier: Apache-2.0
 * shard/python/native/py_plan.c - shard/plan.h for Python. */
#include "shard/python/native/module.h"

#include <stdlib.h>
#include <string.h>

#include "shard/parts.h"
#include "shard/plan.h"
#include "shard/status.h"

struct plan_object {
    PyObject_HEAD struct shard_plan *plan; /* NULL: the default */
};

const struct shard_plan *plan_object_get(PyObject *plan)
{
    const struct shard_plan *given = ((struct plan_object *)plan)->plan;

    return given != NULL ? given : shard_plan_default();
}

static PyObject *plan_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"json", NULL};
    allocfunc alloc = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
    const char *json = NULL;
    char why[256];

    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|z:Plan", names, &json))
        return NULL;
    struct plan_object *p = (struct plan_object *)alloc(type, 0);
    if (p == NULL || json == NULL)
        return (PyObject *)p;
    int rc = shard_plan_from_json(json, strlen(json), &p->plan, why, sizeof(why));
    if (rc == SHARD_OK)
        return (PyObject *)p;
    if (rc == SHARD_ENOMEM)
        PyErr_NoMemory();
    else
        PyErr_SetString(PyExc_ValueError, why);
    Py_DECREF(p);
    return NULL;
}

static void plan_dealloc(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);
    freefunc release = (freefunc)PyType_GetSlot(type, Py_tp_free);

    shard_plan_free(((struct plan_object *)self)->plan);
    release(self);
    Py_DECREF(type);
}

static PyObject *get_json(PyObject *self, void *closure)
{
    char *json;

    (void)closure;
    if (shard_plan_to_json(plan_object_get(self), &json) < 0)
        return PyErr_NoMemory();
    PyObject *text = text_object(json, strlen(json));
    free(json);
    return text;
}

static PyObject *plan_repr(PyObject *self)
{
    PyObject *json = get_json(self, NULL);
    PyObject *text = json != NULL ? PyUnicode_FromFormat("Plan(%R)", json) : NULL;

    Py_XDECREF(json);
    return text;
}

static Py_hash_t plan_hash(PyObject *self)
{
    PyObject *json = get_json(self, NULL);
    const Py_hash_t hash = json != NULL ? PyObject_Hash(json) : -1;

    Py_XDECREF(json);
    return hash;
}

/* Equal where the canonical JSON is. */
static PyObject *plan_compare(PyObject *self, PyObject *other, int how)
{
    if (!PyObject_TypeCheck(other, Py_TYPE(self)) || (how != Py_EQ && how != Py_NE))
        Py_RETURN_NOTIMPLEMENTED;
    PyObject *left = get_json(self, NULL), *right = get_json(other, NULL);
    PyObject *result =
        left != NULL && right != NULL ? PyObject_RichCompare(left, right, how) : NULL;

    Py_XDECREF(left);
    Py_XDECREF(right);
    return result;
}

/* default_encoder(header_json) -> position or None */
static PyObject *default_encoder(PyObject *module, PyObject *args)
{
    struct shard_header *header;
    const char *json;
    Py_ssize_t len;
    char why[256];

    if (!PyArg_ParseTuple(args, "s#:default_encoder", &json, &len))
        return NULL;
    int rc = shard_header_from_json(json, (size_t)len, &header, why, sizeof(why));
    if (rc < 0)
        return raise_status(PyModule_GetState(module), rc, 0, why);
    const uint32_t encoder = shard_default_encoder(header);
    shard_header_free(header);
    return encoder == SHARD_NONE ? Py_NewRef(Py_None) : PyLong_FromUnsignedLong(encoder);
}

int plan_type_add(PyObject *module, struct module_state *state)
{
    static PyMethodDef functions[] = {
        {"default_encoder", default_encoder, METH_VARARGS,
         "default_encoder(header_json) -> position of what stands for an image, or "
         "None."},
        {NULL, NULL, 0, NULL},
    };
    static PyGetSetDef getters[] = {
        {"json", get_json, NULL, "The canonical JSON: the same plan, the same bytes.",
         NULL},
        {NULL, NULL, NULL, NULL, NULL},
    };
    static PyType_Slot slots[] = {
        {Py_tp_doc,
         "Plan(json=None): what a sequence holds of a record (FORMAT.md, section "
         "8).\n\nNone: Transfusion's. ValueError where it is no plan."},
        {Py_tp_new, plan_new},
        {Py_tp_dealloc, plan_dealloc},
        {Py_tp_getset, getters},
        {Py_tp_repr, plan_repr},
        {Py_tp_hash, plan_hash},
        {Py_tp_richcompare, plan_compare},
        {0, NULL},
    };
    static PyType_Spec spec = {
        .name = "latentmill._shard.Plan",
        .basicsize = sizeof(struct plan_object),
        .flags = Py_TPFLAGS_DEFAULT,
        .slots = slots,
    };

    return PyModule_AddFunctions(module, functions) < 0
               ? -1
               : module_add_type(module, &spec, &state->plan_type);
}
