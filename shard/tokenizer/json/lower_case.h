/* SPDX-License-Identifier: Apache-2.0
 * shard/tokenizer/json/lower_case.h - internal to shard/: a text in lower case, each
 * character by itself (a final sigma is one like any other), as Rust's
 * char::to_lowercase(). */
#ifndef SHARD_TOKENIZER_JSON_LOWER_CASE_H
#define SHARD_TOKENIZER_JSON_LOWER_CASE_H

#include <stddef.h>

#include "shard/buffer.h"

/* Of len bytes of UTF-8. *out is lent: the text itself where it has no upper case, else
 * the bytes of `into`, which is emptied first. SHARD_OK or SHARD_ENOMEM. */
int lower_case_apply(const char *text, size_t len, struct shard_buffer *into,
                     const char **out, size_t *out_len);

#endif
