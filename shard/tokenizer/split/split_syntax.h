/* SPDX-License-Identifier: Apache-2.0
 * shard/tokenizer/split/split_syntax.h - internal to shard/: how a regular expression is
 * spelled, as tokenizer.json or as tiktoken has them. */
#ifndef SHARD_TOKENIZER_SPLIT_SPLIT_SYNTAX_H
#define SHARD_TOKENIZER_SPLIT_SPLIT_SYNTAX_H

enum split_syntax { SPLIT_ONIGURUMA, SPLIT_FANCY_REGEX };

#endif
