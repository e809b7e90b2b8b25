/* SPDX-License-Identifier: Apache-2.0
 * ingest/plain_json.h - JSON where Python's is not quite. */
#ifndef INGEST_PLAIN_JSON_H
#define INGEST_PLAIN_JSON_H

#include <stddef.h>

/* Gives a copy of json, NaN and Infinity outside strings replaced by null and a byte
 * order mark left out; release with free(). NULL: out of memory. */
char *plain_json(const char *json, size_t len, size_t *out_len);

#endif
