/* SPDX-License-Identifier: Apache-2.0
 * tools/sample_record.h - a finished sample as a shard's record: text, then image, or text
 * alone. */
#ifndef TOOLS_SAMPLE_RECORD_H
#define TOOLS_SAMPLE_RECORD_H

#include "shard/record.h"

struct run;
struct sample;

/* A record and the arrays it points into; texts, ids and latent stay the sample's. */
struct sample_record {
    struct shard_record record;
    struct shard_alternative *alternatives; /* one a caption */
    struct shard_part parts[2];             /* text, image */
    struct shard_rendition rendition;
    struct shard_tensor tensors[2]; /* mean, and log-variance if stored */
};

/* Fills *sr, which lives no longer than the sample. Returns 0, or -1: no memory. Release
 * with sample_record_free() in either case. */
int sample_record_build(struct sample_record *sr, const struct run *run,
                        const struct sample *s);
void sample_record_free(struct sample_record *sr);

#endif
