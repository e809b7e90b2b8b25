/* SPDX-License-Identifier: Apache-2.0 */
#include "shard/python/native/composed.h"

#include <stdlib.h>
#include <string.h>

#include "shard/python/native/patches.h"
#include "shard/python/native/posterior.h"
#include "shard/status.h"

/* Of an image: its sequence, besides what `composed` has. */
struct composed_object {
    PyObject_HEAD PyObject *blocks; /* a tuple: what `composed` lends from */
    struct composed composed;
    int64_t *sequences; /* n_images */
    size_t n_begins;
    PyObject *problems, *keys;
    Py_ssize_t first_block; /* of the first image; -1: there is none */
};

static struct composed_object *cast(PyObject *self)
{
    return (struct composed_object *)self;
}

static void composed_dealloc(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);
    freefunc release = (freefunc)PyType_GetSlot(type, Py_tp_free);

    compose_clear(&cast(self)->composed);
    free(cast(self)->sequences);
    Py_XDECREF(cast(self)->problems);
    Py_XDECREF(cast(self)->keys);
    Py_XDECREF(cast(self)->blocks);
    release(self);
    Py_DECREF(type);
}

/* ---- made ---- */

/* (piece, kind, number, why) */
static PyObject *problem_object(const void *ctx, size_t i)
{
    static const char *const kinds[] = {"frame", "length", "invalid"};
    const struct compose_problem *p = &compose_problems(ctx)[i];

    return Py_BuildValue("nsnN", (Py_ssize_t)p->piece, kinds[p->trouble],
                         (Py_ssize_t)p->number, text_object(p->why, strlen(p->why)));
}

/* Appends (NAME, key) of a document to a list. *name: the object of *last, a NAME. */
static int append_key(PyObject *list, const struct shard_record *rec, const char **last,
                      PyObject **name)
{
    if (*last == NULL || strcmp(*last, rec->name) != 0) {
        Py_XDECREF(*name);
        *name = text_object(rec->name, strlen(rec->name));
        *last = rec->name;
    }
    PyObject *pair =
        *name == NULL
            ? NULL
            : Py_BuildValue("ON", *name, text_object(rec->key, strlen(rec->key)));
    const int rc = pair == NULL ? -1 : PyList_Append(list, pair);
    Py_XDECREF(pair);
    return rc;
}

/* Of each sequence a list of (NAME, key). */
static PyObject *keys_object(const struct compose_job *job)
{
    PyObject *keys = PyList_New((Py_ssize_t)job->out.n_sequences), *name = NULL;
    const char *last = NULL;

    for (size_t i = 0; keys != NULL && i < job->out.n_sequences; i++) {
        PyObject *list = PyList_New(0);
        if (list == NULL || PyList_SetItem(keys, (Py_ssize_t)i, list) < 0)
            Py_CLEAR(keys);
    }
    for (size_t i = 0; keys != NULL && i < job->n_pieces; i++) {
        const struct compose_piece *p = &job->pieces[i];
        if (p->block >= 0 &&
            append_key(PyList_GetItem(keys, (Py_ssize_t)p->sequence),
                       &job->blocks[p->block].frame->records[p->row], &last, &name) < 0)
            Py_CLEAR(keys);
    }
    Py_XDECREF(name);
    return keys;
}

static int fill(struct composed_object *o, const struct compose_job *job)
{
    const struct compose_image *images = compose_images(&o->composed);
    const size_t n = o->composed.n_images;

    o->n_begins = job->out.n_begins;
    o->problems = tuple_of(o->composed.n_problems, problem_object, &o->composed);
    o->keys = o->composed.n_problems == 0 ? keys_object(job) : Py_NewRef(Py_None);
    o->sequences = calloc(n + 1, sizeof(o->sequences[0]));
    if (o->sequences == NULL)
        PyErr_NoMemory();
    if (o->problems == NULL || o->keys == NULL || o->sequences == NULL)
        return -1;
    for (size_t i = 0; i < n; i++)
        o->sequences[i] = job->pieces[images[i].piece].sequence;
    o->first_block = n > 0 ? (Py_ssize_t)job->pieces[images[0].piece].block : -1;
    return 0;
}

PyObject *composed_object_make(const struct module_state *state,
                               const struct compose_job *job, struct composed *composed,
                               PyObject *blocks)
{
    allocfunc alloc = (allocfunc)PyType_GetSlot(state->composed_type, Py_tp_alloc);
    struct composed_object *o = (struct composed_object *)alloc(state->composed_type, 0);

    if (o == NULL)
        return NULL;
    o->blocks = Py_NewRef(blocks);
    o->composed = *composed;
    *composed = (struct composed){.images = {0}};
    if (fill(o, job) < 0)
        Py_CLEAR(o);
    return (PyObject *)o;
}

/* ---- spans ---- */

static void put_spans(const struct composed_object *o, int32_t *spans,
                      unsigned char *markers, unsigned char *follows)
{
    const struct compose_image *images = compose_images(&o->composed);
    int32_t patch = 0;

    for (size_t i = 0; i < o->composed.n_images; i++) {
        const struct compose_image *m = &images[i];
        const int32_t span[] = {
            (int32_t)o->sequences[i], (int32_t)m->offset, (int32_t)(m->rows * m->cols),
            (int32_t)m->rows,         (int32_t)m->cols,   patch};
        memcpy(spans + 6 * i, span, sizeof(span));
        markers[2 * i] = m->boi;
        markers[2 * i + 1] = m->eoi;
        follows[i] = m->text_follows;
        patch += span[2];
    }
}

/* spans(spans, markers, follows) */
static PyObject *composed_spans(PyObject *self, PyObject *args)
{
    const size_t n = cast(self)->composed.n_images;
    Py_buffer spans, markers, follows;

    if (!PyArg_ParseTuple(args, "w*w*w*:spans", &spans, &markers, &follows))
        return NULL;
    const bool fit = (size_t)spans.len >= 6 * n * sizeof(int32_t) &&
                     (uintptr_t)spans.buf % sizeof(int32_t) == 0 &&
                     (size_t)markers.len >= 2 * n && (size_t)follows.len >= n;
    if (fit)
        put_spans(cast(self), spans.buf, markers.buf, follows.buf);
    else
        PyErr_SetString(PyExc_ValueError, "there are more spans than room for them");
    PyBuffer_Release(&spans);
    PyBuffer_Release(&markers);
    PyBuffer_Release(&follows);
    if (!fit)
        return NULL;
    Py_RETURN_NONE;
}

/* ---- values ---- */

/* Memory for one latent after another. */
struct scratch {
    struct shard_buffer rows, sample;
};

/* Points the job at a sample of the image's posterior. */
static int sample(struct patch_job *job, const struct compose_image *m, size_t n,
                  struct scratch *s)
{
    const struct posterior p = {m->mean.bytes, m->logvar.bytes, job->dtype, n};

    if (shard_buffer_resize(&s->sample, n * sizeof(float)) < 0)
        return SHARD_ENOMEM;
    posterior_sample(&p, m->key, (float *)s->sample.data);
    job->latent = s->sample.data;
    job->dtype = SHARD_FP32;
    return SHARD_OK;
}

static bool is_like(const struct shard_tensor *a, const struct shard_tensor *b)
{
    return a->dtype == b->dtype && a->n_bytes == b->n_bytes;
}

/* Writes the values of an image to *out, behind which are *room, and moves both. whole:
 * as (C, H, W), else in patches. SHARD_OK, SHARD_ENOMEM, or SHARD_EINVAL: sizes do not
 * agree. */
static int put_image(struct patch_job *job, const struct compose_image *m, bool whole,
                     struct scratch *s, float **out, size_t *room)
{
    const struct shard_tensor *t = m->mean.tensor;
    size_t n;

    job->latent = m->mean.bytes;
    job->dtype = t->dtype;
    job->channels = t->dims[0];
    job->height = t->dims[1];
    job->width = t->dims[2];
    if (t->n_dims != 3 || !patches_fit(job, t->n_bytes, &n) || n > *room)
        return SHARD_EINVAL;
    if (shard_buffer_resize(&s->rows, job->channels * job->width * sizeof(float)) < 0)
        return SHARD_ENOMEM;
    if (m->logvar.tensor != NULL) {
        if (!is_like(t, m->logvar.tensor))
            return SHARD_EINVAL;
        if (sample(job, m, n, s) < 0)
            return SHARD_ENOMEM;
    }
    if (whole)
        patches_scale(job, *out);
    else
        patches_cut(job, (float *)s->rows.data, *out);
    *out += n;
    *room -= n;
    return SHARD_OK;
}

static int put_images(const struct composed *c, struct patch_job *job, bool whole,
                      float *out, size_t room)
{
    struct scratch s = {.rows = {0}};
    int rc = SHARD_OK;

    for (size_t i = 0; i < c->n_images && rc == SHARD_OK; i++)
        rc = put_image(job, &compose_images(c)[i], whole, &s, &out, &room);
    shard_buffer_free(&s.rows);
    shard_buffer_free(&s.sample);
    return rc == SHARD_OK && room > 0 ? SHARD_EINVAL : rc;
}

static bool is_aligned(const Py_buffer *b)
{
    return (uintptr_t)b->buf % sizeof(float) == 0 && (size_t)b->len % sizeof(float) == 0;
}

/* patches(window, channel_first, scale, shift, scale_window, out); window 0: whole. */
static PyObject *composed_patches(PyObject *self, PyObject *args)
{
    Py_buffer scale, shift, out;
    uint64_t window, scale_window;
    int channel_first, rc = SHARD_EINVAL;

    if (!PyArg_ParseTuple(args, "O&py*y*O&w*:patches", take_u64, &window, &channel_first,
                          &scale, &shift, take_u64, &scale_window, &out))
        return NULL;
    struct patch_job job = {.window = window > 0 ? window : 1,
                            .channel_first = channel_first,
                            .scale = scale.buf,
                            .shift = shift.buf,
                            .n_scale = (size_t)scale.len / sizeof(float),
                            .scale_window = scale_window};
    if (is_aligned(&scale) && is_aligned(&shift) && is_aligned(&out) &&
        scale.len == shift.len) {
        Py_BEGIN_ALLOW_THREADS rc = put_images(&cast(self)->composed, &job, window == 0,
                                               out.buf, (size_t)out.len / sizeof(float));
        Py_END_ALLOW_THREADS
    }
    PyBuffer_Release(&scale);
    PyBuffer_Release(&shift);
    PyBuffer_Release(&out);
    if (rc == SHARD_ENOMEM)
        return PyErr_NoMemory();
    if (rc < 0) {
        PyErr_SetString(PyExc_ValueError, "sizes of latents, their scale and their "
                                          "patches do not agree, or the dtype is no "
                                          "float's");
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyObject *dims_of(const void *ctx, size_t i)
{
    return dims_object(compose_images(ctx)[i].mean.tensor);
}

static PyObject *composed_dims(PyObject *self, PyObject *unused)
{
    (void)unused;
    return tuple_of(cast(self)->composed.n_images, dims_of, &cast(self)->composed);
}

/* ---- getters ---- */

static PyObject *get_first(PyObject *self, void *closure)
{
    const struct composed_object *o = cast(self);

    (void)closure;
    if (o->first_block < 0)
        Py_RETURN_NONE;
    return Py_BuildValue(
        "nk", o->first_block,
        (unsigned long)compose_images(&o->composed)[0].mean.tensor->encoder);
}

static PyObject *get_object(PyObject *self, void *closure)
{
    const struct composed_object *o = cast(self);

    return Py_NewRef(closure != NULL ? o->keys : o->problems);
}

static PyObject *get_number(PyObject *self, void *closure)
{
    const struct composed_object *o = cast(self);
    const char *which = closure;

    return PyLong_FromSize_t(*which == 'i'   ? o->composed.n_images
                             : *which == 'p' ? o->composed.n_patches
                                             : o->n_begins);
}

int composed_type_add(PyObject *module, struct module_state *state)
{
    static PyMethodDef methods[] = {
        {"spans", composed_spans, METH_VARARGS,
         "spans(spans, markers, follows): fills the first rows of these."},
        {"patches", composed_patches, METH_VARARGS,
         "patches(window, channel_first, scale, shift, scale_window, out): fills out, "
         "with\nthe GIL released. window 0: latents as they are."},
        {"dims", composed_dims, METH_NOARGS, "dims() -> those of each latent."},
        {NULL, NULL, 0, NULL},
    };
    static PyGetSetDef getters[] = {
        {"n_images", get_number, NULL, "Latents.", "i"},
        {"n_patches", get_number, NULL, "Of all of them.", "p"},
        {"n_begins", get_number, NULL, "Numbers that `begins` has.", "b"},
        {"problems", get_object, NULL,
         "Pieces that cannot be composed: (piece, kind, number, why).", NULL},
        {"keys", get_object, NULL, "Of each sequence a list of (NAME, key).", "k"},
        {"first", get_first, NULL, "Block and encoder of the first latent.", NULL},
        {NULL, NULL, NULL, NULL, NULL},
    };
    static PyType_Slot slots[] = {
        {Py_tp_doc, "The sequences of a step, besides the arrays that were filled."},
        {Py_tp_dealloc, composed_dealloc},
        {Py_tp_methods, methods},
        {Py_tp_getset, getters},
        {0, NULL},
    };
    static PyType_Spec spec = {
        .name = "latentmill._shard.Composed",
        .basicsize = sizeof(struct composed_object),
        .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
        .slots = slots,
    };

    return module_add_type(module, &spec, &state->composed_type);
}
