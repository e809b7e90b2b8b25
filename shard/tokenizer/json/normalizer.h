/* SPDX-License-Identifier: Apache-2.0
 * shard/tokenizer/json/normalizer.h - internal to shard/: what tokenizer.json does to a
 * text before it is cut: NFC, NFD, NFKC, NFKD, Lowercase, Replace, Prepend, Strip,
 * Sequence.
 *
 * A text that a step leaves as it is is not copied. */
#ifndef SHARD_TOKENIZER_JSON_NORMALIZER_H
#define SHARD_TOKENIZER_JSON_NORMALIZER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include "shard/tokenizer/json/json_config.h"

struct normalizer;        /* immutable, shared */
struct normalizer_worker; /* one thread's */

/* Reads the file's "normalizer", which may be null or absent. Gives it (release with
 * normalizer_free()); NULL: c has the fault. */
struct normalizer *normalizer_read(struct json_config *c, const json_t *value);
void normalizer_free(struct normalizer *n); /* accepts NULL */

/* NULL: no memory. Release it before the normalizer. */
struct normalizer_worker *normalizer_worker_new(const struct normalizer *n);
void normalizer_worker_free(struct normalizer_worker *w); /* accepts NULL */

/* Bytes by which the steps together may lengthen what comes of a text of len bytes; what
 * Unicode's forms make of any text is less. */
size_t normalizer_room(size_t len);

/* How much longer the file's Replace steps may make a text, as far as NORMALIZER_GROWTH;
 * 1: no longer. */
enum { NORMALIZER_GROWTH = 16 };
uint32_t normalizer_growth(const struct normalizer *n);

/* Normalizes len bytes of UTF-8. *out is lent until the next call, or is the text.
 * *room: what is left of normalizer_room(), from which each step takes its own.
 * *head: so many bytes at its beginning come from the text's first character, as
 * `tokenizers` counts offsets: what replaces several characters comes from the last one,
 * what is put in front from the first. SHARD_OK, SHARD_ENOMEM, SHARD_EMATCH, or
 * SHARD_EGROWTH: there is not so much room. */
int normalizer_apply(struct normalizer_worker *w, const char *text, size_t len,
                     size_t *room, const char **out, size_t *out_len, size_t *head);

#endif
