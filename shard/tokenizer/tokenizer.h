/* SPDX-License-Identifier: Apache-2.0
 * shard/tokenizer/tokenizer.h - public: captions -> ids, and back.
 *
 *     struct tokenizer *t;
 *     int rc = tokenizer_open(&t, bytes, len, path, NULL);
 *     struct tokenizer_worker *w = rc == SHARD_OK ? tokenizer_worker_new(t) : NULL;
 *     if (w != NULL)
 *         rc = tokenizer_encode(w, text, text_len, &ids, &n_ids);
 *     tokenizer_worker_free(w);
 *     tokenizer_close(t);
 *
 * A struct tokenizer is immutable once open and may be shared by threads; encoding goes
 * through a worker, which belongs to one thread: scratch memory, and a cache of words of
 * fixed size. What a text becomes depends on the file and the options alone. No C++
 * exception leaves it. */
#ifndef SHARD_TOKENIZER_TOKENIZER_H
#define SHARD_TOKENIZER_TOKENIZER_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct tokenizer;
struct tokenizer_worker;

/* Longer files are refused. */
enum { TOKENIZER_MAX_FILE = 1 << 28 };

/* What becomes of special tokens that a text spells. */
enum tokenizer_special_tokens {
    TOKENIZER_SPECIAL_PLAIN, /* they are text like any other */
    TOKENIZER_SPECIAL_PARSE, /* they become the tokens */
    TOKENIZER_SPECIAL_REJECT /* SHARD_ESPECIAL */
};

struct tokenizer_named {
    const char *name;
    uint32_t id;
};

/* All zero is the default. What a kind has no use for must be zero. */
struct tokenizer_options {
    enum tokenizer_special_tokens special_tokens;
    /* Of tiktoken files, which name neither: how words are cut (the name of a known
     * pattern, or a regular expression), and the special tokens. Lent for the call. */
    const char *pattern;
    const struct tokenizer_named *named;
    size_t n_named;
};

/* Opens the file of `len` bytes (not kept): a tokenizer.json, a tiktoken file or a
 * SentencePiece model, which it finds out. `what` names it in messages; options may be
 * NULL. Gives *out, even on failure, so that tokenizer_why() can explain; NULL only for
 * SHARD_ENOMEM. SHARD_EMODEL: not a file of these kinds, or one that asks for what is
 * not supported. SHARD_EINVAL: the options do not fit it. */
int tokenizer_open(struct tokenizer **out, const void *bytes, size_t len,
                   const char *what, const struct tokenizer_options *options);

/* Gives a worker (release with tokenizer_worker_free() before the tokenizer is closed);
 * NULL: no memory, or the tokenizer did not open. */
struct tokenizer_worker *tokenizer_worker_new(const struct tokenizer *t);
void tokenizer_worker_free(struct tokenizer_worker *w); /* accepts NULL */

/* Token ids of text, without BOS or EOS. Gives *ids (release with free(); NULL where
 * *n_ids is 0). Returns SHARD_OK, SHARD_ENOMEM, SHARD_EINVAL (too long; for all but
 * SentencePiece also text that is not UTF-8), SHARD_ESPECIAL, SHARD_EMATCH (a regular
 * expression met its match limit), SHARD_EUNMATCHED (options.pattern does not cover it),
 * or SHARD_EGROWTH (a tokenizer.json's normalizer makes more than 16 times as much of
 * it, and 4096 bytes). The worker can go on after any of them. */
int tokenizer_encode(struct tokenizer_worker *w, const char *text, size_t len,
                     uint32_t **ids, uint32_t *n_ids);

/* Bytes of memory that tokenizer_encode() takes for a text, at most. */
uint64_t tokenizer_memory(const struct tokenizer *t, const char *text, size_t len);

/* What the last tokenizer_encode() failed of, for people: which special token, and
 * where. Lent until the next call; "" where there is no more to say. */
const char *tokenizer_worker_why(const struct tokenizer_worker *w);

/* The text of ids, which need not be UTF-8: a token may end within a character. Special
 * tokens stand as they are spelled. Gives *text (release with free()), with a NUL behind
 * its *len bytes. SHARD_EINVAL: an id has no piece. */
int tokenizer_decode(const struct tokenizer *t, const uint32_t *ids, size_t n,
                     char **text, size_t *len);

/* Above the highest id; ids without a piece may lie below. */
uint32_t tokenizer_n_pieces(const struct tokenizer *t);
/* As the file spells it. Lent, with a NUL behind its *len bytes (len may be NULL); "" for
 * an id that has no piece. */
const char *tokenizer_piece(const struct tokenizer *t, uint32_t id, size_t *len);
/* For people: the text of byte-level pieces (bytes that are no UTF-8 as <0xE3>); others
 * as they are spelled. Writes up to cap - 1 bytes and a NUL; returns how many it would
 * be. */
size_t tokenizer_piece_shown(const struct tokenizer *t, uint32_t id, char *out,
                             size_t cap);
/* -1: no such piece. */
int64_t tokenizer_piece_id(const struct tokenizer *t, const char *piece);
/* -1: the file names none. */
int64_t tokenizer_bos(const struct tokenizer *t);
int64_t tokenizer_eos(const struct tokenizer *t);

/* What a header says of it: FORMAT.md, section 2. Static words. */
const char *tokenizer_kind(const struct tokenizer *t);
const char *tokenizer_special(const struct tokenizer *t);
/* The file's own table of Unicode normalization: its name, printable ASCII, and its
 * bytes, *len of them; "" and 0 where there is none. Lent by the tokenizer. */
const char *tokenizer_normalizer(const struct tokenizer *t);
const void *tokenizer_charsmap(const struct tokenizer *t, size_t *len);
/* The linked tables and libraries that ids depend on besides, with their versions:
 * printable ASCII; "" where there are none. Lent by the tokenizer. */
const char *tokenizer_versions(const struct tokenizer *t);

const char *tokenizer_why(const struct tokenizer *t);
void tokenizer_close(struct tokenizer *t);

/* Has `end`, which must not return, called for the whole process where C++'s `new` finds
 * no memory: a tokenizer in use then may not survive the exception. */
void tokenizer_on_no_memory(void (*end)(void));

/* The embedded default model. */
const void *tokenizer_builtin(size_t *len);

#ifdef __cplusplus
}
#endif

#endif
