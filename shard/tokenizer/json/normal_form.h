/* SPDX-License-Identifier: Apache-2.0
 * shard/tokenizer/json/normal_form.h - internal to shard/: Unicode's normal forms, over
 * utf8proc's tables.
 *
 * Most text is normal already and is only looked at; of the rest, what lies between two
 * characters that nothing composes with is normalized anew. */
#ifndef SHARD_TOKENIZER_JSON_NORMAL_FORM_H
#define SHARD_TOKENIZER_JSON_NORMAL_FORM_H

#include <stddef.h>
#include <stdint.h>

#include "shard/buffer.h"

enum normal_form_kind { NORMAL_NFC, NORMAL_NFD, NORMAL_NFKC, NORMAL_NFKD };

struct normal_form; /* immutable, shared */

/* What one thread normalizes with. All zero is empty. */
struct normal_form_scratch {
    int32_t *points, *sorted;
    size_t cap;
};

/* Gives it (release with normal_form_free()); NULL: no memory. */
struct normal_form *normal_form_new(enum normal_form_kind kind);
void normal_form_free(struct normal_form *f); /* accepts NULL */
void normal_form_scratch_free(struct normal_form_scratch *s);

/* Normalizes len bytes of UTF-8. *out is lent: the text itself where it is normal, else
 * the bytes of `into`, which is emptied first. O(len). SHARD_OK or SHARD_ENOMEM. */
int normal_form_apply(const struct normal_form *f, struct normal_form_scratch *s,
                      const char *text, size_t len, struct shard_buffer *into,
                      const char **out, size_t *out_len);

#endif
