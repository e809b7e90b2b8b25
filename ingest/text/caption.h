/* SPDX-License-Identifier: Apache-2.0
 * ingest/text/caption.h - internal to ingest/: the captions of one sample, in order, each
 * text once. */
#ifndef INGEST_TEXT_CAPTION_H
#define INGEST_TEXT_CAPTION_H

#include <stdbool.h>
#include <stddef.h>

#include "ingest/hash_set.h"
#include "ingest/ingest_sample.h"

enum {
    /* Longest caption file, and longest JSON in which captions are looked for. */
    CAPTION_MAX_BYTES = 1 << 20,
    CAPTIONS_MAX = 4096 /* of one sample; more are too_many_captions */
};

/* All zero: empty. */
struct caption_list {
    struct ingest_alternative *items;
    size_t n, cap;
    size_t n_blank;    /* left out: nothing but white space and NULs */
    size_t n_not_utf8; /* left out */
    size_t n_has_nul;  /* left out */
    bool maybe_utf16;  /* one of the latter two looks so */
    struct hash_set seen;
};

/* Adds a copy of both, or counts why not. Byte order marks at the beginning are no part
 * of the text. INGEST_OK or INGEST_ENOMEM. */
int caption_list_add(struct caption_list *list, const char *name, const char *text,
                     size_t len);

/* Adds what a caption file holds: newlines at its end are no part of the text either, and
 * a NUL says that it is no text at all, as after a crash, or in another encoding. */
int caption_list_add_file(struct caption_list *list, const char *name, const char *bytes,
                          size_t len);

/* Whether bytes that are no UTF-8 text look like UTF-16, for a person. */
bool caption_maybe_utf16(const char *bytes, size_t len);

/* The captions that the JSON text holds: the strings of the list "captions", else
 * "caption", else "text". *parsed is false where it is no JSON; NaN and Infinity, which
 * Python writes, are taken for null. INGEST_OK or INGEST_ENOMEM. */
int caption_list_add_json(struct caption_list *list, const char *json, size_t len,
                          bool *parsed);

void caption_list_free(struct caption_list *list);

#endif
