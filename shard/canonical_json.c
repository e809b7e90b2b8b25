/* SPDX-License-Identifier: Apache-2.0 */
#include "shard/canonical_json.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include "shard/status.h"

enum { FEWEST_DIGITS = 15, MOST_DIGITS = 17 }; /* 17 always do */

/* Digits that give the number back, not below `digits`. */
static int digits_of(double real, int digits)
{
    char text[40];

    for (; digits < MOST_DIGITS; digits++) {
        snprintf(text, sizeof(text), "%.*g", digits, real);
        if (strtod(text, NULL) == real)
            break;
    }
    return digits;
}

/* The same of all numbers of a value. */
static int digits_needed(const json_t *value, int digits)
{
    const char *key;
    json_t *member;
    size_t i;

    if (json_is_real(value))
        return digits_of(json_real_value(value), digits);
    if (json_is_object(value)) {
        json_object_foreach((json_t *)value, key, member) digits =
            digits_needed(member, digits);
    } else if (json_is_array(value)) {
        json_array_foreach(value, i, member) digits = digits_needed(member, digits);
    }
    return digits;
}

char *shard_json_canonical(const json_t *value)
{
    const int digits = digits_needed(value, FEWEST_DIGITS);

    return json_dumps(value, JSON_SORT_KEYS | JSON_COMPACT | JSON_ENCODE_ANY |
                                 JSON_REAL_PRECISION(digits));
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
