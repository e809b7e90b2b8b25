/* SPDX-License-Identifier: Apache-2.0
 * tests/unit/json_referee.h - jansson's view of a line, to hold that of json_scan.h
 * against. */
#ifndef TESTS_UNIT_JSON_REFEREE_H
#define TESTS_UNIT_JSON_REFEREE_H

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "ingest/text/json_scan.h"
#include "ingest/text/plain_json.h"

/* NULL: it is no JSON, also where its numbers may be of any size. */
static json_t *referee_load(const char *json, size_t len)
{
    const size_t flags = JSON_DECODE_INT_AS_REAL | JSON_ALLOW_NUL;
    json_t *root = json_loadb(json, len, flags, NULL);
    size_t plain_len;
    char *plain;

    if (root)
        return root;
    plain = plain_json(json, len, &plain_len);
    if (!plain)
        abort();
    plain_len = plain_json_shorten_numbers(plain, plain_len);
    root = json_loadb(plain, plain_len, flags, NULL);
    free(plain);
    return root;
}

static enum json_kind referee_kind(const json_t *value)
{
    if (!value)
        return JSON_IS_ABSENT;
    if (json_is_string(value))
        return JSON_IS_STRING;
    if (json_is_number(value))
        return JSON_IS_NUMBER;
    return json_is_null(value) ? JSON_IS_NULL : JSON_IS_OTHER;
}

static bool referee_agrees(const struct json_value *v, const json_t *value)
{
    char *copy;
    bool same;

    if (v->kind != referee_kind(value))
        return false;
    if (v->kind != JSON_IS_STRING)
        return true;
    if (v->len != json_string_length(value))
        return false;
    copy = malloc(v->len + 1); /* as long as the string, for sanitizers */
    if (!copy)
        abort();
    copy[v->len] = '\0';
    json_value_copy(v, copy);
    same = memcmp(copy, json_string_value(value), v->len + 1) == 0;
    free(copy);
    return same;
}

/* Whether the line is taken by json_scan(); aborts where jansson sees it otherwise. */
static bool referee_check(const char *json, size_t len, const char *text, const char *id)
{
    struct json_document d;
    json_t *root;

    if (!json_scan(json, len, text, id, &d))
        return false;
    root = referee_load(json, len);
    if (!json_is_object(root) || !referee_agrees(&d.text, json_object_get(root, text)) ||
        !referee_agrees(&d.id, json_object_get(root, id)) ||
        d.has_others !=
            (json_object_size(root) > (json_object_get(root, text) ? 1u : 0u)))
        abort();
    json_decref(root);
    return true;
}

#endif
