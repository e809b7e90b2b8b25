/* SPDX-License-Identifier: Apache-2.0
 * ingest/readers.h - public: samples out of an input: the table of readers.
 *
 *     const struct reader *r = readers[i];
 *     struct ingest_sample s;
 *     void *state;
 *     int rc = r->open(&state, &source, &options);
 *     while (rc == INGEST_OK && (rc = r->next(state, &s)) == INGEST_OK) {
 *         if (r->parse)
 *             rc = r->parse(&s, &options);
 *         if (rc == INGEST_OK)
 *             rc = ingest_sample_check_key(&s, &keys);
 *         ...
 *         ingest_sample_clear(&s);
 *     }
 *     if (rc < 0)
 *         explain(r->why(state));
 *     r->close(state);
 *
 * Every sample of the input comes out exactly once: a good one, or one whose reject says
 * what is wrong. Reading is cheap and in order; what costs time is left to parse(), so
 * that one thread keeps many busy.
 *
 * What next() gives waits for room in the memory of a run: the bytes of its images, texts
 * and metadata, those of raw as texts, and the tensors of all its images but one. What
 * parse() adds is not counted. Texts and metadata, which stay until they are written,
 * come of the bytes of raw. Images that parse() loads are decoded and freed before the
 * worker's next sample; but tensors of a second image stay, uncounted: parts for many
 * images are for next() to give.
 *
 * Damage ends the input like its end does; totals() then says where, and whose sample it
 * cut: that one does not come out. After damage, as after an archive's end, the input is
 * still read to its end, so that its hash is that of all its bytes; only `limit` stops
 * before, at a place that is no property of the input.
 *
 * An open reader belongs to one thread. */
#ifndef INGEST_READERS_H
#define INGEST_READERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ingest/ingest_sample.h"
#include "ingest/source.h"
#include "ingest/totals.h"

/* Of all readers. Strings are kept until close, or for as long as parse() runs. */
struct reader_options {
    bool keep_metadata;     /* false: --metadata none */
    size_t max_metadata;    /* bytes of JSON kept with a record (64 KiB) */
    uint64_t unpack_memory; /* compressed input that needs more is damaged (384 MiB) */
    uint64_t limit;         /* stop after so many samples; 0: no limit */
    /* longer images, and a tar's captions, are too_many_bytes (64 MiB) */
    size_t max_member_bytes;
    /* tar: */
    const char *image_field; /* NULL: the first of jpg, jpeg, png, webp, else the only
                              * member that looks like an image */
    /* jsonl: */
    const char *text_field; /* the member that is the text ("text") */
    const char *id_field;   /* the member that is the key, where there is one ("id") */
    size_t max_doc_bytes;   /* of a line; longer ones are too_long (4 MiB) */
};

/* Longer lines could make records that no shard takes. */
enum { DOCUMENT_MAX_BYTES = 16 << 20 };

/* The defaults above. */
struct reader_options reader_options_default(void);

/* NULL, or what is wrong with it as an image_field, for a person. Static. */
const char *reader_image_field_problem(const char *field);

struct reader {
    const char *name;         /* in --input-format and in manifests */
    const char *suffix;       /* of files, before that of a compression: ".tar" */
    const char *short_suffix; /* one that says the compression too: ".tgz"; or NULL */
    bool has_images;          /* its samples may have images */

    /* Gives *state, even on failure, so that why() can explain; NULL only for
     * INGEST_ENOMEM. Close it either way. `source` is kept until close. */
    int (*open)(void **state, const struct ingest_source *source,
                const struct reader_options *options);

    /* INGEST_OK and gives *s, INGEST_END, or < 0. What is not INGEST_OK comes again at
     * each later call. */
    int (*next)(void *state, struct ingest_sample *s);

    /* Makes a sample of s->raw, which is gone then; what it adds is not counted. Needs no
     * open reader: on any thread, in any order. NULL: next() gives whole samples.
     * INGEST_OK, or INGEST_ENOMEM and *s is cleared. */
    int (*parse)(struct ingest_sample *s, const struct reader_options *options);

    /* Lent; changes with each next(). */
    const struct ingest_totals *(*totals)(const void *state);

    /* What went wrong last. Lent; never NULL; accepts NULL. */
    const char *(*why)(const void *state);

    /* Accepts NULL and half-opened readers. */
    void (*close)(void *state);
};

/* WebDataset's archives: a sample of one text and one image for each group of consecutive
 * members with one key. The key is folder and file name up to its first dot; what follows
 * is the field, in lower case. What is no part of a group (ingest/reject.h) is counted. A
 * link has no bytes of its own: where it is the image, or might be, or is the only
 * caption, the sample is rejected. An archive without its two zero blocks is damaged, and
 * so is an input that is empty or no tar archive at all: a download that failed leaves
 * such files. */
extern const struct reader reader_tar;

/* JSON Lines: a sample of one text for each line that is not blank. The text is whole but
 * for byte order marks before it. The metadata is the line's JSON object without its
 * text: every other byte of it as it stands in the line. Damaged is, beside the
 * compressed stream, a file with 512 zeros, or any up to the end, which no text has; with
 * a last line that ends in its middle; of UTF-16; of arrays of JSON from the start.
 * partial_key is then the number of the line that was cut. A file of no bytes has no
 * documents; one that is named as a compressed file is damaged. */
extern const struct reader reader_jsonl;

enum { N_READERS = 2 };
extern const struct reader *const readers[N_READERS]; /* the first one by default */

#endif
