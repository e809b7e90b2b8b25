/* SPDX-License-Identifier: Apache-2.0
 * shard/tokenizer/tiktoken/tokenizer_tiktoken.c - tiktoken files: words by a pattern,
 * byte-pair encoding of their bytes, special tokens by the options.
 *
 * Ids are those of PyPI's tiktoken.Encoding with the same pattern, ranks and special
 * tokens: encode_ordinary() for plain special tokens, encode() with all of them allowed,
 * or none, for the others. Of special tokens that begin at the same place the longest is
 * found; tiktoken does not say which. What the pattern leaves out of a text is lost there
 * without a word; here such a text is refused. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shard/status.h"
#include "shard/tokenizer/bpe/bpe.h"
#include "shard/tokenizer/bpe/piece_text.h"
#include "shard/tokenizer/bpe/pieces.h"
#include "shard/tokenizer/code_point.h"
#include "shard/tokenizer/split/split.h"
#include "shard/tokenizer/split/split_known.h"
#include "shard/tokenizer/tiktoken/tiktoken_file.h"
#include "shard/tokenizer/tokenizer_kinds.h"
#include "shard/valid_utf8.h"

struct tiktoken {
    struct pieces *pieces, *named;
    struct bpe *bpe;
    struct split *split;
    uint32_t byte_ids[4][256];
    enum tokenizer_special_tokens mode;
    bool begins_named[256]; /* a special token begins with this byte */
    size_t longest_named;
    char versions[SPLIT_VERSIONS_CAP];
};

struct tiktoken_worker {
    const struct tiktoken *t;
    struct bpe_worker *bpe;
    struct split_worker *split;
};

static void close_tiktoken(void *state)
{
    struct tiktoken *t = state;

    if (t == NULL)
        return;
    bpe_free(t->bpe);
    split_close(t->split);
    pieces_free(t->pieces);
    pieces_free(t->named);
    free(t);
}

/* A misspelled name, not a regular expression. */
static bool is_bare_word(const char *pattern)
{
    static const char alphabet[] = "_.-0123456789abcdefghijklmnopqrstuvwxyz"
                                   "ABCDEFGHIJKLMNOPQRSTUVWXYZ";

    return pattern[strspn(pattern, alphabet)] == '\0' &&
           strcspn(pattern, alphabet + 3) < strlen(pattern);
}

static int open_split(struct tiktoken *t, const char *pattern, struct tokenizer_why *why)
{
    char reason[400];

    if (pattern == NULL) {
        snprintf(
            why->text, sizeof(why->text),
            "is a tiktoken file, which does not say how text is cut into words: name "
            "its pattern (" SPLIT_PATTERN_NAMES ", or a regular expression)");
        return SHARD_EINVAL;
    }
    const char *named = split_pattern_named(pattern);
    if (named == NULL && is_bare_word(pattern)) {
        snprintf(why->text, sizeof(why->text),
                 "\"%.100s\" is the name of no pattern: they are " SPLIT_PATTERN_NAMES
                 ", or write a regular expression",
                 pattern);
        return SHARD_EINVAL;
    }
    const int rc = split_open(&t->split, named != NULL ? named : pattern,
                              SPLIT_FANCY_REGEX, reason, sizeof(reason));
    if (rc == SHARD_EMODEL) {
        snprintf(why->text, sizeof(why->text), "its pattern: %s", reason);
        return SHARD_EINVAL;
    }
    return rc;
}

/* Its name may be that of an ordinary piece with another id, as Qwen's <s> is. */
static int add_named(struct tiktoken *t, const struct tokenizer_named *named,
                     struct tokenizer_why *why)
{
    const size_t len = strlen(named->name);
    const uint32_t highest = pieces_highest_id(pieces_end(t->pieces));
    size_t taken;
    int rc = SHARD_EINVAL;

    if (named->id > highest) {
        snprintf(why->text, sizeof(why->text),
                 "the special token %.100s=%u is too large: at most %u", named->name,
                 named->id, highest);
        return SHARD_EINVAL;
    }
    const char *owner = pieces_get(t->pieces, named->id, &taken);
    if (owner == NULL)
        owner = pieces_get(t->named, named->id, &taken);
    if (len > 0 && owner == NULL)
        rc = pieces_add(t->named, named->id, named->name, len);
    if (rc == SHARD_EINVAL && owner != NULL)
        snprintf(why->text, sizeof(why->text),
                 "the special token %.100s=%u: the id is that of the piece %.*s",
                 named->name, named->id, taken < 100 ? (int)taken : 100, owner);
    else if (rc == SHARD_EINVAL)
        snprintf(why->text, sizeof(why->text), "the special token %.100s=%u %s",
                 named->name, named->id,
                 len > 0 ? "has the name of another" : "has an empty name");
    if (rc != SHARD_OK)
        return rc;
    t->begins_named[(unsigned char)named->name[0]] = true;
    if (len > t->longest_named)
        t->longest_named = len;
    return SHARD_OK;
}

static int make_bpe(struct tiktoken *t, struct tokenizer_why *why)
{
    struct bpe_spec spec = {.by_id = true,
                            .byte_ids = t->byte_ids,
                            .pieces = t->pieces,
                            .whole = true,
                            .prefix = "",
                            .suffix = "",
                            .unk = -1};
    struct bpe_merge *merges;
    int rc = tiktoken_file_merges(t->pieces, &merges, &spec.n_merges, t->byte_ids[0],
                                  why->text, sizeof(why->text));

    if (rc != SHARD_OK)
        return rc;
    for (size_t i = 1; i < 4; i++)
        memcpy(t->byte_ids[i], t->byte_ids[0], sizeof(t->byte_ids[0]));
    spec.merges = merges;
    rc = bpe_new(&t->bpe, &spec);
    free(merges);
    return rc;
}

static int open_tiktoken(void **state, const void *bytes, size_t len,
                         const struct tokenizer_options *o, struct tokenizer_about *about,
                         struct tokenizer_why *why)
{
    struct tiktoken *t = *state = calloc(1, sizeof(*t));

    if (t == NULL || (t->pieces = pieces_new()) == NULL ||
        (t->named = pieces_new()) == NULL)
        return SHARD_ENOMEM;
    t->mode = o->special_tokens;
    int rc = tiktoken_file_read(bytes, len, t->pieces, why->text, sizeof(why->text));
    for (size_t i = 0; i < o->n_named && rc == SHARD_OK; i++)
        rc = add_named(t, &o->named[i], why);
    if (rc == SHARD_OK)
        rc = open_split(t, o->pattern, why);
    if (rc == SHARD_OK)
        rc = make_bpe(t, why);
    const uint32_t end = pieces_end(t->pieces), named_end = pieces_end(t->named);
    about->n_pieces = end > named_end ? end : named_end;
    about->special = tokenizer_word(t->mode);
    split_versions(t->versions);
    about->versions = t->versions;
    return rc;
}

static void close_worker(void *worker)
{
    struct tiktoken_worker *w = worker;

    if (w == NULL)
        return;
    bpe_worker_free(w->bpe);
    split_worker_free(w->split);
    free(w);
}

static int open_worker(void **worker, const void *state)
{
    struct tiktoken_worker *w = *worker = calloc(1, sizeof(*w));

    if (w == NULL)
        return SHARD_ENOMEM;
    w->t = state;
    w->bpe = bpe_worker_new(w->t->bpe);
    w->split = split_worker_new(w->t->split);
    return w->bpe != NULL && w->split != NULL ? SHARD_OK : SHARD_ENOMEM;
}

static int encode_plain(struct tiktoken_worker *w, const char *text, size_t len,
                        struct token_ids *ids, struct tokenizer_why *why)
{
    size_t start = 0, end = 0, done = 0;
    int rc;

    split_begin(w->split);
    while ((rc = split_next(w->split, text, len, &start, &end)) == SHARD_OK) {
        if (start > done)
            break;
        done = end;
        rc = bpe_encode(w->bpe, text + start, end - start, ids);
        if (rc != SHARD_OK)
            return rc;
    }
    if (rc < 0 || done == len)
        return rc < 0 ? rc : SHARD_OK;
    const unsigned c = code_point_at((const unsigned char *)text + done, &end);
    snprintf(why->text, sizeof(why->text),
             "the pattern leaves out text, of which tiktoken makes no token: U+%04X", c);
    return SHARD_EUNMATCHED;
}

/* The longest special token at the beginning of text; -1: none. */
static int64_t named_at(const struct tiktoken *t, const char *text, size_t len,
                        size_t *named_len)
{
    size_t n = len < t->longest_named ? len : t->longest_named;

    for (; n > 0; n--) {
        const int64_t id = pieces_find(t->named, text, n);
        *named_len = n;
        if (id >= 0)
            return id;
    }
    return -1;
}

/* The first special token at or behind *at; -1: none. */
static int64_t find_named(const struct tiktoken *t, const char *text, size_t len,
                          size_t *at, size_t *named_len)
{
    for (; *at < len; ++*at) {
        if (!t->begins_named[(unsigned char)text[*at]])
            continue;
        const int64_t id = named_at(t, text + *at, len - *at, named_len);
        if (id >= 0)
            return id;
    }
    return -1;
}

static int encode(void *worker, const char *text, size_t len, struct token_ids *ids,
                  struct tokenizer_why *why)
{
    struct tiktoken_worker *w = worker;
    int rc = SHARD_OK;

    if (!shard_utf8_valid(text, len))
        return SHARD_EINVAL;
    if (w->t->mode == TOKENIZER_SPECIAL_PLAIN)
        return encode_plain(w, text, len, ids, why);
    for (size_t from = 0; from < len && rc == SHARD_OK;) {
        size_t at = from, named_len = 0;
        const int64_t id = find_named(w->t, text, len, &at, &named_len);

        if (id >= 0 && w->t->mode == TOKENIZER_SPECIAL_REJECT) {
            snprintf(why->text, sizeof(why->text), "special token %.*s at byte %zu",
                     (int)(named_len < 100 ? named_len : 100), text + at, at);
            return SHARD_ESPECIAL;
        }
        rc = encode_plain(w, text + from, at - from, ids, why);
        if (rc == SHARD_OK && id >= 0)
            rc = token_ids_add(ids, (uint32_t)id);
        from = at + named_len;
    }
    return rc;
}

static const char *piece(const void *state, uint32_t id, size_t *len)
{
    const struct tiktoken *t = state;
    const char *found = pieces_get(t->pieces, id, len);

    if (found == NULL)
        found = pieces_get(t->named, id, len);
    return found != NULL ? found : "";
}

static int decode(const void *state, const uint32_t *ids, size_t n, char **text,
                  size_t *len)
{
    size_t sum = 0, piece_len;

    for (size_t i = 0; i < n; i++) {
        (void)piece(state, ids[i], &piece_len);
        if (piece_len == 0)
            return SHARD_EINVAL;
        sum += piece_len;
    }
    char *at = *text = malloc(sum + 1);
    if (at == NULL)
        return SHARD_ENOMEM;
    for (size_t i = 0; i < n; i++, at += piece_len) {
        const char *found = piece(state, ids[i], &piece_len);
        memcpy(at, found, piece_len);
    }
    *at = '\0';
    *len = sum;
    return SHARD_OK;
}

static size_t piece_shown(const void *state, uint32_t id, char *out, size_t cap)
{
    size_t len;
    const char *found = piece(state, id, &len);

    return piece_text(found, len, out, cap);
}

static int64_t piece_id(const void *state, const char *text)
{
    const struct tiktoken *t = state;
    const int64_t id = pieces_find(t->named, text, strlen(text));

    return id >= 0 ? id : pieces_find(t->pieces, text, strlen(text));
}

const struct tokenizer_kind tokenizer_kind_tiktoken = {.name = "tiktoken",
                                                       .takes = tiktoken_file_like,
                                                       .open = open_tiktoken,
                                                       .close = close_tiktoken,
                                                       .worker_open = open_worker,
                                                       .worker_close = close_worker,
                                                       .encode = encode,
                                                       .decode = decode,
                                                       .piece = piece,
                                                       .piece_shown = piece_shown,
                                                       .piece_id = piece_id};
