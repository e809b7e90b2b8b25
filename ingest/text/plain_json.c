/* SPDX-License-Identifier: Apache-2.0 */
#include "ingest/text/plain_json.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "ingest/text/utf8.h"

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

char *plain_json(const char *json, size_t len, size_t *out_len)
{
    char *copy = len < SIZE_MAX / 2 ? malloc(len + len / 3 + 1) : NULL;
    size_t at = utf8_marks(json, len);
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

size_t plain_json_shorten_numbers(char *json, size_t len)
{
    enum { KEPT = 2 }; /* digits in a row: 99.99e99 at most */
    size_t out = 0, n_digits = 0;
    bool in_string = false;

    for (size_t at = 0; at < len; at++) {
        bool is_digit = !in_string && json[at] >= '0' && json[at] <= '9';

        n_digits = is_digit ? n_digits + 1 : 0;
        if (n_digits > KEPT)
            continue;
        if (json[at] == '"')
            in_string = !in_string;
        else if (in_string && json[at] == '\\' && at + 1 < len)
            json[out++] = json[at++];
        json[out++] = json[at];
    }
    return out;
}
