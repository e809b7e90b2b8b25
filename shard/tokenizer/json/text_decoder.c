/* SPDX-License-Identifier: Apache-2.0
 * shard/tokenizer/json/text_decoder.c - steps, each of which makes strings of strings. */
#include "shard/tokenizer/json/text_decoder.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "shard/status.h"
#include "shard/tokenizer/json/byte_letters.h"
#include "shard/tokenizer/code_point.h"
#include "shard/tokenizer/json/json_pattern.h"
#include "shard/tokenizer/split/split.h"
#include "shard/valid_utf8.h"

enum { MAX_STEPS = 32 };

enum {
    BYTE_LEVEL,
    BYTE_FALLBACK,
    FUSE,
    REPLACE,
    STRIP,
    METASPACE,
    BPE_DECODER,
    SEQUENCE
};

struct step {
    int kind;
    struct split *pattern; /* of replace */
    char *content;         /* of replace and strip; metaspace's mark; the suffix */
    size_t content_len;
    uint32_t start, stop; /* of strip: at most so many */
    bool keep_first;      /* metaspace: marks of the first piece are spaces, too */
};

struct text_decoder {
    bool none; /* the file has none */
    size_t n;
    struct step steps[MAX_STEPS];
};

int text_decoder_strings_add(struct text_decoder_strings *s, const void *bytes,
                             size_t len)
{
    if (s->n == s->cap) {
        const size_t cap = s->cap < 64 ? 64 : s->cap * 2;
        size_t *ends = cap <= SIZE_MAX / sizeof(*ends)
                           ? realloc(s->ends, cap * sizeof(*ends))
                           : NULL;
        if (ends == NULL)
            return SHARD_ENOMEM;
        s->ends = ends;
        s->cap = cap;
    }
    if (shard_buffer_add(&s->bytes, bytes, len) < 0)
        return SHARD_ENOMEM;
    s->ends[s->n++] = s->bytes.len;
    return SHARD_OK;
}

void text_decoder_strings_free(struct text_decoder_strings *s)
{
    shard_buffer_free(&s->bytes);
    free(s->ends);
    *s = (struct text_decoder_strings){.n = 0};
}

static void read_simple(struct json_config *c, const json_t *object)
{
    static const char *const members[] = {"type", NULL};

    json_config_only(c, object, members);
}

static void read_byte_level(struct json_config *c, const json_t *object)
{
    static const char *const members[] = {"type", "add_prefix_space", "trim_offsets",
                                          "use_regex", NULL};

    json_config_only(c, object, members);
}

static void read_replace(struct json_config *c, const json_t *object, struct step *s)
{
    static const char *const members[] = {"type", "pattern", "content", NULL};

    json_config_only(c, object, members);
    s->pattern = json_pattern_open(c, object);
    s->content = json_config_copy_string(c, object, "content", &s->content_len);
}

static void read_strip(struct json_config *c, const json_t *object, struct step *s)
{
    static const char *const members[] = {"type", "content", "start", "stop", NULL};

    json_config_only(c, object, members);
    s->content = json_config_copy_string(c, object, "content", &s->content_len);
    s->start = json_config_integer(c, object, "start", INT32_MAX);
    s->stop = json_config_integer(c, object, "stop", INT32_MAX);
}

static void read_metaspace(struct json_config *c, const json_t *object, struct step *s)
{
    static const char *const members[] = {
        "type",    "replacement", "prepend_scheme", "add_prefix_space", "split",
        "str_rep", NULL};
    size_t len;

    json_config_only(c, object, members);
    s->content = json_config_copy_string(c, object, "replacement", &s->content_len);
    const char *scheme = json_config_string_or_null(c, object, "prepend_scheme", &len);
    const bool prefix = json_config_bool_or(c, object, "add_prefix_space", true);
    s->keep_first = scheme != NULL ? strcmp(scheme, "never") == 0 : !prefix;
}

static void read_bpe_decoder(struct json_config *c, const json_t *object, struct step *s)
{
    static const char *const members[] = {"type", "suffix", NULL};

    json_config_only(c, object, members);
    s->content = json_config_copy_string(c, object, "suffix", &s->content_len);
}

static void read_step(struct json_config *c, const json_t *object, void *to)
{
    struct text_decoder *d = to;
    static const char *const types[] = {
        [BYTE_LEVEL] = "ByteLevel",
        [BYTE_FALLBACK] = "ByteFallback",
        [FUSE] = "Fuse",
        [REPLACE] = "Replace",
        [STRIP] = "Strip",
        [METASPACE] = "Metaspace",
        [BPE_DECODER] = "BPEDecoder",
        [SEQUENCE] = "Sequence",
        NULL,
    };
    const int type = json_config_type(c, object, types);

    if (type == SEQUENCE) {
        json_config_sequence(c, object, "decoders", read_step, d);
        return;
    }
    if (d->n == MAX_STEPS)
        json_config_refuse(c, "more than %d decoders", MAX_STEPS);
    if (c->rc < 0)
        return;
    struct step *s = &d->steps[d->n++];
    s->kind = type;
    if (type == BYTE_LEVEL)
        read_byte_level(c, object);
    else if (type == REPLACE)
        read_replace(c, object, s);
    else if (type == STRIP)
        read_strip(c, object, s);
    else if (type == METASPACE)
        read_metaspace(c, object, s);
    else if (type == BPE_DECODER)
        read_bpe_decoder(c, object, s);
    else
        read_simple(c, object);
    if (c->rc == SHARD_OK && type != REPLACE && s->content != NULL && s->content_len == 0)
        json_config_refuse(c, "an empty string");
}

struct text_decoder *text_decoder_read(struct json_config *c, const json_t *value)
{
    struct text_decoder *d = calloc(1, sizeof(*d));

    if (d == NULL) {
        json_config_no_memory(c);
        return NULL;
    }
    d->none = value == NULL || json_is_null(value);
    json_config_step(c, "decoder", value, read_step, d);
    if (c->rc == SHARD_OK)
        return d;
    text_decoder_free(d);
    return NULL;
}

void text_decoder_free(struct text_decoder *d)
{
    for (size_t i = 0; d != NULL && i < d->n; i++) {
        split_close(d->steps[i].pattern);
        free(d->steps[i].content);
    }
    free(d);
}

bool text_decoder_is_byte_level(const struct text_decoder *d)
{
    for (size_t i = 0; i < d->n; i++)
        if (d->steps[i].kind == BYTE_LEVEL)
            return true;
    return false;
}

/* A string of several, being read. */
struct string {
    const char *text;
    size_t len;
};

static struct string string_at(const struct text_decoder_strings *s, size_t i)
{
    const size_t from = i > 0 ? s->ends[i - 1] : 0;

    return (struct string){(const char *)s->bytes.data + from, s->ends[i] - from};
}

/* Every piece in letters as bytes, others as they are; one string of all. */
static int byte_level(const struct text_decoder_strings *in,
                      struct text_decoder_strings *out)
{
    struct shard_buffer all = {NULL, 0, 0};
    int rc = SHARD_OK;

    for (size_t i = 0; i < in->n && rc == SHARD_OK; i++) {
        const struct string s = string_at(in, i);
        const size_t before = all.len;
        size_t n;
        unsigned char *room = shard_buffer_extend(&all, s.len);
        if (room == NULL)
            rc = SHARD_ENOMEM;
        else if (shard_utf8_valid(s.text, s.len) &&
                 byte_letters_read(s.text, s.len, room, &n))
            all.len = before + n;
        else if (s.len > 0)
            memcpy(room, s.text, s.len);
    }
    if (rc == SHARD_OK)
        rc = text_decoder_strings_add(out, all.data, all.len);
    shard_buffer_free(&all);
    return rc;
}

static int hex(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 32;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool is_byte(struct string s, unsigned char *byte)
{
    if (s.len != 6 || memcmp(s.text, "<0x", 3) != 0 || s.text[5] != '>' ||
        hex(s.text[3]) < 0 || hex(s.text[4]) < 0)
        return false;
    *byte = (unsigned char)(hex(s.text[3]) * 16 + hex(s.text[4]));
    return true;
}

/* Neighbouring bytes: one string if they are UTF-8, else a string each. */
static int put_bytes(struct shard_buffer *bytes, struct text_decoder_strings *out)
{
    int rc = SHARD_OK;

    if (bytes->len > 0 && shard_utf8_valid((const char *)bytes->data, bytes->len))
        rc = text_decoder_strings_add(out, bytes->data, bytes->len);
    else
        for (size_t i = 0; i < bytes->len && rc == SHARD_OK; i++)
            rc = text_decoder_strings_add(out, bytes->data + i, 1);
    bytes->len = 0;
    return rc;
}

static int byte_fallback(const struct text_decoder_strings *in,
                         struct text_decoder_strings *out)
{
    struct shard_buffer bytes = {NULL, 0, 0};
    unsigned char byte;
    int rc = SHARD_OK;

    for (size_t i = 0; i < in->n && rc == SHARD_OK; i++) {
        const struct string s = string_at(in, i);
        if (is_byte(s, &byte)) {
            rc = shard_buffer_add(&bytes, &byte, 1);
            continue;
        }
        rc = put_bytes(&bytes, out);
        if (rc == SHARD_OK)
            rc = text_decoder_strings_add(out, s.text, s.len);
    }
    if (rc == SHARD_OK)
        rc = put_bytes(&bytes, out);
    shard_buffer_free(&bytes);
    return rc;
}

static int replace_in(const struct step *step, struct split_worker *pattern,
                      struct string s, struct shard_buffer *into)
{
    size_t start = 0, end = 0, done = 0;
    int rc;

    split_begin(pattern);
    while ((rc = split_next(pattern, s.text, s.len, &start, &end)) == SHARD_OK) {
        if (shard_buffer_add(into, s.text + done, start - done) < 0 ||
            shard_buffer_add(into, step->content, step->content_len) < 0)
            return SHARD_ENOMEM;
        done = end;
    }
    return rc < 0 ? rc : shard_buffer_add(into, s.text + done, s.len - done);
}

/* A string that bytes have made no UTF-8 is left alone. */
static int replace(const struct step *step, const struct text_decoder_strings *in,
                   struct text_decoder_strings *out)
{
    struct split_worker *pattern = split_worker_new(step->pattern);
    struct shard_buffer into = {NULL, 0, 0};
    int rc = pattern != NULL ? SHARD_OK : SHARD_ENOMEM;

    for (size_t i = 0; i < in->n && rc == SHARD_OK; i++) {
        const struct string s = string_at(in, i);
        if (s.len == 0 || !shard_utf8_valid(s.text, s.len)) {
            rc = text_decoder_strings_add(out, s.text, s.len);
            continue;
        }
        into.len = 0;
        rc = replace_in(step, pattern, s, &into);
        if (rc == SHARD_OK)
            rc = text_decoder_strings_add(out, into.data, into.len);
    }
    shard_buffer_free(&into);
    split_worker_free(pattern);
    return rc;
}

static bool begins(struct string s, size_t at, const struct step *step)
{
    return s.len - at >= step->content_len &&
           memcmp(s.text + at, step->content, step->content_len) == 0;
}

static int strip(const struct step *step, const struct text_decoder_strings *in,
                 struct text_decoder_strings *out)
{
    int rc = SHARD_OK;

    for (size_t i = 0; i < in->n && rc == SHARD_OK; i++) {
        struct string s = string_at(in, i);
        const size_t n = step->content_len;
        for (uint32_t k = 0; k < step->start && begins(s, 0, step); k++)
            s = (struct string){s.text + n, s.len - n};
        for (uint32_t k = 0; k < step->stop && s.len >= n && begins(s, s.len - n, step);
             k++)
            s.len -= n;
        rc = text_decoder_strings_add(out, s.text, s.len);
    }
    return rc;
}

/* Each string with a mark replaced, by a space or by nothing. */
static int put_replaced(const struct step *step, struct string s, bool space,
                        struct text_decoder_strings *out)
{
    struct shard_buffer into = {NULL, 0, 0};
    int rc = SHARD_OK;

    for (size_t at = 0; at < s.len && rc == SHARD_OK;) {
        const bool mark = begins(s, at, step);
        if (!mark)
            rc = shard_buffer_add(&into, s.text + at, 1);
        else if (space)
            rc = shard_buffer_add(&into, " ", 1);
        at += mark ? step->content_len : 1;
    }
    if (rc == SHARD_OK)
        rc = text_decoder_strings_add(out, into.data, into.len);
    shard_buffer_free(&into);
    return rc;
}

static int metaspace(const struct step *step, const struct text_decoder_strings *in,
                     struct text_decoder_strings *out)
{
    int rc = SHARD_OK;

    for (size_t i = 0; i < in->n && rc == SHARD_OK; i++)
        rc = put_replaced(step, string_at(in, i), i > 0 || step->keep_first, out);
    return rc;
}

/* The end of a word is a space, but for the last one's. */
static int bpe_decoder(const struct step *step, const struct text_decoder_strings *in,
                       struct text_decoder_strings *out)
{
    int rc = SHARD_OK;

    for (size_t i = 0; i < in->n && rc == SHARD_OK; i++)
        rc = put_replaced(step, string_at(in, i), i + 1 < in->n, out);
    return rc;
}

static int apply(const struct step *s, const struct text_decoder_strings *in,
                 struct text_decoder_strings *out)
{
    switch (s->kind) {
    case BYTE_LEVEL:
        return byte_level(in, out);
    case BYTE_FALLBACK:
        return byte_fallback(in, out);
    case FUSE:
        return text_decoder_strings_add(out, in->bytes.data, in->bytes.len);
    case REPLACE:
        return replace(s, in, out);
    case STRIP:
        return strip(s, in, out);
    case METASPACE:
        return metaspace(s, in, out);
    default:
        return bpe_decoder(s, in, out);
    }
}

int text_decoder_apply(const struct text_decoder *d, struct text_decoder_strings *pieces,
                       struct shard_buffer *out)
{
    for (size_t i = 0; i < d->n; i++) {
        struct text_decoder_strings next = {.n = 0};
        const int rc = apply(&d->steps[i], pieces, &next);
        text_decoder_strings_free(pieces);
        *pieces = next;
        if (rc < 0)
            return rc;
    }
    if (!d->none)
        return shard_buffer_add(out, pieces->bytes.data, pieces->bytes.len);
    for (size_t i = 0; i < pieces->n; i++) {
        const struct string s = string_at(pieces, i);
        if ((i > 0 && shard_buffer_add(out, " ", 1) < 0) ||
            shard_buffer_add(out, s.text, s.len) < 0)
            return SHARD_ENOMEM;
    }
    return SHARD_OK;
}
