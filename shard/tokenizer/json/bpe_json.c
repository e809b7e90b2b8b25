/* SPDX-License-Identifier: Apache-2.0 */
#include "shard/tokenizer/json/bpe_json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shard/buffer.h"
#include "shard/status.h"
#include "shard/tokenizer/json/byte_letters.h"
#include "shard/tokenizer/code_point.h"

enum { MAX_AFFIX = 64, N_FORMS = 4 };

static void read_vocab(struct json_config *c, const json_t *vocab, struct pieces *pieces)
{
    const json_int_t highest = pieces_highest_id(json_object_size(vocab));
    const char *piece;
    size_t len;
    json_t *id;
    int rc = SHARD_OK;

    if (!json_is_object(vocab)) {
        json_config_refuse(c, "must be an object");
        return;
    }
    json_object_keylen_foreach((json_t *)vocab, piece, len, id)
    {
        const json_int_t value = json_integer_value(id);
        if (!json_is_integer(id))
            json_config_refuse(c, "\"%.100s\": its id must be a whole number", piece);
        else if (value < 0 || value > highest)
            json_config_refuse(c,
                               "\"%.100s\": its id must be a number of 0 to %d (of so "
                               "many pieces), not %lld",
                               piece, (int)highest, (long long)value);
        else if ((rc = pieces_add(pieces, (uint32_t)value, piece, len)) == SHARD_ENOMEM)
            json_config_no_memory(c);
        else if (rc < 0)
            json_config_refuse(c, "\"%.100s\": its id %d is another piece's", piece,
                               (int)value);
        if (c->rc < 0)
            return;
    }
}

static char *read_affix(struct json_config *c, const json_t *object, const char *key)
{
    size_t len;
    const char *affix = json_config_string_or_null(c, object, key, &len);
    char *copy = strdup(affix != NULL ? affix : "");

    if (copy == NULL)
        json_config_no_memory(c);
    else if (affix != NULL && (len > MAX_AFFIX || strlen(copy) != len)) {
        const size_t path = json_config_enter(c, key);
        json_config_refuse(c, "longer than %d bytes, or with a zero byte", MAX_AFFIX);
        json_config_leave(c, path);
    }
    return copy;
}

/* One side of a merge, or what it makes: lent by the file, or by the buffer. */
struct side {
    const char *text;
    size_t len;
};

/* Both spellings: "a b", ["a", "b"]. */
static bool read_sides(const json_t *merge, struct side *left, struct side *right)
{
    if (json_is_string(merge)) {
        const char *text = json_string_value(merge);
        const size_t len = json_string_length(merge);
        const char *space = memchr(text, ' ', len);
        if (space == NULL)
            return false;
        *left = (struct side){text, (size_t)(space - text)};
        *right = (struct side){space + 1, len - left->len - 1};
        return memchr(right->text, ' ', right->len) == NULL;
    }
    const json_t *a = json_array_get(merge, 0), *b = json_array_get(merge, 1);
    if (json_array_size(merge) != 2 || !json_is_string(a) || !json_is_string(b))
        return false;
    *left = (struct side){json_string_value(a), json_string_length(a)};
    *right = (struct side){json_string_value(b), json_string_length(b)};
    return true;
}

static uint32_t find_side(struct json_config *c, const struct pieces *pieces,
                          struct side side)
{
    const int64_t id = pieces_find(pieces, side.text, side.len);

    if (id < 0)
        json_config_refuse(c, "\"%.*s\" is no piece of the vocabulary",
                           (int)(side.len < 100 ? side.len : 100), side.text);
    return id < 0 ? 0 : (uint32_t)id;
}

static void read_merge(struct json_config *c, const json_t *merge,
                       const struct pieces *pieces, const char *prefix,
                       struct shard_buffer *made, struct bpe_merge *out)
{
    struct side left, right;
    const size_t skip = strlen(prefix);

    if (!read_sides(merge, &left, &right)) {
        json_config_refuse(c, "must be \"left right\", or [\"left\", \"right\"]");
        return;
    }
    out->left = find_side(c, pieces, left);
    out->right = find_side(c, pieces, right);
    if (left.len == 0 || right.len <= skip)
        json_config_refuse(c, "it makes a piece of itself");
    if (c->rc < 0)
        return;
    made->len = 0;
    if (shard_buffer_add(made, left.text, left.len) < 0 ||
        shard_buffer_add(made, right.text + skip, right.len - skip) < 0)
        json_config_no_memory(c);
    else
        out->made =
            find_side(c, pieces, (struct side){(const char *)made->data, made->len});
}

static bool is_version(const json_t *merge)
{
    return json_is_string(merge) && strncmp(json_string_value(merge), "#version", 8) == 0;
}

static int by_pair(const void *a, const void *b)
{
    const struct bpe_merge *x = a, *y = b;

    if (x->left != y->left)
        return x->left < y->left ? -1 : 1;
    if (x->right != y->right)
        return x->right < y->right ? -1 : 1;
    return x->made < y->made ? -1 : x->made > y->made;
}

/* A sorted copy shows pairs that stand twice; `made` is their place there. */
static void refuse_twice(struct json_config *c, const struct bpe_json *m)
{
    struct bpe_merge *sorted = calloc(m->n_merges + 1, sizeof(*sorted));

    if (sorted == NULL) {
        json_config_no_memory(c);
        return;
    }
    for (size_t i = 0; i < m->n_merges; i++)
        sorted[i] =
            (struct bpe_merge){m->merges[i].left, m->merges[i].right, (uint32_t)i};
    qsort(sorted, m->n_merges, sizeof(*sorted), by_pair);
    for (size_t i = 1; i < m->n_merges; i++)
        if (sorted[i].left == sorted[i - 1].left &&
            sorted[i].right == sorted[i - 1].right)
            json_config_refuse(c, "the pair of merge %u stands in merge %u again",
                               sorted[i - 1].made, sorted[i].made);
    free(sorted);
}

static void read_merges(struct json_config *c, const json_t *list,
                        const struct pieces *pieces, struct bpe_json *m)
{
    struct shard_buffer made = {NULL, 0, 0};
    const size_t n = json_array_size(list), path = json_config_enter(c, "merges");

    if (n > PIECES_MAX_ID)
        json_config_refuse(c, "more than %d", PIECES_MAX_ID);
    else if ((m->merges = calloc(n + 1, sizeof(*m->merges))) == NULL)
        json_config_no_memory(c);
    for (size_t i = 0; c->rc == SHARD_OK && i < n; i++) {
        const json_t *merge = json_array_get(list, i);
        const size_t element = json_config_enter_at(c, i);
        if (!is_version(merge))
            read_merge(c, merge, pieces, m->prefix, &made, &m->merges[m->n_merges++]);
        json_config_leave(c, element);
    }
    if (c->rc == SHARD_OK)
        refuse_twice(c, m);
    json_config_leave(c, path);
    shard_buffer_free(&made);
}

/* The id of a byte's letter in one of its forms: bit 0 of the form: it does not begin its
 * word (form 1 and 2), and so on, as in bpe.h. -1: no piece. */
static int64_t find_letter(const struct bpe_json *m, const struct pieces *pieces,
                           unsigned form, unsigned char byte)
{
    char spelled[2 * MAX_AFFIX + 8];
    unsigned char letter[4];
    const bool begins = form == 0 || form == 3, ends = form >= 2;
    const size_t n = code_point_put(byte_letter(byte), letter);
    const int len =
        snprintf(spelled, sizeof(spelled), "%s%.*s%s", begins ? "" : m->prefix, (int)n,
                 (const char *)letter, ends ? m->suffix : "");

    return pieces_find(pieces, spelled, (size_t)len);
}

/* Bytes can be symbols where every byte is a piece in every form. */
static void read_bytes(struct json_config *c, struct bpe_json *m,
                       const struct pieces *pieces)
{
    m->byte_ids = calloc(N_FORMS, sizeof(*m->byte_ids));
    if (m->byte_ids == NULL) {
        json_config_no_memory(c);
        return;
    }
    for (unsigned form = 0; form < N_FORMS; form++)
        for (unsigned byte = 0; byte < 256; byte++) {
            const int64_t id = find_letter(m, pieces, form, (unsigned char)byte);
            if (id < 0) {
                free(m->byte_ids);
                m->byte_ids = NULL;
                return;
            }
            m->byte_ids[form][byte] = (uint32_t)id;
        }
}

static void read_unk(struct json_config *c, const json_t *object,
                     const struct pieces *pieces, struct bpe_json *m)
{
    size_t len;
    const char *unk = json_config_string_or_null(c, object, "unk_token", &len);
    const size_t path = json_config_enter(c, "unk_token");

    m->unk = unk != NULL ? pieces_find(pieces, unk, len) : -1;
    if (unk != NULL && m->unk < 0 && m->byte_ids == NULL)
        json_config_refuse(c, "\"%.100s\" is no piece of the vocabulary", unk);
    json_config_leave(c, path);
}

void bpe_json_read(struct json_config *c, const json_t *object, bool byte_level,
                   struct pieces *pieces, struct bpe_json *m)
{
    static const char *const members[] = {"type",
                                          "dropout",
                                          "unk_token",
                                          "continuing_subword_prefix",
                                          "end_of_word_suffix",
                                          "fuse_unk",
                                          "byte_fallback",
                                          "ignore_merges",
                                          "vocab",
                                          "merges",
                                          NULL};
    static const char *const types[] = {"BPE", NULL};
    const size_t path = json_config_enter(c, "model");

    json_config_only(c, object, members);
    /* Old files do not say their type. */
    if (json_object_get(object, "type") != NULL)
        (void)json_config_type(c, object, types);
    if (!(json_number_value(json_object_get(object, "dropout")) == 0.0 &&
          json_is_number(json_object_get(object, "dropout"))))
        json_config_null(c, object, "dropout",
                         "ids would depend on chance; must be null or 0 for data");
    m->object = object;
    m->prefix = read_affix(c, object, "continuing_subword_prefix");
    m->suffix = read_affix(c, object, "end_of_word_suffix");
    m->fuse_unk = json_config_bool_or(c, object, "fuse_unk", false);
    m->byte_fallback = json_config_bool_or(c, object, "byte_fallback", false);
    m->whole = json_config_bool_or(c, object, "ignore_merges", false);
    const json_t *vocab = json_object_get(object, "vocab");
    m->n_vocab = json_object_size(vocab);
    const size_t member = json_config_enter(c, "vocab");
    if (c->rc == SHARD_OK)
        read_vocab(c, vocab, pieces);
    json_config_leave(c, member);
    const json_t *merges = json_config_array(c, object, "merges");
    if (c->rc == SHARD_OK)
        read_merges(c, merges, pieces, m);
    if (c->rc == SHARD_OK && byte_level)
        read_bytes(c, m, pieces);
    if (c->rc == SHARD_OK)
        read_unk(c, object, pieces, m);
    json_config_leave(c, path);
}

/* Pieces of byte fallback are no words that a text could spell, and what is one character
 * could not be spelled otherwise. */
static bool is_symbol(const struct bpe_json *m, const char *piece, size_t len)
{
    const size_t prefix = strlen(m->prefix), suffix = strlen(m->suffix);
    size_t n;

    if (len == 6 && memcmp(piece, "<0x", 3) == 0 && piece[5] == '>')
        return true;
    if (len > prefix && memcmp(piece, m->prefix, prefix) == 0) {
        piece += prefix;
        len -= prefix;
    }
    if (len > suffix && memcmp(piece + len - suffix, m->suffix, suffix) == 0)
        len -= suffix;
    if (len == 0)
        return false;
    (void)code_point_at((const unsigned char *)piece, &n);
    return n == len;
}

/* The vocabulary as words are spelled, without the special tokens that text must not
 * become. */
static void make_words(struct json_config *c, struct bpe_json *m,
                       const unsigned char *special)
{
    unsigned char *bytes = NULL;
    const char *piece;
    size_t len, n;
    json_t *value;

    m->words = pieces_new();
    if (m->words == NULL)
        json_config_no_memory(c);
    json_object_keylen_foreach(json_object_get(m->object, "vocab"), piece, len, value)
    {
        const uint32_t id = (uint32_t)json_integer_value(value);
        int rc = SHARD_OK;
        if (c->rc < 0)
            break;
        if (special[id] && !is_symbol(m, piece, len))
            continue;
        if (m->byte_ids == NULL) {
            rc = pieces_add(m->words, id, piece, len);
        } else {
            unsigned char *room = realloc(bytes, len + 1);
            bytes = room != NULL ? room : bytes;
            if (room == NULL)
                rc = SHARD_ENOMEM;
            else if (byte_letters_read(piece, len, bytes, &n))
                rc = pieces_add(m->words, id, (const char *)bytes, n);
        }
        if (rc < 0)
            json_config_no_memory(c);
    }
    free(bytes);
}

/* A flag for each id: it is a special token, and text must not become it. */
static unsigned char *flag_special(const struct added_tokens *added, bool parse)
{
    unsigned char *special = calloc((size_t)PIECES_MAX_ID + 1, 1);

    for (size_t i = 0; special != NULL && !parse && i < added_tokens_count(added); i++) {
        const struct added_token *t = added_tokens_at(added, i);
        special[t->id] = t->special;
    }
    return special;
}

void bpe_json_make(struct json_config *c, struct bpe_json *m,
                   const struct added_tokens *added, bool parse, struct bpe **out)
{
    unsigned char *special = flag_special(added, parse);
    size_t n = 0;

    if (special == NULL) {
        json_config_no_memory(c);
        return;
    }
    for (size_t i = 0; i < m->n_merges; i++)
        if (!special[m->merges[i].made])
            m->merges[n++] = m->merges[i];
    m->n_merges = n;
    make_words(c, m, special);
    free(special);
    const struct bpe_spec spec = {
        .merges = m->merges,
        .n_merges = m->n_merges,
        .byte_ids = (const uint32_t(*)[256])m->byte_ids,
        .pieces = m->words,
        .whole = m->whole,
        .prefix = m->prefix,
        .suffix = m->suffix,
        .byte_fallback = m->byte_fallback,
        .fuse_unk = m->fuse_unk,
        .unk = m->unk,
    };
    if (c->rc == SHARD_OK && bpe_new(out, &spec) < 0)
        json_config_no_memory(c);
    free(m->merges);
    m->merges = NULL;
    m->object = NULL;
}

void bpe_json_clear(struct bpe_json *m)
{
    free(m->merges);
    free(m->prefix);
    free(m->suffix);
    free(m->byte_ids);
    pieces_free(m->words);
    *m = (struct bpe_json){.object = NULL};
}
