/* SPDX-License-Identifier: Apache-2.0
 * shard/tokenizer/tiktoken/tiktoken_file.h - internal to shard/: a tiktoken file's
 * pieces, and the merges that their ranks stand for.
 *
 * The file is lines of a piece's bytes in base64, a blank and its rank, which is its id.
 * tiktoken merges two neighbours where their bytes together are a piece, that of the
 * lowest rank first. */
#ifndef SHARD_TOKENIZER_TIKTOKEN_TIKTOKEN_FILE_H
#define SHARD_TOKENIZER_TIKTOKEN_TIKTOKEN_FILE_H

#include <stdbool.h>
#include <stddef.h>

#include "shard/tokenizer/bpe/bpe.h"
#include "shard/tokenizer/bpe/pieces.h"

/* Whether the first line is one of such a file. */
bool tiktoken_file_like(const void *bytes, size_t len);

/* Adds the file's pieces to p. SHARD_OK, SHARD_ENOMEM, or SHARD_EMODEL with the reason,
 * that names the line, in why (cap bytes). */
int tiktoken_file_read(const void *bytes, size_t len, struct pieces *p, char *why,
                       size_t cap);

/* Gives *merges (release with free()), for bpe_spec.by_id, and the ids of all bytes.
 * Fails as tiktoken_file_read() does. */
int tiktoken_file_merges(const struct pieces *p, struct bpe_merge **merges, size_t *n,
                         uint32_t byte_ids[256], char *why, size_t cap);

#endif
