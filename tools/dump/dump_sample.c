/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/dump/dump_sample.h"

#include <inttypes.h>
#include <stdlib.h>

#include "shard/parts.h"
#include "shard/status.h"
#include "tools/view/tensor.h"

/* Gives the values of a tensor that was read and is what its shape and dtype say. */
static int read_values(const struct shard_tensor *s, double **values, size_t *n)
{
    size_t bytes = shard_dtype_width(s->dtype);

    for (uint32_t i = 0; i < s->n_dims; i++)
        if (__builtin_mul_overflow(bytes, s->dims[i], &bytes))
            return 0;
    if (s->data == NULL || bytes == 0 || bytes != s->n_bytes)
        return 0;
    *n = bytes / shard_dtype_width(s->dtype);
    *values = calloc(*n, sizeof(**values));
    if (*values == NULL)
        return -1;
    tensor_values(s->dtype, s->data, *n, *values);
    return 0;
}

int dump_sample_read(struct dump_sample *s)
{
    const struct record_view *v = &s->view;
    int rc = shard_parts_tensors_make(&s->of_parts, v->record) == SHARD_OK ? 0 : -1;

    s->n_values = s->n_logvar_values = 0;
    s->values = s->logvar_values = NULL;
    if (rc == 0 && v->latent != NULL)
        rc = read_values(v->latent, &s->values, &s->n_values);
    if (rc == 0 && v->logvar != NULL)
        rc = read_values(v->logvar, &s->logvar_values, &s->n_logvar_values);
    return rc;
}

void dump_sample_clear(struct dump_sample *s)
{
    free(s->values);
    free(s->logvar_values);
    s->values = s->logvar_values = NULL;
    shard_parts_tensors_clear(&s->of_parts);
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

const char *dump_kind_name(uint32_t kind, char number[static 16])
{
    return name_or_number(shard_kind_name(kind), kind, number);
}

const char *dump_dtype_name(uint32_t dtype, char number[static 16])
{
    return name_or_number(shard_dtype_name(dtype), dtype, number);
}
