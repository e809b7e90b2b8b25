/* SPDX-License-Identifier: Apache-2.0
 * shard/file/format.h - internal to shard/: FORMAT.md's magic numbers, sizes and limits.
 *
 * The writer refuses what breaks a limit, the reader what claims to; both before anything
 * is allocated for it. */
#ifndef SHARD_FILE_FORMAT_H
#define SHARD_FILE_FORMAT_H

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

/* Of what FORMAT.md reserves. */
#define SHARD_LATER "a reserved bit is not 0: a later version may have written it"

/* What roles and the names of encoders are made of. */
#define SHARD_NAME_BYTES "abcdefghijklmnopqrstuvwxyz0123456789_.-"

enum {
    SHARD_SKIPPABLE_HEAD = 8,     /* magic, length */
    SHARD_HEADER_HEAD = 24,       /* before the JSON */
    SHARD_TEXT_HEAD = 32,         /* of a text frame's content */
    SHARD_TEXT_FRAME = 32,        /* one entry of its table of tensor frames */
    SHARD_ROW_HEAD = 40,          /* of a record's row, before its content */
    SHARD_ROW_CONTENT = 32,       /* of the content, before its strings and parts */
    SHARD_ENTRY_HEAD = 8,         /* of every entry: kind, bytes */
    SHARD_ENTRY_PART = 16,        /* a part of any kind, less its role and its zero */
    SHARD_ENTRY_IMAGE = 40,       /* what an image part has besides */
    SHARD_ENTRY_ALTERNATIVE = 16, /* of any kind, less its name and its zero */
    SHARD_ENTRY_RENDITION = 12,   /* of any kind */
    SHARD_GEOMETRY = 12,          /* numbers, u32, that a rendition has besides */
    SHARD_ENTRY_TENSOR = 48,      /* less its dims */
    SHARD_INDEX_HEAD = 40,        /* before the column directory */
    SHARD_INDEX_ENTRY = 40,       /* one column's directory entry */
    SHARD_INDEX_TAIL = 24,        /* fingerprint, checksum */
    SHARD_SEEK_ENTRY = 8,
    SHARD_SEEK_FOOTER = 9
};

/* Limits. */
enum {
    SHARD_MAX_HEADER = 1 << 24,       /* bytes of JSON */
    SHARD_MAX_HEADER_DEPTH = 64,      /* of its objects and arrays */
    SHARD_MAX_ENCODERS = 256,         /* of a header */
    SHARD_MAX_OUTPUTS = 256,          /* of an encoder */
    SHARD_MAX_SCALE = 65536,          /* values of an encoder's scale */
    SHARD_MAX_ID_MAP = 1 << 20,       /* ids of an encoder's map */
    SHARD_MAX_STATISTICS = 1 << 20,   /* values of its features' mean and std */
    SHARD_MAX_FRAME = 1 << 28,        /* raw bytes of a text or tensor frame */
    SHARD_MAX_ROW = 1 << 27,          /* bytes of a row with its ids; of its tensors */
    SHARD_MAX_KEY = 1024,             /* bytes */
    SHARD_MAX_NAME = 4096,            /* bytes */
    SHARD_MAX_CAPTION_NAME = 1024,    /* bytes */
    SHARD_MAX_ROLE = 64,              /* bytes, also of an encoder's name */
    SHARD_MAX_PARTS = 65535,          /* of a record: */
    SHARD_MAX_ALTERNATIVES = 65535,   /* */
    SHARD_MAX_RENDITIONS = 65535,     /* */
    SHARD_MAX_TENSORS = 65535,        /* */
    SHARD_MAX_COLUMNS = 256,          /* of a block */
    SHARD_MAX_BLOCK_FRAMES = 1 << 20, /* tensor frames of a block */
    SHARD_MAX_INDEX_COLUMNS = 64,
    SHARD_MAX_ID = INT32_MAX /* of a token; trainers want them signed */
};
#define SHARD_MAX_BLOCKS (UINT32_C(1) << 26) /* of a file */
#define SHARD_MAX_SHARDS (UINT32_C(1) << 24) /* of a data set */
#define SHARD_MAX_PAIRS (UINT32_C(1) << 28)  /* of a shard and a column, of a data set */
#define SHARD_MAX_TABLE (UINT32_C(1) << 30)  /* raw bytes, of a data set's index */
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
