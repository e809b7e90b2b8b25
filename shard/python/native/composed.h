/* SPDX-License-Identifier: Apache-2.0
 * shard/python/native/composed.h - internal to shard/python/: what compose() of
 * py_compose.c gives, as an object. */
#ifndef SHARD_PYTHON_NATIVE_COMPOSED_H
#define SHARD_PYTHON_NATIVE_COMPOSED_H

#include "shard/python/native/compose.h"
#include "shard/python/native/module.h"

/* Takes *composed, which lends from blocks, a tuple; that is kept. */
PyObject *composed_object_make(const struct module_state *state,
                               const struct compose_job *job, struct composed *composed,
                               PyObject *blocks);

#endif
