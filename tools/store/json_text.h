/* SPDX-License-Identifier: Apache-2.0
 * tools/store/json_text.h - JSON of text that comes from outside, and JSON of ours, with
 * a lack of memory told from everything else. */
#ifndef TOOLS_STORE_JSON_TEXT_H
#define TOOLS_STORE_JSON_TEXT_H

#include <jansson.h>

/* A JSON string of text that may not be UTF-8 (a path, say): then every byte outside
 * ASCII becomes '?'. NULL: no memory. */
json_t *json_any_string(const char *text);

/* For objects and arrays that are being built: add a member or an element, which they
 * take, NULL too. Where memory is short *object or *array is released and becomes NULL,
 * and stays so: one look at the end is enough. */
void json_put_member(json_t **object, const char *key, json_t *value);
void json_put_element(json_t **array, json_t *value);

/* json_object_update_missing() that says so where memory is short: 0 or -1. */
int json_add_missing(json_t *object, json_t *other);

enum { JSON_FILE_BYTES = 1 << 30 };

/* The JSON of a data set's file of at most JSON_FILE_BYTES. NULL with error->text, and
 * with errno where it is not its bytes that are wrong: ENOENT also where it is empty
 * (store_has()); ENOMEM also where jansson calls it a syntax error. */
json_t *json_load_path(const char *path, size_t flags, json_error_t *error);

#endif
