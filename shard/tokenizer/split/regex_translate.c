/* SPDX-License-Identifier: Apache-2.0
 * shard/tokenizer/split/regex_translate.c - Oniguruma's and fancy-regex's syntaxes ->
 * PCRE2's.
 *
 * A recursive descent over the pattern. What all spell alike is still written anew, so
 * that nothing passes which this file does not know. Where Oniguruma and PCRE2 differ:
 *
 *     \s \w \d \b      Oniguruma's sets, written out
 *     \h \v            a hexadecimal digit; a vertical tab
 *     ^ $ .            always of lines; (?m: is what others call dotall
 *     X{n,m}+          (?:X{n,m})+, not possessive; X{n}? is (?:X{n})?; X{,m} is X{0,m}
 *     [a[b]&&c]        nested classes and intersections become groups with lookaheads
 *     \p{Han}          the script itself, without its extensions
 *     (?i:...)         ASCII literals and classes only, and none in which Oniguruma sees
 *                      one folded character ("ss", "fi", "st")
 *
 * Where fancy-regex, which hands what it can to Rust's regex, differs from Oniguruma:
 *
 *     \w \b            with the two join controls; the same within classes
 *     ^ $              of the text, with (?m: of lines; (?s: is dotall
 *     X{n,m}+          possessive; X{n}? is X{n}
 *     [[:alpha:]]      of ASCII
 *     (?i:...)         of all letters, each one for itself
 *     \pL \u{E9} \xE9  are known; [a--b] and [a~~b] are operators: refused
 *
 * Refused: references, named groups, options that begin within a branch, \G \K \R \X,
 * callouts, absence, conditions. */
#include "shard/tokenizer/split/regex_translate.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "shard/status.h"
#include "shard/tokenizer/code_point.h"
#include "shard/tokenizer/split/regex_property.h"
#include "shard/tokenizer/split/regex_sets.h"

enum { MAX_DEPTH = 50, MAX_REPEAT = 1000, MAX_PATTERN = 1 << 16 };

struct translation {
    const unsigned char *pattern;
    size_t len, at;
    bool fancy;                       /* fancy-regex's syntax, not Oniguruma's */
    bool caseless, dot_all, of_lines; /* of_lines: ^ and $ are; fancy-regex's alone */
    uint32_t before;        /* the literal just before, in lower case; 0: none */
    unsigned depth, aheads; /* of groups and classes; of lookaheads alone */
    bool scans;
    char *why;
    size_t cap;
    int rc;
};

__attribute__((format(printf, 2, 3))) static void refuse(struct translation *t,
                                                         const char *fmt, ...)
{
    char words[160];
    va_list ap;

    if (t->rc < 0)
        return;
    va_start(ap, fmt);
    vsnprintf(words, sizeof(words), fmt, ap);
    va_end(ap);
    t->rc = SHARD_EMODEL;
    snprintf(t->why, t->cap, "at byte %zu of the regular expression: %s", t->at, words);
}

static void put_bytes(struct translation *t, struct shard_buffer *out, const void *s,
                      size_t len)
{
    if (t->rc >= 0 && shard_buffer_add(out, s, len) < 0)
        t->rc = SHARD_ENOMEM;
}

static void put(struct translation *t, struct shard_buffer *out, const char *s)
{
    put_bytes(t, out, s, strlen(s));
}

/* A group around what stands in out from `from` on. */
static void wrap(struct translation *t, struct shard_buffer *out, size_t from)
{
    put(t, out, "(?:)");
    if (t->rc < 0)
        return;
    memmove(out->data + from + 3, out->data + from, out->len - 4 - from);
    memcpy(out->data + from, "(?:", 3);
    out->data[out->len - 1] = ')';
}

static bool more(const struct translation *t)
{
    return t->rc >= 0 && t->at < t->len;
}

/* The byte `ahead` of the next one; 0 behind the end. */
static unsigned char peek(const struct translation *t, size_t ahead)
{
    return t->len - t->at > ahead ? t->pattern[t->at + ahead] : 0;
}

static bool starts(const struct translation *t, const char *s)
{
    const size_t n = strlen(s);

    return t->len - t->at >= n && memcmp(t->pattern + t->at, s, n) == 0;
}

static bool skip(struct translation *t, const char *s)
{
    if (!starts(t, s))
        return false;
    t->at += strlen(s);
    return true;
}

static uint32_t next_char(struct translation *t)
{
    size_t n;
    const uint32_t c = code_point_at(t->pattern + t->at, &n);

    t->at += n;
    return c;
}

static void put_char(struct translation *t, struct shard_buffer *out, uint32_t c)
{
    char hex[16];

    if ((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
        c == ' ')
        snprintf(hex, sizeof(hex), "%c", (char)c);
    else
        snprintf(hex, sizeof(hex), "\\x{%X}", (unsigned)c);
    put(t, out, hex);
}

/* Two letters that one character folds to. */
static bool folds(uint32_t a, uint32_t b)
{
    return (a == 'f' && (b == 'f' || b == 'i' || b == 'l')) ||
           (a == 's' && (b == 's' || b == 't'));
}

static uint32_t lower(uint32_t c)
{
    return c >= 'A' && c <= 'Z' ? c + 32 : c;
}

static void put_literal(struct translation *t, struct shard_buffer *out, uint32_t c)
{
    if (t->caseless && !t->fancy && (c >= 0x80 || folds(t->before, lower(c))))
        refuse(t, "this letter without regard to case is not supported");
    t->before = lower(c);
    put_char(t, out, c);
}

static unsigned digit_of(unsigned char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if ((c | 32) >= 'a' && (c | 32) <= 'f')
        return (c | 32u) - 'a' + 10u;
    return 99;
}

/* Hexadecimal digits, `least` to `most` of them. */
static uint32_t read_hex(struct translation *t, unsigned least, unsigned most)
{
    uint32_t c = 0;
    unsigned n = 0;

    for (; n < most && digit_of(peek(t, 0)) < 16; n++)
        c = c * 16 + digit_of(t->pattern[t->at++]);
    if (n < least || c > 0x10ffff || (c >= 0xd800 && c < 0xe000))
        refuse(t, "no such character");
    return c;
}

/* The character of an escape that is one, behind its backslash: `c` is consumed. False:
 * it is no character. */
static bool escaped_char(struct translation *t, uint32_t c, uint32_t *out)
{
    static const char names[] = "tnrfvae";
    static const char values[] = "\t\n\r\f\v\a\x1b";
    const char *name = c < 0x80 && c != 0 ? strchr(names, (int)c) : NULL;

    *out = c;
    if (name != NULL) {
        *out = (unsigned char)values[name - names];
        return true;
    }
    if ((c == 'x' || (c == 'u' && t->fancy)) && skip(t, "{")) {
        *out = read_hex(t, 1, 8);
        if (!skip(t, "}"))
            refuse(t, "\\%c{...} does not end", (char)c);
        return true;
    }
    if (c == 'x' || c == 'u') {
        *out = read_hex(t, c == 'x' ? 2 : 4, c == 'x' ? 2 : 4);
        if (c == 'x' && *out >= 0x80 && !t->fancy)
            refuse(t, "bytes (\\x80 to \\xFF) are not supported");
        return true;
    }
    if (t->fancy && (c >= 0x80 || c == '<' || c == '>'))
        return false;
    return c >= 0x80 || !((c >= '0' && c <= '9') || ((c | 32) >= 'a' && (c | 32) <= 'z'));
}

/* A property's name, as it is compared, up to `end`, which is passed, too. */
static void read_name(struct translation *t, const char *end, char name[48])
{
    size_t n = 0;

    while (more(t) && !starts(t, end)) {
        const unsigned char c = t->pattern[t->at];
        if (c != ' ' && c != '_' && c != '-') {
            if (n == 47 || c >= 0x80 || !(((c | 32) >= 'a' && (c | 32) <= 'z'))) {
                refuse(t, "no property of that name");
                break;
            }
            name[n++] = (char)lower(c);
        }
        t->at++;
    }
    name[n] = '\0';
    if (!skip(t, end))
        refuse(t, "a property's name does not end");
}

/* A property as a member of a class. */
static void put_property(struct translation *t, struct shard_buffer *out,
                         const char *name, bool negated)
{
    char spelled[80] = "";

    if (t->caseless)
        refuse(t, "a property without regard to case is not supported");
    if (strcmp(name, "whitespace") == 0) {
        put(t, out, negated ? black : white);
        return;
    }
    if (!regex_property(name, negated, spelled, sizeof(spelled)))
        refuse(t, "the property \"%s\" is not supported", name);
    put(t, out, spelled);
}

/* \p{...} or \P{...}, behind the letter. */
static void read_property(struct translation *t, struct shard_buffer *out, bool negated)
{
    char name[48];

    const uint32_t letter = lower(peek(t, 0));

    if (t->fancy && letter >= 'a' && letter <= 'z') {
        snprintf(name, sizeof(name), "%c", (char)letter);
        t->at++;
    } else {
        if (!skip(t, "{"))
            refuse(t, "\\p without {name}");
        if (!t->fancy && skip(t, "^"))
            negated = !negated;
        read_name(t, "}", name);
    }
    put_property(t, out, name, negated);
}

/* The members of \w within classes. */
static const char *word_in_class_of(const struct translation *t)
{
    return t->fancy ? fancy_word : word_in_class;
}

/* And outside of them, and of \b. */
static const char *word_of(const struct translation *t)
{
    return t->fancy ? fancy_word : word;
}

/* A set that an escape names, as a member of a class. False: no set. */
static bool read_set(struct translation *t, struct shard_buffer *out, uint32_t c)
{
    switch (c) {
    case 'p':
    case 'P':
        read_property(t, out, c == 'P');
        return true;
    case 's':
    case 'S':
        put(t, out, c == 's' ? white : black);
        return true;
    case 'h':
        put(t, out, "0-9A-Fa-f");
        return true;
    case 'd':
    case 'D':
        put_property(t, out, "nd", c == 'D');
        return true;
    case 'w':
        if (t->caseless)
            refuse(t, "\\w without regard to case is not supported");
        put(t, out, word_in_class_of(t));
        return true;
    default:
        return false;
    }
}

/* One side of && within a class: members that fit a plain class, and others, each an
 * expression for one character, joined by |. */
struct operand {
    struct shard_buffer plain, others;
};

static void read_class(struct translation *t, struct shard_buffer *out);

static void put_other(struct translation *t, struct operand *o, const char *open,
                      const char *members, const char *close)
{
    if (o->others.len > 0)
        put(t, &o->others, "|");
    put(t, &o->others, open);
    put(t, &o->others, members);
    put(t, &o->others, close);
}

/* [:name:], of ASCII. */
static void put_ascii(struct translation *t, struct operand *o, const char *name,
                      bool negated)
{
    const char *members = regex_ascii_class(name);

    if (members == NULL)
        refuse(t, "the class [:%s:] is not supported", name);
    else if (negated && t->caseless)
        refuse(t, "[:^%s:] without regard to case is not supported", name);
    else if (negated)
        put_other(t, o, "[^", members, "]");
    else
        put(t, &o->plain, members);
}

/* [:name:], behind the first bracket and colon. */
static void read_posix(struct translation *t, struct operand *o)
{
    const bool negated = skip(t, "^");
    char name[48];

    read_name(t, ":]", name);
    if (t->fancy)
        put_ascii(t, o, name, negated);
    else if (strcmp(name, "space") == 0)
        put(t, &o->plain, negated ? black : white);
    else if (strcmp(name, "alnum") == 0 && !negated && !t->caseless)
        put(t, &o->plain, "\\p{Alphabetic}\\p{Nd}");
    else if (strcmp(name, "alpha") == 0 || strcmp(name, "digit") == 0 ||
             strcmp(name, "upper") == 0 || strcmp(name, "lower") == 0)
        put_property(t, &o->plain, name, negated);
    else
        refuse(t, "the class [:%s:] is not supported", name);
}

/* One character within a class, with its escape; false: it is a set, and written. */
static bool read_class_char(struct translation *t, struct operand *o, uint32_t *c)
{
    const bool escape = peek(t, 0) == '\\';

    if (escape && t->at + 1 == t->len)
        refuse(t, "it ends in a backslash");
    t->at += escape && t->rc >= 0;
    if (!more(t))
        return false;
    *c = next_char(t);
    if (escape && (*c == 'W' || *c == 'H')) {
        if (t->caseless)
            refuse(t, "\\%c without regard to case is not supported", (char)*c);
        put_other(t, o, "[^", *c == 'W' ? word_in_class_of(t) : "0-9A-Fa-f", "]");
        return false;
    }
    if (escape && read_set(t, &o->plain, *c))
        return false;
    if (escape && (*c == 'b' || !escaped_char(t, *c, c)))
        refuse(t, "this escape within a class is not supported");
    if (t->caseless && *c >= 0x80 && !t->fancy)
        refuse(t, "this letter without regard to case is not supported");
    return t->rc >= 0;
}

/* Of sets, beside &&. */
static bool at_operator(const struct translation *t)
{
    return t->fancy && (starts(t, "--") || starts(t, "~~"));
}

static void read_range_end(struct translation *t, struct operand *o, uint32_t from)
{
    uint32_t to = 0;

    if (at_operator(t))
        refuse(t, "-- within a class is not supported; write \\-");
    t->at++; /* the hyphen */
    if (starts(t, "[") || !read_class_char(t, o, &to) || to < from) {
        refuse(t, "a range that ends in no character, or before it begins");
        return;
    }
    put(t, &o->plain, "-");
    put_char(t, &o->plain, to);
    if (starts(t, "-") && peek(t, 1) != ']')
        refuse(t, "a hyphen behind a range");
}

static void read_member(struct translation *t, struct operand *o, bool first)
{
    uint32_t c;

    if (skip(t, "[:")) {
        read_posix(t, o);
        return;
    }
    if (skip(t, "[")) {
        if (t->caseless && !t->fancy && starts(t, "^"))
            refuse(t, "[^...] in a class without regard to case is not supported");
        if (o->others.len > 0)
            put(t, &o->others, "|");
        read_class(t, &o->others);
        return;
    }
    const bool hyphen = starts(t, "-");
    if (hyphen && !first && peek(t, 1) != ']')
        refuse(t, "a hyphen within a class; write \\-");
    if (!read_class_char(t, o, &c)) {
        if (starts(t, "-") && peek(t, 1) != ']')
            refuse(t, "a hyphen behind a set");
        return;
    }
    put_char(t, &o->plain, c);
    if (starts(t, "-") && peek(t, 1) != ']' && !hyphen)
        read_range_end(t, o, c);
}

/* What one operand matches. */
static void put_operand(struct translation *t, struct shard_buffer *out,
                        const struct operand *o, const char *open)
{
    const bool both = o->plain.len > 0 && o->others.len > 0;

    if (o->others.len > 0)
        put(t, out, "(?:");
    if (o->plain.len > 0) {
        put(t, out, open);
        put_bytes(t, out, o->plain.data, o->plain.len);
        put(t, out, "]");
    }
    if (both)
        put(t, out, "|");
    put_bytes(t, out, o->others.data, o->others.len);
    if (o->others.len > 0)
        put(t, out, ")");
}

/* Up to && or the bracket that closes. */
static void read_operand(struct translation *t, struct operand *o)
{
    bool first = true;

    while (more(t) && !starts(t, "]") && !starts(t, "&&")) {
        if (at_operator(t))
            refuse(t, "-- and ~~ within a class are not supported; write \\- and \\~");
        read_member(t, o, first);
        first = false;
    }
    if (first)
        refuse(t, "an empty class, or ] as its first member; write \\]");
    if (t->at == t->len)
        refuse(t, "a class does not end");
}

/* A class, behind its bracket. The operands but the last become lookaheads. */
static void read_class(struct translation *t, struct shard_buffer *out)
{
    const bool negated = skip(t, "^");
    struct shard_buffer ahead = {NULL, 0, 0};
    bool last = false;

    if (++t->depth > MAX_DEPTH)
        refuse(t, "nested too deep");
    while (t->rc >= 0 && !last) {
        struct operand o = {{NULL, 0, 0}, {NULL, 0, 0}};
        read_operand(t, &o);
        if (t->caseless && !t->fancy && starts(t, "&&"))
            refuse(t, "&& without regard to case is not supported");
        last = !skip(t, "&&");
        const bool plain = last && ahead.len == 0 && o.others.len == 0;
        if (plain) {
            put_operand(t, out, &o, negated ? "[^" : "[");
        } else if (!last) {
            put(t, &ahead, "(?=");
            put_operand(t, &ahead, &o, "[");
            put(t, &ahead, ")");
        } else {
            put(t, out, negated ? "(?:(?!" : "(?:");
            put_bytes(t, out, ahead.data, ahead.len);
            put_operand(t, out, &o, "[");
            put(t, out, negated ? ")(?s:.))" : ")");
        }
        shard_buffer_free(&o.plain);
        shard_buffer_free(&o.others);
    }
    shard_buffer_free(&ahead);
    t->depth--;
    t->at += t->rc >= 0; /* the closing bracket */
}

static void read_branches(struct translation *t, struct shard_buffer *out);

static void read_group_rest(struct translation *t, struct shard_buffer *out)
{
    if (++t->depth > MAX_DEPTH)
        refuse(t, "nested too deep");
    if (t->rc >= 0)
        read_branches(t, out);
    t->depth--;
    if (!skip(t, ")"))
        refuse(t, "a group does not end");
    put(t, out, ")");
}

/* (?im-im:...), behind the question mark. */
static void read_options(struct translation *t, struct shard_buffer *out)
{
    const bool caseless = t->caseless, dot_all = t->dot_all, of_lines = t->of_lines;
    bool on = true;

    for (; more(t) && !starts(t, ":") && !starts(t, ")"); t->at++) {
        const unsigned char c = peek(t, 0);
        if (c == '-')
            on = false;
        else if (c == 'i')
            t->caseless = on;
        else if (c == (t->fancy ? 's' : 'm'))
            t->dot_all = on;
        else if (c == 'm')
            t->of_lines = on;
        else
            refuse(t, "this kind of group is not supported");
    }
    put(t, out, t->caseless ? "(?i:" : "(?-i:");
    if (skip(t, ":")) {
        read_group_rest(t, out);
    } else if (skip(t, ")") && out->len == 4 + (size_t)!t->caseless) {
        /* The pattern begins with it, and all of it is meant. */
        read_branches(t, out);
        put(t, out, ")");
    } else {
        refuse(t, "options that begin within the pattern are not supported; write "
                  "(?i:...)");
    }
    t->caseless = caseless;
    t->dot_all = dot_all;
    t->of_lines = of_lines;
}

/* A group, behind its bracket. Returns whether it may be repeated. */
static bool read_group(struct translation *t, struct shard_buffer *out)
{
    static const char *const looks[] = {"?=", "?!", "?<=", "?<!"};

    for (size_t i = 0; i < 4; i++) {
        if (!skip(t, looks[i]))
            continue;
        put(t, out, "(");
        put(t, out, looks[i]);
        t->aheads += i < 2;
        read_group_rest(t, out);
        t->aheads -= i < 2;
        return false;
    }
    if (skip(t, "?>")) {
        put(t, out, "(?>");
        read_group_rest(t, out);
    } else if (!starts(t, "?") || starts(t, "?:")) {
        skip(t, "?:");
        put(t, out, "(?:");
        read_group_rest(t, out);
    } else {
        skip(t, "?");
        read_options(t, out);
    }
    return true;
}

static void put_boundary(struct translation *t, struct shard_buffer *out, bool negated)
{
    const char *const w = word_of(t);
    char spelled[512];

    snprintf(spelled, sizeof(spelled),
             negated ? "(?:(?<=[%s])(?=[%s])|(?<![%s])(?![%s]))"
                     : "(?:(?<=[%s])(?![%s])|(?<![%s])(?=[%s]))",
             w, w, w, w);
    put(t, out, spelled);
}

/* An escape outside of classes, behind its backslash. Whether it may be repeated. */
static bool read_escape(struct translation *t, struct shard_buffer *out)
{
    const char *const anchors = t->fancy ? "Az" : "AzZ";

    if (!more(t)) {
        refuse(t, "it ends in a backslash");
        return false;
    }
    uint32_t c = next_char(t);
    if (c != 0 && c < 0x80 && strchr(anchors, (int)c) != NULL) {
        const char spelled[3] = {'\\', (char)c, '\0'};
        put(t, out, spelled);
        return false;
    }
    if (c == 'b' || c == 'B') {
        put_boundary(t, out, c == 'B');
        return false;
    }
    if (c == 'w' || c == 'W' || c == 'H') {
        if (t->caseless)
            refuse(t, "\\%c without regard to case is not supported", (char)c);
        put(t, out, c == 'w' ? "[" : "[^");
        put(t, out, c == 'H' ? "0-9A-Fa-f" : word_of(t));
        put(t, out, "]");
        return true;
    }
    struct shard_buffer set = {NULL, 0, 0};
    if (read_set(t, &set, c)) {
        put(t, out, "[");
        put_bytes(t, out, set.data, set.len);
        put(t, out, "]");
    } else if (escaped_char(t, c, &c)) {
        put_literal(t, out, c);
    } else if (c < 0x80) {
        refuse(t, "\\%c is not supported", (char)c);
    } else {
        refuse(t, "this escape is not supported");
    }
    shard_buffer_free(&set);
    return true;
}

static void put_anchor(struct translation *t, struct shard_buffer *out, bool begins)
{
    if (!t->fancy)
        put(t, out, begins ? "(?m:^)" : "(?m:$)");
    else if (!t->of_lines)
        put(t, out, begins ? "\\A" : "\\z");
    else /* unlike PCRE2's ^, behind a last line feed, too */
        put(t, out, begins ? "(?:\\A|(?<=\\n))" : "(?:\\z|(?=\\n))");
}

/* Anything that may be repeated, or an anchor (false). */
static bool read_atom(struct translation *t, struct shard_buffer *out)
{
    const uint32_t before = t->before, c = next_char(t);

    t->before = 0;
    switch (c) {
    case '(':
        return read_group(t, out);
    case '[':
        read_class(t, out);
        return true;
    case '.':
        put(t, out, t->dot_all ? "(?s:.)" : "[^\\n]");
        return true;
    case '^':
    case '$':
        put_anchor(t, out, c == '^');
        return false;
    case '*':
    case '+':
    case '?':
    case '{':
        refuse(t, "nothing to repeat; write \\%c", (char)c);
        return false;
    case '\\':
        t->before = before;
        return read_escape(t, out);
    default:
        t->before = before;
        put_literal(t, out, c);
        return true;
    }
}

static bool read_number(struct translation *t, unsigned *n)
{
    const size_t from = t->at;

    for (*n = 0; peek(t, 0) >= '0' && peek(t, 0) <= '9' && *n <= MAX_REPEAT; t->at++)
        *n = *n * 10 + peek(t, 0) - '0';
    return t->at > from;
}

/* {n}, {n,}, {n,m} or {,m}, behind the bracket. */
static void read_interval(struct translation *t, struct shard_buffer *out, size_t from)
{
    unsigned least, most = MAX_REPEAT + 1;
    char spelled[32];

    const bool low = read_number(t, &least), comma = skip(t, ",");
    const bool high = comma ? read_number(t, &most) : low;
    if (!comma)
        most = least;
    if (!skip(t, "}") || (!low && !high) || least > MAX_REPEAT ||
        (high && (most > MAX_REPEAT || most < least)))
        refuse(t, "no interval, or one above %d; write \\{", MAX_REPEAT);
    if (high)
        snprintf(spelled, sizeof(spelled), "{%u,%u}", least, most);
    else
        snprintf(spelled, sizeof(spelled), "{%u,}", least);
    t->scans = t->scans || (!high && t->aheads > 0);
    put(t, out, spelled);
    if (t->fancy && starts(t, "+")) {
        put(t, out, "+");
        t->at++;
        return;
    }
    if (!starts(t, "?"))
        return;
    if (comma || t->fancy) {
        put(t, out, "?");
        t->at++;
    } else {
        wrap(t, out, from);
        put(t, out, "?");
        t->at++;
    }
}

/* The quantifiers behind what stands in out from `from` on. */
static void read_quantifiers(struct translation *t, struct shard_buffer *out, size_t from,
                             bool repeats)
{
    for (unsigned n = 0; more(t) && memchr("*+?{", peek(t, 0), 4) != NULL; n++) {
        const char quantifier = (char)peek(t, 0);
        if (!repeats || n == (t->fancy ? 1 : 3)) {
            refuse(t, "this cannot be repeated");
            return;
        }
        if (n > 0)
            wrap(t, out, from);
        t->before = 0;
        t->at++;
        if (quantifier == '{') {
            read_interval(t, out, from);
            continue;
        }
        t->scans = t->scans || (quantifier != '?' && t->aheads > 0);
        put_bytes(t, out, &quantifier, 1);
        if (starts(t, "?") || starts(t, "+"))
            put_bytes(t, out, &t->pattern[t->at++], 1);
    }
}

static void read_branches(struct translation *t, struct shard_buffer *out)
{
    t->before = 0;
    while (more(t) && !starts(t, ")")) {
        const size_t from = out->len;
        if (skip(t, "|")) {
            put(t, out, "|");
            t->before = 0;
            continue;
        }
        const bool repeats = read_atom(t, out);
        read_quantifiers(t, out, from, repeats);
    }
    t->before = 0;
}

int regex_translate(const char *pattern, size_t len, enum split_syntax syntax,
                    struct shard_buffer *out, bool *scans, char *why, size_t cap)
{
    struct translation t = {.pattern = (const unsigned char *)pattern,
                            .len = len,
                            .fancy = syntax == SPLIT_FANCY_REGEX,
                            .why = why,
                            .cap = cap};

    if (len > MAX_PATTERN)
        refuse(&t, "longer than %d bytes", MAX_PATTERN);
    if (t.rc >= 0)
        read_branches(&t, out);
    if (t.rc >= 0 && t.at < t.len)
        refuse(&t, "a bracket closes no group");
    *scans = t.scans;
    return t.rc;
}
