/* SPDX-License-Identifier: Apache-2.0
 * tools/prepare/unit_output.h - the files of a unit while they are written, and what is
 * counted of them: between unit.c, which appends, and unit_publish.c, which ends it. */
#ifndef TOOLS_PREPARE_UNIT_OUTPUT_H
#define TOOLS_PREPARE_UNIT_OUTPUT_H

#include <openssl/evp.h>
#include <stdint.h>
#include <time.h>

#include "ingest/hash_set.h"
#include "ingest/reject.h"
#include "shard/header.h"
#include "shard/writer.h"
#include "tools/store/publish.h"
#include "tools/store/store_stream.h"

struct unit_output {
    struct publication files;
    struct shard_header header; /* the job's with this unit's NAME */
    struct shard_writer *shards;
    struct store_stream rejects; /* opened at the first reject */
    EVP_MD_CTX *rejects_sha;
    uint64_t rejects_bytes;
    uint64_t n_samples, n_rejects;
    uint64_t by_reason[N_REJECT_REASONS];
    uint64_t upscaled, broken_profiles, dropped_metadata;
    struct hash_set keys; /* those that the reader has not checked */
    time_t started;
};

#endif
