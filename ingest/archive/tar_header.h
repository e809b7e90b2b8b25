/* SPDX-License-Identifier: Apache-2.0
 * ingest/archive/tar_header.h - internal to ingest/: the fields of one tar header block
 * and the records of a pax extended header. Pure parsing: no reading, no memory. */
#ifndef INGEST_ARCHIVE_TAR_HEADER_H
#define INGEST_ARCHIVE_TAR_HEADER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { TAR_BLOCK = 512 };

/* A bound well below 2^63, so that sums with it cannot overflow. */
#define TAR_MAX_SIZE (UINT64_C(1) << 62)

struct tar_header {
    char type;     /* the type flag; '\0' of old archives is given as '0' */
    uint64_t size; /* bytes of the body, TAR_MAX_SIZE at most */
    char name[256];
    size_t name_len;  /* the prefix field included */
    bool more_blocks; /* old GNU sparse: a block with more of the map follows */
};

/* What pax records say about the member that follows. */
struct tar_pax {
    const char *path; /* lent by the parsed text; NULL: not given */
    size_t path_len;
    bool has_size;
    uint64_t size;
    bool sparse;
    const char *volume_file; /* lent; the file that this volume goes on with, or NULL */
    size_t volume_file_len;
};

bool tar_block_is_zero(const unsigned char block[TAR_BLOCK]);

/* NULL, or what is wrong with the block, for a person. Static. */
const char *tar_header_parse(const unsigned char block[TAR_BLOCK], struct tar_header *h);

/* False where text[0..len) is no list of "LENGTH KEY=VALUE\n". */
bool tar_pax_parse(const char *text, size_t len, struct tar_pax *pax);

#endif
