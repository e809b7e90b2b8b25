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

enum { MAX_STEPS = 64 };

enum step_kind { STEP_FORM, STEP_LOWER, STEP_REPLACE, STEP_PREPEND, STEP_STRIP };

struct step {
    enum step_kind kind;
    struct normal_form *form;
    struct split *pattern;
    char *content; /* of replace and prepend */
    size_t content_len;
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

static void read_content(struct json_config *c, const json_t *object, const char *key,
                         struct step *s)
{
    const char *content = json_config_string(c, object, key, &s->content_len);

    if (content == NULL)
        return;
    s->content = malloc(s->content_len + 1);
    if (s->content == NULL)
        json_config_no_memory(c);
    else
        memcpy(s->content, content, s->content_len + 1);
}

static void read_replace(struct json_config *c, const json_t *object, struct step *s)
{
    static const char *const members[] = {"type", "pattern", "content", NULL};

    s->kind = STEP_REPLACE;
    json_config_only(c, object, members);
    s->pattern = json_pattern_open(c, object);
    read_content(c, object, "content", s);
}

static void read_prepend(struct json_config *c, const json_t *object, struct step *s)
{
    static const char *const members[] = {"type", "prepend", NULL};

    s->kind = STEP_PREPEND;
    json_config_only(c, object, members);
    read_content(c, object, "prepend", s);
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
    if (value != NULL && !json_is_null(value)) {
        const size_t path = json_config_enter(c, "normalizer");
        read_step(c, value, n);
        json_config_leave(c, path);
    }
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

/* A text on its way. */
struct passage {
    const char *text;
    size_t len;
    bool cut;
};

static bool equal(const struct step *s, const char *text, size_t len)
{
    return len == s->content_len && memcmp(text, s->content, len) == 0;
}

/* Matches that are the content already change nothing. */
static int replace(const struct step *s, struct split_worker *pattern, struct passage *p,
                   struct shard_buffer *into)
{
    size_t start = 0, end = 0, done = 0;
    bool changed = false, room = true;
    int rc = SHARD_EOF;

    into->len = 0;
    split_begin(pattern);
    while (p->len > 0 &&
           (rc = split_next(pattern, p->text, p->len, &start, &end)) == SHARD_OK) {
        if (!room || equal(s, p->text + start, end - start))
            continue;
        changed = true;
        room = shard_buffer_add(into, p->text + done, start - done) == SHARD_OK &&
               shard_buffer_add(into, s->content, s->content_len) == SHARD_OK;
        p->cut = p->cut || (into->len == 0 && end > 0);
        done = end;
    }
    if (rc < 0 || !changed)
        return rc < 0 ? rc : SHARD_OK;
    if (!room || shard_buffer_add(into, p->text + done, p->len - done) < 0)
        return SHARD_ENOMEM;
    p->text = (const char *)into->data;
    p->len = into->len;
    return SHARD_OK;
}

static int prepend(const struct step *s, struct passage *p, struct shard_buffer *into)
{
    if (p->len == 0 || s->content_len == 0)
        return SHARD_OK;
    into->len = 0;
    if (shard_buffer_add(into, s->content, s->content_len) < 0 ||
        shard_buffer_add(into, p->text, p->len) < 0)
        return SHARD_ENOMEM;
    p->text = (const char *)into->data;
    p->len = into->len;
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
    p->cut = p->cut || from > 0;
    p->text += from;
    p->len = to - from;
}

int normalizer_apply(struct normalizer_worker *w, const char *text, size_t len,
                     const char **out, size_t *out_len, bool *cut)
{
    struct passage p = {text, len, false};
    int rc = SHARD_OK, other = 0; /* the buffer that does not hold the text */

    for (size_t i = 0; i < w->normalizer->n && rc == SHARD_OK; i++) {
        const struct step *s = &w->normalizer->steps[i];
        struct shard_buffer *into = &w->buffers[other];
        switch (s->kind) {
        case STEP_FORM:
            rc = normal_form_apply(s->form, &w->scratch, p.text, p.len, into, &p.text,
                                   &p.len);
            break;
        case STEP_LOWER:
            rc = lower_case_apply(p.text, p.len, into, &p.text, &p.len);
            break;
        case STEP_REPLACE:
            rc = replace(s, w->patterns[i], &p, into);
            break;
        case STEP_PREPEND:
            rc = prepend(s, &p, into);
            break;
        case STEP_STRIP:
            strip(s, &p);
            break;
        }
        if (into->data != NULL && p.text == (const char *)into->data)
            other = !other;
    }
    *out = p.text;
    *out_len = p.len;
    *cut = p.cut;
    return rc;
}
