/* SPDX-License-Identifier: Apache-2.0
 * shard/tokenizer/json/json_whole.h - internal to shard/: has jansson kept all of a text?
 *
 * Where its buffer cannot grow for lack of memory, jansson 2.14 loses a character of a
 * string and goes on. */
#ifndef SHARD_TOKENIZER_JSON_JSON_WHOLE_H
#define SHARD_TOKENIZER_JSON_JSON_WHOLE_H

#include <stdbool.h>
#include <stddef.h>

#include <jansson.h>

/* Whether the strings and keys of `root`, not nested deeper than a caller's stack bears,
 * have together as many bytes as in the JSON that it was read from, which is valid. */
bool json_whole(const json_t *root, const char *text, size_t len);

#endif
