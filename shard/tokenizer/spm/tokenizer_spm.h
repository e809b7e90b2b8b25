/* SPDX-License-Identifier: Apache-2.0
 * shard/tokenizer/spm/tokenizer_spm.h - internal to shard/: of tokenizer_kind_spm, what a
 * test compares. */
#ifndef SHARD_TOKENIZER_SPM_TOKENIZER_SPM_H
#define SHARD_TOKENIZER_SPM_TOKENIZER_SPM_H

#include <stdbool.h>
#include <stddef.h>

#include "shard/tokenizer/token_ids.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Whether the model's texts are encoded word by word, without the library. */
bool tokenizer_spm_has_words(const void *state);

/* Adds the ids that the library gives a text (len >= 1). SHARD_OK, SHARD_ENOMEM or
 * SHARD_EINVAL. */
int tokenizer_spm_by_library(const void *state, const char *text, size_t len,
                             struct token_ids *ids);

#ifdef __cplusplus
}
#endif

#endif
