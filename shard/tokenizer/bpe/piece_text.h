/* SPDX-License-Identifier: Apache-2.0
 * shard/tokenizer/bpe/piece_text.h - internal to shard/: pieces of any bytes, for people.
 */
#ifndef SHARD_TOKENIZER_BPE_PIECE_TEXT_H
#define SHARD_TOKENIZER_BPE_PIECE_TEXT_H

#include <stddef.h>

/* Writes bytes as text: UTF-8 as it is, other bytes as <0xE3>. As snprintf(): up to
 * cap - 1 bytes and a NUL; returns how many it would be. */
size_t piece_text(const char *bytes, size_t len, char *out, size_t cap);

#endif
