/* SPDX-License-Identifier: Apache-2.0
 * tools/view/metadata_json.h - a record's metadata within other JSON. */
#ifndef TOOLS_VIEW_METADATA_JSON_H
#define TOOLS_VIEW_METADATA_JSON_H

#include <stddef.h>
#include <stdio.h>

/* Metadata that is JSON as it stands, so that none of its digits change, but on one line
 * and with null for a bare NaN or Infinity; what is not JSON, or has more digits in a row
 * or more levels than Python's parser takes, as a string; null where there is none. 0, or
 * -1: no memory, and nothing was printed. */
int metadata_print_json(FILE *out, const char *metadata, size_t metadata_len);

#endif
