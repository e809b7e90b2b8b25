/* SPDX-License-Identifier: Apache-2.0
 * shard/tokenizer/split/regex_sets.h - internal to shard/: the sets of Oniguruma and
 * fancy-regex, as members of a class of PCRE2, for regex_translate.c. */
#ifndef SHARD_TOKENIZER_SPLIT_REGEX_SETS_H
#define SHARD_TOKENIZER_SPLIT_REGEX_SETS_H

/* \s and its complement. */
static const char white[] = "\\x{9}-\\x{D} \\x{85}\\x{A0}\\x{1680}\\x{2000}-\\x{200A}"
                            "\\x{2028}\\x{2029}\\x{202F}\\x{205F}\\x{3000}";
static const char black[] = "\\x{0}-\\x{8}\\x{E}-\\x{1F}!-\\x{84}\\x{86}-\\x{9F}"
                            "\\x{A1}-\\x{167F}\\x{1681}-\\x{1FFF}\\x{200B}-\\x{2027}"
                            "\\x{202A}-\\x{202E}\\x{2030}-\\x{205E}\\x{2060}-\\x{2FFF}"
                            "\\x{3001}-\\x{10FFFF}";

/* \w. Oniguruma's outside of classes, and \b, have some numbers of Latin-1 besides;
 * fancy-regex's have the join controls. */
#define WORD "\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}"
static const char word_in_class[] = WORD;
static const char word[] = WORD "\\x{B2}\\x{B3}\\x{B9}\\x{BC}-\\x{BE}";
static const char fancy_word[] = WORD "\\x{200C}\\x{200D}";

#endif
