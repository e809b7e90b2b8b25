/* SPDX-License-Identifier: Apache-2.0 */
#include "shard/tokenizer/json/json_pattern.h"

#include <stdio.h>
#include <string.h>

#include "shard/buffer.h"
#include "shard/status.h"
#include "shard/tokenizer/code_point.h"

struct split *json_pattern_of(struct json_config *c, const char *regex)
{
    struct split *s = NULL;
    char why[256];

    if (c->rc < 0)
        return NULL;
    const int rc = split_open(&s, regex, SPLIT_ONIGURUMA, why, sizeof(why));
    if (rc == SHARD_ENOMEM)
        json_config_no_memory(c);
    else if (rc < 0)
        json_config_refuse(c, "%s", why);
    return s;
}

/* The expression that matches a string. */
static struct split *literal(struct json_config *c, const char *string, size_t len)
{
    struct shard_buffer regex = {NULL, 0, 0};
    struct split *s = NULL;
    char spelled[16];
    size_t n;

    for (size_t at = 0; at < len; at += n) {
        const uint32_t point = code_point_at((const unsigned char *)string + at, &n);
        const int k = snprintf(spelled, sizeof(spelled), "\\x{%X}", (unsigned)point);
        if (shard_buffer_add(&regex, spelled, (size_t)k) < 0)
            json_config_no_memory(c);
    }
    if (shard_buffer_add(&regex, "", 1) < 0)
        json_config_no_memory(c);
    else
        s = json_pattern_of(c, (const char *)regex.data);
    shard_buffer_free(&regex);
    return s;
}

struct split *json_pattern_open(struct json_config *c, const json_t *object)
{
    static const char *const members[] = {"String", "Regex", NULL};
    const json_t *pattern = json_object_get(object, "pattern");
    const size_t path = json_config_enter(c, "pattern");
    struct split *s = NULL;
    size_t len;

    json_config_only(c, pattern, members);
    if (json_object_size(pattern) != 1)
        json_config_refuse(c, "must be a String or a Regex");
    const char *string = json_config_string_or_null(c, pattern, "String", &len);
    if (string != NULL)
        s = literal(c, string, len);
    const char *regex = json_config_string_or_null(c, pattern, "Regex", &len);
    const size_t member = json_config_enter(c, "Regex");
    if (regex != NULL && memchr(regex, 0, len) != NULL)
        json_config_refuse(c, "has a zero byte");
    else if (regex != NULL)
        s = json_pattern_of(c, regex);
    else if (string == NULL)
        json_config_refuse(c, "is missing");
    json_config_leave(c, member);
    json_config_leave(c, path);
    return s;
}
