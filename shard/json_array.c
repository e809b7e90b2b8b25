/* SPDX-License-Identifier: Apache-2.0 */
#include "shard/json_array.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "shard/base64.h"
#include "shard/file/format.h"
#include "shard/status.h"
#include "shard/file/wire.h" /* asserts the order of bytes */

enum { MAX_PLAIN = 64 }; /* values that a person may want to read */

/* ---- to JSON ---- */

static size_t count(const uint32_t *dims, size_t n_dims)
{
    size_t n = 1;

    for (size_t i = 0; i < n_dims; i++)
        n *= dims[i];
    return n;
}

static json_t *integer_list(const uint32_t *values, size_t n)
{
    json_t *list = json_array();

    for (size_t i = 0; i < n; i++)
        if (json_array_append_new(list, json_integer(values[i])) != 0) {
            json_decref(list);
            return NULL;
        }
    return list;
}

static json_t *real_list(const double *values, size_t n)
{
    json_t *list = json_array();

    for (size_t i = 0; i < n; i++)
        if (json_array_append_new(list, json_real(values[i])) != 0) {
            json_decref(list);
            return NULL;
        }
    return list;
}

/* Values of 4 bytes; memory is as the file is, little-endian. */
static json_t *base64_object(const char *type, const void *values, const uint32_t *dims,
                             size_t n_dims)
{
    const size_t n = 4 * count(dims, n_dims), len = shard_base64_len(n);
    char *text = malloc(len);
    json_t *object = NULL;

    if (text != NULL) {
        shard_base64_encode(text, values, n);
        object = json_pack("{s:o, s:o}", "dims", integer_list(dims, n_dims), type,
                           json_stringn_nocheck(text, len));
    }
    free(text);
    return object;
}

json_t *shard_json_from_reals(const double *values, const uint32_t *dims, size_t n_dims)
{
    const size_t n = count(dims, n_dims);

    if (n_dims == 1 && n <= MAX_PLAIN)
        return real_list(values, n);
    float *rounded = calloc(n, sizeof(rounded[0]));
    if (rounded == NULL)
        return NULL;
    for (size_t i = 0; i < n; i++)
        rounded[i] = (float)values[i];
    json_t *object = base64_object("fp32", rounded, dims, n_dims);
    free(rounded);
    return object;
}

json_t *shard_json_from_ids(const uint32_t *ids, uint32_t n)
{
    return n <= MAX_PLAIN ? integer_list(ids, n) : base64_object("u32", ids, &n, 1);
}

/* ---- from JSON ---- */

struct array {
    const json_t *list; /* of n numbers, or NULL: */
    void *values;       /* n of 4 bytes each */
    size_t n;
    size_t n_dims;
    uint32_t dims[SHARD_ARRAY_DIMS];
};

/* Whether `list` is 1 to SHARD_ARRAY_DIMS dims of together at most `max` values. */
static bool take_dims(struct array *a, const json_t *list, size_t max)
{
    a->n = 1;
    a->n_dims = json_array_size(list);
    if (a->n_dims == 0 || a->n_dims > SHARD_ARRAY_DIMS)
        return false;
    for (size_t i = 0; i < a->n_dims; i++) {
        const json_int_t dim = json_integer_value(json_array_get(list, i));
        if (dim < 1 || (uint64_t)dim > max / a->n)
            return false;
        a->dims[i] = (uint32_t)dim;
        a->n *= (size_t)dim;
    }
    return true;
}

static void take_base64(struct shard_json *j, struct array *a, const char *key,
                        const json_t *text)
{
    const size_t len = json_string_length(text);

    if (len == shard_base64_len(4 * a->n)) {
        a->values = shard_json_alloc(j, a->n, 4);
        if (a->values == NULL ||
            shard_base64_decode(a->values, 4 * a->n, json_string_value(text), len))
            return;
    }
    shard_json_refuse(j, "%s has \"%s\" that is not the base64 of %zu values", j->where,
                      key, a->n);
}

static struct array read_array(struct shard_json *j, const json_t *object,
                               const char *key, const char *type, size_t max)
{
    const json_t *value = json_object_get(object, key);
    struct array a = {.n_dims = 1};

    if (json_is_array(value) && json_array_size(value) <= max) {
        a.list = value;
        a.n = json_array_size(value);
        a.dims[0] = (uint32_t)a.n;
    } else if (take_dims(&a, json_object_get(value, "dims"), max)) {
        take_base64(j, &a, key, json_object_get(value, type));
    } else if (json_is_object(value)) {
        shard_json_refuse(j,
                          "%s has \"%s\" whose \"dims\" are not 1 to %d numbers above 0, "
                          "of together at most %zu values",
                          j->where, key, SHARD_ARRAY_DIMS, max);
    } else {
        shard_json_refuse(j, "%s has no array \"%s\" of at most %zu values", j->where,
                          key, max);
    }
    return a;
}

/* Gives `values`, or NULL: one of them was refused. */
static void *given(const struct shard_json *j, void *values)
{
    if (j->rc == SHARD_OK)
        return values;
    free(values);
    return NULL;
}

double *shard_json_reals(struct shard_json *j, const json_t *object, const char *key,
                         size_t max, uint32_t dims[SHARD_ARRAY_DIMS], size_t *n_dims)
{
    struct array a = read_array(j, object, key, "fp32", max);
    const float *rounded = a.values;
    double *out = j->rc == SHARD_OK ? shard_json_alloc(j, a.n, sizeof(out[0])) : NULL;

    for (size_t i = 0; i < a.n && out != NULL; i++) {
        const json_t *element = json_array_get(a.list, i);
        out[i] = a.list != NULL ? json_number_value(element) : (double)rounded[i];
        if ((a.list != NULL && !json_is_number(element)) || !(fabs(out[i]) <= FLT_MAX))
            shard_json_refuse(j, "%s has \"%s\" with something that is no number of fp32",
                              j->where, key);
    }
    free(a.values);
    memcpy(dims, a.dims, sizeof(a.dims));
    *n_dims = a.n_dims;
    return given(j, out);
}

uint32_t *shard_json_ids(struct shard_json *j, const json_t *object, const char *key,
                         size_t max, size_t *n)
{
    struct array a = read_array(j, object, key, "u32", max);
    const uint32_t *ids = a.values;
    uint32_t *out = j->rc == SHARD_OK ? shard_json_alloc(j, a.n, sizeof(out[0])) : NULL;

    for (size_t i = 0; i < a.n && out != NULL; i++) {
        const json_t *element = json_array_get(a.list, i);
        const json_int_t id = a.list != NULL ? json_integer_value(element) : ids[i];
        if ((a.list != NULL && !json_is_integer(element)) || id < 0 || id > SHARD_MAX_ID)
            shard_json_refuse(j, "%s has \"%s\" with something that is no id", j->where,
                              key);
        out[i] = (uint32_t)id;
    }
    free(a.values);
    *n = a.n;
    return given(j, out);
}
