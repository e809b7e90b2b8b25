/* SPDX-License-Identifier: Apache-2.0
 * shard/python/native/py_sequence.c - shard/sequence.h for Python: how records are seen,
 * and what rows of a block are then. */
#include "shard/python/native/module.h"

#include <stdlib.h>
#include <string.h>

#include "shard/file/file_map.h"
#include "shard/file/format.h"
#include "shard/index/outline.h"
#include "shard/plan.h"
#include "shard/sequence.h"
#include "shard/status.h"

/* ---- Sequencer ---- */

struct sequencer_object {
    PyObject_HEAD PyObject *plan;
    unsigned int window;
    bool has_markers, has_templates;
    struct shard_markers markers;
    struct shard_templates templates;
};

struct shard_view sequencer_view(PyObject *sequencer, const struct shard_header *header)
{
    const struct sequencer_object *s = (struct sequencer_object *)sequencer;

    return (struct shard_view){.header = header,
                               .plan = plan_object_get(s->plan),
                               .window = s->window,
                               .markers = s->has_markers ? &s->markers : NULL,
                               .templates = s->has_templates ? &s->templates : NULL};
}

int check_plan(const struct shard_view *view)
{
    char why[512];

    if (shard_plan_check(view->plan, view->header, why, sizeof(why)) == SHARD_OK)
        return 0;
    PyErr_SetString(PyExc_ValueError, why);
    return -1;
}

/* Item i of a sequence: an id, or one of -1 down to `least`; where there are none of
 * these also None, as -1. 0, or -1 with an exception set. */
static int take_item(PyObject *sequence, Py_ssize_t i, int64_t least, int64_t *out)
{
    PyObject *item = PySequence_GetItem(sequence, i);

    *out = -1;
    if (item != NULL && (item != Py_None || least < 0)) {
        const int64_t value = PyLong_AsLongLong(item);
        if ((value < least || value > SHARD_MAX_ID) && !PyErr_Occurred())
            PyErr_Format(PyExc_ValueError, "an id is 0 to %d, not %lld", SHARD_MAX_ID,
                         (long long)value);
        *out = value;
    }
    Py_XDECREF(item);
    return PyErr_Occurred() ? -1 : 0;
}

/* (bos, eos, boi, eoi), each an id or None. 0, or -1 with an exception set. */
static int take_markers(PyObject *arg, struct shard_markers *markers)
{
    int64_t *const ids[] = {&markers->bos, &markers->eos, &markers->boi, &markers->eoi};
    int rc = 0;

    for (Py_ssize_t i = 0; i < 4 && rc == 0; i++)
        rc = take_item(arg, i, 0, ids[i]);
    return rc;
}

/* A sequence of ids and of numbers of ITEMS. 0, or -1 with an exception set. */
static int take_template(PyObject *arg, Py_ssize_t which, struct shard_template *t)
{
    PyObject *parts = PySequence_GetItem(arg, which);
    const Py_ssize_t n = parts != NULL ? PySequence_Size(parts) : -1;
    int64_t *items = n >= 0 ? calloc((size_t)n + 1, sizeof(items[0])) : NULL;
    int rc = items != NULL ? 0 : -1;

    if (n >= 0 && items == NULL)
        PyErr_NoMemory();
    for (Py_ssize_t i = 0; i < n && rc == 0; i++)
        rc = take_item(parts, i, SHARD_ITEM_EOI, &items[i]);
    Py_XDECREF(parts);
    *t = (struct shard_template){.n = n > 0 ? (size_t)n : 0, .items = items};
    return rc;
}

static PyObject *sequencer_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"plan", "window", "markers", "templates", NULL};
    allocfunc alloc = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
    const struct module_state *state = PyType_GetModuleState(type);
    PyObject *plan, *markers = Py_None, *templates = Py_None;
    unsigned int window;

    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O!I|OO:Sequencer", names,
                                     state->plan_type, &plan, &window, &markers,
                                     &templates))
        return NULL;
    struct sequencer_object *s = (struct sequencer_object *)alloc(type, 0);
    if (s == NULL)
        return NULL;
    s->plan = Py_NewRef(plan);
    s->window = window;
    s->has_markers = markers != Py_None;
    s->has_templates = templates != Py_None;
    if ((s->has_markers && take_markers(markers, &s->markers) < 0) ||
        (s->has_templates && (take_template(templates, 0, &s->templates.pair[0]) < 0 ||
                              take_template(templates, 1, &s->templates.pair[1]) < 0 ||
                              take_template(templates, 2, &s->templates.text) < 0))) {
        Py_DECREF(s);
        return NULL;
    }
    return (PyObject *)s;
}

static void sequencer_dealloc(PyObject *self)
{
    struct sequencer_object *s = (struct sequencer_object *)self;
    PyTypeObject *type = Py_TYPE(self);
    freefunc release = (freefunc)PyType_GetSlot(type, Py_tp_free);

    free((void *)s->templates.pair[0].items);
    free((void *)s->templates.pair[1].items);
    free((void *)s->templates.text.items);
    Py_XDECREF(s->plan);
    release(self);
    Py_DECREF(type);
}

int sequencer_type_add(PyObject *module, struct module_state *state)
{
    static PyType_Slot slots[] = {
        {Py_tp_doc,
         "Sequencer(plan, window, markers=None, templates=None): how records are "
         "seen.\n\nmarkers: (bos, eos, boi, eoi) instead of the tokenizer's. "
         "templates: of pairs, caption\nfirst and image first, and of texts; () "
         "where the plan says it."},
        {Py_tp_new, sequencer_new},
        {Py_tp_dealloc, sequencer_dealloc},
        {0, NULL},
    };
    static PyType_Spec spec = {
        .name = "latentmill._shard.Sequencer",
        .basicsize = sizeof(struct sequencer_object),
        .flags = Py_TPFLAGS_DEFAULT,
        .slots = slots,
    };

    return module_add_type(module, &spec, &state->sequencer_type);
}

/* ---- rows ---- */

/* Numbers from a sequence of as many as the row has parts, or the stored draws for None.
 * Gives draws->of_part. 0, or -1 with an exception set. */
static int take_draws(const struct shard_record *rec, uint64_t seed, PyObject *arg,
                      struct shard_draws *draws)
{
    if (shard_draws_stored(draws, rec, seed) < 0) {
        PyErr_NoMemory();
        return -1;
    }
    if (arg == Py_None)
        return 0;
    if (PySequence_Size(arg) != (Py_ssize_t)rec->n_parts) {
        if (!PyErr_Occurred())
            PyErr_SetString(PyExc_ValueError, "drawn has one number a part");
        return -1;
    }
    for (size_t i = 0; i < rec->n_parts; i++) {
        PyObject *item = PySequence_GetItem(arg, (Py_ssize_t)i);
        unsigned long value = item != NULL ? PyLong_AsUnsignedLong(item) : 0;
        Py_XDECREF(item);
        if (PyErr_Occurred())
            return -1;
        draws->of_part[i] = value < UINT32_MAX ? (uint32_t)value : UINT32_MAX;
    }
    return 0;
}

/* (offset, length, part, kind, tensor, rows, cols, loss, visible, advance) */
static PyObject *span_object(const void *ctx, size_t i)
{
    const struct shard_span *s = &((const struct shard_sequence *)ctx)->spans[i];

    return Py_BuildValue("nnnknkkNNN", (Py_ssize_t)s->offset, (Py_ssize_t)s->length,
                         (Py_ssize_t)s->part, (unsigned long)s->kind,
                         (Py_ssize_t)s->tensor, (unsigned long)s->rows,
                         (unsigned long)s->cols, PyBool_FromLong(s->loss),
                         PyBool_FromLong(s->visible), PyBool_FromLong(s->advance));
}

/* (tokens, loss, spans) */
static PyObject *sequence_object(const struct shard_sequence *seq)
{
    return Py_BuildValue("y#y#N", (const char *)seq->tokens,
                         (Py_ssize_t)(seq->length * sizeof(seq->tokens[0])),
                         (const char *)seq->loss, (Py_ssize_t)seq->length,
                         tuple_of(seq->n_spans, span_object, seq));
}

static bool has_tokens(const struct shard_tensor *t)
{
    return t->kind == SHARD_CODES || t->kind == SHARD_IDS;
}

/* Points those of a row's tensors that are shown at what is loaded: codes and ids are
 * values. 0, or -1 with an exception set. */
static int attach_shown(PyObject *self, const struct shard_record *rec, const bool *shown,
                        struct shard_tensor *tensors)
{
    const struct shard_text_frame *frame = block_object_frame(self);

    for (size_t i = 0; i < rec->n_tensors; i++) {
        const struct shard_place *place =
            &frame->places[rec->tensors + i - frame->tensors];
        tensors[i] = rec->tensors[i];
        if (!shown[i] || !has_tokens(&tensors[i]))
            continue;
        const unsigned char *values = block_object_values(self, place->frame);
        if (values == NULL)
            return -1;
        tensors[i].data = values + place->offset;
    }
    return 0;
}

/* A copy of the row's tensors in *tensors (release with free()), with the values that its
 * sequence needs; NULL: it has none that may be needed. 0, or -1 with an exception set.
 */
static int attach_tensors(PyObject *self, const struct shard_view *view,
                          const struct shard_record *rec, const struct shard_draws *draws,
                          struct shard_tensor **tensors)
{
    size_t first = 0;
    int rc = -1;

    *tensors = NULL;
    while (first < rec->n_tensors && !has_tokens(&rec->tensors[first]))
        first++;
    if (first == rec->n_tensors)
        return 0;
    bool *shown = calloc(rec->n_tensors, sizeof(shown[0]));
    *tensors = calloc(rec->n_tensors, sizeof((*tensors)[0]));
    if (shown == NULL || *tensors == NULL) {
        PyErr_NoMemory();
    } else { /* what is wrong with it, building it says */
        shard_sequence_shown(view, rec, draws, shown);
        rc = attach_shown(self, rec, shown, *tensors);
    }
    free(shown);
    return rc;
}

/* Builds it; values of codes and ids are loaded. 0, or -1 with an exception set. */
static int build(PyObject *self, const struct shard_view *view,
                 const struct shard_record *rec, const struct shard_draws *draws,
                 struct shard_sequence *seq)
{
    struct shard_record whole = *rec;
    struct shard_tensor *tensors;
    char why[128];

    /* of the row, whose texts alone may be others */
    if (attach_tensors(self, view, rec, draws, &tensors) < 0) {
        free(tensors);
        return -1;
    }
    if (tensors != NULL)
        whole.tensors = tensors;
    int rc = shard_sequence_build(view, &whole, draws, seq);
    if (rc == SHARD_EINVAL)
        shard_sequence_explain(view, &whole, draws, why, sizeof(why));
    free(tensors);
    if (rc == SHARD_ENOMEM)
        PyErr_NoMemory();
    else if (rc < 0)
        PyErr_SetString(PyExc_ValueError, why);
    return rc < 0 ? -1 : 0;
}

/* sequence(row, sequencer, order, drawn) */
PyObject *block_sequence(PyObject *self, PyObject *args)
{
    const struct shard_header *header = block_object_header(self);
    PyObject *arg, *sequencer, *drawn, *object = NULL;
    int order;
    const struct shard_record *rec;
    struct shard_draws draws;
    struct shard_sequence seq = {0};

    if (!PyArg_ParseTuple(args, "OO!iO:sequence", &arg,
                          module_state_of(self)->sequencer_type, &sequencer, &order,
                          &drawn) ||
        (rec = block_object_record(self, arg)) == NULL)
        return NULL;
    const struct shard_view view = sequencer_view(sequencer, header);
    if (check_plan(&view) < 0)
        return NULL;
    if (take_draws(rec, header->seed, drawn, &draws) == 0) {
        if (order >= 0)
            draws.order = order == 0 ? SHARD_CAPTION_FIRST : SHARD_IMAGE_FIRST;
        if (build(self, &view, rec, &draws, &seq) == 0)
            object = sequence_object(&seq);
    }
    shard_sequence_clear(&seq);
    shard_draws_clear(&draws);
    return object;
}

/* length(position, sequencer, order, drawn), from the index alone. */
PyObject *shard_length(PyObject *self, PyObject *args)
{
    const struct shard_header *header = shard_object_map(self)->header;
    const struct shard_outline *o = shard_object_outline(self);
    PyObject *arg, *sequencer, *drawn, *object = NULL;
    struct shard_outline_room room = {0};
    struct shard_record rec;
    struct shard_draws draws = {.of_part = NULL};
    uint64_t i;
    size_t length;
    char why[128];
    int order;

    if (o == NULL ||
        !PyArg_ParseTuple(args, "OO!iO:length", &arg,
                          module_state_of(self)->sequencer_type, &sequencer, &order,
                          &drawn) ||
        take_position(arg, "record", o->n_records, &i) < 0)
        return NULL;
    const struct shard_view view = sequencer_view(sequencer, header);
    if (shard_outline_record(o, (size_t)i, &room, &rec) < 0) {
        PyErr_NoMemory();
    } else if (check_plan(&view) == 0 &&
               take_draws(&rec, header->seed, drawn, &draws) == 0) {
        draws.order = order == 0 ? SHARD_CAPTION_FIRST : SHARD_IMAGE_FIRST;
        if (shard_sequence_length(&view, &rec, &draws, &length) == SHARD_OK) {
            object = PyLong_FromSize_t(length);
        } else {
            shard_sequence_explain(&view, &rec, &draws, why, sizeof(why));
            PyErr_SetString(PyExc_ValueError, why);
        }
    }
    shard_draws_clear(&draws);
    shard_outline_room_clear(&room);
    return object;
}
