/* SPDX-License-Identifier: Apache-2.0
 * shard/tokenizer/json/json_pattern.h - internal to shard/: a pattern of tokenizer.json.
 */
#ifndef SHARD_TOKENIZER_JSON_JSON_PATTERN_H
#define SHARD_TOKENIZER_JSON_JSON_PATTERN_H

#include <jansson.h>

#include "shard/tokenizer/json/json_config.h"
#include "shard/tokenizer/split/split.h"

/* Member "pattern" of the object, {"String": ...} or {"Regex": ...}. Gives the split
 * (release with split_close()); NULL: c has the fault. */
struct split *json_pattern_open(struct json_config *c, const json_t *object);

/* The split of a regular expression that the file does not spell itself; the same. */
struct split *json_pattern_of(struct json_config *c, const char *regex);

#endif
