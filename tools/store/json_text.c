/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/store/json_text.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/store/store.h"

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

static void set_error(json_error_t *error, int number)
{
    *error = (json_error_t){.line = -1, .column = -1};
    snprintf(error->text, sizeof(error->text), "%s",
             number == ENOMEM ? "out of memory" : strerror(number));
}

static void add_line(json_error_t *error)
{
    const size_t len = strlen(error->text);

    snprintf(error->text + len, sizeof(error->text) - len, " (line %d)", error->line);
}

json_t *json_load_path(const char *path, size_t flags, json_error_t *error)
{
    char *text;
    size_t len;
    json_t *root = NULL;
    int number = 0;

    if (store_read(store_at(path), path, JSON_FILE_BYTES, &text, &len) != 0)
        number = errno;
    else if (len == 0)
        number = ENOENT;
    errno = 0;
    if (number == 0 && (root = json_loadb(text, len, flags, error)) == NULL &&
        (errno == ENOMEM || json_error_code(error) == json_error_out_of_memory))
        number = ENOMEM;
    if (number != 0)
        set_error(error, number);
    else if (root == NULL)
        add_line(error);
    free(text);
    errno = number;
    return root;
}
