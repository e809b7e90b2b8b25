/* SPDX-License-Identifier: Apache-2.0
 * ingest/text/json_scan.h - internal to ingest/: one pass over a line that is surely a
 * JSON object, for two of its members.
 *
 * It takes no other text than jansson does, and finds the same in it. What it is not sure
 * of is for jansson: what has a fault, and what is rare (NaN, deep nesting, escapes in
 * names). */
#ifndef INGEST_TEXT_JSON_SCAN_H
#define INGEST_TEXT_JSON_SCAN_H

#include <stdbool.h>
#include <stddef.h>

enum json_kind {
    JSON_IS_ABSENT,
    JSON_IS_STRING,
    JSON_IS_NUMBER,
    JSON_IS_OTHER,
    JSON_IS_NULL
};

/* Lent by the text. */
struct json_value {
    enum json_kind kind;
    const char *bytes; /* as they stand there; of a string what is between its quotes */
    size_t n_bytes;
    size_t len; /* a string's bytes without escapes: n_bytes where it has none */
};

/* The last member of each name, as JSON readers take it. */
struct json_document {
    struct json_value text, id;
    bool has_others; /* members beside those called as the text */
};

/* false: ask jansson. The names are NUL-terminated; they may be the same. */
bool json_scan(const char *json, size_t len, const char *text, const char *id,
               struct json_document *out);

/* Writes the v->len bytes of a string, without escapes. */
void json_value_copy(const struct json_value *v, char *out);

#endif
