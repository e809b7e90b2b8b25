/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/json_text.h"

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
