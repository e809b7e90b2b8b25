/* SPDX-License-Identifier: Apache-2.0
 * tools/json_text.h - JSON of text that comes from outside. */
#ifndef TOOLS_JSON_TEXT_H
#define TOOLS_JSON_TEXT_H

#include <jansson.h>

/* A JSON string of text that may not be UTF-8 (a path, say): then every byte outside
 * ASCII becomes '?'. NULL: no memory. */
json_t *json_any_string(const char *text);

#endif
