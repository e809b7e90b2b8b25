/* SPDX-License-Identifier: Apache-2.0
 * shard/python/native/py_patches.c - patches.h for Python. */
#include "shard/python/native/module.h"

#include <stdlib.h>

#include "shard/python/native/patches.h"
#include "shard/record.h"

enum { MAX_SIDE = 1 << 16 };

/* Whether all sizes agree; *n becomes the number of values. */
static bool check_sizes(const struct patch_job *job, const Py_buffer *latent,
                        const Py_buffer *scale, const Py_buffer *shift,
                        const Py_buffer *out, size_t *n)
{
    size_t k = job->window, width = shard_dtype_width(job->dtype);
    bool is_float =
        job->dtype == SHARD_FP16 || job->dtype == SHARD_BF16 || job->dtype == SHARD_FP32;

    if (!is_float || k == 0 || k > MAX_SIDE || job->channels == 0 ||
        job->channels > MAX_SIDE || job->height == 0 || job->height > MAX_SIDE ||
        job->width == 0 || job->width > MAX_SIDE || job->height % k != 0 ||
        job->width % k != 0)
        return false;
    *n = job->channels * job->height * job->width; /* at most 2^48 */
    return (size_t)latent->len == *n * width && (size_t)out->len == *n * sizeof(float) &&
           scale->len == shift->len &&
           (size_t)scale->len == job->n_scale * sizeof(float) &&
           (job->n_scale == 1 || job->n_scale == job->channels);
}

/* Whether floats can be read and written where they are. */
static bool is_aligned(const Py_buffer *b)
{
    return (uintptr_t)b->buf % sizeof(float) == 0;
}

static int cut(struct patch_job *job, const Py_buffer *latent, const Py_buffer *scale,
               const Py_buffer *shift, const Py_buffer *out)
{
    size_t n = 0;

    job->n_scale = (size_t)scale->len / sizeof(float);
    if (!check_sizes(job, latent, scale, shift, out, &n)) {
        PyErr_SetString(PyExc_ValueError, "sizes of a latent, its scale and its patches "
                                          "do not agree, or the dtype is no float's");
        return -1;
    }
    if (!is_aligned(scale) || !is_aligned(shift) || !is_aligned(out)) {
        PyErr_SetString(PyExc_ValueError, "scale, shift and patches must be aligned");
        return -1;
    }
    float *scratch = malloc(job->channels * job->width * sizeof(float));
    if (scratch == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    job->latent = latent->buf;
    job->scale = scale->buf;
    job->shift = shift->buf;
    patches_cut(job, scratch, out->buf);
    free(scratch);
    return 0;
}

static PyObject *patches(PyObject *module, PyObject *args)
{
    uint64_t dtype, channels, height, width, window;
    int channel_first;
    Py_buffer latent, scale, shift, out;

    (void)module;
    if (!PyArg_ParseTuple(args, "y*O&(O&O&O&)O&py*y*w*:patches", &latent, take_u64,
                          &dtype, take_u64, &channels, take_u64, &height, take_u64,
                          &width, take_u64, &window, &channel_first, &scale, &shift,
                          &out))
        return NULL;
    struct patch_job job = {.dtype = dtype <= UINT32_MAX ? (uint32_t)dtype : UINT32_MAX,
                            .channels = channels,
                            .height = height,
                            .width = width,
                            .window = window,
                            .channel_first = channel_first};
    int rc = cut(&job, &latent, &scale, &shift, &out);
    PyBuffer_Release(&latent);
    PyBuffer_Release(&scale);
    PyBuffer_Release(&shift);
    PyBuffer_Release(&out);
    if (rc < 0)
        return NULL;
    Py_RETURN_NONE;
}

int patches_function_add(PyObject *module)
{
    static PyMethodDef functions[] = {
        {"patches", patches, METH_VARARGS,
         "patches(latent, dtype, (C, H, W), window, channel_first, scale, shift, "
         "out).\n\n"
         "Fills out, fp32, with (latent - shift) * scale, cut into patches."},
        {NULL, NULL, 0, NULL},
    };

    return PyModule_AddFunctions(module, functions);
}
