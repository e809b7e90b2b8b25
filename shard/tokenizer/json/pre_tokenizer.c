/* SPDX-License-Identifier: Apache-2.0
 * shard/tokenizer/json/pre_tokenizer.c - steps, each of which cuts what the one before
 * gives.
 *
 * Every step is a pattern, with what becomes of its matches; Digits and its like are
 * patterns that this file knows. Before the cut ByteLevel and Metaspace put something in
 * front, and Metaspace replaces spaces; behind it ByteLevel spells bytes in letters. */
#include "shard/tokenizer/json/pre_tokenizer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shard/buffer.h"
#include "shard/status.h"
#include "shard/tokenizer/json/byte_letters.h"
#include "shard/tokenizer/code_point.h"
#include "shard/tokenizer/json/json_pattern.h"
#include "shard/tokenizer/split/split.h"

enum { MAX_STEPS = 32 };

/* As `tokenizers` spells them. Its Whitespace counts joiners among words. */
static const char gpt2[] =
    "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|"
    "\\s+(?!\\S)|\\s+";
#define WORD "\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}\\x{200C}\\x{200D}"
static const char words_and_marks[] = "[" WORD "]+|[^" WORD "\\s]+";
static const char white[] = "\\s";
static const char number[] = "\\p{N}";
static const char punctuation[] = "[\\p{P}$+<=>\\^`|~]";

/* What becomes of matches, as `tokenizers` names it. */
enum behaviour { REMOVED, ISOLATED, MERGED_WITH_PREVIOUS, MERGED_WITH_NEXT, CONTIGUOUS };

enum prepending { NEVER, FIRST, ALWAYS };

struct step {
    struct split *pattern; /* NULL: no cut */
    enum behaviour behaviour;
    bool invert;
    enum prepending prepend; /* `mark`, where the text does not begin with it */
    bool replace;            /* spaces by `mark` */
    bool letters;
    char mark[8];
    size_t mark_len;
};

struct pre_tokenizer {
    size_t n;
    bool byte_level;
    struct step steps[MAX_STEPS];
};

struct step_worker {
    struct split_worker *pattern;
    struct shard_buffer changed, spelled;
};

struct pre_tokenizer_worker {
    const struct pre_tokenizer *pre_tokenizer;
    struct step_worker steps[MAX_STEPS];
    pre_tokenizer_word *word;
    void *to;
};

static void read_byte_level(struct json_config *c, const json_t *object, struct step *s)
{
    static const char *const members[] = {"type", "add_prefix_space", "trim_offsets",
                                          "use_regex", NULL};

    json_config_only(c, object, members);
    s->prepend = json_config_bool(c, object, "add_prefix_space") ? ALWAYS : NEVER;
    (void)json_config_bool(c, object, "trim_offsets");
    s->mark[0] = ' ';
    s->mark_len = 1;
    s->behaviour = ISOLATED;
    if (json_config_bool_or(c, object, "use_regex", true))
        s->pattern = json_pattern_of(c, gpt2);
}

static enum behaviour read_behaviour(struct json_config *c, const json_t *object)
{
    static const char *const names[] = {"Removed", "Isolated", "MergedWithPrevious",
                                        "MergedWithNext", "Contiguous"};
    size_t len;
    const char *name = json_config_string(c, object, "behavior", &len);

    for (int i = 0; name != NULL && i < 5; i++)
        if (strcmp(names[i], name) == 0)
            return (enum behaviour)i;
    if (name != NULL) {
        const size_t path = json_config_enter(c, "behavior");
        json_config_refuse(c, "\"%.100s\" is not known", name);
        json_config_leave(c, path);
    }
    return ISOLATED;
}

static void read_split(struct json_config *c, const json_t *object, struct step *s)
{
    static const char *const members[] = {"type", "pattern", "behavior", "invert", NULL};

    json_config_only(c, object, members);
    s->behaviour = read_behaviour(c, object);
    s->invert = json_config_bool(c, object, "invert");
    s->pattern = json_pattern_open(c, object);
}

static void read_digits(struct json_config *c, const json_t *object, struct step *s)
{
    static const char *const members[] = {"type", "individual_digits", NULL};

    json_config_only(c, object, members);
    s->behaviour =
        json_config_bool(c, object, "individual_digits") ? ISOLATED : CONTIGUOUS;
    s->pattern = json_pattern_of(c, number);
}

static void read_whitespace(struct json_config *c, const json_t *object, struct step *s,
                            bool split)
{
    static const char *const members[] = {"type", NULL};

    json_config_only(c, object, members);
    s->behaviour = REMOVED;
    s->invert = !split;
    s->pattern = json_pattern_of(c, split ? white : words_and_marks);
}

static void read_punctuation(struct json_config *c, const json_t *object, struct step *s)
{
    static const char *const members[] = {"type", "behavior", NULL};

    json_config_only(c, object, members);
    s->behaviour = json_object_get(object, "behavior") != NULL ? read_behaviour(c, object)
                                                               : ISOLATED;
    s->pattern = json_pattern_of(c, punctuation);
}

static enum prepending read_scheme(struct json_config *c, const json_t *object)
{
    static const char *const names[] = {"never", "first", "always"};
    const bool prefix = json_config_bool_or(c, object, "add_prefix_space", true);
    size_t len;
    const char *name = json_config_string_or_null(c, object, "prepend_scheme", &len);
    enum prepending scheme = prefix ? ALWAYS : NEVER;
    bool known = name == NULL;

    for (int i = 0; name != NULL && i < 3; i++)
        if (strcmp(names[i], name) == 0) {
            scheme = (enum prepending)i;
            known = true;
        }
    if (known && (prefix || scheme == NEVER))
        return scheme;
    const size_t path = json_config_enter(c, "prepend_scheme");
    json_config_refuse(c, known ? "does not fit add_prefix_space" : "is not known");
    json_config_leave(c, path);
    return scheme;
}

static void read_metaspace(struct json_config *c, const json_t *object, struct step *s)
{
    static const char *const members[] = {
        "type",    "replacement", "prepend_scheme", "add_prefix_space", "split",
        "str_rep", NULL};
    size_t step = 0;

    json_config_only(c, object, members);
    const char *mark = json_config_string(c, object, "replacement", &s->mark_len);
    if (mark != NULL && s->mark_len > 0)
        (void)code_point_at((const unsigned char *)mark, &step);
    if (mark != NULL && (step == 0 || step != s->mark_len))
        json_config_refuse(c, "replacement must be one character");
    if (c->rc < 0)
        return;
    memcpy(s->mark, mark, s->mark_len);
    s->replace = true;
    s->prepend = read_scheme(c, object);
    if (json_config_bool_or(c, object, "split", true)) {
        char regex[16];
        snprintf(regex, sizeof(regex), "\\x{%X}",
                 (unsigned)code_point_at((const unsigned char *)mark, &step));
        s->behaviour = MERGED_WITH_NEXT;
        s->pattern = json_pattern_of(c, regex);
    }
}

enum {
    BYTE_LEVEL,
    SPLIT,
    DIGITS,
    WHITESPACE,
    WHITESPACE_SPLIT,
    PUNCTUATION,
    METASPACE,
    SEQUENCE
};

/* One step, or all of a sequence. */
static void read_step(struct json_config *c, const json_t *object, void *to)
{
    struct pre_tokenizer *p = to;
    static const char *const types[] = {
        [BYTE_LEVEL] = "ByteLevel",
        [SPLIT] = "Split",
        [DIGITS] = "Digits",
        [WHITESPACE] = "Whitespace",
        [WHITESPACE_SPLIT] = "WhitespaceSplit",
        [PUNCTUATION] = "Punctuation",
        [METASPACE] = "Metaspace",
        [SEQUENCE] = "Sequence",
        NULL,
    };
    const int type = json_config_type(c, object, types);

    if (type == SEQUENCE) {
        json_config_sequence(c, object, "pretokenizers", read_step, p);
        return;
    }
    if (p->n == MAX_STEPS)
        json_config_refuse(c, "more than %d pre-tokenizers", MAX_STEPS);
    if (c->rc < 0)
        return;
    /* What follows ByteLevel sees its letters. */
    if (p->byte_level)
        pre_tokenizer_use_letters(p);
    p->byte_level = type == BYTE_LEVEL;
    struct step *s = &p->steps[p->n++];
    if (type == BYTE_LEVEL)
        read_byte_level(c, object, s);
    else if (type == SPLIT)
        read_split(c, object, s);
    else if (type == DIGITS)
        read_digits(c, object, s);
    else if (type == PUNCTUATION)
        read_punctuation(c, object, s);
    else if (type == METASPACE)
        read_metaspace(c, object, s);
    else
        read_whitespace(c, object, s, type == WHITESPACE_SPLIT);
}

struct pre_tokenizer *pre_tokenizer_read(struct json_config *c, const json_t *value)
{
    struct pre_tokenizer *p = calloc(1, sizeof(*p));

    if (p == NULL) {
        json_config_no_memory(c);
        return NULL;
    }
    json_config_step(c, "pre_tokenizer", value, read_step, p);
    if (c->rc == SHARD_OK)
        return p;
    pre_tokenizer_free(p);
    return NULL;
}

void pre_tokenizer_free(struct pre_tokenizer *p)
{
    for (size_t i = 0; p != NULL && i < p->n; i++)
        split_close(p->steps[i].pattern);
    free(p);
}

bool pre_tokenizer_is_byte_level(const struct pre_tokenizer *p)
{
    return p->byte_level;
}

void pre_tokenizer_use_letters(struct pre_tokenizer *p)
{
    p->steps[p->n - 1].letters = true;
}

struct pre_tokenizer_worker *pre_tokenizer_worker_new(const struct pre_tokenizer *p)
{
    struct pre_tokenizer_worker *w = calloc(1, sizeof(*w));

    if (w == NULL)
        return NULL;
    w->pre_tokenizer = p;
    for (size_t i = 0; i < p->n; i++) {
        if (p->steps[i].pattern == NULL)
            continue;
        w->steps[i].pattern = split_worker_new(p->steps[i].pattern);
        if (w->steps[i].pattern == NULL) {
            pre_tokenizer_worker_free(w);
            return NULL;
        }
    }
    return w;
}

void pre_tokenizer_worker_free(struct pre_tokenizer_worker *w)
{
    if (w == NULL)
        return;
    for (size_t i = 0; i < w->pre_tokenizer->n; i++) {
        split_worker_free(w->steps[i].pattern);
        shard_buffer_free(&w->steps[i].changed);
        shard_buffer_free(&w->steps[i].spelled);
    }
    free(w);
}

/* A text between two marks that a step gives on, or takes in. */
struct span {
    const char *text;
    size_t len;
    size_t head; /* so many bytes come from the whole text's first character */
};

static int run_step(struct pre_tokenizer_worker *w, size_t i, struct span span);

/* Behind the cut of step i. */
static int give(struct pre_tokenizer_worker *w, size_t i, struct span span)
{
    if (span.len == 0)
        return SHARD_OK;
    if (w->pre_tokenizer->steps[i].letters) {
        struct shard_buffer *into = &w->steps[i].spelled;
        const size_t head = span.head;
        into->len = 0;
        for (size_t at = 0; at < span.len; at++) {
            unsigned char letter[4];
            const size_t n =
                code_point_put(byte_letter((unsigned char)span.text[at]), letter);
            if (shard_buffer_add(into, letter, n) < 0)
                return SHARD_ENOMEM;
            if (at < head)
                span.head = into->len;
        }
        span.text = (const char *)into->data;
        span.len = into->len;
    }
    if (i + 1 == w->pre_tokenizer->n)
        return w->word(w->to, span.text, span.len);
    return run_step(w, i + 1, span);
}

/* A span that what follows may still join. */
struct pending {
    size_t start, end;
    bool match, any;
};

static bool joins(enum behaviour b, const struct pending *p, bool match)
{
    if (!p->any)
        return false;
    switch (b) {
    case MERGED_WITH_PREVIOUS:
        return match && !p->match;
    case MERGED_WITH_NEXT:
        return !match && p->match;
    default:
        return match == p->match;
    }
}

static struct span part(struct span of, size_t start, size_t end)
{
    const size_t head = of.head < end ? of.head : end;

    return (struct span){of.text + start, end - start, head > start ? head - start : 0};
}

/* The next of the spans, matches and what lies between them, that make up the text. */
static int add_span(struct pre_tokenizer_worker *w, size_t i, struct span text,
                    struct pending *p, size_t start, size_t end, bool match)
{
    const struct step *s = &w->pre_tokenizer->steps[i];
    int rc = SHARD_OK;

    match = match != s->invert;
    if (s->behaviour == ISOLATED || s->behaviour == REMOVED)
        return s->behaviour == REMOVED && match ? SHARD_OK
                                                : give(w, i, part(text, start, end));
    if (joins(s->behaviour, p, match)) {
        p->end = end;
        p->match = match;
        return SHARD_OK;
    }
    if (p->any)
        rc = give(w, i, part(text, p->start, p->end));
    *p = (struct pending){start, end, match, true};
    return rc;
}

static int cut(struct pre_tokenizer_worker *w, size_t i, struct span text)
{
    struct split_worker *pattern = w->steps[i].pattern;
    struct pending p = {0, 0, false, false};
    size_t done = 0, start = 0, end = 0;
    int rc = SHARD_OK, found;

    split_begin(pattern);
    while ((found = split_next(pattern, text.text, text.len, &start, &end)) == SHARD_OK) {
        if (rc == SHARD_OK && start > done)
            rc = add_span(w, i, text, &p, done, start, false);
        if (rc == SHARD_OK)
            rc = add_span(w, i, text, &p, start, end, true);
        done = end;
    }
    if (found < 0)
        return found;
    if (rc == SHARD_OK && done < text.len)
        rc = add_span(w, i, text, &p, done, text.len, false);
    if (rc == SHARD_OK && p.any)
        rc = give(w, i, part(text, p.start, p.end));
    return rc;
}

/* The text with its spaces replaced and the mark in front, into the step's buffer. */
static int change(const struct step *s, struct shard_buffer *into, struct span *span,
                  bool prepend)
{
    size_t head = prepend && span->head > 0 ? s->mark_len : 0;

    into->len = 0;
    if (prepend && shard_buffer_add(into, s->mark, s->mark_len) < 0)
        return SHARD_ENOMEM;
    for (size_t at = 0; at < span->head; at++)
        head += s->replace && span->text[at] == ' ' ? s->mark_len : 1;
    for (size_t at = 0; at < span->len;) {
        const char *space =
            s->replace ? memchr(span->text + at, ' ', span->len - at) : NULL;
        const size_t end = space != NULL ? (size_t)(space - span->text) : span->len;
        if (shard_buffer_add(into, span->text + at, end - at) < 0 ||
            (space != NULL && shard_buffer_add(into, s->mark, s->mark_len) < 0))
            return SHARD_ENOMEM;
        at = end + (space != NULL);
    }
    span->text = (const char *)into->data;
    span->len = into->len;
    span->head = head;
    return SHARD_OK;
}

/* A space in front becomes the mark that Metaspace looks for there. */
static bool begins_with_mark(const struct step *s, const struct span *span)
{
    return (s->replace && span->text[0] == ' ') ||
           (span->len >= s->mark_len && memcmp(span->text, s->mark, s->mark_len) == 0);
}

static int run_step(struct pre_tokenizer_worker *w, size_t i, struct span span)
{
    const struct step *s = &w->pre_tokenizer->steps[i];
    const bool prepend =
        (s->prepend == ALWAYS || (s->prepend == FIRST && span.head > 0)) &&
        !begins_with_mark(s, &span);

    if (prepend || (s->replace && memchr(span.text, ' ', span.len) != NULL))
        if (change(s, &w->steps[i].changed, &span, prepend) < 0)
            return SHARD_ENOMEM;
    return s->pattern != NULL ? cut(w, i, span) : give(w, i, span);
}

int pre_tokenizer_cut(struct pre_tokenizer_worker *w, const char *text, size_t len,
                      size_t head, pre_tokenizer_word *word, void *to)
{
    w->word = word;
    w->to = to;
    if (len == 0)
        return SHARD_OK;
    if (w->pre_tokenizer->n == 0)
        return word(to, text, len);
    return run_step(w, 0, (struct span){text, len, head});
}
