/* SPDX-License-Identifier: Apache-2.0
 * shard/tokenizer/json/tokenizer_json.c - the kind of tokenizer.json, the file of PyPI's
 * `tokenizers`, whose ids it gives.
 *
 * A text goes this way: added tokens are found in it (added_tokens.h); what lies between
 * them is normalized (normalizer.h), added tokens that are `normalized` are found in
 * that, the rest is cut into words (pre_tokenizer.h), and each of them becomes ids
 * (bpe.h). What a file asks for besides is refused when it is opened, with its path in
 * the file. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>
#include <utf8proc.h>

#include "shard/buffer.h"
#include "shard/json_depth.h"
#include "shard/status.h"
#include "shard/tokenizer/code_point.h"
#include "shard/tokenizer/json/added_tokens.h"
#include "shard/tokenizer/bpe/bpe.h"
#include "shard/tokenizer/json/bpe_json.h"
#include "shard/tokenizer/json/byte_letters.h"
#include "shard/tokenizer/json/json_config.h"
#include "shard/tokenizer/json/json_whole.h"
#include "shard/tokenizer/json/normalizer.h"
#include "shard/tokenizer/bpe/piece_text.h"
#include "shard/tokenizer/bpe/pieces.h"
#include "shard/tokenizer/json/post_processor.h"
#include "shard/tokenizer/json/pre_tokenizer.h"
#include "shard/tokenizer/json/text_decoder.h"
#include "shard/tokenizer/split/split.h"
#include "shard/tokenizer/tokenizer_kinds.h"
#include "shard/valid_utf8.h"

enum { MAX_NESTING = 32, MAX_TEXT = 1 << 30 };

/* Of a normalized text, as measured: a word as long as the text. */
enum { MEMORY_PER_BYTE = 64 };

struct state {
    struct pieces *pieces; /* of the model, and added ones */
    struct normalizer *normalizer;
    struct pre_tokenizer *pre_tokenizer;
    struct added_tokens *added;
    struct bpe_json model;
    struct bpe *bpe;
    struct text_decoder *decoder;
    enum tokenizer_special_tokens special;
    char versions[SPLIT_VERSIONS_CAP + 64];
};

struct worker {
    const struct state *state;
    struct normalizer_worker *normalizer;
    struct pre_tokenizer_worker *pre_tokenizer;
    struct bpe_worker *bpe;
    /* Of the text in hand. */
    struct token_ids *ids;
    struct tokenizer_why *why;
    size_t room;  /* for what the normalizer adds */
    size_t steps; /* for the search of added tokens */
};

static bool begins_with_mark(const void *bytes, size_t len)
{
    return len >= 3 && memcmp(bytes, "\xef\xbb\xbf", 3) == 0;
}

static bool takes(const void *bytes, size_t len)
{
    const char *text = bytes;
    size_t i = begins_with_mark(bytes, len) ? 3 : 0;

    while (i < len && text[i] != '\0' && strchr(" \t\r\n", text[i]) != NULL)
        i++;
    return i < len && text[i] == '{';
}

static void refuse_text(struct json_config *c, const json_error_t *error)
{
    if (json_error_code(error) == json_error_null_byte_in_key)
        json_config_refuse(c,
                           "a piece, or another name, with the character NUL is not "
                           "supported, at byte %d",
                           error->position);
    else
        json_config_refuse(c, "not JSON: %s at byte %d", error->text, error->position);
}

/* Gives the file's object (release with json_decref()); NULL: c has the fault. */
static json_t *parse_file(struct json_config *c, const char *text, size_t len)
{
    json_error_t error;

    if (begins_with_mark(text, len)) {
        json_config_refuse(c, "it begins with a byte order mark (EF BB BF), which "
                              "tokenizers refuses too: remove it");
        return NULL;
    }
    if (shard_json_depth(text, len) > MAX_NESTING) {
        json_config_refuse(c, "nested deeper than %d", MAX_NESTING);
        return NULL;
    }
    errno = 0;
    json_t *root = json_loadb(text, len, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &error);
    if (root == NULL ? errno == ENOMEM : !json_whole(root, text, len))
        json_config_no_memory(c);
    else if (root == NULL)
        refuse_text(c, &error);
    if (c->rc == SHARD_OK)
        return root;
    json_decref(root);
    return NULL;
}

static void read_head(struct json_config *c, const json_t *root)
{
    static const char *const members[] = {
        "version",       "truncation",     "padding", "added_tokens", "normalizer",
        "pre_tokenizer", "post_processor", "decoder", "model",        NULL};
    static const char advice[] =
        "is not supported: all of a text is kept, and nothing else; must be null";
    size_t len;

    json_config_only(c, root, members);
    const char *version = json_config_string_or_null(c, root, "version", &len);
    if (version != NULL && strcmp(version, "1.0") != 0)
        json_config_refuse(c, "version \"%.100s\" is not known", version);
    json_config_null(c, root, "truncation", advice);
    json_config_null(c, root, "padding", advice);
}

static void read_model(struct json_config *c, const json_t *root, struct state *s)
{
    const json_t *added = json_object_get(root, "added_tokens");
    const bool parse_special = s->special == TOKENIZER_SPECIAL_PARSE;

    const bool byte_level = pre_tokenizer_is_byte_level(s->pre_tokenizer);
    bpe_json_read(c, json_object_get(root, "model"), byte_level, s->pieces, &s->model);
    if (byte_level && s->model.byte_ids == NULL)
        pre_tokenizer_use_letters(s->pre_tokenizer);
    if (added != NULL && !json_is_null(added))
        added = json_config_array(c, root, "added_tokens");
    if (c->rc == SHARD_OK)
        s->added =
            added_tokens_read(c, added, s->pieces, s->model.n_vocab, s->normalizer);
    if (c->rc == SHARD_OK)
        bpe_json_make(c, &s->model, s->added, parse_special, &s->bpe);
}

static void name_versions(struct state *s)
{
    char split[SPLIT_VERSIONS_CAP];

    split_versions(split);
    snprintf(s->versions, sizeof(s->versions), "%s, utf8proc %s (Unicode %s)", split,
             utf8proc_version(), utf8proc_unicode_version());
}

static void read_file(struct json_config *c, const json_t *root, struct state *s,
                      struct tokenizer_about *about)
{
    read_head(c, root);
    if (c->rc == SHARD_OK)
        s->normalizer = normalizer_read(c, json_object_get(root, "normalizer"));
    if (c->rc == SHARD_OK)
        s->pre_tokenizer = pre_tokenizer_read(c, json_object_get(root, "pre_tokenizer"));
    if (c->rc == SHARD_OK)
        read_model(c, root, s);
    if (c->rc == SHARD_OK)
        post_processor_read(c, json_object_get(root, "post_processor"), s->pieces,
                            &about->bos, &about->eos);
    if (c->rc == SHARD_OK)
        s->decoder = text_decoder_read(c, json_object_get(root, "decoder"));
    if (c->rc == SHARD_OK && pieces_end(s->pieces) == 0)
        json_config_refuse(c, "model.vocab: it has no pieces");
}

static int open_json(void **state, const void *bytes, size_t len,
                     const struct tokenizer_options *options,
                     struct tokenizer_about *about, struct tokenizer_why *why)
{
    struct json_config c = {.why = why->text, .cap = sizeof(why->text)};
    struct state *s = *state = calloc(1, sizeof(*s));

    if (s == NULL || (s->pieces = pieces_new()) == NULL)
        return SHARD_ENOMEM;
    if (options->pattern != NULL || options->n_named > 0) {
        snprintf(why->text, sizeof(why->text),
                 "is a tokenizer.json, which has its own pattern and special tokens: "
                 "leave %s away",
                 options->pattern != NULL ? "the pattern (--pattern)"
                                          : "those named (--special-token)");
        return SHARD_EINVAL;
    }
    s->special = options->special_tokens;
    json_t *root = parse_file(&c, bytes, len);
    if (root != NULL)
        read_file(&c, root, s, about);
    json_decref(root);
    name_versions(s);
    about->n_pieces = pieces_end(s->pieces);
    about->special = tokenizer_word(s->special);
    about->versions = s->versions;
    if (s->normalizer != NULL &&
        normalizer_growth(s->normalizer) > TOKENIZER_MEMORY_PER_BYTE / MEMORY_PER_BYTE)
        about->memory_per_byte = MEMORY_PER_BYTE * normalizer_growth(s->normalizer);
    return c.rc;
}

static void close_json(void *state)
{
    struct state *s = state;

    if (s == NULL)
        return;
    bpe_free(s->bpe);
    bpe_json_clear(&s->model);
    added_tokens_free(s->added);
    text_decoder_free(s->decoder);
    pre_tokenizer_free(s->pre_tokenizer);
    normalizer_free(s->normalizer);
    pieces_free(s->pieces);
    free(s);
}

static int worker_open(void **worker, const void *state)
{
    const struct state *s = state;
    struct worker *w = *worker = calloc(1, sizeof(*w));

    if (w == NULL)
        return SHARD_ENOMEM;
    w->state = s;
    w->normalizer = normalizer_worker_new(s->normalizer);
    w->pre_tokenizer = pre_tokenizer_worker_new(s->pre_tokenizer);
    w->bpe = bpe_worker_new(s->bpe);
    return w->normalizer != NULL && w->pre_tokenizer != NULL && w->bpe != NULL
               ? SHARD_OK
               : SHARD_ENOMEM;
}

static void worker_close(void *worker)
{
    struct worker *w = worker;

    if (w == NULL)
        return;
    normalizer_worker_free(w->normalizer);
    pre_tokenizer_worker_free(w->pre_tokenizer);
    bpe_worker_free(w->bpe);
    free(w);
}

static int add_word(void *worker, const char *word, size_t len)
{
    struct worker *w = worker;

    return bpe_encode(w->bpe, word, len, w->ids);
}

static int add_token(struct worker *w, const struct added_token *t)
{
    if (!t->special || w->state->special != TOKENIZER_SPECIAL_REJECT)
        return token_ids_add(w->ids, t->id) == 0 ? SHARD_OK : SHARD_ENOMEM;
    snprintf(w->why->text, sizeof(w->why->text), "it spells the special token \"%.100s\"",
             t->content);
    for (char *c = w->why->text; *c != '\0'; c++)
        if ((unsigned char)*c < 0x20 || *c == 0x7f)
            *c = '?';
    return SHARD_ESPECIAL;
}

/* What is done with the text between added tokens. `head`: so many bytes of it come from
 * the first character of all. */
typedef int between(struct worker *w, const char *text, size_t len, size_t head);

/* Added tokens of one set, and what lies between them. */
static int walk(struct worker *w, const char *text, size_t len, size_t head,
                bool normalized, between *rest)
{
    const bool plain = w->state->special == TOKENIZER_SPECIAL_PLAIN;
    struct added_search s = {.text = text,
                             .len = len,
                             .normalized = normalized,
                             .plain = plain,
                             .steps = &w->steps};
    const struct added_token *t;
    int rc = SHARD_OK;

    if (!added_tokens_any(w->state->added, normalized, plain))
        return rest(w, text, len, head);
    while (rc == SHARD_OK && (t = added_tokens_next(w->state->added, &s)) != NULL) {
        if (s.start > s.before)
            rc = rest(w, text + s.before, s.start - s.before,
                      head > s.before ? head - s.before : 0);
        if (rc == SHARD_OK)
            rc = add_token(w, t);
    }
    if (rc == SHARD_OK && w->steps == 0)
        return SHARD_EMATCH;
    if (rc == SHARD_OK && s.done < len)
        rc = rest(w, text + s.done, len - s.done, head > s.done ? head - s.done : 0);
    return rc;
}

static int encode_normalized(struct worker *w, const char *text, size_t len, size_t head)
{
    return pre_tokenizer_cut(w->pre_tokenizer, text, len, head, add_word, w);
}

static int encode_raw(struct worker *w, const char *text, size_t len, size_t head)
{
    size_t head_made;
    const int rc =
        normalizer_apply(w->normalizer, text, len, &w->room, &text, &len, &head_made);

    return rc < 0 ? rc
                  : walk(w, text, len, head > 0 ? head_made : 0, true, encode_normalized);
}

static int encode(void *worker, const char *text, size_t len, struct token_ids *ids,
                  struct tokenizer_why *why)
{
    struct worker *w = worker;

    w->ids = ids;
    w->why = why;
    w->room = normalizer_room(len);
    w->steps = added_tokens_steps(len);
    if (len > MAX_TEXT || !shard_utf8_valid(text, len)) {
        snprintf(why->text, sizeof(why->text), "it is %s",
                 len > MAX_TEXT ? "longer than 1 GiB" : "not UTF-8");
        return SHARD_EINVAL;
    }
    const int rc = walk(w, text, len, 1, false, encode_raw);
    if (rc == SHARD_EMATCH)
        snprintf(why->text, sizeof(why->text), "the tokenizer's %s too long on it",
                 w->steps == 0 ? "added tokens take" : "regular expression takes");
    if (rc == SHARD_EGROWTH)
        snprintf(why->text, sizeof(why->text),
                 "the tokenizer's normalizer makes more than %d times as much of it",
                 NORMALIZER_GROWTH);
    return rc;
}

/* Gives the buffer's bytes with a NUL behind. */
static int give(struct shard_buffer *b, char **text, size_t *len)
{
    const size_t n = b->len;

    if (shard_buffer_add(b, "", 1) < 0)
        return SHARD_ENOMEM;
    *text = (char *)b->data;
    *len = n;
    *b = (struct shard_buffer){NULL, 0, 0};
    return SHARD_OK;
}

/* Whether a piece is in letters of bytes, as those are that merges make; added tokens
 * stand as they are found in texts. */
static bool has_letters(const struct state *s, uint32_t id)
{
    const struct added_token *t = added_tokens_of(s->added, id);

    return text_decoder_is_byte_level(s->decoder) &&
           (t == NULL || (t->in_model && !t->special));
}

/* A piece for the decoder, which reads letters: those of the bytes of one that has
 * none. */
static int add_piece(const struct state *s, uint32_t id,
                     struct text_decoder_strings *pieces)
{
    size_t len;
    const char *piece = pieces_get(s->pieces, id, &len);
    struct shard_buffer letters = {NULL, 0, 0};
    unsigned char letter[4];
    int rc = SHARD_OK;

    if (piece == NULL)
        return SHARD_EINVAL;
    if (!text_decoder_is_byte_level(s->decoder) || has_letters(s, id))
        return text_decoder_strings_add(pieces, piece, len);
    for (size_t i = 0; i < len && rc == SHARD_OK; i++)
        rc = shard_buffer_add(
            &letters, letter,
            code_point_put(byte_letter((unsigned char)piece[i]), letter));
    if (rc == SHARD_OK)
        rc = text_decoder_strings_add(pieces, letters.data, letters.len);
    shard_buffer_free(&letters);
    return rc;
}

static int decode(const void *state, const uint32_t *ids, size_t n, char **text,
                  size_t *len)
{
    const struct state *s = state;
    struct text_decoder_strings pieces = {.n = 0};
    struct shard_buffer out = {NULL, 0, 0};
    int rc = SHARD_OK;

    for (size_t i = 0; i < n && rc == SHARD_OK; i++)
        rc = add_piece(s, ids[i], &pieces);
    if (rc == SHARD_OK)
        rc = text_decoder_apply(s->decoder, &pieces, &out);
    if (rc == SHARD_OK)
        rc = give(&out, text, len);
    text_decoder_strings_free(&pieces);
    shard_buffer_free(&out);
    return rc;
}

static const char *piece_of(const void *state, uint32_t id, size_t *len)
{
    const struct state *s = state;
    const char *piece = pieces_get(s->pieces, id, len);

    if (piece == NULL)
        *len = 0;
    return piece != NULL ? piece : "";
}

static int64_t piece_id(const void *state, const char *piece)
{
    const struct state *s = state;

    return pieces_find(s->pieces, piece, strlen(piece));
}

/* Pieces in letters of bytes as the bytes. */
static size_t piece_shown(const void *state, uint32_t id, char *out, size_t cap)
{
    const struct state *s = state;
    size_t len, n;
    const char *piece = piece_of(s, id, &len);
    unsigned char *bytes = has_letters(s, id) ? malloc(len + 1) : NULL;
    size_t shown;

    if (bytes != NULL && byte_letters_read(piece, len, bytes, &n))
        shown = piece_text((const char *)bytes, n, out, cap);
    else
        shown = piece_text(piece, len, out, cap);
    free(bytes);
    return shown;
}

const struct tokenizer_kind tokenizer_kind_json = {.name = "tokenizer.json",
                                                   .takes = takes,
                                                   .open = open_json,
                                                   .close = close_json,
                                                   .worker_open = worker_open,
                                                   .worker_close = worker_close,
                                                   .encode = encode,
                                                   .decode = decode,
                                                   .piece = piece_of,
                                                   .piece_shown = piece_shown,
                                                   .piece_id = piece_id};
