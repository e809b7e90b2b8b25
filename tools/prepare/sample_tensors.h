/* SPDX-License-Identifier: Apache-2.0
 * tools/prepare/sample_tensors.h - what an encoder makes of a sample's images, whichever
 * stage it is at work in. */
#ifndef TOOLS_PREPARE_SAMPLE_TENSORS_H
#define TOOLS_PREPARE_SAMPLE_TENSORS_H

#include <stddef.h>
#include <stdint.h>

#include "tools/prepare/job.h"

/* Tensor `k` of those that the job's encoder number `encoder` stores of a rendition, but
 * for its data (and of a file its length). */
struct shard_tensor sample_tensor(const struct sample *s, const struct encoding *e,
                                  uint32_t encoder, size_t k, uint32_t rendition);

/* `bad` > 0 of the values that an encoder gave of an image cannot be stored. */
void sample_reject_values(struct sample *s, const struct encoding *e, uint32_t part,
                          size_t bad);

/* Counts a sample that leaves the last stage of encoders. */
void sample_encoded(const struct sample *s, struct job *job);

#endif
