/* SPDX-License-Identifier: Apache-2.0
 *
 * Captions out of a sample's JSON. jansson reads a copy that is JSON where Python's is
 * not quite; the original is stored elsewhere as it is. */
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "ingest/text/caption.h"
#include "ingest/text/plain_json.h"
#include "ingest/status.h"

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
    copy_len = plain_json_shorten_numbers(copy, copy_len);
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
