/* SPDX-License-Identifier: Apache-2.0
 * shard/python/native/py_shard.c - an open shard: its header, its index, its blocks.
 *
 * The map is read once and then only looked at, so any thread may load blocks by it. What
 * belongs to one thread, this object's own file with its words and its spare loader, is
 * used with the GIL held or taken out of the object while it is not.
 *
 * The file is detached whenever nothing is read: a trainer has thousands of shards
 * open. */
#include "shard/python/native/module.h"

#include <stdlib.h>
#include <string.h>

#include "shard/file/file_map.h"
#include "shard/index/key_map.h"
#include "shard/index/outline.h"
#include "shard/status.h"

struct shard_object {
    PyObject_HEAD bool ready;
    struct shard_positioned_file file;
    struct shard_file_map map;
    struct shard_key_map keys;
    bool outlined;
    struct shard_outline outline; /* where outlined */
    struct block_loader *spare;   /* NULL: in use, or not made yet */
};

static struct shard_object *cast(PyObject *self)
{
    return (struct shard_object *)self;
}

const struct shard_file_map *shard_object_map(PyObject *shard)
{
    return &cast(shard)->map;
}

PyObject *shard_object_raise(PyObject *self, int status)
{
    const struct shard_positioned_file *file = &cast(self)->file;

    return raise_status(module_state_of(self), status, file->error, file->why);
}

static int open_file(struct shard_object *s, const char *path)
{
    int rc = shard_positioned_file_open(&s->file, NULL, path);

    if (rc == SHARD_OK)
        rc = shard_file_map_open(&s->map, &s->file);
    shard_positioned_file_detach(&s->file);
    return rc;
}

static PyObject *shard_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"path", NULL};
    allocfunc alloc = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
    PyObject *path = NULL;
    int rc;

    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O&:Shard", names,
                                     PyUnicode_FSConverter, &path))
        return NULL;
    struct shard_object *s = (struct shard_object *)alloc(type, 0);
    if (s == NULL) {
        Py_DECREF(path);
        return NULL;
    }
    const char *name = PyBytes_AsString(path);
    Py_BEGIN_ALLOW_THREADS rc = open_file(s, name);
    Py_END_ALLOW_THREADS Py_DECREF(path);
    s->ready = rc == SHARD_OK;
    if (rc < 0) {
        shard_object_raise((PyObject *)s, rc);
        Py_DECREF(s);
        return NULL;
    }
    return (PyObject *)s;
}

static void shard_dealloc(PyObject *self)
{
    struct shard_object *s = cast(self);
    PyTypeObject *type = Py_TYPE(self);
    freefunc release = (freefunc)PyType_GetSlot(type, Py_tp_free);

    if (s->spare != NULL)
        block_loader_close(s->spare);
    free(s->spare);
    shard_key_map_clear(&s->keys);
    shard_outline_clear(&s->outline);
    shard_file_map_close(&s->map);
    shard_positioned_file_close(&s->file);
    release(self);
    Py_DECREF(type);
}

/* ---- what the index says ---- */

static PyObject *get_header_json(PyObject *self, void *closure)
{
    (void)closure;
    return text_object(cast(self)->map.json, cast(self)->map.json_len);
}

/* fp32 values and their dims; None where there are none. */
static PyObject *reals_object(const double *values, const uint32_t *dims, int n_dims)
{
    size_t n = 1;

    if (values == NULL)
        Py_RETURN_NONE;
    for (int i = 0; i < n_dims; i++)
        n *= dims[i];
    PyObject *bytes = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)(n * sizeof(float)));
    for (size_t i = 0; i < n && bytes != NULL; i++) {
        const float value = (float)values[i];
        memcpy(PyBytes_AsString(bytes) + i * sizeof(value), &value, sizeof(value));
    }
    return n_dims == 3 ? Py_BuildValue("((III)N)", dims[0], dims[1], dims[2], bytes)
                       : Py_BuildValue("((I)N)", dims[0], bytes);
}

static PyObject *scale_object(const struct shard_encoder *e, const double *values)
{
    const uint32_t p = e->scale_window;
    const uint32_t dims[3] = {p > 1 ? e->channels : (uint32_t)e->n_scale, p, p};

    return reals_object(values, dims, p > 1 ? 3 : 1);
}

static PyObject *statistics_object(const struct shard_encoder *e, const char *name,
                                   uint64_t output)
{
    if (output >= e->n_features)
        Py_RETURN_NONE;
    const struct shard_features *f = &e->features[output];
    return reals_object(strcmp(name, "mean") == 0 ? f->mean : f->std,
                        &f->dims[f->n_dims - 1], 1);
}

static PyObject *shard_encoder_array(PyObject *self, PyObject *args)
{
    const struct shard_header *h = cast(self)->map.header;
    PyObject *arg;
    const char *name;
    unsigned output = 0;
    uint64_t number;

    if (!PyArg_ParseTuple(args, "Os|I:encoder_array", &arg, &name, &output) ||
        take_position(arg, "encoder", h->n_encoders, &number) < 0)
        return NULL;
    const struct shard_encoder *e = &h->encoders[number];
    if (strcmp(name, "scale") == 0)
        return scale_object(e, e->scale);
    if (strcmp(name, "shift") == 0)
        return scale_object(e, e->shift);
    if (strcmp(name, "mean") == 0 || strcmp(name, "std") == 0)
        return statistics_object(e, name, output);
    if (strcmp(name, "id_map") != 0)
        return PyErr_Format(PyExc_ValueError, "an encoder has no array \"%s\"", name);
    if (e->id_map == NULL)
        Py_RETURN_NONE;
    return Py_BuildValue("((I)y#)", (unsigned)e->n_id_map, (const char *)e->id_map,
                         (Py_ssize_t)(4 * e->n_id_map));
}

static PyObject *get_n_records(PyObject *self, void *closure)
{
    (void)closure;
    return PyLong_FromUnsignedLongLong(cast(self)->map.index.n_records);
}

static PyObject *get_n_blocks(PyObject *self, void *closure)
{
    (void)closure;
    return PyLong_FromUnsignedLong(cast(self)->map.index.n_blocks);
}

static PyObject *get_n_bytes(PyObject *self, void *closure)
{
    (void)closure;
    return PyLong_FromUnsignedLongLong(cast(self)->file.entry.bytes);
}

static PyObject *shard_fingerprint(PyObject *self, PyObject *unused)
{
    struct shard_object *s = cast(self);
    unsigned char fingerprint[16];

    (void)unused;
    int rc = shard_positioned_file_attach(&s->file);
    if (rc == SHARD_OK)
        rc = shard_column_store_fingerprint(&s->map.index.store, fingerprint);
    shard_positioned_file_detach(&s->file);
    return rc < 0 ? shard_object_raise(self, rc)
                  : PyBytes_FromStringAndSize((char *)fingerprint, sizeof(fingerprint));
}

const struct shard_outline *shard_object_outline(PyObject *shard)
{
    struct shard_object *s = cast(shard);

    if (s->outlined)
        return &s->outline;
    int rc = shard_positioned_file_attach(&s->file);
    if (rc == SHARD_OK)
        rc = shard_outline_load(&s->outline, &s->map.index, s->map.header);
    shard_positioned_file_detach(&s->file);
    if (rc < 0) {
        shard_outline_clear(&s->outline);
        shard_object_raise(shard, rc);
        return NULL;
    }
    s->outlined = true;
    return &s->outline;
}

static int load_key_map(struct shard_object *s)
{
    if (s->keys.loaded)
        return SHARD_OK;
    int rc = shard_positioned_file_attach(&s->file);
    if (rc == SHARD_OK)
        rc = shard_key_map_load(&s->keys, &s->map.index);
    shard_positioned_file_detach(&s->file);
    return rc;
}

/* 0, or -1 with an exception set. */
static int load_keys(PyObject *self)
{
    int rc = load_key_map(cast(self));

    if (rc < 0)
        shard_object_raise(self, rc);
    return rc < 0 ? -1 : 0;
}

/* The keys of all records. */
static PyObject *shard_keys(PyObject *self, PyObject *unused)
{
    struct shard_object *s = cast(self);
    PyObject *list =
        load_keys(self) == 0 ? PyList_New((Py_ssize_t)s->keys.n_records) : NULL;

    (void)unused;
    for (size_t i = 0; list != NULL && i < s->keys.n_records; i++) {
        const char *key = shard_key_map_key(&s->keys, i);
        PyObject *text = text_object(key, strlen(key));
        if (text == NULL || PyList_SetItem(list, (Py_ssize_t)i, text) < 0)
            Py_CLEAR(list);
    }
    return list;
}

static PyObject *shard_find(PyObject *self, PyObject *args)
{
    struct shard_object *s = cast(self);
    const char *key, *name = NULL;
    uint64_t position;

    if (!PyArg_ParseTuple(args, "s|z:find", &key, &name) || load_keys(self) < 0)
        return NULL;
    int rc = shard_key_map_find(&s->keys, name, key, &position);
    if (rc == SHARD_NOT_FOUND)
        Py_RETURN_NONE;
    return rc < 0 ? shard_object_raise(self, rc) : PyLong_FromUnsignedLongLong(position);
}

/* (key, name, index), from the index alone. */
static PyObject *shard_identify(PyObject *self, PyObject *arg)
{
    struct shard_object *s = cast(self);
    uint64_t i;

    if (take_position(arg, "record", s->map.index.n_records, &i) < 0 ||
        load_keys(self) < 0)
        return NULL;
    const char *key = shard_key_map_key(&s->keys, (size_t)i);
    const char *name = shard_key_map_name(&s->keys, (size_t)i);
    return Py_BuildValue("NNK", text_object(key, strlen(key)),
                         text_object(name, strlen(name)),
                         (unsigned long long)shard_key_map_index(&s->keys, (size_t)i));
}

PyObject *shard_object_key(PyObject *shard, uint64_t record)
{
    struct shard_object *s = cast(shard);

    if (load_key_map(s) < 0)
        return NULL;
    const char *key = shard_key_map_key(&s->keys, (size_t)record);
    return text_object(key, strlen(key));
}

int shard_object_identity(PyObject *shard, uint64_t record, const char **name,
                          const char **key)
{
    if (load_keys(shard) < 0)
        return -1;
    *name = shard_key_map_name(&cast(shard)->keys, (size_t)record);
    *key = shard_key_map_key(&cast(shard)->keys, (size_t)record);
    return 0;
}

/* ---- blocks ---- */

/* (block, row) of a record. */
static PyObject *shard_locate(PyObject *self, PyObject *arg)
{
    const struct shard_file_map *map = &cast(self)->map;
    uint64_t i;

    if (take_position(arg, "record", map->index.n_records, &i) < 0)
        return NULL;
    uint32_t block = map->record_block[i];
    return Py_BuildValue("kn", (unsigned long)block,
                         (Py_ssize_t)(i - map->blocks[block].first_record));
}

/* Gives a loader that is this thread's until it is given back; NULL: no memory. */
static struct block_loader *borrow_loader(struct shard_object *s)
{
    struct block_loader *l = s->spare;

    s->spare = NULL;
    if (l != NULL)
        return l;
    l = calloc(1, sizeof(*l));
    if (l == NULL)
        return NULL;
    if (block_loader_open(l, &s->map) < 0) {
        block_loader_close(l);
        free(l);
        l = NULL;
    }
    return l;
}

static void return_loader(struct shard_object *s, struct block_loader *l)
{
    if (s->spare == NULL) {
        s->spare = l;
        return;
    }
    block_loader_close(l);
    free(l);
}

int shard_object_load(PyObject *shard, uint32_t block, bool tensors,
                      struct loaded_block **out)
{
    struct shard_object *s = cast(shard);
    struct block_loader *l = borrow_loader(s);
    int rc;

    *out = NULL;
    if (l == NULL)
        return SHARD_ENOMEM;
    Py_BEGIN_ALLOW_THREADS rc =
        block_loader_load(l, block, (struct block_want){.tensors = tensors}, out);
    Py_END_ALLOW_THREADS return_loader(s, l);
    return rc;
}

int shard_object_load_tensors(PyObject *shard, const struct loaded_block *b, size_t i,
                              struct shard_buffer *values, struct frame_damage *damage)
{
    struct shard_object *s = cast(shard);
    struct block_loader *l = borrow_loader(s);
    int rc;

    if (l == NULL)
        return SHARD_ENOMEM;
    Py_BEGIN_ALLOW_THREADS rc = block_loader_tensors(l, b, i, values, damage);
    Py_END_ALLOW_THREADS return_loader(s, l);
    return rc;
}

static PyObject *shard_block(PyObject *self, PyObject *args)
{
    struct module_state *state = module_state_of(self);
    struct loaded_block *block;
    PyObject *arg;
    uint64_t number;
    int tensors = 1;

    if (!PyArg_ParseTuple(args, "O|p:block", &arg, &tensors) ||
        take_position(arg, "block", cast(self)->map.index.n_blocks, &number) < 0)
        return NULL;
    int rc = shard_object_load(self, (uint32_t)number, tensors, &block);
    return rc < 0 ? raise_status(state, rc, 0, "") : block_object(state, self, block);
}

int shard_type_add(PyObject *module, struct module_state *state)
{
    static PyMethodDef methods[] = {
        {"fingerprint", shard_fingerprint, METH_NOARGS,
         "fingerprint() -> bytes: XXH3-128 of the blocks, 16 bytes; checks the index."},
        {"encoder_array", shard_encoder_array, METH_VARARGS,
         "encoder_array(encoder, name) -> (dims, bytes) | None: an array of the "
         "header's."},
        {"columns", shard_index_columns, METH_NOARGS,
         "columns() -> dict of what the index says of records: latentmill.Columns."},
        {"frames", shard_index_frames, METH_NOARGS,
         "frames() -> dict of where the frames are: latentmill.Frames."},
        {"keys", shard_keys, METH_NOARGS, "keys() -> list of all records' keys."},
        {"measure", shard_index_measure, METH_VARARGS,
         "measure(sequencer) -> (arrangement, n_texts, n_framed, lengths caption first,\n"
         "lengths image first) of each record: u8, u32, u32, u64, u64. ValueError."},
        {"tally", shard_tally, METH_VARARGS,
         "tally(sequencer, pieces, first, start, n_ids, stored, seed, out): fills out "
         "with\n"
         "losses, latents and patches of pieces of records' sequences."},
        {"length", shard_length, METH_VARARGS,
         "length(position, sequencer, order, drawn) -> int: positions of a record's "
         "sequence,\n"
         "from the index. order: 0 or 1. drawn: a number a part. ValueError."},
        {"find", shard_find, METH_VARARGS,
         "find(key, name=None) -> int | None: position of the first such record."},
        {"identify", shard_identify, METH_O,
         "identify(position) -> (key, name, index), without reading a block."},
        {"locate", shard_locate, METH_O, "locate(position) -> (block, row)."},
        {"block", shard_block, METH_VARARGS,
         "block(number, tensors=True) -> Block: decompressed with the GIL released.\n\n"
         "Damage is kept in the block; OSError where the file cannot be read."},
        {NULL, NULL, 0, NULL},
    };
    static PyGetSetDef getters[] = {
        {"header_json", get_header_json, NULL, "The header as it is stored.", NULL},
        {"n_records", get_n_records, NULL, "Number of records.", NULL},
        {"n_blocks", get_n_blocks, NULL, "Number of blocks.", NULL},
        {"n_bytes", get_n_bytes, NULL, "Size of the file in bytes.", NULL},
        {NULL, NULL, NULL, NULL, NULL},
    };
    static PyType_Slot slots[] = {
        {Py_tp_doc, "Shard(path): an open shard file. ShardError, OSError."},
        {Py_tp_new, shard_new},
        {Py_tp_dealloc, shard_dealloc},
        {Py_tp_methods, methods},
        {Py_tp_getset, getters},
        {0, NULL},
    };
    static PyType_Spec spec = {
        .name = "latentmill._shard.Shard",
        .basicsize = sizeof(struct shard_object),
        .flags = Py_TPFLAGS_DEFAULT,
        .slots = slots,
    };

    return module_add_type(module, &spec, &state->shard_type);
}
