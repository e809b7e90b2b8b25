/* SPDX-License-Identifier: Apache-2.0
 * shard/python/native/py_block.c - a decompressed block and its rows.
 *
 * Tensors are handed out as buffers over a column; they outlive the block. */
#include "shard/python/native/module.h"

#include <stdlib.h>
#include <string.h>

#include "shard/file_map.h"
#include "shard/status.h"

struct block_object {
    PyObject_HEAD PyObject *shard;
    struct loaded_block *loaded;
    PyObject **tensors; /* a Buffer a column; NULL: not handed out yet */
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
    b->tensors = calloc(block->content.frame.n_columns + 1, sizeof(b->tensors[0]));
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

    for (size_t i = 0; b->tensors != NULL && i < b->loaded->content.frame.n_columns; i++)
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

static const struct shard_block_place *place_of(const struct block_object *b)
{
    return &shard_object_map(b->shard)->blocks[b->loaded->block];
}

/* ---- damage ---- */

/* Whether a row has a segment in that column. */
static bool row_uses(const struct shard_text_frame *frame, size_t row, size_t column)
{
    const struct shard_record *rec = &frame->records[row];
    size_t first = (size_t)(rec->segments - frame->segments);

    for (size_t i = first; i < first + rec->n_segments; i++)
        if (frame->segments[i].kind != SHARD_TEXT && frame->places[i].column == column)
            return true;
    return false;
}

/* Frame 0 is the text frame, 1 + i that of column i. */
static PyObject *lost_keys(const struct block_object *b, size_t frame)
{
    const struct shard_block_place *place = place_of(b);
    PyObject *keys = PyList_New(0);

    for (uint32_t row = 0; row < place->n_records && keys != NULL; row++) {
        if (frame > 0 && !row_uses(frame_of(b), row, frame - 1))
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
    const char *path = shard_object_map(b->shard)->source->path;
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

    return frame == 0 ? &l->text : &l->columns[frame - 1];
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
    size_t n = l->columns != NULL ? l->content.frame.n_columns : 0;
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
    const struct loaded_block *l = b->loaded;

    if (l->text.status < 0)
        return 0;
    for (size_t i = 0; l->columns != NULL && i < l->content.frame.n_columns; i++)
        if (l->columns[i].status < 0 && row_uses(&l->content.frame, row, i))
            return (Py_ssize_t)i + 1;
    return -1;
}

/* 0, or -1 with an exception set. */
static int take_row(const struct block_object *b, PyObject *arg, uint64_t *row)
{
    return take_position(arg, "row of the block", place_of(b)->n_records, row);
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

/* ---- rows ---- */

static PyObject *position_or_none(uint32_t position)
{
    if (position == SHARD_NONE)
        return Py_NewRef(Py_None);
    return PyLong_FromUnsignedLong(position);
}

/* (name, text, first id in the block's, number of ids or None) */
static PyObject *alternative_object(const struct shard_text_frame *frame,
                                    const struct shard_alternative *a)
{
    Py_ssize_t first = a->ids != NULL ? a->ids - frame->ids : 0;

    return Py_BuildValue("NNnN", text_object(a->name, strlen(a->name)),
                         text_object(a->text, a->text_len), first,
                         position_or_none(a->n_ids));
}

static PyObject *text_segment(const struct shard_text_frame *frame,
                              const struct shard_segment *segment)
{
    PyObject *tuple = PyTuple_New((Py_ssize_t)segment->n_alternatives);

    for (size_t i = 0; i < segment->n_alternatives && tuple != NULL; i++) {
        PyObject *a = alternative_object(frame, &segment->alternatives[i]);
        if (a == NULL || PyTuple_SetItem(tuple, (Py_ssize_t)i, a) < 0)
            Py_CLEAR(tuple);
    }
    return Py_BuildValue("kkN", (unsigned long)segment->kind,
                         (unsigned long)segment->flags, tuple);
}

static PyObject *dims_object(const struct shard_segment *segment)
{
    PyObject *dims = PyTuple_New((Py_ssize_t)segment->n_dims);

    for (uint32_t i = 0; i < segment->n_dims && dims != NULL; i++) {
        PyObject *dim = PyLong_FromUnsignedLong(segment->dims[i]);
        if (dim == NULL || PyTuple_SetItem(dims, (Py_ssize_t)i, dim) < 0)
            Py_CLEAR(dims);
    }
    return dims;
}

static PyObject *segment_object(const struct shard_text_frame *frame, size_t i)
{
    const struct shard_segment *s = &frame->segments[i];
    const struct shard_place *place = &frame->places[i];

    if (s->kind == SHARD_TEXT)
        return text_segment(frame, s);
    return Py_BuildValue("kkkNNNknn", (unsigned long)s->kind, (unsigned long)s->flags,
                         (unsigned long)s->dtype, dims_object(s),
                         position_or_none(s->image), position_or_none(s->encoder),
                         (unsigned long)place->column, (Py_ssize_t)place->offset,
                         (Py_ssize_t)s->n_bytes);
}

static PyObject *segments_object(const struct shard_text_frame *frame,
                                 const struct shard_record *rec)
{
    PyObject *tuple = PyTuple_New((Py_ssize_t)rec->n_segments);
    size_t first = (size_t)(rec->segments - frame->segments);

    for (size_t i = 0; i < rec->n_segments && tuple != NULL; i++) {
        PyObject *segment = segment_object(frame, first + i);
        if (segment == NULL || PyTuple_SetItem(tuple, (Py_ssize_t)i, segment) < 0)
            Py_CLEAR(tuple);
    }
    return tuple;
}

static PyObject *image_object(const struct shard_image *m)
{
    return Py_BuildValue("(kk)(kkkk)(kk)y#", (unsigned long)m->original_width,
                         (unsigned long)m->original_height, (unsigned long)m->crop_left,
                         (unsigned long)m->crop_top, (unsigned long)m->crop_width,
                         (unsigned long)m->crop_height, (unsigned long)m->target_width,
                         (unsigned long)m->target_height, (const char *)m->sha256,
                         (Py_ssize_t)sizeof(m->sha256));
}

static PyObject *images_object(const struct shard_record *rec)
{
    PyObject *tuple = PyTuple_New((Py_ssize_t)rec->n_images);

    for (size_t i = 0; i < rec->n_images && tuple != NULL; i++) {
        PyObject *image = image_object(&rec->images[i]);
        if (image == NULL || PyTuple_SetItem(tuple, (Py_ssize_t)i, image) < 0)
            Py_CLEAR(tuple);
    }
    return tuple;
}

static PyObject *block_row(PyObject *self, PyObject *arg)
{
    const struct shard_text_frame *frame = frame_of(cast(self));
    uint64_t row;

    if (take_row(cast(self), arg, &row) < 0)
        return NULL;
    if (cast(self)->loaded->text.status < 0)
        return raise_damage(self, 0, damage_of(self, 0));
    const struct shard_record *rec = &frame->records[row];
    return Py_BuildValue(
        "NNKkkKKy#NN", text_object(rec->key, strlen(rec->key)),
        text_object(rec->name, strlen(rec->name)), (unsigned long long)rec->index,
        (unsigned long)rec->order, (unsigned long)rec->caption_drawn,
        (unsigned long long)rec->text_checksum, (unsigned long long)rec->tensor_checksum,
        rec->metadata, (Py_ssize_t)rec->metadata_len, images_object(rec),
        segments_object(frame, rec));
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

/* Decompresses the tensors of a block that was loaded without them. 0, or -1 with an
 * exception set. */
static int load_tensors(PyObject *self)
{
    struct loaded_block *l = cast(self)->loaded, *fresh;

    if (l->tensors_tried)
        return 0;
    int rc = shard_object_load(cast(self)->shard, l->block, true, &fresh);
    if (rc < 0 || fresh->text.status < 0) {
        if (rc == SHARD_OK)
            raise_damage(self, 0, &fresh->text);
        else
            PyErr_NoMemory();
        loaded_block_free(fresh);
        return -1;
    }
    if (!l->tensors_tried) { /* another thread may have been here meanwhile */
        l->columns = fresh->columns;
        fresh->columns = NULL;
        memcpy(l->content.column, fresh->content.column, sizeof(l->content.column));
        memset(fresh->content.column, 0, sizeof(fresh->content.column));
        l->tensors_tried = true;
    }
    loaded_block_free(fresh);
    return 0;
}

static PyObject *block_tensor(PyObject *self, PyObject *arg)
{
    struct block_object *b = cast(self);
    uint64_t i;

    if (b->loaded->text.status < 0)
        return raise_damage(self, 0, damage_of(self, 0));
    if (take_position(arg, "column of the block", frame_of(b)->n_columns, &i) < 0)
        return NULL;
    if (b->tensors[i] == NULL) {
        if (load_tensors(self) < 0)
            return NULL;
        if (b->loaded->columns[i].status < 0)
            return raise_damage(self, i + 1, damage_of(self, i + 1));
    }
    if (b->tensors[i] == NULL) /* else made by another thread meanwhile */
        b->tensors[i] = buffer_take(module_state_of(self), &b->loaded->content.column[i]);
    return Py_XNewRef(b->tensors[i]);
}

/* (column, offset, bytes, dtype, dims) of the n-th latent of a row, or None. */
static PyObject *block_latent(PyObject *self, PyObject *args)
{
    const struct shard_text_frame *frame = frame_of(cast(self));
    PyObject *arg;
    Py_ssize_t n = 0;
    uint64_t row;

    if (!PyArg_ParseTuple(args, "O|n:latent", &arg, &n) ||
        take_row(cast(self), arg, &row) < 0)
        return NULL;
    if (cast(self)->loaded->text.status < 0)
        return raise_damage(self, 0, damage_of(self, 0));
    if (n < 0) {
        PyErr_Format(PyExc_IndexError, "no latent %zd", n);
        return NULL;
    }
    const struct shard_record *rec = &frame->records[row];
    size_t first = (size_t)(rec->segments - frame->segments);
    for (size_t i = first; i < first + rec->n_segments; i++) {
        const struct shard_segment *s = &frame->segments[i];
        if (s->kind == SHARD_LATENT && n-- == 0)
            return Py_BuildValue("knnkN", (unsigned long)frame->places[i].column,
                                 (Py_ssize_t)frame->places[i].offset,
                                 (Py_ssize_t)s->n_bytes, (unsigned long)s->dtype,
                                 dims_object(s));
    }
    Py_RETURN_NONE;
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

static PyObject *block_load(PyObject *self, PyObject *unused)
{
    (void)unused;
    if (cast(self)->loaded->text.status == SHARD_OK && load_tensors(self) < 0)
        return NULL;
    Py_RETURN_NONE;
}

int block_type_add(PyObject *module, struct module_state *state)
{
    static PyMethodDef methods[] = {
        {"row", block_row, METH_O,
         "row(row) -> (key, name, index, order, caption_drawn, text_checksum,\n"
         "tensor_checksum, metadata, images, segments). DamagedError."},
        {"latent", block_latent, METH_VARARGS,
         "latent(row, n=0) -> (column, offset, bytes, dtype, dims) | None."},
        {"tensor", block_tensor, METH_O,
         "tensor(column) -> Buffer: all values of a column. DamagedError."},
        {"load_tensors", block_load, METH_NOARGS,
         "load_tensors(): decompresses them now, with the GIL released."},
        {"errors", block_errors, METH_NOARGS,
         "errors() -> list of the exceptions of all damaged frames."},
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
