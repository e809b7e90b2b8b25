/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/json_text.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

json_t *json_any_string(const char *text)
{
    json_t *string = json_string(text);
    char *copy;

    if (string || !(copy = strdup(text)))
        return string;
    for (char *c = copy; *c; c++)
        if ((unsigned char)*c >= 0x80)
            *c = '?';
    string = json_string(copy);
    free(copy);
    return string;
}

static void keep_whole(json_t **container, int rc)
{
    if (rc == 0)
        return;
    json_decref(*container);
    *container = NULL;
}

void json_put_member(json_t **object, const char *key, json_t *value)
{
    keep_whole(object, json_object_set_new(*object, key, value));
}

void json_put_element(json_t **array, json_t *value)
{
    keep_whole(array, json_array_append_new(*array, value));
}

int json_add_missing(json_t *object, json_t *other)
{
    const char *key;
    json_t *value;

    json_object_foreach(other, key, value)
    {
        if (json_object_get(object, key) == NULL &&
            json_object_set(object, key, value) != 0)
            return -1;
    }
    return 0;
}

json_t *json_load_path(const char *path, size_t flags, json_error_t *error)
{
    errno = 0;
    json_t *root = json_load_file(path, flags, error);
    if (root == NULL && errno == ENOMEM)
        snprintf(error->text, sizeof(error->text), "out of memory");
    return root;
}
