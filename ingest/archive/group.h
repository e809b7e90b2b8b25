/* SPDX-License-Identifier: Apache-2.0
 * ingest/archive/group.h - internal to ingest/: the members of one key, on their way to a
 * sample.
 *
 * Holds at most one image, the caption files and the JSON: what cannot matter is not
 * read, what is too long is not read either. A link, a device and the rest of another
 * volume's file have no bytes to read: they are noted, for the reject. */
#ifndef INGEST_ARCHIVE_GROUP_H
#define INGEST_ARCHIVE_GROUP_H

#include <stdbool.h>
#include <stddef.h>

#include "ingest/readers.h"
#include "ingest/archive/tar.h"

struct group;

/* Gives *out, or returns INGEST_ENOMEM. `options` are kept until close. */
int group_open(struct group **out, const struct reader_options *options);

/* Starts a group. Its key must not have been in this input before, or `duplicate` says
 * that it has. INGEST_OK or INGEST_ENOMEM. */
int group_begin(struct group *g, const char *key, size_t len, bool duplicate);

bool group_is_open(const struct group *g);
bool group_has_key(const struct group *g, const char *key, size_t len);

/* Whether members of this field are looked at by name: image, caption or JSON. */
bool group_knows_field(const struct group *g, const char *field, size_t len);

/* A member of the open group that is skipped, as it is no file and of no known field: had
 * it been stored as a file, it might be the image. */
void group_note_skipped(struct group *g, const char *field, size_t len,
                        enum tar_kind kind);

/* The open group has such a member somewhere before it. */
void group_note_apart(struct group *g);

/* Announces a member by its field. 1: go on with group_add(); 0: the group has that field
 * already, and so ends before it; INGEST_ENOMEM. */
int group_claim(struct group *g, const char *field, size_t len);

/* Takes what is needed of the member announced last. INGEST_OK, INGEST_DAMAGED or < 0. */
int group_add(struct group *g, const struct tar_member *m, struct tar_reader *tar);

/* Ends the group. Gives all of the sample but its index: key, and a text of all captions,
 * the image and metadata, or a reject. Counts what was dropped. INGEST_OK, or
 * INGEST_ENOMEM and what there is of the sample is still to be cleared. */
int group_finish(struct group *g, struct ingest_sample *s, struct ingest_totals *totals);

/* The open group's key, escaped where it is a bad one, for free(); NULL: no memory. */
char *group_printable_key(const struct group *g);

/* Accepts NULL and half-opened groups. */
void group_close(struct group *g);

#endif
