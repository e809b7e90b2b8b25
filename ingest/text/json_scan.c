/* SPDX-License-Identifier: Apache-2.0
 * ingest/text/json_scan.c - a parser of JSON by descent that keeps nothing of what it
 * passes. Each function returns false where jansson is to be asked. */
#include "ingest/text/json_scan.h"

#include <stdint.h>
#include <string.h>

#include "ingest/text/utf8.h"

/* Deeper values are jansson's, which goes down to 2048. */
enum { MAX_DEPTH = 32 };

struct scan {
    const char *at, *end;
};

/* Also where there is nothing more: NUL, which no JSON has outside of strings. */
static char peek(const struct scan *s)
{
    return s->at < s->end ? *s->at : '\0';
}

static bool take(struct scan *s, char c)
{
    if (peek(s) != c)
        return false;
    s->at++;
    return true;
}

static void skip_space(struct scan *s)
{
    while (s->at < s->end &&
           (*s->at == ' ' || *s->at == '\t' || *s->at == '\n' || *s->at == '\r'))
        s->at++;
}

/* ---- strings ---- */

static const uint64_t ONES = UINT64_C(0x0101010101010101);

/* Eight bytes, the first one lowest. */
static uint64_t load8(const char *at)
{
    uint64_t word;

    memcpy(&word, at, 8);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    word = __builtin_bswap64(word);
#endif
    return word;
}

/* How many of eight bytes stand before the first whose high bit is set; 8: none is. */
static unsigned count_before(uint64_t high)
{
    return high == 0 ? 8 : (unsigned)__builtin_ctzll(high) / 8;
}

/* Passes ASCII that stands for itself: eight at a time, as most of a text is such. */
static void skip_plain(struct scan *s)
{
    while (s->end - s->at >= 8) {
        const uint64_t word = load8(s->at);
        /* A byte's high bit: it is not ASCII, or below ' ', or a quote, or a backslash.
         * What is borrowed reaches only bytes behind one of those. */
        const uint64_t odd = word | (word - ONES * ' ') | ((word ^ ONES * '"') - ONES) |
                             ((word ^ ONES * '\\') - ONES);
        const unsigned n = count_before(odd & ONES * 0x80);

        s->at += n;
        if (n < 8)
            return;
    }
    while (s->at < s->end && (unsigned char)*s->at >= ' ' &&
           (unsigned char)*s->at < 0x80 && *s->at != '"' && *s->at != '\\')
        s->at++;
}

/* Whether three bytes are a character, of those that nearly all of Asia's are. */
static bool is_common(const char *at, size_t len)
{
    const unsigned char *p = (const unsigned char *)at;

    return len >= 3 && (p[0] & 0xF0) == 0xE0 && p[0] != 0xE0 && p[0] != 0xED &&
           (p[1] & 0xC0) == 0x80 && (p[2] & 0xC0) == 0x80;
}

static bool skip_characters(struct scan *s)
{
    uint32_t c;

    while ((unsigned char)peek(s) >= 0x80) {
        const size_t left = (size_t)(s->end - s->at);
        const size_t n = is_common(s->at, left) ? 3 : utf8_decode(s->at, left, &c);

        if (n == 0)
            return false;
        s->at += n;
    }
    return true;
}

/* Four hexadecimal digits, or -1. */
static int32_t code_unit(const char *at, const char *end)
{
    int32_t unit = 0;

    if (end - at < 4)
        return -1;
    for (size_t i = 0; i < 4; i++) {
        const char c = at[i];

        unit *= 16;
        if (c >= '0' && c <= '9')
            unit += c - '0';
        else if ((c | ' ') >= 'a' && (c | ' ') <= 'f')
            unit += (c | ' ') - 'a' + 10;
        else
            return -1;
    }
    return unit;
}

/* The character that the escape at *at stands for, which it moves behind; -1: it stands
 * for none. */
static int32_t escaped(const char **at, const char *end)
{
    static const char simple[128] = {
        ['"'] = '"',  ['\\'] = '\\', ['/'] = '/',  ['b'] = '\b',
        ['f'] = '\f', ['n'] = '\n',  ['r'] = '\r', ['t'] = '\t'};
    const char *p = *at + 1;
    int32_t c, low;

    if (p < end && (unsigned char)*p < 128 && simple[(unsigned char)*p] != '\0') {
        *at = p + 1;
        return simple[(unsigned char)*p];
    }
    if (p == end || *p != 'u' || (c = code_unit(p + 1, end)) < 0)
        return -1;
    *at = p + 5;
    if (c < 0xD800 || c > 0xDFFF)
        return c;
    p = *at;
    if (c > 0xDBFF || end - p < 6 || p[0] != '\\' || p[1] != 'u')
        return -1;
    low = code_unit(p + 2, end);
    *at = p + 6;
    return low >= 0xDC00 && low <= 0xDFFF ? 0x10000 + ((c - 0xD800) << 10) + low - 0xDC00
                                          : -1;
}

static size_t utf8_length(int32_t c)
{
    return c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
}

static bool scan_string(struct scan *s, struct json_value *v)
{
    size_t saved = 0; /* bytes by which escapes are longer than what they stand for */

    if (!take(s, '"'))
        return false;
    v->kind = JSON_IS_STRING;
    v->bytes = s->at;
    for (;;) {
        const char *escape;
        int32_t c;

        skip_plain(s);
        if (!skip_characters(s))
            return false;
        if (peek(s) == '"')
            break;
        if (peek(s) != '\\') {
            if ((unsigned char)peek(s) < ' ') /* the end too */
                return false;
            continue;
        }
        escape = s->at;
        c = escaped(&s->at, s->end);
        if (c < 0)
            return false;
        saved += (size_t)(s->at - escape) - utf8_length(c);
    }
    v->n_bytes = (size_t)(s->at - v->bytes);
    v->len = v->n_bytes - saved;
    s->at++;
    return true;
}

static char *put_utf8(char *out, int32_t c)
{
    static const unsigned char head[] = {0, 0, 0xC0, 0xE0, 0xF0};
    const size_t n = utf8_length(c);

    for (size_t i = n; i-- > 1; c >>= 6)
        out[i] = (char)(0x80 | (c & 0x3F));
    out[0] = (char)(head[n] | c);
    if (n == 1)
        out[0] = (char)c;
    return out + n;
}

/* Copies up to the next backslash, or eight bytes where both have as many. */
static size_t copy_some(const char *at, const char *end, char *out, const char *out_end)
{
    uint64_t word, slash;

    if (end - at < 8 || out_end - out < 8) {
        *out = *at;
        return *at != '\\';
    }
    memcpy(out, at, 8);
    word = load8(at) ^ ONES * '\\';
    slash = (word - ONES) & ~word & ONES * 0x80;
    return count_before(slash);
}

void json_value_copy(const struct json_value *v, char *out)
{
    const char *at = v->bytes, *end = at + v->n_bytes, *out_end = out + v->len;

    if (v->len == v->n_bytes) {
        if (v->len > 0)
            memcpy(out, at, v->len);
        return;
    }
    while (at < end) {
        const size_t n = copy_some(at, end, out, out_end);

        at += n;
        out += n;
        if (n < 8 && at < end && *at == '\\')
            out = put_utf8(out, escaped(&at, end));
    }
}

/* ---- values ---- */

static bool scan_digits(struct scan *s)
{
    const char *first = s->at;

    while (peek(s) >= '0' && peek(s) <= '9')
        s->at++;
    return s->at > first;
}

/* However large: such numbers are taken too. */
static bool scan_number(struct scan *s)
{
    take(s, '-');
    if (!take(s, '0') && !scan_digits(s))
        return false;
    if (take(s, '.') && !scan_digits(s))
        return false;
    if (take(s, 'e') || take(s, 'E')) {
        if (!take(s, '+'))
            take(s, '-');
        return scan_digits(s);
    }
    return true;
}

static bool scan_word(struct scan *s, const char *word)
{
    const size_t n = strlen(word);

    if ((size_t)(s->end - s->at) < n || memcmp(s->at, word, n) != 0)
        return false;
    s->at += n;
    return true;
}

static bool scan_value(struct scan *s, unsigned depth, struct json_value *v);

static bool scan_array(struct scan *s, unsigned depth)
{
    struct json_value ignored;

    skip_space(s);
    if (take(s, ']'))
        return true;
    do {
        skip_space(s);
        if (!scan_value(s, depth + 1, &ignored))
            return false;
        skip_space(s);
    } while (take(s, ','));
    return take(s, ']');
}

/* A name, without escapes, and its value. */
static bool scan_member(struct scan *s, unsigned depth, struct json_value *name,
                        struct json_value *v)
{
    skip_space(s);
    if (!scan_string(s, name) || name->len < name->n_bytes)
        return false;
    skip_space(s);
    if (!take(s, ':'))
        return false;
    skip_space(s);
    return scan_value(s, depth + 1, v);
}

static bool scan_object(struct scan *s, unsigned depth)
{
    struct json_value name, ignored;

    skip_space(s);
    if (take(s, '}'))
        return true;
    do {
        if (!scan_member(s, depth, &name, &ignored))
            return false;
        skip_space(s);
    } while (take(s, ','));
    return take(s, '}');
}

static bool scan_any(struct scan *s, unsigned depth, struct json_value *v)
{
    v->kind = JSON_IS_OTHER;
    switch (peek(s)) {
    case '"':
        return scan_string(s, v);
    case '{':
        s->at++;
        return depth < MAX_DEPTH && scan_object(s, depth);
    case '[':
        s->at++;
        return depth < MAX_DEPTH && scan_array(s, depth);
    case 't':
        return scan_word(s, "true");
    case 'f':
        return scan_word(s, "false");
    case 'n':
        v->kind = JSON_IS_NULL;
        return scan_word(s, "null");
    default:
        v->kind = JSON_IS_NUMBER;
        return scan_number(s);
    }
}

static bool scan_value(struct scan *s, unsigned depth, struct json_value *v)
{
    const char *first = s->at;

    if (!scan_any(s, depth, v))
        return false;
    if (v->kind != JSON_IS_STRING) {
        v->bytes = first;
        v->n_bytes = (size_t)(s->at - first);
    }
    return true;
}

static bool is_called(const struct json_value *name, const char *as, size_t len)
{
    return name->n_bytes == len && memcmp(name->bytes, as, len) == 0;
}

bool json_scan(const char *json, size_t len, const char *text, const char *id,
               struct json_document *out)
{
    struct scan s = {json, json + len};
    const size_t text_len = strlen(text), id_len = strlen(id);
    struct json_value name, value;

    *out = (struct json_document){0};
    skip_space(&s);
    if (!take(&s, '{'))
        return false;
    do {
        if (!scan_member(&s, 0, &name, &value))
            return false;
        if (is_called(&name, text, text_len))
            out->text = value;
        else
            out->has_others = true;
        if (is_called(&name, id, id_len))
            out->id = value;
        skip_space(&s);
    } while (take(&s, ','));
    if (!take(&s, '}'))
        return false;
    skip_space(&s);
    return s.at == s.end;
}
