/* SPDX-License-Identifier: Apache-2.0
 * shard/json_array.h - internal to shard/: arrays of numbers in the header, few as JSON,
 * many as base64 of their bytes: FORMAT.md, section 2. */
#ifndef SHARD_JSON_ARRAY_H
#define SHARD_JSON_ARRAY_H

#include "shard/json_read.h"

enum { SHARD_ARRAY_DIMS = 3 }; /* at most */

/* Give JSON, or NULL: no memory. Values are in row-major order. */
json_t *shard_json_from_reals(const double *values, const uint32_t *dims, size_t n_dims);
json_t *shard_json_from_ids(const uint32_t *ids, uint32_t n);

/* Give the values of an array that must be there (release with free()) and its dims, or
 * of ids its length, whatever its dims are. NULL with j->rc set: there is none, it has
 * above `max` values, or one that is not finite in fp32 or above SHARD_MAX_ID. Lengths
 * are compared before anything is allocated. */
double *shard_json_reals(struct shard_json *j, const json_t *object, const char *key,
                         size_t max, uint32_t dims[SHARD_ARRAY_DIMS], size_t *n_dims);
uint32_t *shard_json_ids(struct shard_json *j, const json_t *object, const char *key,
                         size_t max, size_t *n);

#endif
