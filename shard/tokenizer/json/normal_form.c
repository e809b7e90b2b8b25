/* SPDX-License-Identifier: Apache-2.0 */
#include "shard/tokenizer/json/normal_form.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <utf8proc.h>

#include "shard/status.h"
#include "shard/tokenizer/code_point.h"

enum { N_POINTS = 0x110000, SHORT_RUN = 32, MOST_OF_ONE = 32 };
/* From here on nothing combines or decomposes, in any version of Unicode so far. */
enum { FIRST_PLAIN = 0x30000 };
enum { HANGUL_FIRST = 0xac00, HANGUL_LAST = 0xd7a3 };

/* A code point is settled where it is its own normal form, and never the second of two
 * that compose; inert where it is a starter besides: between it and what stands before it
 * nothing happens. */
struct normal_form {
    utf8proc_option_t options;
    uint32_t first; /* all below are inert */
    unsigned char settled[N_POINTS / 8], inert[N_POINTS / 8];
};

static bool has(const unsigned char *set, uint32_t c)
{
    return (set[c >> 3] >> (c & 7) & 1) != 0;
}

static void take_out(unsigned char *set, uint32_t c)
{
    set[c >> 3] &= (unsigned char)~(1u << (c & 7));
}

static bool is_inert(const struct normal_form *f, uint32_t c)
{
    return c < f->first || has(f->inert, c);
}

static unsigned combining_class(int32_t c)
{
    return (unsigned)utf8proc_get_property(c)->combining_class;
}

/* Whether c stays what it is. Fully decomposed it is parts[0..n). */
static bool stays(const struct normal_form *f, int32_t c, const int32_t *parts,
                  utf8proc_ssize_t n)
{
    int32_t copy[MOST_OF_ONE];

    memcpy(copy, parts, (size_t)n * sizeof(*copy));
    if ((f->options & UTF8PROC_COMPOSE) != 0)
        n = utf8proc_normalize_utf32(copy, n, f->options);
    return n == 1 && copy[0] == c;
}

/* What c decomposes to; 0: not at all, or it is no character. */
static utf8proc_ssize_t decompose(const struct normal_form *f, int32_t c, int32_t *parts)
{
    const utf8proc_property_t *p = utf8proc_get_property(c);

    if (p->decomp_seqindex == UINT16_MAX && (c < HANGUL_FIRST || c > HANGUL_LAST))
        return 0;
    const utf8proc_ssize_t n =
        utf8proc_decompose_char(c, parts, MOST_OF_ONE, f->options, NULL);
    return n > MOST_OF_ONE ? 0 : n;
}

struct normal_form *normal_form_new(enum normal_form_kind kind)
{
    const bool composes = kind == NORMAL_NFC || kind == NORMAL_NFKC;
    const bool compatible = kind == NORMAL_NFKC || kind == NORMAL_NFKD;
    struct normal_form *f = calloc(1, sizeof(*f));
    int32_t parts[MOST_OF_ONE];

    if (f == NULL)
        return NULL;
    f->options = (utf8proc_option_t)(UTF8PROC_STABLE |
                                     (composes ? UTF8PROC_COMPOSE : UTF8PROC_DECOMPOSE) |
                                     (compatible ? UTF8PROC_COMPAT : 0));
    memset(f->settled, 0xff, sizeof(f->settled));
    for (int32_t c = 0; c < FIRST_PLAIN; c++) {
        const utf8proc_ssize_t n = decompose(f, c, parts);
        if (n > 0 && !stays(f, c, parts, n))
            take_out(f->settled, (uint32_t)c);
        for (utf8proc_ssize_t i = 1; composes && i < n; i++)
            take_out(f->settled, (uint32_t)parts[i]);
    }
    memcpy(f->inert, f->settled, sizeof(f->inert));
    for (int32_t c = 0; c < FIRST_PLAIN; c++)
        if (combining_class(c) != 0)
            take_out(f->inert, (uint32_t)c);
    while (is_inert(f, f->first))
        f->first++;
    return f;
}

void normal_form_free(struct normal_form *f)
{
    free(f);
}

void normal_form_scratch_free(struct normal_form_scratch *s)
{
    free(s->points);
    free(s->sorted);
    *s = (struct normal_form_scratch){NULL, NULL, 0};
}

/* Where text that must be normalized begins, from `at` on: an inert character, if there
 * is one. Or len. */
static size_t find_change(const struct normal_form *f, const unsigned char *text,
                          size_t len, size_t at)
{
    size_t starter = at, n;
    unsigned order =
        0; /* the class of the mark before, which none of a lower one follows */

    while (at < len) {
        if (text[at] < 0x80) {
            starter = at++;
            order = 0;
            continue;
        }
        const uint32_t c = code_point_at(text + at, &n);
        if (is_inert(f, c)) {
            starter = at;
            order = 0;
        } else if (has(f->settled, c) && combining_class((int32_t)c) >= order) {
            order = combining_class((int32_t)c);
        } else {
            return starter;
        }
        at += n;
    }
    return len;
}

/* Where the inert character behind the one at `at` is; or len. */
static size_t find_inert(const struct normal_form *f, const unsigned char *text,
                         size_t len, size_t at)
{
    size_t n;

    (void)code_point_at(text + at, &n);
    for (at += n; at < len; at += n)
        if (is_inert(f, code_point_at(text + at, &n)))
            return at;
    return len;
}

static int reserve(struct normal_form_scratch *s, size_t n)
{
    if (n <= s->cap)
        return SHARD_OK;
    if (n > SIZE_MAX / 8)
        return SHARD_ENOMEM;
    const size_t cap = n + n / 2 + 64;
    int32_t *points = realloc(s->points, cap * sizeof(*points));
    if (points == NULL)
        return SHARD_ENOMEM;
    s->points = points;
    int32_t *sorted = realloc(s->sorted, cap * sizeof(*sorted));
    if (sorted == NULL)
        return SHARD_ENOMEM;
    s->sorted = sorted;
    s->cap = cap;
    return SHARD_OK;
}

/* n marks by their class, equal ones as they stand. */
static void sort_long(int32_t *marks, size_t n, int32_t *sorted)
{
    size_t from[257] = {0};

    for (size_t i = 0; i < n; i++)
        from[combining_class(marks[i]) + 1]++;
    for (size_t k = 1; k < 257; k++)
        from[k] += from[k - 1];
    for (size_t i = 0; i < n; i++)
        sorted[from[combining_class(marks[i])]++] = marks[i];
    memcpy(marks, sorted, n * sizeof(*marks));
}

static void sort_short(int32_t *marks, size_t n)
{
    for (size_t i = 1; i < n; i++) {
        const int32_t mark = marks[i];
        size_t k = i;
        for (; k > 0 && combining_class(marks[k - 1]) > combining_class(mark); k--)
            marks[k] = marks[k - 1];
        marks[k] = mark;
    }
}

static void sort_marks(int32_t *points, size_t n, int32_t *sorted)
{
    for (size_t i = 0, end; i < n; i = end) {
        end = i + 1;
        if (combining_class(points[i]) == 0)
            continue;
        while (end < n && combining_class(points[end]) != 0)
            end++;
        if (end - i <= SHORT_RUN)
            sort_short(points + i, end - i);
        else
            sort_long(points + i, end - i, sorted);
    }
}

/* Adds the normal form of len bytes that nothing outside of them touches. */
static int normalize(const struct normal_form *f, struct normal_form_scratch *s,
                     const unsigned char *text, size_t len, struct shard_buffer *into)
{
    size_t n = 0, step;

    for (size_t at = 0; at < len; at += step) {
        const int32_t c = (int32_t)code_point_at(text + at, &step);
        if (reserve(s, n + MOST_OF_ONE) < 0)
            return SHARD_ENOMEM;
        const utf8proc_ssize_t parts =
            utf8proc_decompose_char(c, s->points + n, MOST_OF_ONE, f->options, NULL);
        n += parts > 0 && parts <= MOST_OF_ONE ? (size_t)parts : 0;
    }
    sort_marks(s->points, n, s->sorted);
    if ((f->options & UTF8PROC_COMPOSE) != 0)
        n = (size_t)utf8proc_normalize_utf32(s->points, (utf8proc_ssize_t)n, f->options);
    for (size_t i = 0; i < n; i++) {
        unsigned char bytes[4];
        const size_t k = code_point_put((uint32_t)s->points[i], bytes);
        if (shard_buffer_add(into, bytes, k) < 0)
            return SHARD_ENOMEM;
    }
    return SHARD_OK;
}

int normal_form_apply(const struct normal_form *f, struct normal_form_scratch *s,
                      const char *text, size_t len, struct shard_buffer *into,
                      const char **out, size_t *out_len)
{
    const unsigned char *t = (const unsigned char *)text;
    size_t at = find_change(f, t, len, 0);

    *out = text;
    *out_len = len;
    if (at == len)
        return SHARD_OK;
    into->len = 0;
    for (size_t done = 0;;) {
        if (shard_buffer_add(into, text + done, at - done) < 0)
            return SHARD_ENOMEM;
        if (at == len)
            break;
        done = find_inert(f, t, len, at);
        if (normalize(f, s, t + at, done - at, into) < 0)
            return SHARD_ENOMEM;
        at = find_change(f, t, len, done);
    }
    *out = (const char *)into->data;
    *out_len = into->len;
    return SHARD_OK;
}
