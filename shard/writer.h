/* SPDX-License-Identifier: Apache-2.0
 * shard/writer.h - public: records -> the shard files of one unit.
 *
 * Records go in in order; blocks, frames, checksums, index and seek table come out. A
 * file that would pass max_bytes is finished before the block that would do it, and the
 * next one is opened under the path that options->path gives. The bytes depend on the
 * records, the header and libzstd's version alone. Files are written under temporary
 * names that the caller chooses; publishing them is the caller's business. One writer,
 * one thread. */
#ifndef SHARD_WRITER_H
#define SHARD_WRITER_H

#include <stddef.h>
#include <stdint.h>

#include "shard/header.h"
#include "shard/output.h"
#include "shard/record.h"

struct shard_writer;

struct shard_writer_options {
    const struct shard_header *header; /* copied by open(); its `part` is set per file */
    /* Writes the path of file `part` (0, 1, ...) to path, NUL-terminated, at most cap
     * bytes. Returns 0, or -1 where it does not fit. */
    int (*path)(void *ctx, uint32_t part, char *path, size_t cap);
    void *ctx;
    const struct shard_output *output; /* lent until close; NULL: shard_plain_output */
    uint64_t max_bytes;                /* 0: 2^30 */
    uint64_t max_block_bytes;          /* 0: 512 KiB, of raw tensors and of raw text */
};

/* One file; lent by shard_writer_files() until close. After a failure the last one may be
 * unfinished: there it is, with 0 bytes said of it. */
struct shard_file {
    char *path;
    uint64_t bytes;
    uint64_t n_records;
    unsigned char sha256[32];
};

/* Gives *out, even on failure, for shard_writer_why(); NULL only for SHARD_ENOMEM. */
int shard_writer_open(struct shard_writer **out,
                      const struct shard_writer_options *options);

/* Copies what it needs; everything in *rec is the caller's again on return. Whatever
 * FORMAT.md forbids, a float that is not finite included, is SHARD_EINVAL: the record is
 * not in the file, and the writer lives on. */
int shard_writer_append(struct shard_writer *w, const struct shard_record *rec);

/* A compressed tensor frame of another file that is to be copied. */
struct shard_kept_frame {
    uint32_t kind, encoder, dtype, slot; /* the column, as this file's header has it */
    uint32_t first_row;
    uint64_t raw_bytes;
    const void *bytes; /* lent until the call returns */
    size_t len;
};

/* Closes the block in hand and makes one of these records: a file's blocks with a column
 * added, or dropped. A tensor without data stands in one of the kept frames, which are
 * given in order of columns and first rows, whole columns at a time, and are not looked
 * into; of the others a column gets frames of at most max_block_bytes. Any refusal is the
 * end of the writer. */
int shard_writer_append_block(struct shard_writer *w, const struct shard_record *records,
                              size_t n, const struct shard_kept_frame *kept,
                              size_t n_kept);

/* Writes what is left: last block, index, seek table; each file is finished. A unit
 * without records gives no file. */
int shard_writer_finish(struct shard_writer *w);

const struct shard_file *shard_writer_files(const struct shard_writer *w, size_t *n);
const char *shard_writer_why(const struct shard_writer *w);

/* Closes descriptors and frees; leaves files where they are. Accepts NULL. */
void shard_writer_close(struct shard_writer *w);

#endif
