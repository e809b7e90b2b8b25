/* SPDX-License-Identifier: Apache-2.0
 * tools/json_text.h - JSON as this program writes it. */
#ifndef TOOLS_JSON_TEXT_H
#define TOOLS_JSON_TEXT_H

#include <jansson.h>

/* Canonical text: sorted keys, no white space, reals as short as they can be. Give with
 * free(); NULL: no memory. */
char *json_canonical(const json_t *value);

/* A JSON string of text that may not be UTF-8 (a path, say): then every byte outside
 * ASCII becomes '?'. NULL: no memory. */
json_t *json_any_string(const char *text);

#endif
