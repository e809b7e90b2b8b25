/* SPDX-License-Identifier: Apache-2.0
 * shard/tokenizer/split/split_known.c - the patterns of the large models, by name and by
 * spelling, and a matcher for each.
 *
 * A matcher does what the pattern's alternatives do one after the other at one place.
 * What backtracking makes of `\s+(?!\S)`: a run of white space but for its last
 * character, where something follows and it has more than one. Of `\s*[\r\n]+`: a run of
 * white space as far as its last line feed. */
#include "shard/tokenizer/split/split_known.h"

#include <stdbool.h>
#include <string.h>

/* A text, and the classes of its characters. */
struct chars {
    const struct char_classes *classes;
    const unsigned char *text;
    size_t len;
};

/* Classes of the character at `at`, 0 behind the end; *next: behind it. */
static inline unsigned look(const struct chars *s, size_t at, size_t *next)
{
    size_t len;

    *next = at;
    if (at >= s->len)
        return 0;
    const unsigned class = char_class_at(s->classes, s->text + at, &len);
    *next = at + len;
    return class;
}

/* The end of the run of characters from `at` that have one of `classes`. */
static inline size_t run_of(const struct chars *s, size_t at, unsigned classes)
{
    size_t len;

    while (at < s->len && (char_class_at(s->classes, s->text + at, &len) & classes) != 0)
        at += len;
    return at;
}

/* The same, of characters that have none of them. */
static inline size_t run_without(const struct chars *s, size_t at, unsigned classes)
{
    size_t len;

    while (at < s->len && (char_class_at(s->classes, s->text + at, &len) & classes) == 0)
        at += len;
    return at;
}

static inline size_t up_to(const struct chars *s, size_t at, unsigned classes, int most)
{
    size_t len;

    for (; most > 0 && at < s->len &&
           (char_class_at(s->classes, s->text + at, &len) & classes) != 0;
         most--)
        at += len;
    return at;
}

static inline size_t newlines(const struct chars *s, size_t at, bool slashes)
{
    while (at < s->len && (s->text[at] == '\r' || s->text[at] == '\n' ||
                           (slashes && s->text[at] == '/')))
        at++;
    return at;
}

/* The end of 's, 't, 're, 've, 'm, 'll or 'd at `at`, which is not behind the end; or at
 * itself. Without regard to case U+017F, the long s, is one too. */
static size_t contraction(const struct chars *s, size_t at, bool any_case)
{
    const unsigned char *text = s->text + at;
    const size_t left = s->len - at;
    const unsigned char fold = any_case ? 0x20 : 0;

    if (left < 2 || text[0] != '\'')
        return at;
    const int first = text[1] | fold, second = left > 2 ? text[2] | fold : 0;
    if (first == 's' || first == 't' || first == 'm' || first == 'd')
        return at + 2;
    if ((second == 'e' && (first == 'r' || first == 'v')) ||
        (second == 'l' && first == 'l'))
        return at + 3;
    if (any_case && left > 2 && text[1] == 0xc5 && text[2] == 0xbf)
        return at + 3;
    return at;
}

/* White space at `at`, of which there is some: `\s+(?!\S)|\s+`, and before it
 * `\s*[\r\n]+`, and before that `\s+$`, if asked for. */
static inline size_t space(const struct chars *s, size_t at, bool lines, bool end_first)
{
    size_t end = at, last = at, line = at, next;

    for (unsigned class; (class = look(s, end, &next)) & CHAR_SPACE; end = next) {
        last = end;
        if (class & CHAR_NEWLINE)
            line = next;
    }
    if (end_first && end == s->len)
        return end;
    if (lines && line > at)
        return line;
    return end == s->len || last == at ? end : last;
}

/* ` ?X+` where X is neither white space nor letter nor number; or at itself. */
static inline size_t others(const struct chars *s, size_t at)
{
    const size_t from = at + (s->text[at] == ' ');
    const size_t end = run_without(s, from, CHAR_SPACE | CHAR_LETTER | CHAR_NUMBER);

    return end > from ? end : at;
}

/* '(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+ */
static size_t match_gpt2(const struct char_classes *c, const unsigned char *text,
                         size_t len, size_t at, size_t *start)
{
    const struct chars s = {c, text, len};
    const size_t from = at + (text[at] == ' ');
    size_t next;

    *start = at;
    if (text[at] == '\'' && (next = contraction(&s, at, false)) > at)
        return next;
    const unsigned class = look(&s, from, &next);
    if (class & CHAR_LETTER)
        return run_of(&s, next, CHAR_LETTER);
    if (class & CHAR_NUMBER)
        return run_of(&s, next, CHAR_NUMBER);
    if (next > from && !(class & CHAR_SPACE))
        return run_without(&s, next, CHAR_SPACE | CHAR_LETTER | CHAR_NUMBER);
    return space(&s, at, false, false);
}

/* What cl100k and those after it differ in. */
struct cl100k {
    int digits;     /* \p{N}{1,digits} */
    bool slashes;   /* [\r\n/]* behind signs, not [\r\n]* */
    bool end_first; /* \s++$ before what else white space is */
};

/* (the alternatives before) |\p{N}{1,3}|
 * ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+
 */
static inline size_t rest_of_cl100k(const struct chars *s, size_t at, unsigned class,
                                    struct cl100k how)
{
    if (class & CHAR_NUMBER)
        return up_to(s, at, CHAR_NUMBER, how.digits);
    const size_t end = others(s, at);
    if (end > at)
        return newlines(s, end, how.slashes);
    return space(s, at, true, how.end_first);
}

/* (?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|... */
static inline size_t match_cl100k_like(const struct char_classes *c,
                                       const unsigned char *text, size_t len, size_t at,
                                       size_t *start, struct cl100k how)
{
    const struct chars s = {c, text, len};
    size_t next, end;

    *start = at;
    if (text[at] == '\'' && (end = contraction(&s, at, true)) > at)
        return end;
    const unsigned class = look(&s, at, &next);
    if (class & CHAR_LETTER)
        return run_of(&s, next, CHAR_LETTER);
    if (!(class & (CHAR_NEWLINE | CHAR_NUMBER)) &&
        (end = run_of(&s, next, CHAR_LETTER)) > next)
        return end;
    return rest_of_cl100k(&s, at, class, how);
}

static size_t match_cl100k(const struct char_classes *c, const unsigned char *text,
                           size_t len, size_t at, size_t *start)
{
    return match_cl100k_like(c, text, len, at, start, (struct cl100k){3, false, true});
}

static size_t match_llama3(const struct char_classes *c, const unsigned char *text,
                           size_t len, size_t at, size_t *start)
{
    return match_cl100k_like(c, text, len, at, start, (struct cl100k){3, false, false});
}

static size_t match_qwen2(const struct char_classes *c, const unsigned char *text,
                          size_t len, size_t at, size_t *start)
{
    return match_cl100k_like(c, text, len, at, start, (struct cl100k){1, false, false});
}

/* [\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+ at `at`; or at itself. The
 * first run gives back characters until the second one has some. */
static size_t lower_word(const struct chars *s, size_t at)
{
    size_t end = at, behind_both = at, next;

    for (unsigned class; (class = look(s, end, &next)) & CHAR_NOT_LOWER; end = next)
        if (class & CHAR_NOT_UPPER)
            behind_both = next;
    const size_t lower = run_of(s, end, CHAR_NOT_UPPER);
    return lower > end ? lower : behind_both;
}

/* [^\r\n\p{L}\p{N}]?A*B+(?i:'s|...)?|[^\r\n\p{L}\p{N}]?A+B*(?i:'s|...)?|... with A and B
 * as in lower_word(). Where A*B+ found nothing, B* behind A+ is empty. */
static size_t match_o200k(const struct char_classes *c, const unsigned char *text,
                          size_t len, size_t at, size_t *start)
{
    const struct chars s = {c, text, len};
    size_t next, end = at;

    *start = at;
    const unsigned class = look(&s, at, &next);
    const bool prefix = !(class & (CHAR_NEWLINE | CHAR_LETTER | CHAR_NUMBER));
    if (prefix && (end = lower_word(&s, next)) == next)
        end = at;
    if (end == at)
        end = lower_word(&s, at);
    if (end == at && prefix && (end = run_of(&s, next, CHAR_NOT_LOWER)) == next)
        end = at;
    if (end == at)
        end = run_of(&s, at, CHAR_NOT_LOWER);
    if (end > at)
        return end < len ? contraction(&s, end, true) : end;
    return rest_of_cl100k(&s, at, class, (struct cl100k){3, true, false});
}

/* 's|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+ */
static size_t match_clip(const struct char_classes *c, const unsigned char *text,
                         size_t len, size_t at, size_t *start)
{
    const struct chars s = {c, text, len};
    size_t next;

    *start = at = run_of(&s, at, CHAR_SPACE);
    if (at == len)
        return 0;
    if (text[at] == '\'' && (next = contraction(&s, at, false)) > at)
        return next;
    const unsigned class = look(&s, at, &next);
    if (class & CHAR_LETTER)
        return run_of(&s, next, CHAR_LETTER);
    if (class & CHAR_NUMBER)
        return next;
    return run_without(&s, next, CHAR_SPACE | CHAR_LETTER | CHAR_NUMBER);
}

/* \p{N}{1,3} */
static size_t match_3_numbers(const struct char_classes *c, const unsigned char *text,
                              size_t len, size_t at, size_t *start)
{
    const struct chars s = {c, text, len};

    *start = at = run_without(&s, at, CHAR_NUMBER);
    return at < len ? up_to(&s, at, CHAR_NUMBER, 3) : 0;
}

/* The length of a character of [一-龥぀-ゟ゠-ヿ] at `at`, 0: it is none. */
static size_t kanji_or_kana(const unsigned char *at)
{
    if (at[0] < 0xe3 || at[0] > 0xe9)
        return 0;
    const unsigned code = (at[0] & 0xfu) << 12 | (at[1] & 0x3fu) << 6 | (at[2] & 0x3fu);
    return (code >= 0x4e00 && code <= 0x9fa5) || (code >= 0x3040 && code <= 0x30ff) ? 3
                                                                                    : 0;
}

static size_t match_kanji_and_kana(const struct char_classes *c,
                                   const unsigned char *text, size_t len, size_t at,
                                   size_t *start)
{
    (void)c;
    while (at < len && kanji_or_kana(text + at) == 0)
        at++;
    *start = at;
    while (at < len && kanji_or_kana(text + at) > 0)
        at += 3;
    return at > *start ? at : 0;
}

static bool is_ascii_letter(unsigned char c)
{
    return (c | 0x20) >= 'a' && (c | 0x20) <= 'z';
}

/* One of DeepSeek-V3's alternatives at `at`, or at itself. */
static size_t deepseek_here(const struct chars *s, size_t at)
{
    size_t next, end;
    const unsigned class = look(s, at, &next);

    if (s->text[at] < 0x80 && (class & CHAR_SIGN) && next < s->len &&
        is_ascii_letter(s->text[next])) {
        while (next < s->len && is_ascii_letter(s->text[next]))
            next++;
        return next;
    }
    if (!(class & (CHAR_NEWLINE | CHAR_LETTER | CHAR_SIGN)) &&
        (end = run_of(s, next, CHAR_LETTER | CHAR_MARK)) > next)
        return end;
    if (class & (CHAR_LETTER | CHAR_MARK))
        return run_of(s, next, CHAR_LETTER | CHAR_MARK);
    const size_t from = at + (s->text[at] == ' ');
    if ((end = run_of(s, from, CHAR_SIGN)) > from)
        return newlines(s, end, false);
    return class & CHAR_SPACE ? space(s, at, true, false) : at;
}

static size_t match_deepseek(const struct char_classes *c, const unsigned char *text,
                             size_t len, size_t at, size_t *start)
{
    const struct chars s = {c, text, len};
    size_t next;

    for (; at < len; at = next) {
        const size_t end = deepseek_here(&s, at);

        *start = at;
        if (end > at)
            return end;
        (void)look(&s, at, &next);
    }
    return 0;
}

#define CONTRACTIONS "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
#define NOT_LOWER "[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]"
#define NOT_UPPER "[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]"
#define PREFIX "[^\\r\\n\\p{L}\\p{N}]?"

/* Of several spellings of one name the first is what --pattern means. */
static const struct {
    const char *name; /* NULL: of tokenizer.json files alone */
    const char *pattern;
    split_matcher *matcher;
    bool fancy_only; /* Oniguruma reads the spelling differently: {1,3}+ */
} patterns[] = {
    {"gpt2",
     "'(?:[sdmt]|ll|ve|re)| ?\\p{L}++| ?\\p{N}++| ?[^\\s\\p{L}\\p{N}]++|\\s++$|"
     "\\s+(?!\\S)|\\s",
     match_gpt2, false},
    {NULL,
     "'(?:[sdmt]|ll|ve|re)| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+",
     match_gpt2, false},
    {NULL,
     "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+",
     match_gpt2, false},
    {NULL,
     "'s|'t|'re|'ve|'m|'ll|'d| ?[\\p{L}]+| ?[\\p{N}]+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|"
     "\\s+",
     match_gpt2, false},
    {"cl100k",
     "'(?i:[sdmt]|ll|ve|re)|[^\\r\\n\\p{L}\\p{N}]?+\\p{L}++|\\p{N}{1,3}+| "
     "?[^\\s\\p{L}\\p{N}]++[\\r\\n]*+|\\s++$|\\s*[\\r\\n]|\\s+(?!\\S)|\\s",
     match_cl100k, true},
    {"llama3",
     CONTRACTIONS "|" PREFIX "\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|"
                  "\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+",
     match_llama3, false},
    {"qwen2",
     CONTRACTIONS "|" PREFIX "\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|"
                  "\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+",
     match_qwen2, false},
    {"emu3",
     CONTRACTIONS "|" PREFIX "\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|"
                  "\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+",
     match_qwen2, false},
    {"o200k",
     PREFIX NOT_LOWER "*" NOT_UPPER "+" CONTRACTIONS "?|" PREFIX NOT_LOWER "+" NOT_UPPER
                      "*" CONTRACTIONS
                      "?|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|\\s*[\\r\\n]+|"
                      "\\s+(?!\\S)|\\s+",
     match_o200k, false},
    {NULL, "'s|'t|'re|'ve|'m|'ll|'d|[\\p{L}]+|[\\p{N}]|[^\\s\\p{L}\\p{N}]+", match_clip,
     false},
    {NULL, "\\p{N}{1,3}", match_3_numbers, false},
    {NULL, "[一-龥぀-ゟ゠-ヿ]+", match_kanji_and_kana, false},
    {NULL,
     "[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|"
     "[^\\r\\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+| ?[\\p{P}\\p{S}]+[\\r\\n]*|"
     "\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+",
     match_deepseek, false},
};

enum { N_PATTERNS = sizeof(patterns) / sizeof(*patterns) };

const char *split_known_pattern(size_t i)
{
    return i < N_PATTERNS ? patterns[i].pattern : NULL;
}

split_matcher *split_known(const char *pattern, enum split_syntax syntax)
{
    for (size_t i = 0; i < N_PATTERNS; i++)
        if (strcmp(patterns[i].pattern, pattern) == 0 &&
            (syntax == SPLIT_FANCY_REGEX || !patterns[i].fancy_only))
            return patterns[i].matcher;
    return NULL;
}

const char *split_pattern_named(const char *name)
{
    static const char *const aliases[][2] = {{"r50k_base", "gpt2"},
                                             {"p50k_base", "gpt2"},
                                             {"cl100k_base", "cl100k"},
                                             {"o200k_base", "o200k"}};

    for (size_t i = 0; i < sizeof(aliases) / sizeof(*aliases); i++)
        if (strcmp(aliases[i][0], name) == 0)
            name = aliases[i][1];
    for (size_t i = 0; i < N_PATTERNS; i++)
        if (patterns[i].name != NULL && strcmp(patterns[i].name, name) == 0)
            return patterns[i].pattern;
    return NULL;
}
