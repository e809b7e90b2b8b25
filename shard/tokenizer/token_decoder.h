/* SPDX-License-Identifier: Apache-2.0
 * shard/tokenizer/token_decoder.h - internal to shard/: how tokenizer.json makes text of
 * pieces: ByteLevel, ByteFallback, Fuse, Replace, Strip, Metaspace, BPEDecoder, Sequence.
 *
 * Bytes stay what they are where `tokenizers` would write U+FFFD: text comes back. */
#ifndef SHARD_TOKENIZER_TOKEN_DECODER_H
#define SHARD_TOKENIZER_TOKEN_DECODER_H

#include <stdbool.h>
#include <stddef.h>

#include <jansson.h>

#include "shard/buffer.h"
#include "shard/tokenizer/json_config.h"

struct decoder; /* immutable, shared */

/* Strings one behind the other: string i is [ends[i - 1], ends[i]) of the bytes. All zero
 * is empty; release with decoder_strings_free(). */
struct decoder_strings {
    struct shard_buffer bytes;
    size_t *ends, n, cap;
};

int decoder_strings_add(struct decoder_strings *s, const void *bytes, size_t len);
void decoder_strings_free(struct decoder_strings *s);

/* Reads the file's "decoder", which may be null or absent: a space between pieces. Gives
 * it (release with decoder_free()); NULL: c has the fault. */
struct decoder *decoder_read(struct json_config *c, const json_t *value);
void decoder_free(struct decoder *d); /* accepts NULL */

/* Whether pieces are spelled in letters of bytes. */
bool decoder_is_byte_level(const struct decoder *d);

/* The text of the pieces, which are changed, added to out. SHARD_OK, SHARD_ENOMEM or
 * SHARD_EMATCH. */
int decoder_apply(const struct decoder *d, struct decoder_strings *pieces,
                  struct shard_buffer *out);

#endif
