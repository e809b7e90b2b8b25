/* SPDX-License-Identifier: Apache-2.0
 * shard/tokenizer/split/split_known.h - internal to shard/: patterns that are matched by
 * hand. Some have names for --pattern; the others are spelled in tokenizer.json files. */
#ifndef SHARD_TOKENIZER_SPLIT_SPLIT_KNOWN_H
#define SHARD_TOKENIZER_SPLIT_SPLIT_KNOWN_H

#include <stddef.h>

#include "shard/tokenizer/split/char_classes.h"
#include "shard/tokenizer/split/split_syntax.h"

/* The first match in len bytes of UTF-8 that begins at or behind `at` (at < len: the end
 * of the match before, or 0). Gives *start; returns its end, or 0: there is none. No
 * match is empty. */
typedef size_t split_matcher(const struct char_classes *c, const unsigned char *text,
                             size_t len, size_t at, size_t *start);

/* The matcher of a pattern, by its exact spelling; NULL: there is none. */
split_matcher *split_known(const char *pattern, enum split_syntax syntax);

/* Spelling number i of those that have a matcher; NULL: there are no more. */
const char *split_known_pattern(size_t i);

/* Of patterns, for people: ours and tiktoken's own. */
#define SPLIT_PATTERN_NAMES                                                              \
    "gpt2, cl100k, o200k, llama3, qwen2, emu3, r50k_base, p50k_base, cl100k_base, "      \
    "o200k_base"

/* The pattern that one of those names stands for; NULL: unknown. */
const char *split_pattern_named(const char *name);

#endif
