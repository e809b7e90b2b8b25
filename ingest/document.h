/* SPDX-License-Identifier: Apache-2.0
 * ingest/document.h - text documents out of JSON Lines.
 *
 *     struct document_reader *r;
 *     struct document_line line;
 *     struct pair p;
 *     int rc = document_reader_open(&r, &source, &options);
 *     while (rc == INGEST_OK && (rc = document_reader_next(r, &line)) == INGEST_OK) {
 *         rc = document_parse(&line, &options, &p);
 *         if (rc == INGEST_OK)
 *             rc = document_check_key(&keys, &p);
 *         ...
 *         pair_clear(&p);
 *         document_line_clear(&line);
 *     }
 *     document_reader_close(r);
 *
 * Reading only cuts lines, so that one thread keeps many busy with parsing them. A
 * document comes out as a struct pair without image: its text is the one caption, whole
 * but for byte order marks before it.
 * Every line that is not blank comes out exactly once, a bad one with its reject.
 *
 * The metadata is the line's JSON object without its text: every other byte of it as it
 * stands in the line.
 *
 * Damage ends the input, as in ingest/pair.h: of the compressed stream; 512 zeros, or any
 * up to the end, which no text has; a last line that ends in its middle; UTF-16 and
 * arrays of JSON from the start. partial_key is then the number of the line that it cut.
 * A file of no bytes has no documents; one that is named as a compressed file is damaged.
 *
 * One reader belongs to one thread; lines may be parsed on any. */
#ifndef INGEST_DOCUMENT_H
#define INGEST_DOCUMENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ingest/hash_set.h"
#include "ingest/pair.h"
#include "ingest/totals.h"

/* Longer lines could make records that no shard takes. */
enum { DOCUMENT_MAX_BYTES = 16 << 20 };

struct document_options {
    const char *text_field; /* the member that is the text; kept */
    const char *id_field;   /* the member that is the key, where there is one; kept */
    bool keep_metadata;     /* false: --metadata none */
    size_t max_metadata;    /* bytes of JSON kept with a record (64 KiB) */
    size_t max_doc_bytes;   /* of a line; longer ones are too_long */
    uint64_t unpack_memory; /* as for pairs */
    uint64_t limit;         /* stop after so many documents; 0: no limit */
};

/* "text", "id", metadata and memory as for pairs, 4 MiB. */
struct document_options document_options_default(void);

/* Owned by the caller, who gives it back with document_line_clear(). */
struct document_line {
    char *json;      /* NULL: the line is too long */
    size_t len;      /* bytes */
    uint64_t index;  /* from 0, blank lines not counted */
    uint64_t number; /* from 1, blank lines counted */
    uint64_t offset; /* of its first byte in the decompressed stream */
};

struct document_reader;

/* Gives *out, or returns INGEST_ENOMEM. `source` is kept until close. */
int document_reader_open(struct document_reader **out, const struct ingest_source *source,
                         const struct document_options *options);

/* INGEST_OK and gives *line, INGEST_END, or < 0. */
int document_reader_next(struct document_reader *r, struct document_line *line);

/* Lent; changes with each next(). */
const struct ingest_totals *document_reader_totals(const struct document_reader *r);

/* What went wrong last. Lent; never NULL; accepts NULL. */
const char *document_reader_why(const struct document_reader *r);

/* Accepts NULL. */
void document_reader_close(struct document_reader *r);

/* Makes of a line what goes into a shard or, with p->reject, into the rejects. The key is
 * the id as it stands there, a string or a whole number, else the line's number.
 * *dropped_metadata says whether there was more than max_metadata. INGEST_OK and gives
 * *p, or INGEST_ENOMEM. */
int document_parse(const struct document_line *line,
                   const struct document_options *options, struct pair *p,
                   bool *dropped_metadata);

/* Rejects *p where an earlier document has its key; to be called in order of index with
 * what document_parse() gave. INGEST_OK or INGEST_ENOMEM. */
int document_check_key(struct hash_set *keys, struct pair *p);

void document_line_clear(struct document_line *line);

#endif
