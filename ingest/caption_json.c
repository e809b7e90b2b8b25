/* SPDX-License-Identifier: Apache-2.0
 *
 * Captions out of a sample's JSON. jansson reads a copy that is JSON where Python's is
 * not quite; the original is stored elsewhere as it is. */
#include <errno.h>
#include <jansson.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ingest/caption.h"
#include "ingest/status.h"

/* A word of Python's that stands for null: its length at s, or 0. */
static size_t non_finite(const char *s, size_t len)
{
    static const char *const words[] = {"NaN", "Infinity", "-Infinity"};

    for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++) {
        size_t n = strlen(words[i]);
        if (len >= n && memcmp(s, words[i], n) == 0)
            return n;
    }
    return 0;
}

/* Gives a copy of json, NaN and Infinity outside strings replaced by null and a byte
 * order mark left out, for free(). */
static char *plain_json(const char *json, size_t len, size_t *out_len)
{
    static const char mark[] = "\xEF\xBB\xBF";
    char *copy = len < SIZE_MAX / 2 ? malloc(len + len / 3 + 1) : NULL;
    size_t at = len >= 3 && memcmp(json, mark, 3) == 0 ? 3 : 0;
    size_t out = 0;
    bool in_string = false;

    while (copy && at < len) {
        size_t n = in_string ? 0 : non_finite(json + at, len - at);
        if (n > 0) {
            memcpy(copy + out, "null", 4);
            out += 4;
            at += n;
            continue;
        }
        if (json[at] == '"')
            in_string = !in_string;
        else if (in_string && json[at] == '\\' && at + 1 < len)
            copy[out++] = json[at++];
        copy[out++] = json[at++];
    }
    *out_len = out;
    return copy;
}

static int add_string(struct caption_list *list, const char *name, const json_t *value)
{
    return caption_list_add(list, name, json_string_value(value),
                            json_string_length(value));
}

/* The strings of a list; *any tells whether there was one. */
static int add_list(struct caption_list *list, const json_t *captions, bool *any)
{
    size_t n = json_array_size(captions);
    char name[48];
    int rc = INGEST_OK;

    *any = false;
    for (size_t i = 0; i < n && rc == INGEST_OK; i++) {
        const json_t *value = json_array_get(captions, i);
        if (!json_is_string(value))
            continue;
        *any = true;
        snprintf(name, sizeof(name), "json.captions[%zu]", i);
        rc = add_string(list, name, value);
    }
    return rc;
}

static int add_object(struct caption_list *list, const json_t *object)
{
    const json_t *caption = json_object_get(object, "caption");
    const json_t *text = json_object_get(object, "text");
    bool any;
    int rc = add_list(list, json_object_get(object, "captions"), &any);

    if (rc < 0 || any)
        return rc;
    if (json_is_string(caption))
        return add_string(list, "json.caption", caption);
    if (json_is_string(text))
        return add_string(list, "json.text", text);
    return INGEST_OK;
}

int caption_list_add_json(struct caption_list *list, const char *json, size_t len,
                          bool *parsed)
{
    json_error_t error;
    size_t copy_len;
    char *copy = plain_json(json, len, &copy_len);
    json_t *root;
    bool no_memory;
    int rc;

    *parsed = false;
    if (!copy)
        return INGEST_ENOMEM;
    errno = 0;
    root = json_loadb(copy, copy_len,
                      JSON_DECODE_ANY | JSON_DECODE_INT_AS_REAL | JSON_ALLOW_NUL, &error);
    no_memory = errno == ENOMEM; /* jansson may call it a syntax error */
    free(copy);
    if (!root)
        return no_memory ? INGEST_ENOMEM : INGEST_OK;
    *parsed = true;
    rc = add_object(list, root);
    json_decref(root);
    return rc;
}
