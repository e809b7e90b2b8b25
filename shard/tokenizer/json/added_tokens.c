/* SPDX-License-Identifier: Apache-2.0 */
#include "shard/tokenizer/json/added_tokens.h"

#include <stdlib.h>
#include <string.h>

#include <utf8proc.h>

#include "shard/status.h"
#include "shard/tokenizer/code_point.h"
#include "shard/tokenizer/json/token_trie.h"

enum { MAX_TOKENS = 1 << 20, MAX_CONTENT = 1024 };
enum { STEPS_PER_BYTE = 256, FREE_STEPS = 1 << 20 };

struct added_tokens {
    size_t n;
    struct added_token *tokens;
    uint64_t *ids;    /* in order: the id, and in the low half the token's place */
    uint32_t highest; /* id */
    struct token_trie tries[2]; /* by `normalized`; values are a token's place + 1 */
    size_t n_plain[2];          /* of them, those that are not special */
};

static bool is_word(uint32_t c)
{
    switch (utf8proc_category((utf8proc_int32_t)c)) {
    case UTF8PROC_CATEGORY_LU:
    case UTF8PROC_CATEGORY_LL:
    case UTF8PROC_CATEGORY_LT:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_LO:
    case UTF8PROC_CATEGORY_MN:
    case UTF8PROC_CATEGORY_MC:
    case UTF8PROC_CATEGORY_ME:
    case UTF8PROC_CATEGORY_ND:
    case UTF8PROC_CATEGORY_NL:
    case UTF8PROC_CATEGORY_PC:
        return true;
    default: /* joiners, and what is alphabetic without being a letter */
        return c == 0x200c || c == 0x200d || (c >= 0x24b6 && c <= 0x24e9) ||
               (c >= 0x1f130 && c <= 0x1f149) || (c >= 0x1f150 && c <= 0x1f169) ||
               (c >= 0x1f170 && c <= 0x1f189);
    }
}

/* The id that `tokenizers` gives to the next token that is no piece of the model. */
static uint32_t next_id(const struct added_tokens *a, size_t n_model)
{
    return a->n > 0 && a->highest >= n_model ? a->highest + 1 : (uint32_t)n_model;
}

static void place(struct json_config *c, const struct added_tokens *a,
                  struct added_token *t, struct pieces *pieces, size_t n_model)
{
    const int64_t piece = pieces_find(pieces, t->content, t->len);
    const uint32_t id = piece >= 0 ? (uint32_t)piece : next_id(a, n_model);
    const size_t path = json_config_enter(c, "id");

    t->in_model = piece >= 0;
    if (t->id != id)
        json_config_refuse(c, "%u, where tokenizers takes the token for %u", t->id, id);
    json_config_leave(c, path);
    if (c->rc < 0 || piece >= 0)
        return;
    const int rc = pieces_add(pieces, t->id, t->content, t->len);
    if (rc == SHARD_ENOMEM)
        json_config_no_memory(c);
    else if (rc < 0)
        json_config_refuse(c, "id %u is that of a piece of the model", t->id);
}

static void read_token(struct json_config *c, const json_t *object,
                       struct added_tokens *a, struct pieces *pieces, size_t n_model)
{
    static const char *const members[] = {"id",     "content", "single_word", "lstrip",
                                          "rstrip", "special", "normalized",  NULL};
    struct added_token t = {.id = 0};

    json_config_only(c, object, members);
    t.id = json_config_integer(c, object, "id", PIECES_MAX_ID);
    t.single_word = json_config_bool(c, object, "single_word");
    t.lstrip = json_config_bool(c, object, "lstrip");
    t.rstrip = json_config_bool(c, object, "rstrip");
    t.normalized = json_config_bool(c, object, "normalized");
    t.special = json_config_bool(c, object, "special");
    const char *content = json_config_string(c, object, "content", &t.len);
    if (content != NULL && (t.len == 0 || t.len > MAX_CONTENT))
        json_config_refuse(c, "content must have 1 to %d bytes", MAX_CONTENT);
    if (c->rc < 0)
        return;
    t.content = malloc(t.len + 1);
    if (t.content == NULL) {
        json_config_no_memory(c);
        return;
    }
    memcpy(t.content, content, t.len + 1);
    place(c, a, &t, pieces, n_model);
    a->highest = t.id > a->highest ? t.id : a->highest;
    a->tokens[a->n++] = t;
}

static int by_id(const void *a, const void *b)
{
    const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return x < y ? -1 : x > y;
}

/* Two tokens of one id are two of one content. */
static void refuse_twice(struct json_config *c, struct added_tokens *a)
{
    uint64_t *ids = a->ids = calloc(a->n + 1, sizeof(*ids));

    if (ids == NULL) {
        json_config_no_memory(c);
        return;
    }
    for (size_t i = 0; i < a->n; i++)
        ids[i] = (uint64_t)a->tokens[i].id << 32 | i;
    qsort(ids, a->n, sizeof(*ids), by_id);
    for (size_t i = 1; i < a->n; i++)
        if (ids[i] >> 32 == ids[i - 1] >> 32)
            json_config_refuse(c, "[%u] and [%u] are the same token",
                               (unsigned)ids[i - 1], (unsigned)ids[i]);
}

static void add_to_trie(struct json_config *c, struct added_tokens *a, size_t i,
                        struct normalizer_worker *normalizer)
{
    const struct added_token *t = &a->tokens[i];
    const char *content = t->content;
    size_t len = t->len, room = normalizer_room(len);
    uint32_t other = 0;
    size_t head;
    int rc = SHARD_OK;

    if (t->normalized)
        rc = normalizer_apply(normalizer, content, len, &room, &content, &len, &head);
    if (rc == SHARD_OK && len > 0)
        rc = token_trie_add(&a->tries[t->normalized], content, len, (uint32_t)i + 1,
                            &other);
    if (rc == SHARD_ENOMEM)
        json_config_no_memory(c);
    else if (other != 0)
        json_config_refuse(c,
                           "[%u] and [%zu] are the same once they are normalized, and "
                           "tokenizers finds one of them by chance",
                           other - 1, i);
    else if (rc < 0 || len == 0) {
        const size_t path = json_config_enter_at(c, i);
        json_config_refuse(c, "content \"%.100s\" is %s once it is normalized",
                           t->content, rc < 0 ? "too long" : "nothing");
        json_config_leave(c, path);
    }
    a->n_plain[t->normalized] += !t->special;
}

static void build(struct json_config *c, struct added_tokens *a,
                  const struct normalizer *normalizer)
{
    struct normalizer_worker *worker = normalizer_worker_new(normalizer);

    if (worker == NULL)
        json_config_no_memory(c);
    for (size_t i = 0; c->rc == SHARD_OK && i < a->n; i++)
        add_to_trie(c, a, i, worker);
    normalizer_worker_free(worker);
}

struct added_tokens *added_tokens_read(struct json_config *c, const json_t *list,
                                       struct pieces *pieces, size_t n_model,
                                       const struct normalizer *normalizer)
{
    struct added_tokens *a = calloc(1, sizeof(*a));
    const size_t n = json_array_size(list), path = json_config_enter(c, "added_tokens");

    if (n > MAX_TOKENS)
        json_config_refuse(c, "more than %d", MAX_TOKENS);
    else if (a == NULL || (a->tokens = calloc(n + 1, sizeof(*a->tokens))) == NULL)
        json_config_no_memory(c);
    for (size_t i = 0; c->rc == SHARD_OK && i < n; i++) {
        const size_t element = json_config_enter_at(c, i);
        read_token(c, json_array_get(list, i), a, pieces, n_model);
        json_config_leave(c, element);
    }
    if (c->rc == SHARD_OK)
        refuse_twice(c, a);
    if (c->rc == SHARD_OK)
        build(c, a, normalizer);
    json_config_leave(c, path);
    if (c->rc == SHARD_OK)
        return a;
    added_tokens_free(a);
    return NULL;
}

void added_tokens_free(struct added_tokens *a)
{
    if (a == NULL)
        return;
    for (size_t i = 0; i < a->n; i++)
        free(a->tokens[i].content);
    free(a->tokens);
    free(a->ids);
    token_trie_free(&a->tries[0]);
    token_trie_free(&a->tries[1]);
    free(a);
}

size_t added_tokens_count(const struct added_tokens *a)
{
    return a->n;
}

const struct added_token *added_tokens_at(const struct added_tokens *a, size_t i)
{
    return &a->tokens[i];
}

const struct added_token *added_tokens_of(const struct added_tokens *a, uint32_t id)
{
    size_t from = 0, to = a->n;

    while (from < to) {
        const size_t middle = from + (to - from) / 2;
        if (a->ids[middle] >> 32 == id)
            return &a->tokens[(uint32_t)a->ids[middle]];
        if (a->ids[middle] >> 32 < id)
            from = middle + 1;
        else
            to = middle;
    }
    return NULL;
}

size_t added_tokens_steps(size_t len)
{
    return len * STEPS_PER_BYTE + FREE_STEPS;
}

static bool within_word(const struct added_search *s, size_t start, size_t end)
{
    const unsigned char *t = (const unsigned char *)s->text;
    size_t n;

    return (start > 0 &&
            is_word(code_point_at(t + start - code_point_before(t, start), &n))) ||
           (end < s->len && is_word(code_point_at(t + end, &n)));
}

/* Where the white space before `start`, and behind the last token, begins. */
static size_t strip_left(const struct added_search *s, size_t start)
{
    const unsigned char *t = (const unsigned char *)s->text;

    while (start > s->done) {
        const size_t n = code_point_before(t, start);
        size_t same;
        if (!code_point_is_white(code_point_at(t + start - n, &same)))
            break;
        start -= n;
    }
    return start > s->done ? start : s->done;
}

/* Where the white space behind `end` ends: the last token may have come as far. */
static size_t strip_right(const struct added_search *s, size_t end)
{
    const unsigned char *t = (const unsigned char *)s->text;
    size_t n;

    end = end > s->done ? end : s->done;
    while (end < s->len && code_point_is_white(code_point_at(t + end, &n)))
        end += n;
    return end;
}

/* As in `tokenizers`: a token that does not count still hides others that begin within
 * it; the search goes on behind a token itself, so that tokens of white space are found
 * again in what the one before has stripped; and one that strips all of itself so is
 * none. */
const struct added_token *added_tokens_next(const struct added_tokens *a,
                                            struct added_search *s)
{
    size_t start = 0, end = 0;
    uint32_t value;

    while ((value = token_trie_find(&a->tries[s->normalized], s->text, s->len,
                                    s->searched, s->steps, &start, &end)) != 0) {
        const struct added_token *t = &a->tokens[value - 1];
        s->searched = end;
        if ((s->plain && t->special) || (t->single_word && within_word(s, start, end)))
            continue;
        if (t->lstrip)
            start = strip_left(s, start);
        if (t->rstrip)
            end = strip_right(s, end);
        if (start >= end)
            continue;
        s->before = s->done;
        s->start = start;
        s->done = end;
        return t;
    }
    return NULL;
}

bool added_tokens_any(const struct added_tokens *a, bool normalized, bool plain)
{
    return plain ? a->n_plain[normalized] > 0 : a->tries[normalized].n_roots > 0;
}
