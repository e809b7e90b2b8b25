/* SPDX-License-Identifier: Apache-2.0
 * shard/tokenizer/json/post_processor.h - internal to shard/: what tokenizer.json puts
 * around a text. It is only looked at, for BOS and EOS. */
#ifndef SHARD_TOKENIZER_JSON_POST_PROCESSOR_H
#define SHARD_TOKENIZER_JSON_POST_PROCESSOR_H

#include <stdint.h>

#include <jansson.h>

#include "shard/tokenizer/bpe/pieces.h"
#include "shard/tokenizer/json/json_config.h"

/* Reads the file's "post_processor", which may be null or absent: the one token that it
 * puts in front of a single text, and the one behind; -1: none, or several. An id that
 * names none of the pieces is a fault. */
void post_processor_read(struct json_config *c, const json_t *value,
                         const struct pieces *pieces, int64_t *bos, int64_t *eos);

#endif
