/* SPDX-License-Identifier: Apache-2.0
 * ingest/text/blank.h - internal to ingest/: blank means nothing but Unicode's
 * White_Space. */
#ifndef INGEST_TEXT_BLANK_H
#define INGEST_TEXT_BLANK_H

#include <stdbool.h>
#include <stddef.h>

/* Whether text[0..len) is UTF-8 of white space alone, or empty. Zero-width characters
 * (U+200B, U+FEFF) have not that property. */
bool is_blank(const char *text, size_t len);

/* The same, of white space and NULs. */
bool is_blank_or_nul(const char *text, size_t len);

#endif
