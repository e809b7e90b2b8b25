/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/json_text.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

char *json_canonical(const json_t *value)
{
    const size_t flags = JSON_COMPACT | JSON_SORT_KEYS | JSON_ENCODE_ANY;
    char *text = NULL;

    /* The fewest digits that keep every number: 0.8 stays 0.8, whatever jansson's
     * version. 17 always do. */
    for (int digits = 15; digits <= 17; digits++) {
        json_t *back;
        bool same;

        free(text);
        text = json_dumps(value, flags | JSON_REAL_PRECISION(digits));
        back = text ? json_loads(text, JSON_DECODE_ANY, NULL) : NULL;
        same = json_equal(back, value);
        json_decref(back);
        if (same)
            break;
    }
    return text;
}

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
