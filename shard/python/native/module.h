/* SPDX-License-Identifier: Apache-2.0
 * shard/python/native/module.h - internal to shard/python/: what the types of the module
 * latentmill._shard share.
 *
 * CPython's limited API of 3.11 alone, and no numpy: arrays are made in Python over
 * buffers. Functions that return PyObject * give a new reference, or NULL with an
 * exception set. */
#ifndef SHARD_PYTHON_NATIVE_MODULE_H
#define SHARD_PYTHON_NATIVE_MODULE_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <stdbool.h>
#include <stdint.h>

#include "shard/buffer.h"
#include "shard/file/loaded_block.h"
#include "shard/sequence.h"

struct module_state {
    PyTypeObject *buffer_type, *shard_type, *block_type, *prefetcher_type, *dataset_type,
        *plan_type, *sequencer_type, *composed_type;
    PyObject *shard_error, *damaged_error;
};

struct module_state *module_state_of(PyObject *self);

/* Each adds its type to the module. 0, or -1 with an exception set. */
int buffer_type_add(PyObject *module, struct module_state *state);
int shard_type_add(PyObject *module, struct module_state *state);
int block_type_add(PyObject *module, struct module_state *state);
int prefetcher_type_add(PyObject *module, struct module_state *state);
int draw_functions_add(PyObject *module);
int dataset_type_add(PyObject *module, struct module_state *state);
int patches_function_add(PyObject *module);
int plan_type_add(PyObject *module, struct module_state *state);
int sequencer_type_add(PyObject *module, struct module_state *state);
int composed_type_add(PyObject *module, struct module_state *state);
int compose_function_add(PyObject *module);
int packing_function_add(PyObject *module);
int attention_function_add(PyObject *module);

/* Makes a type, kept in *type, and adds it. 0, or -1 with an exception set. */
int module_add_type(PyObject *module, PyType_Spec *spec, PyTypeObject **type);

/* The exception of a status of shard/ (< 0). Of SHARD_EIO it is the class that Python has
 * for `error`, an errno; 0: none is known. */
PyObject *status_object(const struct module_state *state, int status, int error,
                        const char *why);

/* Sets it and returns NULL. */
PyObject *raise_status(const struct module_state *state, int status, int error,
                       const char *why);

/* Sets a ValueError and returns -1. */
int refuse_value(const char *why);

/* An int below n; else IndexError "no WHAT INT". 0, or -1 with an exception set. */
int take_position(PyObject *arg, const char *what, uint64_t n, uint64_t *out);

/* A converter of PyArg_Parse*() for "O&": an int of 0 to 2^64 - 1 into a uint64_t, or
 * else OverflowError; what "K" and "k" take wraps. */
int take_u64(PyObject *arg, void *out);

/* A UTF-8 string; bytes that are none become surrogates, as in file names. */
PyObject *text_object(const char *text, size_t len);

/* Takes the bytes: *b is then empty. On failure it keeps them. */
PyObject *buffer_take(struct module_state *state, struct shard_buffer *b);

/* Lent bytes that live as long as `owner`, which is kept. */
PyObject *buffer_lend(struct module_state *state, const void *data, size_t len,
                      PyObject *owner);

/* The bytes of a Buffer; lent as long as it lives. */
const unsigned char *buffer_bytes(PyObject *buffer);

/* A tuple of what `make` gives for 0 to n - 1. */
PyObject *tuple_of(size_t n, PyObject *(*make)(const void *ctx, size_t i),
                   const void *ctx);

/* The plan of a Plan; lent as long as it lives. */
struct shard_plan;
const struct shard_plan *plan_object_get(PyObject *plan);

/* How a Sequencer lets records of that header be seen; lent as long as both live. */
struct shard_view sequencer_view(PyObject *sequencer, const struct shard_header *header);
/* That its plan names no encoder but the header's. 0, or -1 with an exception set. */
int check_plan(const struct shard_view *view);

/* What an open Shard has; lent as long as a reference to it is held. */
struct shard_file_map;
const struct shard_file_map *shard_object_map(PyObject *shard);

/* What its index says of all records, loaded once; lent as long as the shard lives. NULL
 * with an exception set. */
struct shard_outline;
const struct shard_outline *shard_object_outline(PyObject *shard);
/* Sets the exception of what went wrong with the file, and returns NULL. */
PyObject *shard_object_raise(PyObject *shard, int status);

/* (kind, encoder, dtype, output, mirrored, logvar) of an entry of a table of columns;
 * raises ShardError where a reserved bit is set. */
PyObject *column_entry(const struct module_state *state, const char *entry, size_t len);

/* Methods of Shard that read its index: py_index.c. */
PyObject *shard_index_columns(PyObject *self, PyObject *unused);
PyObject *shard_index_frames(PyObject *self, PyObject *unused);
PyObject *shard_index_measure(PyObject *self, PyObject *args);

/* The key of a record, from the index; NULL without an exception where the index is
 * damaged. */
PyObject *shard_object_key(PyObject *shard, uint64_t record);

/* NAME and key of a record that exists, from the index; lent as long as the shard lives.
 * 0, or -1 with an exception set. */
int shard_object_identity(PyObject *shard, uint64_t record, const char **name,
                          const char **key);

/* block_loader_load() with the GIL released. */
int shard_object_load(PyObject *shard, uint32_t block, bool tensors,
                      struct loaded_block **out);

/* block_loader_tensors() with the GIL released. */
int shard_object_load_tensors(PyObject *shard, const struct loaded_block *b, size_t i,
                              struct shard_buffer *values, struct frame_damage *damage);

/* Lends what the text frame says of a row, or NULL with an exception set. */
const struct shard_record *block_object_record(PyObject *block, PyObject *row);
const struct shard_text_frame *block_object_frame(PyObject *block);
const struct shard_header *block_object_header(PyObject *block);
/* The values of tensor frame i; lent as long as the block lives. NULL with an exception
 * set. */
const unsigned char *block_object_values(PyObject *block, size_t i);
/* Of each tensor frame the values that are there now, or NULL; lent as long as the block
 * lives. */
void block_object_loaded(PyObject *block, const unsigned char **values);
/* A tensor's, as a tuple. */
PyObject *dims_object(const struct shard_tensor *t);
/* Methods of Block: py_record.c. */
PyObject *block_row(PyObject *self, PyObject *arg);
PyObject *block_parts(PyObject *self, PyObject *arg);
PyObject *block_alternatives(PyObject *self, PyObject *args);
PyObject *block_renditions(PyObject *self, PyObject *args);
PyObject *block_tensors(PyObject *self, PyObject *args);
PyObject *block_latent(PyObject *self, PyObject *args);
/* Methods of Block: py_sequence.c. */
PyObject *block_sequence(PyObject *self, PyObject *args);
/* A method of Shard: py_sequence.c. */
PyObject *shard_length(PyObject *self, PyObject *args);
/* A method of Shard: py_tally.c. */
PyObject *shard_tally(PyObject *self, PyObject *args);

/* Takes the block. `shard` is kept. */
PyObject *block_object(struct module_state *state, PyObject *shard,
                       struct loaded_block *block);

#endif
