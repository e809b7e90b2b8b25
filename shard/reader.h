/* SPDX-License-Identifier: Apache-2.0
 * shard/reader.h - public: read records back from one shard file.
 *
 *     struct shard_reader *r;
 *     struct shard_record rec;
 *     int rc = shard_reader_open(&r, "000042.lms");
 *     while (rc == SHARD_OK && (rc = shard_reader_next(r, &rec)) == SHARD_OK)
 *         train_on(&rec);
 *     if (rc < 0)
 *         fprintf(stderr, "%s\n", shard_reader_why(r));
 *     shard_reader_close(r);
 *
 * One reader belongs to one thread. Many readers may open the same file. Any file may be
 * given: what is not a shard gets an error, never a crash. */
#ifndef SHARD_READER_H
#define SHARD_READER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shard/header.h"
#include "shard/shard_input.h"
#include "shard/record.h"
#include "shard/status.h"

struct shard_reader;

/* Opens `path` and checks its header, index and seek table.
 * Gives *out, even on failure, so that shard_reader_why() can explain; close it
 * either way. *out is NULL only for SHARD_ENOMEM. */
int shard_reader_open(struct shard_reader **out, const char *path);

/* The same with the bytes out of `input`, lent until close; NULL: plain files. */
int shard_reader_open_from(struct shard_reader **out, const struct shard_input *input,
                           const char *path);

/* Of a reader that opened. Lent; lives as long as the reader. */
const struct shard_header *shard_reader_header(const struct shard_reader *r);
const char *shard_reader_header_json(const struct shard_reader *r, size_t *len);
uint64_t shard_reader_count(const struct shard_reader *r);

/* XXH3-128 of all bytes before the index, as that says: what tells this shard from any
 * other. Reads and checks the index; no block is read. SHARD_OK or < 0. */
int shard_reader_fingerprint(struct shard_reader *r, unsigned char fingerprint[16]);

/* true: next and at leave data NULL in tensors and never read their frames. */
void shard_reader_text_only(struct shard_reader *r, bool on);

/* The values of one of the tensors of the record that was read last, text_only or not:
 * its frame alone is unpacked. Gives *data, lent until the next call of next or at.
 * Returns as next does. */
int shard_reader_tensor(struct shard_reader *r, const struct shard_tensor *t,
                        const void **data);

/* Returns SHARD_OK, SHARD_EOF, or < 0. SHARD_EDAMAGED: this record is lost, rec->name,
 * key and index (from the index; "" where that is damaged too) still name it, and the
 * next call goes on behind it.
 * Every pointer in *rec is lent: it dies at the next call on `r`. */
int shard_reader_next(struct shard_reader *r, struct shard_record *rec);

/* Record `i` of shard_reader_count(), by position; next() then goes on with i + 1. */
int shard_reader_at(struct shard_reader *r, uint64_t i, struct shard_record *rec);

/* Only name, key and index of record `i`, from the index: no block is read. Lent until
 * close. */
int shard_reader_identify(struct shard_reader *r, uint64_t i, struct shard_record *rec);

/* Position of (NAME, key): SHARD_OK or SHARD_NOT_FOUND. name NULL: any. */
int shard_reader_find(struct shard_reader *r, const char *name, const char *key,
                      uint64_t *i);

/* What went wrong last, with file name and byte offset. Lent; never NULL;
 * accepts NULL. */
const char *shard_reader_why(const struct shard_reader *r);
void shard_reader_close(struct shard_reader *r); /* accepts NULL */

#endif
