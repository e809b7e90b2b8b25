/* SPDX-License-Identifier: Apache-2.0
 * shard/tokenizer/json/text_decoder.h - internal to shard/: how tokenizer.json makes text
 * of pieces: ByteLevel, ByteFallback, Fuse, Replace, Strip, Metaspace, BPEDecoder,
 * Sequence.
 *
 * Bytes stay what they are where `tokenizers` would write U+FFFD: text comes back. */
#ifndef SHARD_TOKENIZER_JSON_TEXT_DECODER_H
#define SHARD_TOKENIZER_JSON_TEXT_DECODER_H

#include <stdbool.h>
#include <stddef.h>

#include <jansson.h>

#include "shard/buffer.h"
#include "shard/tokenizer/json/json_config.h"

struct text_decoder; /* immutable, shared */

/* Strings one behind the other: string i is [ends[i - 1], ends[i]) of the bytes. All zero
 * is empty; release with text_decoder_strings_free(). */
struct text_decoder_strings {
    struct shard_buffer bytes;
    size_t *ends, n, cap;
};

int text_decoder_strings_add(struct text_decoder_strings *s, const void *bytes,
                             size_t len);
void text_decoder_strings_free(struct text_decoder_strings *s);

/* Reads the file's "decoder", which may be null or absent: a space between pieces. Gives
 * it (release with text_decoder_free()); NULL: c has the fault. */
struct text_decoder *text_decoder_read(struct json_config *c, const json_t *value);
void text_decoder_free(struct text_decoder *d); /* accepts NULL */

/* Whether pieces are spelled in letters of bytes. */
bool text_decoder_is_byte_level(const struct text_decoder *d);

/* The text of the pieces, which are changed, added to out. SHARD_OK, SHARD_ENOMEM or
 * SHARD_EMATCH. */
int text_decoder_apply(const struct text_decoder *d, struct text_decoder_strings *pieces,
                       struct shard_buffer *out);

#endif
