/* SPDX-License-Identifier: Apache-2.0 */
#include "shard/tokenizer/json/json_config.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shard/status.h"
#include "shard/tokenizer/code_point.h"
#include "shard/valid_utf8.h"

static void append(struct json_config *c, const char *words)
{
    const int n =
        snprintf(c->path + c->path_len, sizeof(c->path) - c->path_len, "%s", words);

    if (n > 0)
        c->path_len += (size_t)n;
    if (c->path_len > sizeof(c->path) - 1)
        c->path_len = sizeof(c->path) - 1;
}

/* The bytes of the character at `at` that may be shown; 0: it is none, as of one that was
 * cut, or controls the terminal or the line. */
static size_t shown(const char *at)
{
    const unsigned char lead = (unsigned char)*at;
    const size_t n = lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
    size_t len;

    if (strnlen(at, n) < n || !shard_utf8_valid(at, n))
        return 0;
    const uint32_t c = code_point_at((const unsigned char *)at, &len);
    return c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0x2028 || c == 0x2029 ? 0 : n;
}

/* One line of UTF-8. */
static void clean(char *words)
{
    for (size_t n; *words != '\0'; words += n > 0 ? n : 1)
        if ((n = shown(words)) == 0)
            *words = '?';
}

void json_config_refuse(struct json_config *c, const char *fmt, ...)
{
    char words[320];
    va_list ap;

    if (c->rc < 0)
        return;
    c->rc = SHARD_EMODEL;
    va_start(ap, fmt);
    vsnprintf(words, sizeof(words), fmt, ap);
    va_end(ap);
    snprintf(c->why, c->cap, "%s%s%s", c->path, c->path_len > 0 ? ": " : "", words);
    clean(c->why);
}

void json_config_no_memory(struct json_config *c)
{
    if (c->rc >= 0)
        c->rc = SHARD_ENOMEM;
}

size_t json_config_enter(struct json_config *c, const char *key)
{
    const size_t before = c->path_len;

    if (before > 0)
        append(c, ".");
    append(c, key);
    return before;
}

size_t json_config_enter_at(struct json_config *c, size_t index)
{
    const size_t before = c->path_len;
    char number[32];

    snprintf(number, sizeof(number), "[%zu]", index);
    append(c, number);
    return before;
}

void json_config_leave(struct json_config *c, size_t path_len)
{
    c->path_len = path_len;
    c->path[path_len] = '\0';
}

/* A fault of a member. */
static void refuse_member(struct json_config *c, const char *key, const char *words)
{
    const size_t before = json_config_enter(c, key);

    json_config_refuse(c, "%s", words);
    json_config_leave(c, before);
}

static bool named(const char *key, const char *const *names)
{
    for (; *names != NULL; names++)
        if (strcmp(*names, key) == 0)
            return true;
    return false;
}

void json_config_only(struct json_config *c, const json_t *object,
                      const char *const *names)
{
    const char *key;
    json_t *value;

    if (!json_is_object(object)) {
        json_config_refuse(c, "must be an object");
        return;
    }
    json_object_foreach((json_t *)object, key, value) if (!named(key, names))
        refuse_member(c, key, "this member is not known");
}

/* The member; NULL, and a fault where it is needed, if it is absent or null. */
static const json_t *member(struct json_config *c, const json_t *object, const char *key,
                            bool needed)
{
    const json_t *value = json_object_get(object, key);

    if (value != NULL && !json_is_null(value))
        return value;
    if (needed)
        refuse_member(c, key, "is missing");
    return NULL;
}

static const char *string_of(struct json_config *c, const json_t *value, const char *key,
                             size_t *len)
{
    *len = 0;
    if (value == NULL)
        return NULL;
    if (!json_is_string(value)) {
        refuse_member(c, key, "must be a string");
        return NULL;
    }
    *len = json_string_length(value);
    return json_string_value(value);
}

const char *json_config_string(struct json_config *c, const json_t *object,
                               const char *key, size_t *len)
{
    return string_of(c, member(c, object, key, true), key, len);
}

const char *json_config_string_or_null(struct json_config *c, const json_t *object,
                                       const char *key, size_t *len)
{
    return string_of(c, member(c, object, key, false), key, len);
}

static bool bool_of(struct json_config *c, const json_t *value, const char *key)
{
    if (value != NULL && !json_is_boolean(value))
        refuse_member(c, key, "must be true or false");
    return value != NULL && json_is_true(value);
}

char *json_config_copy_string(struct json_config *c, const json_t *object,
                              const char *key, size_t *len)
{
    const char *text = json_config_string(c, object, key, len);
    char *copy = text != NULL ? malloc(*len + 1) : NULL;

    if (copy != NULL)
        memcpy(copy, text, *len + 1);
    else if (text != NULL)
        json_config_no_memory(c);
    return copy;
}

bool json_config_bool(struct json_config *c, const json_t *object, const char *key)
{
    return bool_of(c, member(c, object, key, true), key);
}

bool json_config_bool_or(struct json_config *c, const json_t *object, const char *key,
                         bool absent)
{
    const json_t *value = member(c, object, key, false);

    return value != NULL ? bool_of(c, value, key) : absent;
}

uint32_t json_config_integer(struct json_config *c, const json_t *object, const char *key,
                             uint32_t max)
{
    const json_t *value = member(c, object, key, true);

    if (value == NULL)
        return 0;
    if (json_is_integer(value) && json_integer_value(value) >= 0 &&
        json_integer_value(value) <= (json_int_t)max)
        return (uint32_t)json_integer_value(value);
    refuse_member(c, key, "must be a whole number, and not too large");
    return 0;
}

const json_t *json_config_array(struct json_config *c, const json_t *object,
                                const char *key)
{
    const json_t *value = member(c, object, key, true);

    if (value == NULL || json_is_array(value))
        return value;
    refuse_member(c, key, "must be an array");
    return NULL;
}

void json_config_step(struct json_config *c, const char *name, const json_t *value,
                      void (*read)(struct json_config *c, const json_t *value, void *to),
                      void *to)
{
    if (value == NULL || json_is_null(value))
        return;
    const size_t path = json_config_enter(c, name);
    read(c, value, to);
    json_config_leave(c, path);
}

void json_config_sequence(struct json_config *c, const json_t *object, const char *key,
                          void (*read)(struct json_config *c, const json_t *value,
                                       void *to),
                          void *to)
{
    const char *const members[] = {"type", key, NULL};
    size_t i;
    json_t *value;

    json_config_only(c, object, members);
    const json_t *list = json_config_array(c, object, key);
    const size_t path = json_config_enter(c, key);
    json_array_foreach((json_t *)list, i, value)
    {
        const size_t element = json_config_enter_at(c, i);
        read(c, value, to);
        json_config_leave(c, element);
        if (c->rc < 0)
            break;
    }
    json_config_leave(c, path);
}

void json_config_null(struct json_config *c, const json_t *object, const char *key,
                      const char *advice)
{
    if (member(c, object, key, false) != NULL)
        refuse_member(c, key, advice);
}

int json_config_type(struct json_config *c, const json_t *object,
                     const char *const *names)
{
    size_t len;
    const char *type = json_config_string(c, object, "type", &len);

    for (int i = 0; type != NULL && names[i] != NULL; i++)
        if (strlen(names[i]) == len && memcmp(names[i], type, len) == 0)
            return i;
    if (type != NULL) {
        const size_t before = json_config_enter(c, "type");
        json_config_refuse(c, "\"%.100s\" is not supported", type);
        json_config_leave(c, before);
    }
    return -1;
}
