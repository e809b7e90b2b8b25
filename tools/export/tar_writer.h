/* SPDX-License-Identifier: Apache-2.0
 * tools/export/tar_writer.h - write a tar that depends on its members' names and bytes
 * alone.
 *
 * Plain ustar, with a pax header where a name needs one; regular files of mode 0644,
 * owner 0 and time 0. */
#ifndef TOOLS_EXPORT_TAR_WRITER_H
#define TOOLS_EXPORT_TAR_WRITER_H

#include <stddef.h>
#include <stdint.h>

#include "tools/store/store.h"

struct tar_writer;

/* Begins the file `path` of a store. Gives *out, also on failure, for
 * tar_writer_why(); NULL where memory is short. Returns 0 or -1. */
int tar_writer_open(struct tar_writer **out, const struct store *store, const char *path);

/* Appends a member of two pieces (the second may be empty). *data is where its bytes
 * begin. Returns 0 or -1. */
int tar_writer_add(struct tar_writer *w, const char *name, const void *head,
                   size_t head_len, const void *body, size_t body_len, uint64_t *data);

/* Bytes so far: where the next member, or the end, will begin. */
uint64_t tar_writer_at(const struct tar_writer *w);

/* Writes the end and closes the file. Returns 0 or -1. */
int tar_writer_finish(struct tar_writer *w);

const char *tar_writer_why(const struct tar_writer *w); /* lent; accepts NULL */
void tar_writer_close(struct tar_writer *w);            /* accepts NULL */

#endif
