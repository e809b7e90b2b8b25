/* SPDX-License-Identifier: Apache-2.0
 * ingest/ingest_sample.h - public: one sample as it was read: a key, an ordered list of
 * parts, metadata, one reject.
 *
 * A pair is a sample of one text and one image, a document one of one text. A reader
 * (ingest/readers.h) fills it; the caller owns it and gives it back with
 * ingest_sample_clear(). */
#ifndef INGEST_INGEST_SAMPLE_H
#define INGEST_INGEST_SAMPLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ingest/hash_set.h"
#include "ingest/reject.h"

/* One of several texts that stand for the same: a caption, or a document. */
struct ingest_alternative {
    char *name; /* "txt", "caption", "cap", "json.captions[2]", "json.caption", ... */
    char *text; /* UTF-8 without byte order marks before it and, from a file, without
                 * newlines behind it and without NUL; NUL-terminated besides */
    size_t text_len; /* bytes */
};

enum ingest_part_kind { INGEST_TEXT, INGEST_IMAGE };

struct ingest_part {
    enum ingest_part_kind kind;
    /* INGEST_TEXT: in order, no text twice */
    struct ingest_alternative *alternatives;
    size_t n_alternatives;
    /* INGEST_IMAGE: encoded bytes */
    unsigned char *image;
    size_t image_len;
};

/* What next() has cut out of an input for parse() to make parts of. */
struct ingest_raw {
    char *bytes;     /* NULL: there are too many, or none is left to parse */
    size_t len;      /* bytes */
    uint64_t number; /* of the line, from 1, blank lines counted */
    uint64_t offset; /* of the first byte in the decompressed stream */
};

struct ingest_sample {
    char *key;      /* UTF-8, NUL-terminated; a bad key is given escaped for printing */
    uint64_t index; /* place in its input, from 0, rejects included */
    size_t n_parts;
    struct ingest_part *parts;
    char *metadata; /* JSON byte for byte as it stands in the input, or NULL */
    size_t metadata_len;
    bool dropped_metadata; /* parse() has found too much of it */
    bool unchecked_key;    /* parse() has found the key: ingest_sample_check_key() */
    struct reject reject;  /* reason REJECT_NONE: a good sample so far. One that a reader
                            * rejects has neither parts nor metadata */
    struct ingest_raw raw;
};

/* Gives an empty sample its parts, all of them zero. INGEST_OK or INGEST_ENOMEM. */
int ingest_sample_set_parts(struct ingest_sample *s, size_t n);

/* Frees the parts, for a sample that is rejected. */
void ingest_sample_drop_parts(struct ingest_sample *s);

/* Rejects the sample where an earlier one of its input has its key and the reader could
 * not know that; to be called in order of index. INGEST_OK or INGEST_ENOMEM. */
int ingest_sample_check_key(struct ingest_sample *s, struct hash_set *keys);

/* Frees all that the sample owns and zeroes it. */
void ingest_sample_clear(struct ingest_sample *s);

#endif
