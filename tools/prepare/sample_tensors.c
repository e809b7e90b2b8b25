/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/prepare/sample_tensors.h"

#include <string.h>

#include "shard/parts.h"
#include "tools/prepare/unit.h"

struct shard_tensor sample_tensor(const struct sample *s, const struct encoding *e,
                                  uint32_t encoder, size_t k, uint32_t rendition)
{
    const struct stored_tensor *t = &e->tensors[k];
    const struct encoder_tensor *computed = &e->about.tensors[t->from];
    struct shard_tensor tensor = {.kind = t->kind,
                                  .part = s->renditions[rendition].part,
                                  .owner = rendition,
                                  .encoder = encoder,
                                  .slot = t->slot,
                                  .dtype = t->dtype,
                                  .n_dims = (uint32_t)computed->n_dims,
                                  .n_bytes = t->n_bytes};

    memcpy(tensor.dims, computed->dims, sizeof(computed->dims));
    return tensor;
}

void sample_reject_values(struct sample *s, const struct encoding *e, uint32_t part,
                          size_t bad)
{
    struct reject reject;
    size_t n = 0;

    for (size_t k = 0; k < e->n_tensors; k++)
        n += e->tensors[k].n_values;
    if (e->tensors[0].kind == SHARD_CODES)
        reject_set(&reject, REJECT_BAD_CODE, "%zu of %zu codes of %s are not below %u",
                   bad, n, e->label, e->about.codebook);
    else
        reject_set(&reject, REJECT_NOT_FINITE,
                   "%zu of %zu %s values are not finite in %s", bad, n,
                   shard_kind_name(e->tensors[0].kind), e->dtype);
    sample_reject(s, part, &reject);
}

void sample_encoded(const struct sample *s, struct job *job)
{
    if (!s->parts || s->in.reject.reason != REJECT_NONE)
        return; /* it was not worked on, or in vain */
    atomic_fetch_add(&s->unit->progress.n_encoded, 1);
    atomic_fetch_add(&job->count.done, 1);
}
