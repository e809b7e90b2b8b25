/* SPDX-License-Identifier: Apache-2.0
 * shard/tokenizer/tokenizer_kinds.h - internal to shard/: the kinds of files that
 * tokenizer_open() takes, one table each. Every kind fills every slot. */
#ifndef SHARD_TOKENIZER_TOKENIZER_KINDS_H
#define SHARD_TOKENIZER_TOKENIZER_KINDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shard/tokenizer/token_ids.h"
#include "shard/tokenizer/tokenizer.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What open() says of a file. All pointers are lent by its state, or static. */
struct tokenizer_about {
    uint32_t n_pieces;      /* above the highest id */
    int64_t bos, eos;       /* -1: none */
    const char *special;    /* tokenizer_special() */
    const char *normalizer; /* "": none */
    const void *charsmap;
    size_t charsmap_len;
    const char *versions; /* tokenizer_versions() */
    /* tokenizer_memory(); the first is TOKENIZER_MEMORY_PER_BYTE unless set. */
    uint32_t memory_per_byte, memory_per_word_byte;
};

/* As measured of SentencePiece's library: 100 for prose, 250 for digits, each of which is
 * a token. (A normalizer may make 11 bytes of one, of U+FDFA say; no text is made of
 * that.) */
enum { TOKENIZER_MEMORY_PER_BYTE = 256 };

struct tokenizer_why {
    char text[512]; /* one line of printable bytes, without the file's name */
};

struct tokenizer_kind {
    const char *name; /* tokenizer_kind() */
    /* Whether the file looks like one of this kind: a guess by its first bytes. */
    bool (*takes)(const void *bytes, size_t len);
    /* Gives *state, also on failure, to be closed (NULL is fine there). about is zero but
     * for bos and eos, which are -1, and empty words. */
    int (*open)(void **state, const void *bytes, size_t len,
                const struct tokenizer_options *options, struct tokenizer_about *about,
                struct tokenizer_why *why);
    void (*close)(void *state); /* accepts NULL */

    /* What one thread encodes with: *worker, also on failure, to be closed. SHARD_OK or
     * SHARD_ENOMEM. */
    int (*worker_open)(void **worker, const void *state);
    void (*worker_close)(void *worker); /* accepts NULL */
    /* Adds the ids of text (len >= 1) to `ids`, which is empty. Returns as
     * tokenizer_encode() does, with why where there is more to say. */
    int (*encode)(void *worker, const char *text, size_t len, struct token_ids *ids,
                  struct tokenizer_why *why);

    /* As the functions of tokenizer.h; ids are below n_pieces. */
    int (*decode)(const void *state, const uint32_t *ids, size_t n, char **text,
                  size_t *len);
    const char *(*piece)(const void *state, uint32_t id, size_t *len); /* len not NULL */
    size_t (*piece_shown)(const void *state, uint32_t id, char *out, size_t cap);
    int64_t (*piece_id)(const void *state, const char *piece);
};

/* What tokenizer_special() says of files whose special tokens are up to the options.
 * Static. */
const char *tokenizer_word(enum tokenizer_special_tokens mode);

extern const struct tokenizer_kind tokenizer_kind_json;
extern const struct tokenizer_kind tokenizer_kind_spm;
extern const struct tokenizer_kind tokenizer_kind_tiktoken;

#ifdef __cplusplus
}
#endif

#endif
