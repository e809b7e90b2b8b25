/* SPDX-License-Identifier: Apache-2.0
 * shard/tokenizer/split/split.h - internal to shard/: a text's matches of a pattern, one
 * after the other.
 *
 * Patterns that the large models use have matchers written by hand, found by their exact
 * spelling; others are PCRE2's. Both find the same. A struct split is immutable once open
 * and shared; a struct split_worker is one thread's. */
#ifndef SHARD_TOKENIZER_SPLIT_SPLIT_H
#define SHARD_TOKENIZER_SPLIT_SPLIT_H

#include <stddef.h>

#include "shard/tokenizer/split/split_syntax.h"

struct split;
struct split_worker;

/* "PCRE2 10.42 2022-12-11 (Unicode 14.0.0)": its version, and that of Unicode that it and
 * the matchers by hand know. */
enum { SPLIT_VERSIONS_CAP = 128 };
void split_versions(char out[SPLIT_VERSIONS_CAP]);

/* Opens a pattern, a regular expression.
 * Gives *out (release with split_close()), NULL on failure. SHARD_EMODEL: it cannot be
 * matched the same way here; the reason (one line) is in why (cap bytes). Or
 * SHARD_ENOMEM. */
int split_open(struct split **out, const char *pattern, enum split_syntax syntax,
               char *why, size_t cap);
void split_close(struct split *s); /* accepts NULL */

/* NULL: no memory. Release with split_worker_free() before the split is closed. */
struct split_worker *split_worker_new(const struct split *s);
void split_worker_free(struct split_worker *w); /* accepts NULL */

/* Before the first split_next() of a text: forgets the one before, which need not have
 * been gone through. */
void split_begin(struct split_worker *w);

/* The next match in a text of len bytes of UTF-8, that begins at or behind *end (0 at
 * first): [*start, *end). Returns SHARD_OK, SHARD_EOF where there is none, SHARD_EMATCH
 * or SHARD_ENOMEM. A match may be empty; then the search goes on one character behind. */
int split_next(struct split_worker *w, const char *text, size_t len, size_t *start,
               size_t *end);

/* What a split of PCRE2 must offer split.c; written in split_regex.c. The same contracts.
 */
struct split_regex;
struct split_regex_worker;
int split_regex_open(struct split_regex **out, const char *pattern,
                     enum split_syntax syntax, char *why, size_t cap);
void split_regex_close(struct split_regex *r);
struct split_regex_worker *split_regex_worker_new(const struct split_regex *r);
void split_regex_worker_free(struct split_regex_worker *w);
void split_regex_begin(struct split_regex_worker *w);
int split_regex_next(struct split_regex_worker *w, const char *text, size_t len,
                     size_t *start, size_t *end);

#endif
