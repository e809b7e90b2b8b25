/* SPDX-License-Identifier: Apache-2.0
 * shard/python/native/py_prefetcher.c - prefetch.h for Python.
 *
 * The object keeps its own list of what was asked for and not taken, each with
 * references to its shard and plan. So a child of fork(), which has no threads, forgets
 * the pool it inherited (whose lock may be held for ever) and asks another for the same.
 */
#include "shard/python/native/module.h"

#include <stdlib.h>
#include <unistd.h>

#include "shard/file/file_map.h"
#include "shard/python/native/prefetch.h"
#include "shard/status.h"

enum { WAIT_MILLISECONDS = 100 }; /* between two looks for signals */

struct request {
    struct request *next;
    PyObject *shard;
    uint32_t block;
    bool tensors;
    PyObject *plan; /* NULL: all tensors */
};

struct prefetcher_object {
    PyObject_HEAD struct prefetch *pool; /* NULL: not started */
    pid_t pid;                           /* the process whose threads these are */
    unsigned n_threads;
    uint64_t max_bytes;
    struct request *head, *tail;
    size_t n_pending;
    bool taking, closed;
};

static struct prefetcher_object *cast(PyObject *self)
{
    return (struct prefetcher_object *)self;
}

static PyObject *prefetcher_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"threads", "max_bytes", NULL};
    allocfunc alloc = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
    int threads = 2;
    long long max_bytes = 1 << 28;

    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|iL:Prefetcher", names, &threads,
                                     &max_bytes))
        return NULL;
    if (threads < 1 || threads > 1024 || max_bytes < 0) {
        PyErr_SetString(PyExc_ValueError, "threads in 1 to 1024, max_bytes from 0");
        return NULL;
    }
    struct prefetcher_object *p = (struct prefetcher_object *)alloc(type, 0);
    if (p != NULL) {
        p->n_threads = (unsigned)threads;
        p->max_bytes = (uint64_t)max_bytes;
    }
    return (PyObject *)p;
}

/* Also what a fork's child does with the pool of its parent, which it may not touch. */
static void stop(struct prefetcher_object *p)
{
    struct prefetch *pool = p->pool;

    p->pool = NULL;
    if (pool == NULL || p->pid != getpid())
        return;
    Py_BEGIN_ALLOW_THREADS prefetch_close(pool);
    Py_END_ALLOW_THREADS
}

static void drop_head(struct prefetcher_object *p)
{
    struct request *request = p->head;

    p->head = request->next;
    if (p->head == NULL)
        p->tail = NULL;
    p->n_pending--;
    Py_DECREF(request->shard);
    Py_XDECREF(request->plan);
    free(request);
}

static void finish(struct prefetcher_object *p)
{
    stop(p);
    while (p->head != NULL)
        drop_head(p);
}

static void prefetcher_dealloc(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);
    freefunc release = (freefunc)PyType_GetSlot(type, Py_tp_free);

    finish(cast(self));
    release(self);
    Py_DECREF(type);
}

/* 0, or -1 with an exception set. */
static int raise_pool(PyObject *self, int status)
{
    raise_status(module_state_of(self), status, 0, "no thread can be started");
    return -1;
}

static int submit(struct prefetcher_object *p, const struct request *r)
{
    const struct block_want want = {
        .tensors = r->tensors, .plan = r->plan != NULL ? plan_object_get(r->plan) : NULL};

    return prefetch_submit(p->pool, shard_object_map(r->shard), r->block, want);
}

/* Starts the threads and hands them all that is pending, the first time and after a fork.
 */
static int start(PyObject *self)
{
    struct prefetcher_object *p = cast(self);

    if (p->pool != NULL && p->pid == getpid())
        return 0;
    p->pool = NULL;
    p->pid = getpid();
    p->taking = false;
    int rc = prefetch_open(&p->pool, p->n_threads, p->max_bytes);
    for (struct request *r = p->head; r != NULL && rc == SHARD_OK; r = r->next)
        rc = submit(p, r);
    if (rc == SHARD_OK)
        return 0;
    stop(p);
    return raise_pool(self, rc);
}

static int check_open(const struct prefetcher_object *p)
{
    if (p->closed)
        PyErr_SetString(PyExc_ValueError, "the prefetcher is closed");
    return p->closed ? -1 : 0;
}

static int append(struct prefetcher_object *p, const struct request *request)
{
    struct request *r = calloc(1, sizeof(*r));

    if (r == NULL || submit(p, request) < 0) {
        free(r);
        PyErr_NoMemory();
        return -1;
    }
    *r = *request;
    Py_INCREF(r->shard);
    Py_XINCREF(r->plan);
    if (p->tail != NULL)
        p->tail->next = r;
    else
        p->head = r;
    p->tail = r;
    p->n_pending++;
    return 0;
}

static PyObject *prefetcher_submit(PyObject *self, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"shard", "block", "tensors", "plan", NULL};
    const struct module_state *state = module_state_of(self);
    PyObject *shard, *number, *plan = NULL;
    uint64_t block;
    int tensors = 1;

    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O!O|pO!:submit", names,
                                     state->shard_type, &shard, &number, &tensors,
                                     state->plan_type, &plan) ||
        check_open(cast(self)) < 0 ||
        take_position(number, "block", shard_object_map(shard)->index.n_blocks, &block) <
            0)
        return NULL;
    const struct request request = {
        .shard = shard, .block = (uint32_t)block, .tensors = tensors, .plan = plan};
    if (start(self) < 0 || append(cast(self), &request) < 0)
        return NULL;
    Py_RETURN_NONE;
}

/* Waits in slices, so that Ctrl-C is heard. SHARD_OK, < 0, or PREFETCH_AGAIN with an
 * exception set. */
static int wait_for_block(struct prefetcher_object *p, struct loaded_block **out)
{
    int rc;

    do {
        Py_BEGIN_ALLOW_THREADS rc = prefetch_take(p->pool, WAIT_MILLISECONDS, out);
        Py_END_ALLOW_THREADS
    } while (rc == PREFETCH_AGAIN && PyErr_CheckSignals() == 0);
    return rc;
}

/* Whether a thread is in take(). One of a fork's parent is not in the child. */
static bool is_taking(struct prefetcher_object *p)
{
    if (p->taking && p->pid != getpid())
        p->taking = false;
    if (p->taking)
        PyErr_SetString(PyExc_RuntimeError, "another thread takes from this prefetcher");
    return p->taking;
}

static PyObject *prefetcher_take(PyObject *self, PyObject *unused)
{
    struct prefetcher_object *p = cast(self);
    struct loaded_block *block = NULL;

    (void)unused;
    if (check_open(p) < 0 || is_taking(p))
        return NULL;
    if (p->head == NULL) {
        PyErr_SetString(PyExc_IndexError, "nothing was submitted");
        return NULL;
    }
    if (start(self) < 0)
        return NULL;
    p->taking = true;
    int rc = wait_for_block(p, &block);
    p->taking = false;
    if (rc == PREFETCH_AGAIN)
        return NULL;
    PyObject *shard = Py_NewRef(p->head->shard);
    drop_head(p);
    PyObject *object =
        rc < 0 ? PyErr_NoMemory() : block_object(module_state_of(self), shard, block);
    Py_DECREF(shard);
    return object;
}

static PyObject *prefetcher_close(PyObject *self, PyObject *unused)
{
    (void)unused;
    if (is_taking(cast(self)))
        return NULL;
    cast(self)->closed = true;
    finish(cast(self));
    Py_RETURN_NONE;
}

static PyObject *prefetcher_enter(PyObject *self, PyObject *unused)
{
    (void)unused;
    return Py_NewRef(self);
}

static PyObject *prefetcher_exit(PyObject *self, PyObject *args)
{
    (void)args;
    return prefetcher_close(self, NULL);
}

static Py_ssize_t prefetcher_length(PyObject *self)
{
    return (Py_ssize_t)cast(self)->n_pending;
}

int prefetcher_type_add(PyObject *module, struct module_state *state)
{
    static PyMethodDef methods[] = {
        {"submit", (PyCFunction)(void (*)(void))prefetcher_submit,
         METH_VARARGS | METH_KEYWORDS,
         "submit(shard, block, tensors=True, plan=): asks for a block, of a plan with\n"
         "those tensors alone that it may show; never waits."},
        {"take", prefetcher_take, METH_NOARGS,
         "take() -> Block: the oldest one that was submitted and not taken.\n\n"
         "Waits with the GIL released. Damage is kept in the block. IndexError where\n"
         "nothing is pending."},
        {"close", prefetcher_close, METH_NOARGS,
         "close(): drops what is pending and joins the threads."},
        {"__enter__", prefetcher_enter, METH_NOARGS, NULL},
        {"__exit__", prefetcher_exit, METH_VARARGS, NULL},
        {NULL, NULL, 0, NULL},
    };
    static PyType_Slot slots[] = {
        {Py_tp_doc,
         "Prefetcher(threads=2, max_bytes=2**28): decompresses blocks ahead.\n\n"
         "At most max_bytes of raw bytes are in work or wait to be taken; one block\n"
         "alone may be larger. len() is the number of blocks that are pending. The\n"
         "threads start with the first block and again in a child of fork()."},
        {Py_tp_new, prefetcher_new},
        {Py_tp_dealloc, prefetcher_dealloc},
        {Py_tp_methods, methods},
        {Py_sq_length, prefetcher_length},
        {0, NULL},
    };
    static PyType_Spec spec = {
        .name = "latentmill._shard.Prefetcher",
        .basicsize = sizeof(struct prefetcher_object),
        .flags = Py_TPFLAGS_DEFAULT,
        .slots = slots,
    };

    return module_add_type(module, &spec, &state->prefetcher_type);
}
