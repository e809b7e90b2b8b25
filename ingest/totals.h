/* SPDX-License-Identifier: Apache-2.0
 * ingest/totals.h - public: what the readers of ingest/ count over one input. */
#ifndef INGEST_TOTALS_H
#define INGEST_TOTALS_H

#include <stdbool.h>
#include <stdint.h>

#include "ingest/reject.h"

/* Counts over what has been read so far. */
struct ingest_totals {
    uint64_t groups;          /* samples to be, rejects included */
    uint64_t skipped_members; /* of an archive, in no sample: */
    uint64_t skipped[N_SKIP_KINDS];
    uint64_t blank_lines;       /* of a file of documents */
    uint64_t dropped_captions;  /* no file, not UTF-8, NUL: others were left */
    uint64_t dropped_metadata;  /* longer than max_metadata, or no file */
    uint64_t unparsed_metadata; /* not JSON, but not needed for captions */
    uint64_t scattered; /* groups of an earlier one's key with a part of a sample */
    bool damaged;
    uint64_t damage_offset; /* in the decompressed stream, bytes */
    char damage[200];       /* what is damaged, for a person */
    char *partial_key;      /* key of the group the damage cut, or NULL; lent */
};

#endif
