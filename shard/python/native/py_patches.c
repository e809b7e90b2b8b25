/* SPDX-License-Identifier: Apache-2.0
 * shard/python/native/py_patches.c - patches.h for Python. */
#include "shard/python/native/module.h"

#include <stdlib.h>

#include "shard/python/native/patches.h"
#include "shard/record.h"

static void raise_sizes(void)
{
    PyErr_SetString(PyExc_ValueError,
                    "sizes of latents, their scale and their patches do "
                    "not agree, or the dtype is no float's");
}

/* Cuts a latent, a buffer of (C, H, W), to *out, behind which are *room values, and moves
 * both behind it. 0, or -1 with an exception set. */
static int cut(struct patch_job *job, const Py_buffer *latent, float **out, size_t *room)
{
    size_t n;

    if (latent->ndim != 3) {
        raise_sizes();
        return -1;
    }
    job->latent = latent->buf;
    job->channels = (size_t)latent->shape[0];
    job->height = (size_t)latent->shape[1];
    job->width = (size_t)latent->shape[2];
    if (!patches_fit(job, (size_t)latent->len, &n) || n > *room) {
        raise_sizes();
        return -1;
    }
    float *scratch = malloc(job->channels * job->width * sizeof(float));
    if (scratch == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    patches_cut(job, scratch, *out);
    free(scratch);
    *out += n;
    *room -= n;
    return 0;
}

static int cut_all(struct patch_job *job, PyObject *latents, const Py_buffer *out)
{
    float *to = out->buf;
    size_t room = (size_t)out->len / sizeof(float);

    for (Py_ssize_t i = 0; i < PyList_Size(latents); i++) {
        Py_buffer latent;
        if (PyObject_GetBuffer(PyList_GetItem(latents, i), &latent, PyBUF_ND) < 0)
            return -1;
        int rc = cut(job, &latent, &to, &room);
        PyBuffer_Release(&latent);
        if (rc < 0)
            return -1;
    }
    if (room > 0 || (size_t)out->len % sizeof(float) != 0) {
        raise_sizes();
        return -1;
    }
    return 0;
}

/* Whether floats can be read and written where they are. */
static bool is_aligned(const Py_buffer *b)
{
    return (uintptr_t)b->buf % sizeof(float) == 0;
}

/* What is the same for all latents; false with an exception set. */
static bool check_job(const struct patch_job *job, const Py_buffer *scale,
                      const Py_buffer *shift, const Py_buffer *out)
{
    if (scale->len != shift->len || (size_t)scale->len != job->n_scale * sizeof(float)) {
        raise_sizes();
        return false;
    }
    if (!is_aligned(scale) || !is_aligned(shift) || !is_aligned(out)) {
        PyErr_SetString(PyExc_ValueError, "scale, shift and patches must be aligned");
        return false;
    }
    return true;
}

static PyObject *patches(PyObject *module, PyObject *args)
{
    PyObject *latents;
    uint64_t dtype, window, scale_window = 1;
    int channel_first;
    Py_buffer scale, shift, out;

    (void)module;
    if (!PyArg_ParseTuple(args, "O!O&O&py*y*w*|O&:patches", &PyList_Type, &latents,
                          take_u64, &dtype, take_u64, &window, &channel_first, &scale,
                          &shift, &out, take_u64, &scale_window))
        return NULL;
    struct patch_job job = {.dtype = dtype <= UINT32_MAX ? (uint32_t)dtype : UINT32_MAX,
                            .window = window,
                            .channel_first = channel_first,
                            .scale = scale.buf,
                            .shift = shift.buf,
                            .n_scale = (size_t)scale.len / sizeof(float),
                            .scale_window = scale_window};
    bool done =
        check_job(&job, &scale, &shift, &out) && cut_all(&job, latents, &out) == 0;
    PyBuffer_Release(&scale);
    PyBuffer_Release(&shift);
    PyBuffer_Release(&out);
    if (!done)
        return NULL;
    Py_RETURN_NONE;
}

int patches_function_add(PyObject *module)
{
    static PyMethodDef functions[] = {
        {"patches", patches, METH_VARARGS,
         "patches(latents, dtype, window, channel_first, scale, shift, out, "
         "scale_window=1)."
         "\n\n"
         "Fills out, fp32, with (latent - shift) * scale of each, cut into patches."},
        {NULL, NULL, 0, NULL},
    };

    return PyModule_AddFunctions(module, functions);
}
