/* SPDX-License-Identifier: Apache-2.0
 * shard/tokenizer/json/normalizer.c - steps, one behind the other; sequences are laid
 * flat. */
#include "shard/tokenizer/json/normalizer.h"

#include <stdlib.h>
#include <string.h>

#include "shard/buffer.h"
#include "shard/status.h"
#include "shard/tokenizer/code_point.h"
#include "shard/tokenizer/json/json_pattern.h"
#include "shard/tokenizer/json/lower_case.h"
#include "shard/tokenizer/json/normal_form.h"
#include "shard/tokenizer/split/split.h"

/* A short text may be lengthened by so much, whatever its length. */
enum { MAX_STEPS = 64, ROOM = 4096 };

enum step_kind { STEP_FORM, STEP_LOWER, STEP_REPLACE, STEP_PREPEND, STEP_STRIP };

struct step {
    enum step_kind kind;
    struct normal_form *form;
    struct split *pattern;
    char *content; /* of replace and prepend */
    size_t content_len;
    uint32_t growth;  /* of replace: at most so many bytes of one */
    bool left, right; /* of strip */
};

struct normalizer {
    size_t n;
    struct step steps[MAX_STEPS];
};

struct normalizer_worker {
    const struct normalizer *normalizer;
    struct split_worker *patterns[MAX_STEPS]; /* of steps that replace */
    struct normal_form_scratch scratch;
    struct shard_buffer buffers[2]; /* a step writes into the one it does not read */
};

static void read_form(struct json_config *c, struct step *s, enum normal_form_kind kind)
{
    s->kind = STEP_FORM;
    s->form = normal_form_new(kind);
    if (s->form == NULL)
        json_config_no_memory(c);
}

/* A string's matches are as long as it is; those of an expression may be empty, before
 * each byte. */
static uint32_t growth_of(const json_t *object, size_t content_len)
{
    const size_t len =
        json_string_length(json_object_get(json_object_get(object, "pattern"), "String"));
    const size_t growth = len > 0 ? (content_len + len - 1) / len : content_len + 1;

    if (growth > NORMALIZER_GROWTH)
        return NORMALIZER_GROWTH;
    return growth > 1 ? (uint32_t)growth : 1;
}

static void read_replace(struct json_config *c, const json_t *object, struct step *s)
{
    static const char *const members[] = {"type", "pattern", "content", NULL};

    s->kind = STEP_REPLACE;
    json_config_only(c, object, members);
    s->pattern = json_pattern_open(c, object);
    s->content = json_config_copy_string(c, object, "content", &s->content_len);
    s->growth = growth_of(object, s->content_len);
}

static void read_prepend(struct json_config *c, const json_t *object, struct step *s)
{
    static const char *const members[] = {"type", "prepend", NULL};

    s->kind = STEP_PREPEND;
    json_config_only(c, object, members);
    s->content = json_config_copy_string(c, object, "prepend", &s->content_len);
}

static void read_strip(struct json_config *c, const json_t *object, struct step *s)
{
    static const char *const members[] = {"type", "strip_left", "strip_right", NULL};

    s->kind = STEP_STRIP;
    json_config_only(c, object, members);
    s->left = json_config_bool(c, object, "strip_left");
    s->right = json_config_bool(c, object, "strip_right");
}

/* One step, or all of a sequence. */
static void read_step(struct json_config *c, const json_t *object, void *to)
{
    struct normalizer *n = to;
    static const char *const types[] = {"NFC",       "NFD",     "NFKC",    "NFKD",
                                        "Lowercase", "Replace", "Prepend", "Strip",
                                        "Sequence",  NULL};
    static const char *const only_type[] = {"type", NULL};
    const int type = json_config_type(c, object, types);

    if (type == 8) {
        json_config_sequence(c, object, "normalizers", read_step, n);
        return;
    }
    if (n->n == MAX_STEPS)
        json_config_refuse(c, "more than %d normalizers", MAX_STEPS);
    if (c->rc < 0)
        return;
    struct step *s = &n->steps[n->n++];
    if (type <= 4)
        json_config_only(c, object, only_type);
    if (type <= 3)
        read_form(c, s,
                  (const enum normal_form_kind[]){NORMAL_NFC, NORMAL_NFD, NORMAL_NFKC,
                                                  NORMAL_NFKD}[type]);
    else if (type == 4)
        s->kind = STEP_LOWER;
    else if (type == 5)
        read_replace(c, object, s);
    else if (type == 6)
        read_prepend(c, object, s);
    else
        read_strip(c, object, s);
}

struct normalizer *normalizer_read(struct json_config *c, const json_t *value)
{
    struct normalizer *n = calloc(1, sizeof(*n));

    if (n == NULL) {
        json_config_no_memory(c);
        return NULL;
    }
    json_config_step(c, "normalizer", value, read_step, n);
    if (c->rc == SHARD_OK)
        return n;
    normalizer_free(n);
    return NULL;
}

void normalizer_free(struct normalizer *n)
{
    for (size_t i = 0; n != NULL && i < n->n; i++) {
        normal_form_free(n->steps[i].form);
        split_close(n->steps[i].pattern);
        free(n->steps[i].content);
    }
    free(n);
}

struct normalizer_worker *normalizer_worker_new(const struct normalizer *n)
{
    struct normalizer_worker *w = calloc(1, sizeof(*w));

    if (w == NULL)
        return NULL;
    w->normalizer = n;
    for (size_t i = 0; i < n->n; i++) {
        if (n->steps[i].pattern == NULL)
            continue;
        w->patterns[i] = split_worker_new(n->steps[i].pattern);
        if (w->patterns[i] == NULL) {
            normalizer_worker_free(w);
            return NULL;
        }
    }
    return w;
}

void normalizer_worker_free(struct normalizer_worker *w)
{
    if (w == NULL)
        return;
    for (size_t i = 0; i < w->normalizer->n; i++)
        split_worker_free(w->patterns[i]);
    normal_form_scratch_free(&w->scratch);
    shard_buffer_free(&w->buffers[0]);
    shard_buffer_free(&w->buffers[1]);
    free(w);
}

size_t normalizer_room(size_t len)
{
    return (NORMALIZER_GROWTH - 1) * len + ROOM;
}

uint32_t normalizer_growth(const struct normalizer *n)
{
    uint32_t growth = 1;

    for (size_t i = 0; i < n->n && growth < NORMALIZER_GROWTH; i++)
        if (n->steps[i].kind == STEP_REPLACE)
            growth *= n->steps[i].growth;
    return growth < NORMALIZER_GROWTH ? growth : NORMALIZER_GROWTH;
}

/* A text on its way. */
struct passage {
    const char *text;
    size_t len;
    size_t head; /* as normalizer_apply() gives it */
    size_t room; /* by so many bytes it may become longer */
};

static bool equal(const struct step *s, const char *text, size_t len)
{
    return len == s->content_len && memcmp(text, s->content, len) == 0;
}

static int put(struct shard_buffer *into, size_t most, const char *bytes, size_t len)
{
    return len > most - into->len ? SHARD_EGROWTH : shard_buffer_add(into, bytes, len);
}

/* The head of a text of which matches are replaced, one behind the other. */
struct new_head {
    size_t old, done;    /* of the text: its head, the end of the match before */
    size_t added, taken; /* bytes of contents and of matches */
    size_t head;
};

static void head_up_to(struct new_head *h, size_t start)
{
    if (h->done < h->old)
        h->head = (start < h->old ? start : h->old) + h->added - h->taken;
}

static void head_replace(struct new_head *h, size_t start, size_t end, size_t content_len)
{
    const bool inserted = start == end && (start == 0 || start <= h->old);

    head_up_to(h, start);
    if (content_len > 0 && (inserted || (start < end && end <= h->old)))
        h->head = start + h->added - h->taken + content_len;
    h->added += content_len;
    h->taken += end - start;
    h->done = end;
}

/* Matches that are the content already change nothing but the head. All are looked for,
 * since the pattern begins anew only behind the last. */
static int replace(const struct step *s, struct split_worker *pattern, struct passage *p,
                   struct shard_buffer *into)
{
    struct new_head head = {.old = p->head};
    const size_t most = p->len + p->room;
    size_t start = 0, end = 0, done = 0;
    bool changed = false;
    int rc = SHARD_EOF, added = SHARD_OK;

    into->len = 0;
    split_begin(pattern);
    while (p->len > 0 &&
           (rc = split_next(pattern, p->text, p->len, &start, &end)) == SHARD_OK) {
        head_replace(&head, start, end, s->content_len);
        if (added != SHARD_OK || equal(s, p->text + start, end - start))
            continue;
        changed = true;
        added = put(into, most, p->text + done, start - done);
        if (added == SHARD_OK)
            added = put(into, most, s->content, s->content_len);
        done = end;
    }
    head_up_to(&head, p->len);
    p->head = head.head;
    if (rc < 0 || !changed)
        return rc < 0 ? rc : SHARD_OK;
    if (added == SHARD_OK)
        added = put(into, most, p->text + done, p->len - done);
    if (added != SHARD_OK)
        return added;
    p->text = (const char *)into->data;
    p->len = into->len;
    return SHARD_OK;
}

static int prepend(const struct step *s, struct passage *p, struct shard_buffer *into)
{
    if (p->len == 0 || s->content_len == 0)
        return SHARD_OK;
    if (s->content_len > p->room)
        return SHARD_EGROWTH;
    into->len = 0;
    if (shard_buffer_add(into, s->content, s->content_len) < 0 ||
        shard_buffer_add(into, p->text, p->len) < 0)
        return SHARD_ENOMEM;
    p->text = (const char *)into->data;
    p->len = into->len;
    p->head += p->head > 0 ? s->content_len : 0;
    return SHARD_OK;
}

static void strip(const struct step *s, struct passage *p)
{
    const unsigned char *t = (const unsigned char *)p->text;
    size_t from = 0, to = p->len, n;

    while (s->left && from < to && code_point_is_white(code_point_at(t + from, &n)))
        from += n;
    while (s->right && to > from) {
        n = code_point_before(t, to);
        size_t same;
        if (!code_point_is_white(code_point_at(t + to - n, &same)))
            break;
        to -= n;
    }
    p->head = p->head > from ? p->head - from : 0;
    p->text += from;
    p->len = to - from;
}

static int lower(struct passage *p, struct shard_buffer *into)
{
    const char *head = p->text;
    const int rc = lower_case_apply(head, p->head, into, &head, &p->head);

    return rc < 0 ? rc : lower_case_apply(p->text, p->len, into, &p->text, &p->len);
}

static size_t count_characters(const char *text, size_t len)
{
    size_t n = 0;

    for (size_t i = 0; i < len; i++)
        n += ((unsigned char)text[i] & 0xc0) != 0x80;
    return n;
}

/* The head has as many characters as it has alone: what they are composed with is part
 * of them. */
static int apply_form(const struct step *s, struct normal_form_scratch *scratch,
                      struct passage *p, struct shard_buffer *into)
{
    const char *head = p->text;
    int rc = normal_form_apply(s->form, scratch, head, p->head, into, &head, &p->head);
    size_t left = rc < 0 ? 0 : count_characters(head, p->head), n;

    if (rc >= 0)
        rc =
            normal_form_apply(s->form, scratch, p->text, p->len, into, &p->text, &p->len);
    for (p->head = 0; rc >= 0 && left > 0 && p->head < p->len; left--, p->head += n)
        (void)code_point_at((const unsigned char *)p->text + p->head, &n);
    return rc;
}

static int apply(struct normalizer_worker *w, size_t i, struct passage *p,
                 struct shard_buffer *into)
{
    const struct step *s = &w->normalizer->steps[i];

    switch (s->kind) {
    case STEP_FORM:
        return apply_form(s, &w->scratch, p, into);
    case STEP_LOWER:
        return lower(p, into);
    case STEP_REPLACE:
        return replace(s, w->patterns[i], p, into);
    case STEP_PREPEND:
        return prepend(s, p, into);
    default:
        strip(s, p);
        return SHARD_OK;
    }
}

/* Takes what a step has added to a text of `before` bytes. */
static int take_room(struct passage *p, size_t before)
{
    const size_t added = p->len > before ? p->len - before : 0;

    if (added > p->room)
        return SHARD_EGROWTH;
    p->room -= added;
    return SHARD_OK;
}

int normalizer_apply(struct normalizer_worker *w, const char *text, size_t len,
                     size_t *room, const char **out, size_t *out_len, size_t *head)
{
    struct passage p = {text, len, 0, *room};
    int rc = SHARD_OK, other = 0; /* the buffer that does not hold the text */

    if (len > 0)
        (void)code_point_at((const unsigned char *)text, &p.head);

    for (size_t i = 0; i < w->normalizer->n && rc == SHARD_OK; i++) {
        struct shard_buffer *into = &w->buffers[other];
        const size_t before = p.len;
        rc = apply(w, i, &p, into);
        if (rc == SHARD_OK)
            rc = take_room(&p, before);
        if (into->data != NULL && p.text == (const char *)into->data)
            other = !other;
    }
    *out = p.text;
    *out_len = p.len;
    *head = p.head;
    *room = p.room;
    return rc;
}
