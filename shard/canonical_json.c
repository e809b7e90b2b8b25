/* SPDX-License-Identifier: Apache-2.0 */
#include "shard/canonical_json.h"

#include <stdbool.h>
#include <stdlib.h>

#include "shard/status.h"

char *shard_json_canonical(const json_t *value)
{
    const size_t flags = JSON_SORT_KEYS | JSON_COMPACT | JSON_ENCODE_ANY;

    for (int digits = 15; digits <= 17; digits++) { /* 17 always do */
        char *text = json_dumps(value, flags | JSON_REAL_PRECISION(digits));
        json_t *back = text != NULL
                           ? json_loads(text, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL)
                           : NULL;
        bool exact = back != NULL && json_equal(value, back);
        json_decref(back);
        if (exact)
            return text;
        free(text);
        if (back == NULL) /* what it wrote itself: more digits are no help */
            break;
    }
    return NULL;
}

int shard_json_check_string(const char *s)
{
    json_error_t error = {0}; /* jansson leaves the code of a lack of memory unset */
    json_t *string = json_pack_ex(&error, 0, "s", s);
    const enum json_error_code code = json_error_code(&error);

    if (string != NULL) {
        json_decref(string);
        return SHARD_OK;
    }
    return code == json_error_invalid_utf8 || code == json_error_null_value
               ? SHARD_EINVAL
               : SHARD_ENOMEM;
}
