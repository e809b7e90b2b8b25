/* SPDX-License-Identifier: Apache-2.0 */
#include "shard/json_read.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "shard/json_depth.h"
#include "shard/status.h"

void shard_json_refuse(struct shard_json *j, const char *fmt, ...)
{
    va_list ap;

    if (j->rc != SHARD_OK)
        return;
    va_start(ap, fmt);
    vsnprintf(j->why, j->cap, fmt, ap);
    va_end(ap);
    j->rc = j->refused;
}

json_t *shard_json_parse(struct shard_json *j, const char *text, size_t len,
                         size_t max_depth)
{
    json_error_t error;

    if (shard_json_depth(text, len) > max_depth) {
        shard_json_refuse(j, "%s is nested deeper than %zu", j->where, max_depth);
        return NULL;
    }
    errno = 0;
    json_t *root = json_loadb(text, len, JSON_REJECT_DUPLICATES, &error);
    if (json_is_object(root))
        return root;
    if (root == NULL && errno == ENOMEM) /* or a syntax error to jansson */
        j->rc = SHARD_ENOMEM;
    else
        shard_json_refuse(j, "%s is not a JSON object: %s at byte %d", j->where,
                          root == NULL ? error.text : "another value", error.position);
    json_decref(root);
    return NULL;
}

void *shard_json_alloc(struct shard_json *j, size_t n, size_t size)
{
    void *p = calloc(n + 1, size);

    if (p == NULL && j->rc == SHARD_OK)
        j->rc = SHARD_ENOMEM;
    return p;
}

bool shard_json_has(const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);

    return value != NULL && !json_is_null(value);
}

const char *shard_json_string(struct shard_json *j, const json_t *object, const char *key)
{
    const char *s = json_string_value(json_object_get(object, key));

    if (s == NULL)
        shard_json_refuse(j, "%s has no string \"%s\"", j->where, key);
    return s;
}

int64_t shard_json_integer(struct shard_json *j, const json_t *object, const char *key,
                           int64_t max)
{
    const json_t *value = json_object_get(object, key);

    if (!json_is_integer(value) || json_integer_value(value) < 0 ||
        json_integer_value(value) > max) {
        shard_json_refuse(j, "%s has no integer \"%s\" in 0 to %lld", j->where, key,
                          (long long)max);
        return 0;
    }
    return json_integer_value(value);
}

bool shard_json_bool(struct shard_json *j, const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);

    if (!json_is_boolean(value))
        shard_json_refuse(j, "%s has no boolean \"%s\"", j->where, key);
    return json_is_true(value);
}

const json_t *shard_json_array(struct shard_json *j, const json_t *object,
                               const char *key, size_t max, size_t *n)
{
    const json_t *array = json_object_get(object, key);

    *n = json_array_size(array);
    if (json_is_array(array) && *n <= max)
        return array;
    shard_json_refuse(j, "%s has no array \"%s\" of at most %zu", j->where, key, max);
    *n = 0;
    return NULL;
}
