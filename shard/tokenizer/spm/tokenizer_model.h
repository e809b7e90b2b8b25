/* SPDX-License-Identifier: Apache-2.0
 * shard/tokenizer/spm/tokenizer_model.h - internal to shard/: what a serialized
 * SentencePiece model says about itself, read without SentencePiece.
 *
 * The library takes any protobuf that parses: an empty file, a model cut between two of
 * its fields, one of another kind. This reader looks first and says what is wrong. */
#ifndef SHARD_TOKENIZER_SPM_TOKENIZER_MODEL_H
#define SHARD_TOKENIZER_SPM_TOKENIZER_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* TrainerSpec.ModelType of sentencepiece_model.proto. */
enum tokenizer_model_type {
    TOKENIZER_UNIGRAM = 1, /* also where the file names none: the protobuf's default */
    TOKENIZER_BPE = 2,
    TOKENIZER_WORD = 3,
    TOKENIZER_CHAR = 4
};

/* ModelProto.SentencePiece.Type. */
enum tokenizer_piece_type {
    TOKENIZER_PIECE_NORMAL = 1, /* also where the piece names none */
    TOKENIZER_PIECE_UNKNOWN = 2,
    TOKENIZER_PIECE_CONTROL = 3,
    TOKENIZER_PIECE_USER_DEFINED = 4,
    TOKENIZER_PIECE_UNUSED = 5,
    TOKENIZER_PIECE_BYTE = 6
};

struct tokenizer_model_piece {
    const char *text; /* lent by the model, no NUL behind it */
    size_t len;
    float score;
    enum tokenizer_piece_type type;
};

struct tokenizer_model {
    uint64_t type; /* enum tokenizer_model_type, or a number it does not know */
    /* Every model has both, in this order, behind its pieces. */
    bool has_trainer, has_normalizer;
    uint32_t n_pieces;
    /* How the library prepares a text, and what it makes of unknown characters. */
    bool add_dummy_prefix, remove_extra_whitespaces, escape_whitespaces;
    bool treat_whitespace_as_suffix, byte_fallback;
    /* Of normalization, lent by the model: the name of the rules, and their table. */
    const unsigned char *normalizer, *charsmap;
    size_t normalizer_len, charsmap_len;
};

/* Reads the model of `len` bytes. SHARD_OK, or SHARD_EMODEL with the reason (no newline,
 * no file name) in why (cap bytes). */
int tokenizer_model_read(const void *model, size_t len, struct tokenizer_model *out,
                         char *why, size_t cap);

/* The same, and SHARD_EMODEL also where the model is complete but of another
 * type than BPE and Unigram. */
int tokenizer_model_check(const void *model, size_t len, struct tokenizer_model *out,
                          char *why, size_t cap);

/* The pieces of a model that tokenizer_model_read() took, in the order of their ids, into
 * pieces[n_pieces]. */
void tokenizer_model_pieces(const void *model, size_t len,
                            struct tokenizer_model_piece *pieces);

#ifdef __cplusplus
}
#endif

#endif
