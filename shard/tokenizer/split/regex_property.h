/* SPDX-License-Identifier: Apache-2.0
 * shard/tokenizer/split/regex_property.h - internal to shard/: the properties that
 * \p{name} of Oniguruma and of PCRE2 both know. */
#ifndef SHARD_TOKENIZER_SPLIT_REGEX_PROPERTY_H
#define SHARD_TOKENIZER_SPLIT_REGEX_PROPERTY_H

#include <stdbool.h>
#include <stddef.h>

/* Writes PCRE2's spelling of a property by its name, in lower case without blanks,
 * hyphens and underscores: a general category, or a script. False:
 * it is neither, or one that PCRE2 does not know. */
bool regex_property(const char *name, bool negated, char *out, size_t cap);

/* The members of Rust's [:name:], of ASCII alone; NULL: there is no such class. */
const char *regex_ascii_class(const char *name);

#endif
