/* SPDX-License-Identifier: Apache-2.0
 * tools/export/view_file.h - a file of the Python package's build_view(): which records
 * of which shards are used, how often, and with which captions.
 *
 * shard/FORMAT.md, section 10, has its bytes. All of it is in memory, and checked; once
 * open it is read-only and may be shared by threads. */
#ifndef TOOLS_EXPORT_VIEW_FILE_H
#define TOOLS_EXPORT_VIEW_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shard/buffer.h"
#include "shard/record.h"

struct view_file;

enum { VIEW_OK = 0, VIEW_EIO = -1, VIEW_EINVAL = -2, VIEW_ENOMEM = -3 };

/* Gives *out, even on failure, so that view_file_why() can explain; NULL only for
 * VIEW_ENOMEM. */
int view_file_open(struct view_file **out, const char *path);
const char *view_file_why(const struct view_file *v); /* with the path; lent */
void view_file_close(struct view_file *v);            /* accepts NULL */

/* 32 hex digits, and the name of its tokenizer; "": the shards' own ids. Lent. */
const char *view_file_fingerprint(const struct view_file *v);
const char *view_file_tokenizer(const struct view_file *v);

/* The number of the shard with this fingerprint (32 hex digits), or -1. */
int64_t view_file_find(const struct view_file *v, const char *fingerprint);
uint64_t view_file_n_records(const struct view_file *v, size_t shard);

/* A place between two records: positions in the file's arrays. */
struct view_place {
    uint64_t record, part, alternative, text, id, byte;
};

/* Goes through the records of one shard. */
struct view_cursor {
    const struct view_file *view;
    struct view_place at;
    struct shard_buffer captions; /* owned: struct shard_alternative of one record */
};

struct view_record {
    double weight; /* 0: it is not used */
    bool replaced; /* it has these captions instead of its own: */
    size_t n_captions;
    const struct shard_alternative *captions; /* lent until the cursor's next call */
};

/* In front of the first record. Release with view_cursor_clear(). */
struct view_cursor view_cursor_begin(const struct view_file *v, size_t shard);

/* The next record, of view_file_n_records(). VIEW_OK or VIEW_ENOMEM. */
int view_cursor_next(struct view_cursor *c, struct view_record *record);
void view_cursor_clear(struct view_cursor *c);

#endif
