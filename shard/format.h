/* SPDX-License-Identifier: Apache-2.0
 * shard/format.h - internal to shard/: FORMAT.md's magic numbers, sizes and limits.
 *
 * The writer refuses what breaks a limit, the reader what claims to; both before anything
 * is allocated for it. */
#ifndef SHARD_FORMAT_H
#define SHARD_FORMAT_H

#include <stdbool.h>
#include <stdint.h>

#define SHARD_VERSION 1

#define SHARD_MAGIC_HEADER UINT32_C(0x184D2A5B) /* skippable frames */
#define SHARD_MAGIC_INDEX UINT32_C(0x184D2A5C)
#define SHARD_MAGIC_SEEK_TABLE UINT32_C(0x184D2A5E)
#define SHARD_MAGIC_SEEKABLE UINT32_C(0x8F92EAB1) /* last four bytes of the file */
#define SHARD_MAGIC_TEXT                                                                 \
    UINT32_C(0x58544D4C) /* "LMTX": start of a text frame's content */
#define SHARD_MAGIC_HEADER_TEXT "LMSHARD\n"
#define SHARD_MAGIC_INDEX_TEXT "LMINDEX\n"
#define SHARD_MAGIC_DATASET_TEXT "LMDSIDX\n"

enum {
    SHARD_SKIPPABLE_HEAD = 8,   /* magic, length */
    SHARD_HEADER_HEAD = 24,     /* before the JSON */
    SHARD_TEXT_HEAD = 32,       /* of a text frame's content */
    SHARD_TEXT_COLUMN = 24,     /* one entry of its column table */
    SHARD_ROW_HEAD = 64,        /* of a record's row */
    SHARD_ROW_UNHASHED = 16,    /* its two checksums */
    SHARD_ROW_IMAGE = 64,       /* one image in a row */
    SHARD_ROW_TEXT = 12,        /* a text segment, less its alternatives */
    SHARD_ROW_ALTERNATIVE = 12, /* an alternative, less its two strings and their zeros */
    SHARD_ROW_TENSOR = 32,      /* any other segment, less its dims */
    SHARD_INDEX_HEAD = 40,      /* before the column directory */
    SHARD_INDEX_ENTRY = 40,     /* one column's directory entry */
    SHARD_INDEX_TAIL = 24,      /* fingerprint, checksum */
    SHARD_SEEK_ENTRY = 8,
    SHARD_SEEK_FOOTER = 9
};

/* Limits. */
enum {
    SHARD_MAX_HEADER = 1 << 20,     /* bytes of JSON */
    SHARD_MAX_HEADER_DEPTH = 64,    /* of its objects and arrays */
    SHARD_MAX_FRAME = 1 << 28,      /* raw bytes of a text or tensor frame */
    SHARD_MAX_KEY = 1024,           /* bytes */
    SHARD_MAX_NAME = 4096,          /* bytes */
    SHARD_MAX_CAPTION_NAME = 1024,  /* bytes */
    SHARD_MAX_IMAGES = 65535,       /* of a record */
    SHARD_MAX_SEGMENTS = 65535,     /* of a record */
    SHARD_MAX_ALTERNATIVES = 65535, /* of a record */
    SHARD_MAX_COLUMNS = 256,        /* tensor columns of a block */
    SHARD_MAX_INDEX_COLUMNS = 64,
    SHARD_MAX_ID = INT32_MAX /* of a token; trainers want them signed */
};
#define SHARD_MAX_BLOCKS (UINT32_C(1) << 26) /* of a file */
#define SHARD_MAX_SHARDS (UINT32_C(1) << 24) /* of a data set */
#define SHARD_MAX_FRAMES (UINT32_C(1) << 27) /* of a file, the seek table's own limit */

/* Raw bytes of a column of the index. What a record has in it costs the file some 20
 * bytes that cannot be compressed, but an invented column can be zeros. */
static inline uint64_t shard_max_column(uint64_t file_bytes)
{
    return (UINT64_C(1) << 20) + 64 * file_bytes;
}

/* Fuzzing builds take every XXH3 for right: mutations must reach the code behind it. */
static inline bool shard_checksum_is(uint64_t stored, uint64_t computed)
{
#ifdef FUZZING_BUILD_MODE_UNSAFE_FOR_PRODUCTION
    (void)stored;
    (void)computed;
    return true;
#else
    return stored == computed;
#endif
}

#endif
