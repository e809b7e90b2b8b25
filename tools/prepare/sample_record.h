/* SPDX-License-Identifier: Apache-2.0
 * tools/prepare/sample_record.h - a finished sample as a shard's record. */
#ifndef TOOLS_PREPARE_SAMPLE_RECORD_H
#define TOOLS_PREPARE_SAMPLE_RECORD_H

#include "shard/record.h"

struct sample;
struct text_options;

/* A record and arrays that it points into; texts, ids, renditions and tensors stay the
 * sample's. */
struct sample_record {
    struct shard_record record;
    struct shard_part *parts;
    struct shard_alternative *alternatives; /* of all parts */
};

/* Fills *sr for the unit `name`; it lives no longer than the sample and `name`. Returns
 * 0, or -1: no memory. Release with sample_record_free() in either case. */
int sample_record_build(struct sample_record *sr, const char *name,
                        const struct text_options *o, const struct sample *s);
void sample_record_free(struct sample_record *sr);

#endif
