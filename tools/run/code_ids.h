/* SPDX-License-Identifier: Apache-2.0
 * tools/run/code_ids.h - which token ids the codes of an encoder get. */
#ifndef TOOLS_RUN_CODE_IDS_H
#define TOOLS_RUN_CODE_IDS_H

#include "shard/header.h"
#include "shard/tokenizer/tokenizer.h"
#include "tools/run/encoding.h"

/* Sets id_offset of those n encodings that have codes and no id map: what was asked for,
 * else the encoder's own, else the first id behind the tokenizer's pieces, BOI, EOI, and
 * the codes before it; encoders with the same weights share theirs. Refuses ids that
 * text's markers or other codes have, that begin among the tokenizer's pieces and end
 * behind them, or that are above 2^31 - 1. Returns 0, or EXIT_USAGE or EXIT_FAILED after
 * explaining on stderr. */
int code_ids_choose(struct encoding *encodings, size_t n,
                    const struct shard_tokenizer *tokenizer);

/* Warns of those whose ids are pieces of the tokenizer too, once for one network: only
 * the user knows whether these pieces are the image's. */
void code_ids_warn(const struct encoding *encodings, size_t n,
                   const struct tokenizer *tokenizer);

#endif
