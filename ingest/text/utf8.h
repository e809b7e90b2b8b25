/* SPDX-License-Identifier: Apache-2.0
 * ingest/text/utf8.h - public: strict UTF-8 (RFC 3629), as names and captions must be: no
 * overlong forms, no surrogates, nothing above U+10FFFF. */
#ifndef INGEST_TEXT_UTF8_H
#define INGEST_TEXT_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes of the well-formed sequence at s[0..len), 1 to 4, and its code point; 0 where
 * there is none. */
size_t utf8_decode(const char *s, size_t len, uint32_t *code_point);

/* Bytes of the byte order marks (U+FEFF) that s[0..len) begins with: an editor writes
 * one, a script that reads and writes such a file another. */
size_t utf8_marks(const char *s, size_t len);

bool utf8_valid(const char *s, size_t len);

/* Whether text[0..len) is UTF-8 of Unicode's White_Space alone, or empty: what blank
 * means. Zero-width characters (U+200B, U+FEFF) have not that property. */
bool is_blank(const char *text, size_t len);

/* The same, of white space and NULs. */
bool is_blank_or_nul(const char *text, size_t len);

#endif
