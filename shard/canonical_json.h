/* SPDX-License-Identifier: Apache-2.0
 * shard/canonical_json.h - public: the one way this project writes JSON that is hashed or
 * compared.
 */
#ifndef SHARD_CANONICAL_JSON_H
#define SHARD_CANONICAL_JSON_H

#include <jansson.h>

/* Sorted keys, no white space, and the fewest digits that give every number back exactly:
 * 0.8, not 0.80000000000000004, whatever jansson's version. Gives text (release with
 * free()), or NULL: no memory. */
char *shard_json_canonical(const json_t *value);

/* Whether JSON can say the string: SHARD_OK, SHARD_ENOMEM, or SHARD_EINVAL where it is
 * NULL or not UTF-8. */
int shard_json_check_string(const char *s);

#endif
