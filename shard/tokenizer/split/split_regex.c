/* SPDX-License-Identifier: Apache-2.0
 * shard/tokenizer/split/split_regex.c - a split by PCRE2 (shard/tokenizer/split/split.h).
 *
 * Matches are those that Oniguruma finds for `tokenizers`: an empty one at the end of the
 * match before is passed over. A match is limited in steps, stack and memory,
 * so that an expression which backtracks for ever costs one text. PCRE2 does not count
 * what a lookahead goes through in one go. Where one may go through all that follows, a
 * long text is matched by another code, in which callouts count that. */
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shard/buffer.h"
#include "shard/status.h"
#include "shard/tokenizer/code_point.h"
#include "shard/tokenizer/split/regex_translate.h"
#include "shard/tokenizer/split/split.h"
#include "shard/valid_utf8.h"

/* A match may take so many steps; most take less than the first try allows. What those
 * take that do not is counted up over a text. */
enum { FIRST_STEPS = 1024, MORE_STEPS = 8, MAX_STEPS = 1 << 25, TEXT_STEPS = 1 << 30 };
/* Of a text that is not longer nothing needs to be counted by callouts. Of one that is
 * they may count a number that takes seconds, and what is no more than linear. */
enum { UNCOUNTED = 1 << 16, CALLOUT = 8, COUNT_PER_BYTE = 512 };
static const uint64_t max_count = (uint64_t)1 << 31;

enum { HEAP_KIB = 65536 };
enum { JIT_STACK = 32 << 10, MAX_JIT_STACK = 4 << 20 };

struct split_regex {
    pcre2_code *code;
    pcre2_code *counting; /* the same with callouts; NULL: no lookahead needs it */
    bool compiled;        /* to machine code */
};

struct split_regex_worker {
    const struct split_regex *regex;
    pcre2_match_data *data;
    pcre2_match_context *context;
    pcre2_jit_stack *stack;
    size_t steps;               /* counted for this text */
    uint64_t count, most_count; /* by callouts: the same, and how many it may take */
    size_t last;                /* where the last one was */
    bool after_match;           /* there was one before in this text */
    bool after_empty;           /* and it was empty: go on one character behind */
};

static const char *advice(int error)
{
    switch (error) {
    case PCRE2_ERROR_LOOKBEHIND_NOT_FIXED_LENGTH:
        return "; in (?<=...) and (?<!...) write each length as a branch of its own";
    case PCRE2_ERROR_PATTERN_TOO_LARGE:
        return "; shorten it, or lower the numbers in its {...}";
    default:
        return "";
    }
}

static int fail(char *why, size_t cap, int error)
{
    PCRE2_UCHAR words[128];

    if (error == PCRE2_ERROR_NOMEMORY || error == PCRE2_ERROR_HEAP_FAILED)
        return SHARD_ENOMEM;
    if (pcre2_get_error_message(error, words, sizeof(words)) < 0)
        words[0] = '\0';
    snprintf(why, cap, "the regular expression does not compile: %s%s", (char *)words,
             advice(error));
    return SHARD_EMODEL;
}

static int compile(pcre2_code **out, const struct shard_buffer *spelled, uint32_t options,
                   char *why, size_t cap)
{
    pcre2_compile_context *context = pcre2_compile_context_create(NULL);
    /* A pattern of no bytes is one, too, but not at no address. */
    const unsigned char *pattern =
        spelled->data != NULL ? spelled->data : (PCRE2_SPTR) "";
    int error = PCRE2_ERROR_NOMEMORY;
    PCRE2_SIZE at;

    if (context != NULL && pcre2_set_newline(context, PCRE2_NEWLINE_LF) == 0)
        *out = pcre2_compile(pattern, spelled->len, PCRE2_UTF | PCRE2_UCP | options,
                             &error, &at, context);
    pcre2_compile_context_free(context);
    if (*out == NULL)
        return fail(why, cap, error);
    error = pcre2_jit_compile(*out, PCRE2_JIT_COMPLETE);
    return error == PCRE2_ERROR_NOMEMORY ? SHARD_ENOMEM : SHARD_OK;
}

static bool is_compiled(const pcre2_code *code)
{
    size_t size = 0;

    return pcre2_pattern_info(code, PCRE2_INFO_JITSIZE, &size) == 0 && size > 0;
}

int split_regex_open(struct split_regex **out, const char *pattern,
                     enum split_syntax syntax, char *why, size_t cap)
{
    struct shard_buffer spelled = {NULL, 0, 0};
    struct split_regex *r = calloc(1, sizeof(*r));
    bool scans;
    int rc = SHARD_ENOMEM;

    *out = NULL;
    if (r == NULL)
        return rc;
    if (!shard_utf8_valid(pattern, strlen(pattern))) {
        snprintf(why, cap, "the regular expression is not UTF-8");
        rc = SHARD_EMODEL;
        goto out;
    }
    rc = regex_translate(pattern, strlen(pattern), syntax, &spelled, &scans, why, cap);
    if (rc == SHARD_OK)
        rc = compile(&r->code, &spelled, 0, why, cap);
    if (rc == SHARD_OK && scans)
        rc = compile(&r->counting, &spelled, PCRE2_AUTO_CALLOUT, why, cap);
    r->compiled = rc == SHARD_OK && is_compiled(r->code) &&
                  (r->counting == NULL || is_compiled(r->counting));
out:
    shard_buffer_free(&spelled);
    if (rc == SHARD_OK)
        *out = r;
    else
        split_regex_close(r);
    return rc;
}

void split_regex_close(struct split_regex *r)
{
    if (r == NULL)
        return;
    pcre2_code_free(r->code);
    pcre2_code_free(r->counting);
    free(r);
}

/* Each item of the expression that is tried, and what was gone through since the last. */
static int count(pcre2_callout_block *here, void *worker)
{
    struct split_regex_worker *w = worker;

    w->count += CALLOUT;
    if (here->current_position > w->last)
        w->count += here->current_position - w->last;
    w->last = here->current_position;
    return w->count > w->most_count ? PCRE2_ERROR_MATCHLIMIT : 0;
}

struct split_regex_worker *split_regex_worker_new(const struct split_regex *r)
{
    struct split_regex_worker *w = calloc(1, sizeof(*w));

    if (w == NULL)
        return NULL;
    w->regex = r;
    w->data = pcre2_match_data_create(1, NULL);
    w->context = pcre2_match_context_create(NULL);
    w->stack =
        r->compiled ? pcre2_jit_stack_create(JIT_STACK, MAX_JIT_STACK, NULL) : NULL;
    if (w->data == NULL || w->context == NULL || (r->compiled && w->stack == NULL)) {
        split_regex_worker_free(w);
        return NULL;
    }
    pcre2_set_heap_limit(w->context, HEAP_KIB);
    pcre2_jit_stack_assign(w->context, NULL, w->stack);
    if (r->counting != NULL)
        pcre2_set_callout(w->context, count, w);
    return w;
}

void split_regex_worker_free(struct split_regex_worker *w)
{
    if (w == NULL)
        return;
    pcre2_match_data_free(w->data);
    pcre2_match_context_free(w->context);
    pcre2_jit_stack_free(w->stack);
    free(w);
}

/* PCRE2's match at or behind `at`, in at most so many steps. The interpreter has a heap
 * where machine code has a stack. */
static int try(const struct split_regex_worker *w, const char *text, size_t len,
               size_t at, uint32_t steps)
{
    const struct split_regex *r = w->regex;
    const pcre2_code *code =
        r->counting != NULL && len > UNCOUNTED ? r->counting : r->code;
    const PCRE2_SPTR subject = (PCRE2_SPTR)text;
    int n = PCRE2_ERROR_JIT_STACKLIMIT;

    pcre2_set_match_limit(w->context, steps);
    if (r->compiled)
        n = pcre2_jit_match(code, subject, len, at, 0, w->data, w->context);
    if (n == PCRE2_ERROR_JIT_STACKLIMIT)
        n = pcre2_match(code, subject, len, at, PCRE2_NO_UTF_CHECK | PCRE2_NO_JIT,
                        w->data, w->context);
    return n;
}

/* One match at or behind `at`. */
static int match(struct split_regex_worker *w, const char *text, size_t len, size_t at)
{
    uint32_t steps = FIRST_STEPS;

    w->most_count = max_count + (uint64_t)len * COUNT_PER_BYTE;
    w->last = at;
    int n = try(w, text, len, at, steps);
    while (n == PCRE2_ERROR_MATCHLIMIT && steps < MAX_STEPS && w->steps < TEXT_STEPS &&
           w->count <= w->most_count) {
        steps *= MORE_STEPS;
        w->steps += steps;
        n = try(w, text, len, at, steps);
    }
    switch (n) {
    case PCRE2_ERROR_NOMATCH:
        return SHARD_EOF;
    case PCRE2_ERROR_NOMEMORY:
        return SHARD_ENOMEM;
    case PCRE2_ERROR_MATCHLIMIT:
    case PCRE2_ERROR_DEPTHLIMIT:
    case PCRE2_ERROR_HEAPLIMIT:
        return SHARD_EMATCH;
    default:
        return n < 0 ? SHARD_EINVAL : SHARD_OK;
    }
}

/* Behind the character at `at`. */
static size_t behind(const char *text, size_t len, size_t at)
{
    size_t n = 1;

    if (at < len)
        (void)code_point_at((const unsigned char *)text + at, &n);
    return at + n;
}

void split_regex_begin(struct split_regex_worker *w)
{
    w->after_match = w->after_empty = false;
    w->steps = 0;
    w->count = 0;
}

int split_regex_next(struct split_regex_worker *w, const char *text, size_t len,
                     size_t *start, size_t *end)
{
    const PCRE2_SIZE *found = pcre2_get_ovector_pointer(w->data);
    size_t at = w->after_empty ? behind(text, len, *end) : *end;
    int rc = SHARD_EOF;

    while (at <= len && (rc = match(w, text, len, at)) == SHARD_OK) {
        w->after_empty = found[0] == found[1];
        if (w->after_empty && w->after_match && found[0] == *end) {
            at = behind(text, len, at);
            rc = SHARD_EOF;
            continue;
        }
        w->after_match = true;
        *start = found[0];
        *end = found[1];
        break;
    }
    return rc;
}
