/* SPDX-License-Identifier: Apache-2.0 */
#include "ingest/text/json_member.h"

#include <jansson.h>
#include <string.h>

#include "ingest/status.h"

static const char *skip_space(const char *at, const char *end)
{
    while (at < end && memchr(" \t\n\r", *at, 4))
        at++;
    return at;
}

/* Behind the string that begins at `at`: at a quote with no backslash before it, or with
 * an even number of them. */
static const char *skip_string(const char *at, const char *end)
{
    const char *quote = at;

    while ((quote = memchr(quote + 1, '"', (size_t)(end - quote - 1)))) {
        const char *p = quote;

        while (p[-1] == '\\')
            p--;
        if ((quote - p) % 2 == 0)
            return quote + 1;
    }
    return end;
}

/* Behind the value that begins at `at`: to the comma or bracket of the object around it.
 */
static const char *skip_value(const char *at, const char *end)
{
    size_t depth = 0;

    while (at < end) {
        bool closes = *at == '}' || *at == ']';

        if (depth == 0 && (closes || memchr(", \t\n\r", *at, 5)))
            break;
        if (*at == '"') {
            at = skip_string(at, end);
            continue;
        }
        depth += *at == '{' || *at == '[';
        depth -= closes;
        at++;
    }
    return at;
}

bool json_member_next(const char **at, const char *end, struct json_member *m)
{
    const char *p = skip_space(*at, end);

    if (p == end || (*p != '{' && *p != ','))
        return false;
    p = skip_space(p + 1, end);
    if (p == end || *p != '"')
        return false;
    m->name = p;
    p = skip_string(p, end);
    m->name_len = (size_t)(p - m->name);
    p = skip_space(p, end);
    if (p == end || *p != ':')
        return false;
    m->value = skip_space(p + 1, end);
    *at = skip_value(m->value, end);
    m->value_len = (size_t)(*at - m->value);
    return true;
}

int json_member_is(const struct json_member *m, const char *name)
{
    size_t len = strlen(name);
    json_t *string;
    int same;

    if (!memchr(m->name, '\\', m->name_len))
        return m->name_len == len + 2 && memcmp(m->name + 1, name, len) == 0;
    string = json_loadb(m->name, m->name_len, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
    if (!string)
        return INGEST_ENOMEM;
    same = json_string_length(string) == len &&
           memcmp(json_string_value(string), name, len) == 0;
    json_decref(string);
    return same;
}
