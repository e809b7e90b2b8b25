/* SPDX-License-Identifier: Apache-2.0
 * ingest/pair.h - image-caption pairs out of a tar stream.
 *
 *     struct pair_reader *r;
 *     struct pair p;
 *     int rc = pair_reader_open(&r, &source, &options);
 *     while (rc == INGEST_OK && (rc = pair_reader_next(r, &p)) == INGEST_OK) {
 *         use(&p);
 *         pair_clear(&p);
 *     }
 *     if (rc < 0)
 *         explain(pair_reader_why(r));
 *     pair_reader_close(r);
 *
 * A pair is one group of consecutive members with one key (the WebDataset rule: folder
 * and file name up to its first dot; what follows is the field, in lower case). Every
 * group comes out exactly once: a good pair, or one whose reject says what is wrong. What
 * is no part of a group (ingest/skip.h) is counted. A link has no bytes of its own: where
 * it is the image, or might be, or is the only caption, the pair is rejected.
 *
 * Damage to the archive ends the stream like its end does; pair_reader_totals() then says
 * where, and whose group it cut: that one does not come out. An archive without its two
 * zero blocks is damaged, and so is an input that is empty or no tar archive at all: a
 * download that failed leaves such files. After damage, as after the archive's end, the
 * input is still read to its end, so that its hash is that of all its bytes; only `limit`
 * stops before, at a place that is no property of the input.
 *
 * One reader belongs to one thread. */
#ifndef INGEST_PAIR_H
#define INGEST_PAIR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "ingest/reject.h"
#include "ingest/totals.h"

struct pair_reader;

/* Where the bytes come from: a tar archive, plain or in gzip, zstd, bzip2 or xz. read()
 * fills buf with up to cap bytes and returns how many, 0 at the end of the input, or < 0:
 * INGEST_EIO or INGEST_CANCELLED. It may block, but must be able to return
 * INGEST_CANCELLED while it waits. why() explains an INGEST_EIO (lent until the next
 * read). */
struct ingest_source {
    void *ctx;
    ssize_t (*read)(void *ctx, void *buf, size_t cap);
    const char *(*why)(void *ctx);
    /* NULL, or asked between reads too: few bytes can decompress to very many. */
    bool (*cancelled)(void *ctx);
    /* NULL, or the file's name: one that ends in .gz, .tgz, .zst, .bz2 or .xz promises
     * compressed bytes. */
    const char *name;
};

enum {
    /* Longest caption file, and longest JSON in which captions are looked for, in bytes.
     */
    PAIR_MAX_TEXT = 1 << 20,
    PAIR_MAX_CAPTIONS = 4096 /* of one pair; more are too_many_captions */
};

struct pair_options {
    const char *image_field; /* NULL: the first of jpg, jpeg, png, webp, else the only
                              * member that looks like an image */
    bool keep_metadata;      /* false: --metadata none */
    size_t max_metadata;     /* bytes of JSON kept with a record (64 KiB) */
    size_t max_member_bytes; /* longer images and caption files: too_many_bytes */
    uint64_t unpack_memory;  /* compressed input that needs more is damaged */
    uint64_t limit;          /* stop after so many groups; 0: no limit */
};

/* The defaults above; max_member_bytes 64 MiB, unpack_memory 384 MiB. */
struct pair_options pair_options_default(void);

/* NULL, or what is wrong with it as an image_field, for a person. Static. */
const char *pair_image_field_problem(const char *field);

struct pair_caption {
    char *name; /* "txt", "caption", "cap", "json.captions[2]", "json.caption", ... */
    char *text; /* UTF-8 without byte order marks before it and, from a file, without
                 * newlines behind it and without NUL; NUL-terminated besides */
    size_t text_len; /* bytes */
};

/* Owned by the caller, who gives it back with pair_clear(). */
struct pair {
    char *key;      /* UTF-8, NUL-terminated; a bad key is given escaped for printing */
    uint64_t index; /* place of the group in its input, from 0, rejects included */
    unsigned char *image;
    size_t image_len;
    struct pair_caption *captions;
    size_t n_captions;
    char *metadata; /* the .json member byte for byte, or NULL */
    size_t metadata_len;
    struct reject reject; /* reason REJECT_NONE: a good pair so far */
};

/* Gives *out, even on failure, so that pair_reader_why() can explain; close it either
 * way. *out is NULL only for INGEST_ENOMEM. `source` is kept until close. */
int pair_reader_open(struct pair_reader **out, const struct ingest_source *source,
                     const struct pair_options *options);

/* Returns INGEST_OK and gives *p, or INGEST_END, or < 0. */
int pair_reader_next(struct pair_reader *r, struct pair *p);

/* Lent; changes with each next(). */
const struct ingest_totals *pair_reader_totals(const struct pair_reader *r);

/* What went wrong last. Lent; never NULL; accepts NULL. */
const char *pair_reader_why(const struct pair_reader *r);

/* Accepts NULL and half-opened readers. */
void pair_reader_close(struct pair_reader *r);

/* Frees what *p owns and zeroes it. */
void pair_clear(struct pair *p);

#endif
