/* SPDX-License-Identifier: Apache-2.0
 * shard/tokenizer/split/regex_translate.h - internal to shard/: a regular expression of
 * Oniguruma or fancy-regex, in PCRE2's spelling. */
#ifndef SHARD_TOKENIZER_SPLIT_REGEX_TRANSLATE_H
#define SHARD_TOKENIZER_SPLIT_REGEX_TRANSLATE_H

#include <stdbool.h>
#include <stddef.h>

#include "shard/buffer.h"
#include "shard/tokenizer/split/split_syntax.h"

/* Adds the expression of `len` bytes of UTF-8 to out, for PCRE2_UTF | PCRE2_UCP and lines
 * that end in LF. Groups capture no more. *scans: a lookahead repeats something without
 * end, so that each of them may look through the whole text. Returns SHARD_OK,
 * SHARD_ENOMEM, or SHARD_EMODEL: it has something that would not surely mean the same;
 * what and at which byte is in why (cap bytes, one line). */
int regex_translate(const char *pattern, size_t len, enum split_syntax syntax,
                    struct shard_buffer *out, bool *scans, char *why, size_t cap);

#endif
