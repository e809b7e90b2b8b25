/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/dump/dump_sample.h"

#include <inttypes.h>
#include <stdlib.h>

#include "shard/parts.h"
#include "shard/status.h"
#include "tools/view/tensor.h"

/* Gives the values of a tensor that was read and is what its shape and dtype say. */
static int read_values(const struct shard_tensor *t, struct dump_values *out)
{
    size_t bytes = shard_dtype_width(t->dtype);

    for (uint32_t i = 0; i < t->n_dims; i++)
        if (__builtin_mul_overflow(bytes, t->dims[i], &bytes))
            return 0;
    if (t->data == NULL || bytes == 0 || bytes != t->n_bytes)
        return 0;
    out->n = bytes / shard_dtype_width(t->dtype);
    out->values = calloc(out->n, sizeof(out->values[0]));
    if (out->values == NULL)
        return -1;
    tensor_values(t->dtype, t->data, out->n, out->values);
    return 0;
}

int dump_sample_read(struct dump_sample *s)
{
    const struct shard_record *r = s->view.record;
    int rc = shard_parts_tensors_make(&s->of_parts, r) == SHARD_OK ? 0 : -1;

    s->values = calloc(r->n_tensors + 1, sizeof(s->values[0]));
    if (s->values == NULL)
        return -1;
    for (size_t i = 0; i < r->n_tensors && rc == 0; i++)
        rc = read_values(&r->tensors[i], &s->values[i]);
    return rc;
}

void dump_sample_clear(struct dump_sample *s)
{
    for (size_t i = 0; s->values != NULL && i < s->view.record->n_tensors; i++)
        free(s->values[i].values);
    free(s->values);
    s->values = NULL;
    shard_parts_tensors_clear(&s->of_parts);
}

const struct dump_values *dump_values_of(const struct dump_sample *s,
                                         const struct shard_tensor *t)
{
    return &s->values[t - s->view.record->tensors];
}

static const char *name_or_number(const char *name, uint32_t value,
                                  char number[static 16])
{
    if (name != NULL)
        return name;
    snprintf(number, 16, "%" PRIu32, value);
    return number;
}

const char *dump_part_name(uint32_t kind, char number[static 16])
{
    return name_or_number(shard_part_name(kind), kind, number);
}

const char *dump_dtype_name(uint32_t dtype, char number[static 16])
{
    return name_or_number(shard_dtype_name(dtype), dtype, number);
}

int dump_digits(uint32_t dtype)
{
    return dtype == SHARD_U32 || dtype == SHARD_I32 ? 10 : 9;
}
