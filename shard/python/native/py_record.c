/* SPDX-License-Identifier: Apache-2.0
 * shard/python/native/py_record.c - what a row of a block holds, as tuples. A trainer
 * that asks for one thing of many records pays for that alone: each part of it has a
 * method of its own. */
#include "shard/python/native/module.h"

#include <string.h>

#include "shard/parts.h"

/* One row of a block. */
struct row {
    const struct shard_text_frame *frame;
    const struct shard_record *rec;
    size_t part; /* whose alternatives, renditions or tensors are made */
    size_t first;
};

static PyObject *bytes_of(const struct shard_unknown *u)
{
    return PyBytes_FromStringAndSize(u->bytes, (Py_ssize_t)u->len);
}

static PyObject *position_or_none(uint32_t position)
{
    if (position == SHARD_NONE)
        return Py_NewRef(Py_None);
    return PyLong_FromUnsignedLong(position);
}

static Py_ssize_t first_id(const struct shard_text_frame *frame,
                           const struct shard_alternative *a)
{
    return a->ids != NULL ? a->ids - frame->ids : 0;
}

/* ---- the row itself ---- */

/* Behind the record's own numbers the text and ids of the alternative drawn for epoch 0,
 * (text, first id, number of ids), None for what there is not, and the arrangement. */
static PyObject *row_object(const struct shard_text_frame *frame,
                            const struct shard_record *rec)
{
    static const struct shard_alternative none = {.kind = SHARD_NONE,
                                                  .n_ids = SHARD_NO_IDS};
    const size_t text = shard_first_text(rec);
    const struct shard_alternative *a =
        text < rec->n_parts ? &rec->parts[text].alternatives[rec->caption_drawn] : &none;

    return Py_BuildValue(
        "NNKkkKKy#NnNk", text_object(rec->key, strlen(rec->key)),
        text_object(rec->name, strlen(rec->name)), (unsigned long long)rec->index,
        (unsigned long)rec->order, (unsigned long)rec->caption_drawn,
        (unsigned long long)rec->text_checksum, (unsigned long long)rec->tensor_checksum,
        rec->metadata, (Py_ssize_t)rec->metadata_len,
        a->kind == 0 ? text_object(a->text, a->text_len) : Py_NewRef(Py_None),
        first_id(frame, a), position_or_none(a->n_ids),
        (unsigned long)shard_arrangement_of(rec));
}

PyObject *block_row(PyObject *self, PyObject *arg)
{
    const struct shard_record *rec = block_object_record(self, arg);

    return rec != NULL ? row_object(block_object_frame(self), rec) : NULL;
}

/* ---- parts ---- */

static PyObject *box_object(const struct shard_box *b)
{
    return Py_BuildValue("kkkk", (unsigned long)b->left, (unsigned long)b->top,
                         (unsigned long)b->width, (unsigned long)b->height);
}

static PyObject *target_object(const struct shard_rendition *r)
{
    return Py_BuildValue("kk", (unsigned long)r->target_width,
                         (unsigned long)r->target_height);
}

/* The first of an image's renditions of a known kind, or NULL. */
static const struct shard_rendition *known_rendition(const struct shard_record *rec,
                                                     size_t part)
{
    size_t i = shard_first_rendition(rec, part);

    while (i < rec->n_renditions && rec->renditions[i].part == part &&
           rec->renditions[i].kind != 0)
        i++;
    return i < rec->n_renditions && rec->renditions[i].part == part ? &rec->renditions[i]
                                                                    : NULL;
}

static PyObject *image_object(const struct shard_record *rec, size_t i)
{
    const struct shard_part *p = &rec->parts[i];
    const struct shard_rendition *r = known_rendition(rec, i);

    return Py_BuildValue("kNsn(kk)y#NN", (unsigned long)p->kind,
                         PyBool_FromLong(p->flags == SHARD_FLAG_LOSS), p->role,
                         (Py_ssize_t)i, (unsigned long)p->width, (unsigned long)p->height,
                         (const char *)p->sha256, (Py_ssize_t)sizeof(p->sha256),
                         r != NULL ? box_object(&r->crop) : Py_NewRef(Py_None),
                         r != NULL ? target_object(r) : Py_NewRef(Py_None));
}

/* (kind, loss, role, number), and of an image (width, height), SHA-256, crop and target
 * of its first rendition, of unknown kinds bytes. */
static PyObject *part_object(const void *ctx, size_t i)
{
    const struct shard_record *rec = ctx;
    const struct shard_part *p = &rec->parts[i];

    if (p->kind == SHARD_PART_IMAGE)
        return image_object(rec, i);
    return Py_BuildValue(
        "kNsnN", (unsigned long)p->kind, PyBool_FromLong(p->flags == SHARD_FLAG_LOSS),
        p->role, (Py_ssize_t)i,
        p->kind == SHARD_PART_TEXT ? Py_NewRef(Py_None) : bytes_of(&p->unknown));
}

PyObject *block_parts(PyObject *self, PyObject *arg)
{
    const struct shard_record *rec = block_object_record(self, arg);

    return rec != NULL ? tuple_of(rec->n_parts, part_object, rec) : NULL;
}

/* ---- what a part has ---- */

/* Of the arguments (row, part): without a part the first text, or behind all parts where
 * there is none. 0, or -1 with an exception set. */
static int take_part(PyObject *self, PyObject *args, struct row *r)
{
    PyObject *row, *part = NULL;
    uint64_t number;

    if (!PyArg_ParseTuple(args, "O|O", &row, &part))
        return -1;
    const struct shard_record *rec = block_object_record(self, row);
    if (rec == NULL)
        return -1;
    if (part == NULL)
        number = shard_first_text(rec);
    else if (take_position(part, "part", rec->n_parts, &number) < 0)
        return -1;
    *r = (struct row){
        .frame = block_object_frame(self), .rec = rec, .part = (size_t)number};
    return 0;
}

static PyObject *alternative_object(const void *ctx, size_t i)
{
    const struct row *r = ctx;
    const struct shard_alternative *a = &r->rec->parts[r->part].alternatives[i];
    const bool known = a->kind == 0;

    return Py_BuildValue(
        "NNnNkN", text_object(a->name, strlen(a->name)),
        known ? text_object(a->text, a->text_len) : Py_NewRef(Py_None),
        first_id(r->frame, a), position_or_none(a->n_ids), (unsigned long)a->kind,
        known ? PyBytes_FromStringAndSize("", 0) : bytes_of(&a->unknown));
}

PyObject *block_alternatives(PyObject *self, PyObject *args)
{
    struct row r;

    if (take_part(self, args, &r) < 0)
        return NULL;
    if (r.part == r.rec->n_parts)
        return PyTuple_New(0);
    const struct shard_part *p = &r.rec->parts[r.part];
    return tuple_of(p->kind == SHARD_PART_TEXT ? p->n_alternatives : 0,
                    alternative_object, &r);
}

/* (mirrored, fit, target (w, h), crop, content), of unknown kinds (kind, bytes). */
static PyObject *rendition_object(const void *ctx, size_t i)
{
    const struct row *row = ctx;
    const struct shard_rendition *r = &row->rec->renditions[row->first + i];

    if (r->kind != 0)
        return Py_BuildValue("kN", (unsigned long)r->kind, bytes_of(&r->unknown));
    return Py_BuildValue("NiNNN", PyBool_FromLong(r->mirrored), (int)r->fit,
                         target_object(r), box_object(&r->crop), box_object(&r->content));
}

PyObject *block_renditions(PyObject *self, PyObject *args)
{
    struct row r;
    size_t n = 0;

    if (take_part(self, args, &r) < 0)
        return NULL;
    r.first = shard_first_rendition(r.rec, r.part);
    while (r.first + n < r.rec->n_renditions &&
           r.rec->renditions[r.first + n].part == r.part)
        n++;
    return tuple_of(n, rendition_object, &r);
}

static PyObject *dim_object(const void *ctx, size_t i)
{
    return PyLong_FromUnsignedLong(((const struct shard_tensor *)ctx)->dims[i]);
}

PyObject *dims_object(const struct shard_tensor *t)
{
    return tuple_of(t->n_dims, dim_object, t);
}

/* (kind, encoder, output, mirrored, logvar, dtype, dims, owner or None, checksum, frame,
 * offset in it, bytes). Of an image the owner is one of its own renditions. */
static PyObject *tensor_object(const struct row *r, const struct shard_tensor *t)
{
    const struct shard_place *place = &r->frame->places[t - r->frame->tensors];
    const bool image = r->rec->parts[r->part].kind == SHARD_PART_IMAGE;

    return Py_BuildValue(
        "kkkNNkNNKknn", (unsigned long)t->kind, (unsigned long)t->encoder,
        (unsigned long)shard_output_of(t), PyBool_FromLong(shard_is_mirrored(t)),
        PyBool_FromLong(shard_is_logvar(t)), (unsigned long)t->dtype, dims_object(t),
        position_or_none(image ? t->owner - (uint32_t)r->first : t->owner),
        (unsigned long long)t->checksum, (unsigned long)place->frame,
        (Py_ssize_t)place->offset, (Py_ssize_t)t->n_bytes);
}

/* Appends those of an encoder. 0, or -1 with an exception set. */
static int append_tensors(PyObject *list, const struct row *r, uint32_t encoder)
{
    const struct shard_record *rec = r->rec;

    for (size_t i = shard_first_tensor(rec, encoder, r->part);
         i < rec->n_tensors && rec->tensors[i].encoder == encoder &&
         rec->tensors[i].part == r->part;
         i++) {
        PyObject *tensor = tensor_object(r, &rec->tensors[i]);
        const int rc = tensor != NULL ? PyList_Append(list, tensor) : -1;
        Py_XDECREF(tensor);
        if (rc < 0)
            return -1;
    }
    return 0;
}

PyObject *block_tensors(PyObject *self, PyObject *args)
{
    const size_t n_encoders = block_object_header(self)->n_encoders;
    struct row r;

    if (take_part(self, args, &r) < 0)
        return NULL;
    r.first = shard_first_rendition(r.rec, r.part);
    PyObject *list = PyList_New(0);
    for (uint32_t encoder = 0; encoder < n_encoders && list != NULL; encoder++)
        if (append_tensors(list, &r, encoder) < 0)
            Py_CLEAR(list);
    return list;
}

/* ---- the image that stands for a record ---- */

PyObject *block_latent(PyObject *self, PyObject *args)
{
    PyObject *arg;
    const struct shard_record *rec;
    int logvar = 0;

    if (!PyArg_ParseTuple(args, "O|p:latent", &arg, &logvar) ||
        (rec = block_object_record(self, arg)) == NULL)
        return NULL;
    const struct shard_text_frame *frame = block_object_frame(self);
    const struct shard_tensor *t;
    shard_shown_image(rec, shard_default_encoder(block_object_header(self)), &t);
    if (t != NULL && t->kind == SHARD_LATENT && logvar)
        t = shard_logvar_of(rec, t);
    if (t == NULL || t->kind != SHARD_LATENT)
        Py_RETURN_NONE;
    const struct shard_place *place = &frame->places[t - frame->tensors];
    return Py_BuildValue("knnkNk", (unsigned long)place->frame, (Py_ssize_t)place->offset,
                         (Py_ssize_t)t->n_bytes, (unsigned long)t->dtype, dims_object(t),
                         (unsigned long)t->encoder);
}
