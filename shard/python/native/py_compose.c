/* SPDX-License-Identifier: Apache-2.0
 * shard/python/native/py_compose.c - compose.h for Python: the sequences of a step by one
 * call, without the GIL while it works. */
#include "shard/python/native/module.h"

#include <stdlib.h>
#include <string.h>

#include "shard/python/native/compose.h"
#include "shard/python/native/composed.h"
#include "shard/status.h"

enum { N_ARRAYS = 7, ENTRIES = sizeof(struct compose_piece) / sizeof(int64_t) };

/* What a call holds while it works. */
struct call {
    const struct module_state *state;
    PyObject *blocks, *sequencers, *own_list; /* tuples */
    struct compose_job job;
    struct compose_block *block_table;
    const unsigned char **values; /* of all blocks' frames */
    struct compose_own *own;
    struct compose_ids *ids; /* of all of these */
    Py_buffer pieces, arrays[N_ARRAYS];
};

static void clear_call(struct call *c)
{
    free(c->block_table);
    free((void *)c->values);
    free(c->own);
    free(c->ids);
    Py_XDECREF(c->blocks);
    Py_XDECREF(c->sequencers);
    Py_XDECREF(c->own_list);
    PyBuffer_Release(&c->pieces);
    for (int i = 0; i < N_ARRAYS; i++)
        PyBuffer_Release(&c->arrays[i]);
}

static int no_memory(void)
{
    PyErr_NoMemory();
    return -1;
}

/* ---- blocks ---- */

/* Checks their types, and counts their frames. 0, or -1 with an exception set. */
static int check_blocks(const struct call *c, size_t *n_frames)
{
    const Py_ssize_t n = PyTuple_Size(c->blocks);

    *n_frames = 0;
    if (PyTuple_Size(c->sequencers) != n)
        return refuse_value("each block has a sequencer");
    for (Py_ssize_t i = 0; i < n; i++) {
        PyObject *block = PyTuple_GetItem(c->blocks, i);
        if (!PyObject_TypeCheck(block, c->state->block_type) ||
            !PyObject_TypeCheck(PyTuple_GetItem(c->sequencers, i),
                                c->state->sequencer_type)) {
            PyErr_SetString(PyExc_TypeError, "blocks and sequencers are these");
            return -1;
        }
        *n_frames += block_object_frame(block)->n_frames;
    }
    return 0;
}

/* 0, or -1 with an exception set. */
static int take_blocks(struct call *c)
{
    const size_t n = (size_t)PyTuple_Size(c->blocks);
    size_t n_frames, at = 0;

    if (check_blocks(c, &n_frames) < 0)
        return -1;
    c->block_table = calloc(n + 1, sizeof(c->block_table[0]));
    c->values = calloc(n_frames + 1, sizeof(c->values[0]));
    if (c->block_table == NULL || c->values == NULL)
        return no_memory();
    for (size_t i = 0; i < n; i++) {
        PyObject *block = PyTuple_GetItem(c->blocks, (Py_ssize_t)i);
        PyObject *sequencer = PyTuple_GetItem(c->sequencers, (Py_ssize_t)i);
        c->block_table[i] = (struct compose_block){
            .view = sequencer_view(sequencer, block_object_header(block)),
            .frame = block_object_frame(block),
            .values = c->values + at};
        if (check_plan(&c->block_table[i].view) < 0)
            return -1;
        block_object_loaded(block, c->values + at);
        at += c->block_table[i].frame->n_frames;
    }
    c->job.n_blocks = n;
    c->job.blocks = c->block_table;
    return 0;
}

/* ---- own ids ---- */

/* Ids of one text, or None. 0, or -1 with an exception set. */
static int take_ids(PyObject *item, struct compose_ids *ids)
{
    static const uint32_t none;
    Py_buffer values;

    if (item == NULL || item == Py_None)
        return item == NULL ? -1 : 0;
    if (PyObject_GetBuffer(item, &values, PyBUF_SIMPLE) < 0)
        return -1;
    ids->ids = values.len > 0 ? values.buf : &none;
    ids->n = (uint32_t)(values.len / (Py_ssize_t)sizeof(ids->ids[0]));
    const bool aligned = (uintptr_t)ids->ids % sizeof(ids->ids[0]) == 0;
    PyBuffer_Release(&values); /* own_list keeps it */
    return aligned ? 0 : refuse_value("own ids are aligned");
}

/* From a tuple of a tuple a document. 0, or -1 with an exception set. */
static int take_own(struct call *c)
{
    const Py_ssize_t n = PyTuple_Size(c->own_list);
    Py_ssize_t n_texts = 0;

    for (Py_ssize_t i = 0; i < n; i++) {
        const Py_ssize_t texts = PyTuple_Size(PyTuple_GetItem(c->own_list, i));
        if (texts < 0)
            return -1;
        n_texts += texts;
    }
    c->own = calloc((size_t)n + 1, sizeof(c->own[0]));
    c->ids = calloc((size_t)n_texts + 1, sizeof(c->ids[0]));
    if (c->own == NULL || c->ids == NULL)
        return no_memory();
    struct compose_ids *next = c->ids;
    for (Py_ssize_t i = 0; i < n; i++) {
        PyObject *texts = PyTuple_GetItem(c->own_list, i);
        c->own[i] = (struct compose_own){next, (size_t)PyTuple_Size(texts)};
        for (size_t t = 0; t < c->own[i].n; t++)
            if (take_ids(PyTuple_GetItem(texts, (Py_ssize_t)t), next++) < 0)
                return -1;
    }
    c->job.n_own = (size_t)n;
    c->job.own = c->own;
    return 0;
}

/* ---- pieces and arrays ---- */

static bool is_piece(const struct compose_job *job, const struct compose_piece *p,
                     int64_t sequence)
{
    if (p->sequence < sequence || p->sequence >= (int64_t)job->out.n_sequences ||
        p->length < 1 || p->length > (int64_t)job->out.length || p->block < -1 ||
        p->block >= (int64_t)job->n_blocks)
        return false;
    if (p->block < 0)
        return true;
    return p->row >= 0 && p->row < (int64_t)job->blocks[p->block].frame->n_records &&
           p->start >= 0 && p->start <= p->whole - p->length && p->own >= -1 &&
           p->own < (int64_t)job->n_own && p->source >= 0 && p->source <= INT32_MAX;
}

/* That all are within the arrays and what is lent. 0, or -1 with an exception set. */
static int check_pieces(const struct compose_job *job)
{
    int64_t sequence = 0, room = (int64_t)job->out.length;

    for (size_t i = 0; i < job->n_pieces; i++) {
        const struct compose_piece *p = &job->pieces[i];
        if (!is_piece(job, p, sequence))
            return refuse_value("a piece is of no document, or of no sequence");
        room = p->sequence == sequence ? room : (int64_t)job->out.length;
        sequence = p->sequence;
        room -= p->length;
        if (room < 0)
            return refuse_value("the pieces of a sequence are longer than it");
    }
    return 0;
}

/* 0, or -1 with an exception set. */
static int take_arrays(struct call *c)
{
    struct compose_arrays *out = &c->job.out;
    const size_t n = (size_t)c->arrays[0].len / sizeof(int32_t);
    const size_t most_begins = c->job.n_pieces + out->n_sequences + 1;
    bool fit = out->n_sequences > 0 && n > 0 && n <= INT32_MAX &&
               n % out->n_sequences == 0 &&
               (size_t)c->arrays[6].len >= most_begins * sizeof(int32_t);

    for (int i = 0; i < N_ARRAYS; i++) {
        const size_t width = i == 1 ? sizeof(int64_t) : sizeof(int32_t);
        fit = fit && (i == 6 || (size_t)c->arrays[i].len == n * width) &&
              (uintptr_t)c->arrays[i].buf % width == 0;
    }
    if (!fit)
        return refuse_value("the arrays of a step do not agree");
    out->length = n / out->n_sequences;
    out->tokens = c->arrays[0].buf;
    out->labels = c->arrays[1].buf;
    out->doc_ids = c->arrays[2].buf;
    out->position_ids = c->arrays[3].buf;
    out->source_ids = c->arrays[4].buf;
    out->image_ids = c->arrays[5].buf;
    out->begins = c->arrays[6].buf;
    return 0;
}

/* 0, or -1 with an exception set. */
static int take_pieces(struct call *c)
{
    if ((size_t)c->pieces.len % sizeof(struct compose_piece) != 0 ||
        (uintptr_t)c->pieces.buf % sizeof(int64_t) != 0)
        return refuse_value("a piece has other entries");
    c->job.pieces = c->pieces.buf;
    c->job.n_pieces = (size_t)c->pieces.len / sizeof(struct compose_piece);
    return take_arrays(c) < 0 ? -1 : check_pieces(&c->job);
}

/* ---- the call ---- */

static int take_arguments(struct call *c, PyObject *args)
{
    PyObject *blocks, *sequencers, *own;
    Py_buffer *a = c->arrays;
    Py_ssize_t n_sequences;
    int collapsed, stored, sampled;

    if (!PyArg_ParseTuple(args, "OOy*Onw*w*w*w*w*w*w*pppO&:compose", &blocks, &sequencers,
                          &c->pieces, &own, &n_sequences, &a[0], &a[1], &a[2], &a[3],
                          &a[4], &a[5], &a[6], &collapsed, &stored, &sampled, take_u64,
                          &c->job.seed) ||
        (c->blocks = PySequence_Tuple(blocks)) == NULL ||
        (c->sequencers = PySequence_Tuple(sequencers)) == NULL ||
        (c->own_list = PySequence_Tuple(own)) == NULL)
        return -1;
    c->job.collapsed = collapsed;
    c->job.stored = stored;
    c->job.sampled = sampled;
    c->job.out.n_sequences = n_sequences > 0 ? (size_t)n_sequences : 0;
    return take_blocks(c) < 0 || take_own(c) < 0 || take_pieces(c) < 0 ? -1 : 0;
}

static PyObject *compose_object(PyObject *module, PyObject *args)
{
    struct call c = {.state = PyModule_GetState(module)};
    struct composed composed = {.images = {0}};
    PyObject *object = NULL;
    int rc;

    if (take_arguments(&c, args) == 0) {
        Py_BEGIN_ALLOW_THREADS rc = compose(&c.job, &composed);
        Py_END_ALLOW_THREADS if (rc < 0) PyErr_NoMemory();
        else object = composed_object_make(c.state, &c.job, &composed, c.blocks);
    }
    compose_clear(&composed);
    clear_call(&c);
    return object;
}

int compose_function_add(PyObject *module)
{
    static PyMethodDef functions[] = {
        {"compose", compose_object, METH_VARARGS,
         "compose(blocks, sequencers, pieces, own, n_sequences, tokens, labels, "
         "doc_ids,\n"
         "position_ids, source_ids, image_ids, begins, collapsed, stored, sampled, "
         "seed)\n"
         "-> Composed: fills the arrays of a step with the GIL released."},
        {NULL, NULL, 0, NULL},
    };

    return PyModule_AddIntConstant(module, "PIECE_ENTRIES", ENTRIES) < 0
               ? -1
               : PyModule_AddFunctions(module, functions);
}
