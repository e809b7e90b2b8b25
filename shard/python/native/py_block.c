/* SPDX-License-Identifier: Apache-2.0
 * shard/python/native/py_block.c - a decompressed block and its rows.
 *
 * Tensors are handed out as buffers over their frame; they outlive the block. */
#include "shard/python/native/module.h"

#include <stdlib.h>
#include <string.h>

#include "shard/file/file_map.h"
#include "shard/status.h"

struct block_object {
    PyObject_HEAD PyObject *shard;
    struct loaded_block *loaded;
    PyObject **tensors; /* a Buffer a tensor frame; NULL: not handed out yet */
};

static struct block_object *cast(PyObject *self)
{
    return (struct block_object *)self;
}

PyObject *block_object(struct module_state *state, PyObject *shard,
                       struct loaded_block *block)
{
    allocfunc alloc = (allocfunc)PyType_GetSlot(state->block_type, Py_tp_alloc);
    struct block_object *b = (struct block_object *)alloc(state->block_type, 0);

    if (b == NULL) {
        loaded_block_free(block);
        return NULL;
    }
    b->shard = Py_NewRef(shard);
    b->loaded = block;
    b->tensors = calloc(block->content.frame.n_frames + 1, sizeof(b->tensors[0]));
    if (b->tensors == NULL) {
        Py_DECREF(b);
        return PyErr_NoMemory();
    }
    return (PyObject *)b;
}

static void block_dealloc(PyObject *self)
{
    struct block_object *b = cast(self);
    PyTypeObject *type = Py_TYPE(self);
    freefunc release = (freefunc)PyType_GetSlot(type, Py_tp_free);

    for (size_t i = 0; b->tensors != NULL && i < b->loaded->content.frame.n_frames; i++)
        Py_XDECREF(b->tensors[i]);
    free(b->tensors);
    loaded_block_free(b->loaded);
    Py_XDECREF(b->shard);
    release(self);
    Py_DECREF(type);
}

static const struct shard_text_frame *frame_of(const struct block_object *b)
{
    return &b->loaded->content.frame;
}

const struct shard_text_frame *block_object_frame(PyObject *self)
{
    return frame_of(cast(self));
}

const struct shard_header *block_object_header(PyObject *self)
{
    return shard_object_map(cast(self)->shard)->header;
}

static const struct shard_block_place *place_of(const struct block_object *b)
{
    return &shard_object_map(b->shard)->blocks[b->loaded->block];
}

/* ---- damage ---- */

/* Frame 0 is the text frame, 1 + i tensor frame i. */
static PyObject *lost_keys(const struct block_object *b, size_t frame)
{
    const struct shard_block_place *place = place_of(b);
    PyObject *keys = PyList_New(0);

    for (uint32_t row = 0; row < place->n_records && keys != NULL; row++) {
        if (frame > 0 && !loaded_block_uses(b->loaded, row, frame - 1))
            continue;
        PyObject *key = shard_object_key(b->shard, place->first_record + row);
        if (key == NULL && !PyErr_Occurred())
            break;
        if (key == NULL || PyList_Append(keys, key) < 0)
            Py_CLEAR(keys);
        Py_XDECREF(key);
    }
    return keys;
}

static int set_attribute(PyObject *object, const char *name, PyObject *value)
{
    int rc = value == NULL ? -1 : PyObject_SetAttrString(object, name, value);

    Py_XDECREF(value);
    return rc;
}

/* With the first few of the keys: of an exception that a process hands on, often only the
 * text arrives. */
static PyObject *damage_text(const char *why, PyObject *keys)
{
    enum { FEW = 5 };
    const Py_ssize_t n = PyList_Size(keys);
    PyObject *text = text_object(why, strlen(why));
    PyObject *few = PyList_GetSlice(keys, 0, FEW), *comma = PyUnicode_FromString(", ");
    PyObject *names = few == NULL || comma == NULL ? NULL : PyUnicode_Join(comma, few);
    PyObject *whole = NULL;

    if (text == NULL || names == NULL)
        ;
    else if (n == 0)
        whole = Py_NewRef(text);
    else if (n <= FEW)
        whole = PyUnicode_FromFormat("%U; lost with it: %U", text, names);
    else
        whole = PyUnicode_FromFormat("%U; lost with it: %U and %zd more", text, names,
                                     n - FEW);
    Py_XDECREF(names);
    Py_XDECREF(comma);
    Py_XDECREF(few);
    Py_XDECREF(text);
    return whole;
}

/* The exception of a frame that could not be read. */
static PyObject *damage_object(PyObject *self, size_t frame,
                               const struct frame_damage *damage)
{
    const struct block_object *b = cast(self);
    const char *path = shard_object_map(b->shard)->file->path;
    const struct module_state *state = module_state_of(self);

    if (damage->status != SHARD_EDAMAGED)
        return status_object(state, damage->status, damage->error, damage->why);
    PyObject *keys = lost_keys(b, frame);
    if (keys == NULL)
        return NULL;
    PyObject *error =
        PyObject_CallFunction(state->damaged_error, "N", damage_text(damage->why, keys));
    if (error != NULL &&
        (set_attribute(error, "shard", PyUnicode_DecodeFSDefault(path)) < 0 ||
         set_attribute(error, "block", PyLong_FromUnsignedLong(b->loaded->block)) < 0 ||
         set_attribute(error, "frame", PyLong_FromSize_t(frame)) < 0 ||
         set_attribute(error, "keys", Py_NewRef(keys)) < 0))
        Py_CLEAR(error);
    Py_DECREF(keys);
    return error;
}

static const struct frame_damage *damage_of(PyObject *self, size_t frame)
{
    const struct loaded_block *l = cast(self)->loaded;

    return frame == 0 ? &l->text : &l->tensors[frame - 1];
}

static PyObject *raise_damage(PyObject *self, size_t frame,
                              const struct frame_damage *damage)
{
    PyObject *error = damage_object(self, frame, damage);

    if (error != NULL)
        PyErr_SetObject((PyObject *)Py_TYPE(error), error);
    Py_XDECREF(error);
    return NULL;
}

/* errors() -> list of exceptions. */
static PyObject *block_errors(PyObject *self, PyObject *unused)
{
    const struct loaded_block *l = cast(self)->loaded;
    size_t n = l->tensors != NULL ? l->content.frame.n_frames : 0;
    PyObject *errors = PyList_New(0);

    (void)unused;
    for (size_t frame = 0; frame <= n && errors != NULL; frame++) {
        const struct frame_damage *damage = damage_of(self, frame);
        if (damage->status == SHARD_OK)
            continue;
        PyObject *error = damage_object(self, frame, damage);
        if (error == NULL || PyList_Append(errors, error) < 0)
            Py_CLEAR(errors);
        Py_XDECREF(error);
    }
    return errors;
}

/* The frame that a row cannot be read without and that is damaged, or -1. */
static Py_ssize_t damaged_frame(const struct block_object *b, size_t row)
{
    if (b->loaded->text.status < 0)
        return 0;
    const ptrdiff_t i = loaded_block_damaged(b->loaded, row);
    return i < 0 ? -1 : i + 1;
}

/* 0, or -1 with an exception set. */
static int take_row(const struct block_object *b, PyObject *arg, uint64_t *row)
{
    return take_position(arg, "row of the block", place_of(b)->n_records, row);
}

const struct shard_record *block_object_record(PyObject *self, PyObject *arg)
{
    uint64_t row;

    if (take_row(cast(self), arg, &row) < 0)
        return NULL;
    if (cast(self)->loaded->text.status < 0) {
        raise_damage(self, 0, damage_of(self, 0));
        return NULL;
    }
    return &frame_of(cast(self))->records[row];
}

static PyObject *block_text_error(PyObject *self, PyObject *unused)
{
    (void)unused;
    return cast(self)->loaded->text.status < 0
               ? damage_object(self, 0, damage_of(self, 0))
               : Py_NewRef(Py_None);
}

static PyObject *block_damage(PyObject *self, PyObject *arg)
{
    uint64_t row;

    if (take_row(cast(self), arg, &row) < 0)
        return NULL;
    Py_ssize_t frame = damaged_frame(cast(self), row);
    if (frame < 0)
        Py_RETURN_NONE;
    return damage_object(self, (size_t)frame, damage_of(self, (size_t)frame));
}

PyObject *tuple_of(size_t n, PyObject *(*make)(const void *ctx, size_t i),
                   const void *ctx)
{
    PyObject *tuple = PyTuple_New((Py_ssize_t)n);

    for (size_t i = 0; i < n && tuple != NULL; i++) {
        PyObject *item = make(ctx, i);
        if (item == NULL || PyTuple_SetItem(tuple, (Py_ssize_t)i, item) < 0)
            Py_CLEAR(tuple);
    }
    return tuple;
}

/* ---- arrays ---- */

static PyObject *get_ids(PyObject *self, void *closure)
{
    const struct shard_text_frame *frame = frame_of(cast(self));

    (void)closure;
    if (cast(self)->loaded->text.status < 0)
        return raise_damage(self, 0, damage_of(self, 0));
    return buffer_lend(module_state_of(self), frame->ids, 4 * frame->n_ids, self);
}

/* Frame i alone, of a block that was loaded without it. 0, or -1 with an exception set.
 */
static int load_frame(PyObject *self, size_t i)
{
    struct loaded_block *l = cast(self)->loaded;
    struct shard_buffer values = {0};
    struct frame_damage damage;

    if (shard_object_load_tensors(cast(self)->shard, l, i, &values, &damage) < 0)
        PyErr_NoMemory();
    else if (damage.status < 0)
        raise_damage(self, i + 1, &damage);
    else if (!l->tensors[i].tried) { /* else by another thread meanwhile */
        const struct shard_buffer unused = l->content.tensors[i];
        l->content.tensors[i] = values;
        values = unused;
        l->tensors[i].tried = true;
    }
    shard_buffer_free(&values);
    return PyErr_Occurred() ? -1 : 0;
}

/* The values of tensor frame i as a Buffer, which b->tensors keeps; NULL with an
 * exception set. */
static PyObject *tensor_buffer(PyObject *self, size_t i)
{
    struct block_object *b = cast(self);

    if (!b->loaded->tensors[i].tried && load_frame(self, i) < 0)
        return NULL;
    if (b->tensors[i] != NULL)
        return b->tensors[i];
    if (b->loaded->tensors[i].status < 0)
        return raise_damage(self, i + 1, damage_of(self, i + 1));
    b->tensors[i] = buffer_take(module_state_of(self), &b->loaded->content.tensors[i]);
    return b->tensors[i];
}

static PyObject *block_tensor(PyObject *self, PyObject *arg)
{
    struct block_object *b = cast(self);
    uint64_t i;

    if (b->loaded->text.status < 0)
        return raise_damage(self, 0, damage_of(self, 0));
    if (take_position(arg, "tensor frame of the block", frame_of(b)->n_frames, &i) < 0)
        return NULL;
    return Py_XNewRef(tensor_buffer(self, (size_t)i));
}

const unsigned char *block_object_values(PyObject *self, size_t i)
{
    PyObject *buffer = tensor_buffer(self, i);

    return buffer != NULL ? buffer_bytes(buffer) : NULL;
}

void block_object_loaded(PyObject *self, const unsigned char **values)
{
    static const unsigned char nothing;
    const struct block_object *b = cast(self);

    for (size_t i = 0; i < frame_of(b)->n_frames; i++) {
        const unsigned char *own = b->loaded->content.tensors[i].data;
        if (b->tensors[i] != NULL)
            values[i] = buffer_bytes(b->tensors[i]);
        else if (b->loaded->tensors[i].tried && b->loaded->tensors[i].status == SHARD_OK)
            values[i] = own != NULL ? own : &nothing;
        else
            values[i] = NULL;
    }
}

static PyObject *get_shard(PyObject *self, void *closure)
{
    (void)closure;
    return Py_NewRef(cast(self)->shard);
}

static PyObject *get_number(PyObject *self, void *closure)
{
    (void)closure;
    return PyLong_FromUnsignedLong(cast(self)->loaded->block);
}

static PyObject *get_first_record(PyObject *self, void *closure)
{
    (void)closure;
    return PyLong_FromUnsignedLongLong(place_of(cast(self))->first_record);
}

static PyObject *get_n_records(PyObject *self, void *closure)
{
    (void)closure;
    return PyLong_FromUnsignedLong(place_of(cast(self))->n_records);
}

int block_type_add(PyObject *module, struct module_state *state)
{
    static PyMethodDef methods[] = {
        {"row", block_row, METH_O,
         "row(row) -> (key, name, index, order, caption_drawn, text_checksum,\n"
         "tensor_checksum, metadata, text drawn, first id of it in the block's, number). "
         "DamagedError."},
        {"parts", block_parts, METH_O,
         "parts(row) -> (kind, loss, role, number, ...) of each. DamagedError."},
        {"alternatives", block_alternatives, METH_VARARGS,
         "alternatives(row[, part]) -> (name, text, first id in the block's, number, "
         "kind,\n"
         "content) of each; by default of the first text. DamagedError."},
        {"renditions", block_renditions, METH_VARARGS,
         "renditions(row, part) -> what was made of an image. DamagedError."},
        {"tensors", block_tensors, METH_VARARGS,
         "tensors(row, part) -> what encoders made of a part. DamagedError."},
        {"latent", block_latent, METH_VARARGS,
         "latent(row, logvar=False) -> (frame, offset, bytes, dtype, dims, encoder) | "
         "None:\n"
         "of the image that stands for the record. DamagedError."},
        {"sequence", block_sequence, METH_VARARGS,
         "sequence(row, sequencer, order, drawn) -> (tokens, loss, spans): FORMAT.md,\n"
         "section 8. order: 0, 1, or -1: as stored. drawn: a number a part, or None."},
        {"tensor", block_tensor, METH_O,
         "tensor(frame) -> Buffer: all values of a tensor frame. DamagedError."},
        {"errors", block_errors, METH_NOARGS,
         "errors() -> list of the exceptions of all damaged frames."},
        {"text_error", block_text_error, METH_NOARGS,
         "text_error() -> exception | None: why no row can be read."},
        {"damage", block_damage, METH_O,
         "damage(row) -> exception | None: why this row cannot be read."},
        {NULL, NULL, 0, NULL},
    };
    static PyGetSetDef getters[] = {
        {"shard", get_shard, NULL, "The Shard it is from.", NULL},
        {"number", get_number, NULL, "Its number in the shard.", NULL},
        {"first_record", get_first_record, NULL, "Position of row 0.", NULL},
        {"n_records", get_n_records, NULL, "Number of rows.", NULL},
        {"ids", get_ids, NULL, "Buffer of all rows' token ids, uint32.", NULL},
        {NULL, NULL, NULL, NULL, NULL},
    };
    static PyType_Slot slots[] = {
        {Py_tp_doc, "A decompressed block of a shard."},
        {Py_tp_dealloc, block_dealloc},
        {Py_tp_methods, methods},
        {Py_tp_getset, getters},
        {0, NULL},
    };
    static PyType_Spec spec = {
        .name = "latentmill._shard.Block",
        .basicsize = sizeof(struct block_object),
        .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
        .slots = slots,
    };

    return module_add_type(module, &spec, &state->block_type);
}
