/* SPDX-License-Identifier: Apache-2.0
 * shard/tokenizer/spm/tokenizer_model.c - a bounded reader of SentencePiece's ModelProto.
 *
 * A protobuf message is a row of fields: a varint tag (number and wire type), then a
 * varint, 4 bytes, 8 bytes, or a length and so many bytes. Fields that are of no interest
 * are stepped over by their wire type. The reader walks the whole file, so that a cut is
 * found wherever it is; groups, which no version of the format has, are refused.
 *
 *     ModelProto     1 pieces (repeated)   2 trainer_spec   3 normalizer_spec
 *     SentencePiece  1 piece   2 score (float)   3 type
 *     TrainerSpec    3 model_type   24 treat_whitespace_as_suffix   35 byte_fallback
 *     NormalizerSpec 1 name   2 precompiled_charsmap   3 add_dummy_prefix
 *                    4 remove_extra_whitespaces   5 escape_whitespaces
 *
 * Of a field that stands twice the last one counts, as in any protobuf. */
#include "shard/tokenizer/spm/tokenizer_model.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "shard/status.h"
#include "shard/tokenizer/spm/tokenizer_charsmap.h"

/* A file of no kind at all ends up here. */
#define NO_MODEL "no tokenizer.json, no tiktoken file and no SentencePiece model"

enum { WIRE_VARINT = 0, WIRE_FIXED64 = 1, WIRE_BYTES = 2, WIRE_FIXED32 = 5 };
enum { MODEL_PIECE = 1, MODEL_TRAINER_SPEC = 2, MODEL_NORMALIZER_SPEC = 3 };
enum { PIECE_TEXT = 1, PIECE_SCORE = 2, PIECE_TYPE = 3 };
enum { TRAINER_MODEL_TYPE = 3, TRAINER_SUFFIX = 24, TRAINER_BYTE_FALLBACK = 35 };
enum {
    NORMALIZER_NAME = 1,
    NORMALIZER_CHARSMAP = 2,
    NORMALIZER_PREFIX = 3,
    NORMALIZER_EXTRA = 4,
    NORMALIZER_ESCAPE = 5
};
enum { MAX_MODEL = 1 << 28 }; /* bytes; the largest models in use have 5 million */

/* A part of the file that is read from `at` to `end`. */
struct cursor {
    const unsigned char *start; /* of the file, for offsets in messages */
    const unsigned char *at, *end;
    char *why;
    size_t cap;
};

struct field {
    uint64_t number;
    unsigned wire;
    uint64_t value;             /* WIRE_VARINT */
    const unsigned char *bytes; /* WIRE_BYTES */
    size_t len;
    size_t offset; /* of its tag, in the file */
};

__attribute__((format(printf, 2, 3))) static int fail(struct cursor *c, const char *fmt,
                                                      ...)
{
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(c->why, c->cap, fmt, ap);
    va_end(ap);
    return SHARD_EMODEL;
}

static int read_varint(struct cursor *c, uint64_t *value)
{
    const size_t offset = (size_t)(c->at - c->start);

    *value = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
        if (c->at == c->end)
            return fail(c, "cut short in the number at byte %zu", offset);
        const unsigned char byte = *c->at++;
        *value |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80)
            return SHARD_OK;
    }
    return fail(c, NO_MODEL ": bad number at byte %zu", offset);
}

static int take(struct cursor *c, struct field *f, uint64_t len)
{
    const size_t left = (size_t)(c->end - c->at);

    if (len > left)
        return fail(c,
                    "cut short or no SentencePiece model: the field at byte %zu needs "
                    "%" PRIu64 " bytes, %zu are left",
                    f->offset, len, left);
    f->bytes = c->at;
    f->len = (size_t)len;
    c->at += len;
    return SHARD_OK;
}

/* The next field; the caller has checked that there is one. */
static int read_field(struct cursor *c, struct field *f)
{
    uint64_t tag, len;

    memset(f, 0, sizeof(*f));
    f->offset = (size_t)(c->at - c->start);
    int rc = read_varint(c, &tag);
    if (rc < 0)
        return rc;
    f->number = tag >> 3;
    f->wire = (unsigned)(tag & 7);
    if (f->number == 0)
        return fail(c, NO_MODEL ": bad field at byte %zu", f->offset);
    switch (f->wire) {
    case WIRE_VARINT:
        return read_varint(c, &f->value);
    case WIRE_FIXED64:
        return take(c, f, 8);
    case WIRE_FIXED32:
        return take(c, f, 4);
    case WIRE_BYTES:
        rc = read_varint(c, &len);
        return rc < 0 ? rc : take(c, f, len);
    default:
        return fail(c, NO_MODEL ": bad field at byte %zu", f->offset);
    }
}

/* The same file, only the bytes of message `f`. */
static struct cursor inside(const struct cursor *c, const struct field *f)
{
    struct cursor in = *c;

    in.at = f->bytes;
    in.end = f->bytes + f->len;
    return in;
}

static int read_piece(const struct cursor *file, const struct field *message)
{
    struct cursor c = inside(file, message);
    struct field f;
    bool named = false;

    while (c.at < c.end) {
        int rc = read_field(&c, &f);
        if (rc < 0)
            return rc;
        if (f.number == PIECE_TEXT && f.wire == WIRE_BYTES)
            named = f.len > 0 && memchr(f.bytes, 0, f.len) == NULL;
    }
    if (!named)
        return fail(&c, "the piece at byte %zu is empty or contains NUL",
                    message->offset);
    return SHARD_OK;
}

static int read_trainer_spec(const struct cursor *file, const struct field *message,
                             struct tokenizer_model *out)
{
    struct cursor c = inside(file, message);
    struct field f;

    while (c.at < c.end) {
        int rc = read_field(&c, &f);
        if (rc < 0)
            return rc;
        if (f.number == TRAINER_MODEL_TYPE && f.wire == WIRE_VARINT)
            out->type = f.value;
        if (f.number == TRAINER_SUFFIX && f.wire == WIRE_VARINT)
            out->treat_whitespace_as_suffix = f.value != 0;
        if (f.number == TRAINER_BYTE_FALLBACK && f.wire == WIRE_VARINT)
            out->byte_fallback = f.value != 0;
    }
    return SHARD_OK;
}

static int read_normalizer_spec(const struct cursor *file, const struct field *message,
                                struct tokenizer_model *out)
{
    struct cursor c = inside(file, message);
    struct field f;

    out->has_normalizer = true;
    while (c.at < c.end) {
        int rc = read_field(&c, &f);
        if (rc < 0)
            return rc;
        if (f.number == NORMALIZER_NAME && f.wire == WIRE_BYTES) {
            out->normalizer = f.bytes;
            out->normalizer_len = f.len;
        }
        if (f.number == NORMALIZER_PREFIX && f.wire == WIRE_VARINT)
            out->add_dummy_prefix = f.value != 0;
        if (f.number == NORMALIZER_EXTRA && f.wire == WIRE_VARINT)
            out->remove_extra_whitespaces = f.value != 0;
        if (f.number == NORMALIZER_ESCAPE && f.wire == WIRE_VARINT)
            out->escape_whitespaces = f.value != 0;
        if (f.number != NORMALIZER_CHARSMAP || f.wire != WIRE_BYTES)
            continue;
        out->charsmap = f.bytes;
        out->charsmap_len = f.len;
    }
    const char *fault = out->charsmap_len > 0
                            ? tokenizer_charsmap_fault(out->charsmap, out->charsmap_len)
                            : NULL;
    return fault == NULL ? SHARD_OK : fail(&c, "%s", fault);
}

static int read_model_field(struct cursor *c, struct tokenizer_model *out)
{
    struct field f;

    int rc = read_field(c, &f);
    if (rc < 0 || f.wire != WIRE_BYTES)
        return rc;
    switch (f.number) {
    case MODEL_PIECE:
        out->n_pieces++;
        return read_piece(c, &f);
    case MODEL_TRAINER_SPEC:
        out->has_trainer = true;
        return read_trainer_spec(c, &f, out);
    case MODEL_NORMALIZER_SPEC:
        return read_normalizer_spec(c, &f, out);
    default:
        return SHARD_OK;
    }
}

int tokenizer_model_read(const void *model, size_t len, struct tokenizer_model *out,
                         char *why, size_t cap)
{
    struct cursor c = {model, model, (const unsigned char *)model + len, why, cap};

    memset(out, 0, sizeof(*out));
    out->type = TOKENIZER_UNIGRAM;
    out->add_dummy_prefix = out->remove_extra_whitespaces = out->escape_whitespaces =
        true;
    while (c.at < c.end && *c.at != '\0' && strchr(" \t\r\n", *c.at) != NULL)
        c.at++;
    if (c.at == c.end)
        return fail(&c, "empty");
    c.at = model;
    if (len > MAX_MODEL)
        return fail(&c, "larger than %d MiB", MAX_MODEL >> 20);
    while (c.at < c.end) {
        int rc = read_model_field(&c, out);
        if (rc < 0)
            return rc;
    }
    if (out->n_pieces == 0)
        return fail(&c, NO_MODEL ": it has no pieces");
    return SHARD_OK;
}

static struct tokenizer_model_piece piece_of(const struct cursor *file,
                                             const struct field *message)
{
    struct tokenizer_model_piece piece = {.type = TOKENIZER_PIECE_NORMAL};
    struct cursor c = inside(file, message);
    struct field f;

    while (c.at < c.end && read_field(&c, &f) == SHARD_OK) {
        if (f.number == PIECE_TEXT && f.wire == WIRE_BYTES) {
            piece.text = (const char *)f.bytes;
            piece.len = f.len;
        } else if (f.number == PIECE_SCORE && f.wire == WIRE_FIXED32) {
            memcpy(&piece.score, f.bytes, sizeof(piece.score));
        } else if (f.number == PIECE_TYPE && f.wire == WIRE_VARINT &&
                   (uint32_t)f.value >= TOKENIZER_PIECE_NORMAL &&
                   (uint32_t)f.value <= TOKENIZER_PIECE_BYTE) {
            piece.type = (enum tokenizer_piece_type)(uint32_t)f.value;
        }
    }
    return piece;
}

void tokenizer_model_pieces(const void *model, size_t len,
                            struct tokenizer_model_piece *pieces)
{
    char why[1];
    struct cursor c = {model, model, (const unsigned char *)model + len, why,
                       sizeof(why)};
    struct field f;

    while (c.at < c.end && read_field(&c, &f) == SHARD_OK)
        if (f.number == MODEL_PIECE && f.wire == WIRE_BYTES)
            *pieces++ = piece_of(&c, &f);
}

int tokenizer_model_check(const void *model, size_t len, struct tokenizer_model *out,
                          char *why, size_t cap)
{
    struct cursor c = {.why = why, .cap = cap};

    int rc = tokenizer_model_read(model, len, out, why, cap);
    if (rc < 0)
        return rc;
    if (out->type > TOKENIZER_CHAR || out->type < TOKENIZER_UNIGRAM)
        return fail(&c,
                    "a model of unknown type %" PRIu64
                    "; only BPE and Unigram models are "
                    "taken",
                    out->type);
    if (out->type == TOKENIZER_WORD || out->type == TOKENIZER_CHAR)
        return fail(&c, "a %s model; only BPE and Unigram models are taken",
                    out->type == TOKENIZER_WORD ? "WORD" : "CHAR");
    if (!out->has_trainer)
        return fail(&c, "cut short: it ends before its trainer_spec");
    if (!out->has_normalizer)
        return fail(&c, "cut short: it ends before its normalizer_spec");
    return SHARD_OK;
}
