/* SPDX-License-Identifier: Apache-2.0
 * ingest/text/json_member.h - internal to ingest/: where the members of a JSON object
 * stand in its text, so that they can be kept byte for byte.
 *
 *     const char *at = json;
 *     struct json_member m;
 *     while (json_member_next(&at, json + len, &m))
 *         use(&m);
 *
 * The text has been parsed by somebody else, so it is an object; on one that is not, the
 * walk ends early and reads nothing beyond its end. */
#ifndef INGEST_TEXT_JSON_MEMBER_H
#define INGEST_TEXT_JSON_MEMBER_H

#include <stdbool.h>
#include <stddef.h>

/* All lent by the text. */
struct json_member {
    const char *name; /* as it stands there, quotes included */
    size_t name_len;
    const char *value; /* ends right behind its last byte */
    size_t value_len;
};

/* *at is the object's first byte at first, then what the last call left there. */
bool json_member_next(const char **at, const char *end, struct json_member *m);

/* 1: the member's name, unescaped, is `name`; 0: it is not; INGEST_ENOMEM. */
int json_member_is(const struct json_member *m, const char *name);

#endif
