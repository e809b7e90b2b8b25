/* SPDX-License-Identifier: Apache-2.0
 * ingest/text/plain_json.h - public: JSON where Python's is not quite. */
#ifndef INGEST_TEXT_PLAIN_JSON_H
#define INGEST_TEXT_PLAIN_JSON_H

#include <stddef.h>

/* Gives a copy of json, NaN and Infinity outside strings replaced by null and a byte
 * order mark left out; release with free(). NULL: out of memory. */
char *plain_json(const char *json, size_t len, size_t *out_len);

/* Cuts the numbers outside strings to a few digits, in place, so that none is too
 * large for a reader that wants doubles; what is JSON stays so, and what is not does not
 * become it. Returns the new length. */
size_t plain_json_shorten_numbers(char *json, size_t len);

#endif
