/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/dump_sample.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "shard/record.h"
#include "tools/tensor.h"

static const struct shard_segment *first_of(const struct shard_record *r, uint32_t kind)
{
    for (size_t i = 0; i < r->n_segments; i++)
        if (r->segments[i].kind == kind)
            return &r->segments[i];
    return NULL;
}

/* Where the encoder gives both moments, the log-variance is the segment behind the mean.
 */
static const struct shard_segment *logvar_of(const struct dump_sample *s)
{
    const struct shard_segment *mean = s->latent, *next = mean + 1;

    if (mean->encoder >= s->header->n_encoders ||
        strcmp(s->header->encoders[mean->encoder].moments, "mean+logvar") != 0 ||
        next == s->record->segments + s->record->n_segments)
        return NULL;
    return next->kind == SHARD_LATENT && next->encoder == mean->encoder ? next : NULL;
}

static enum dump_kind kind_of(const struct dump_sample *s)
{
    const size_t n = s->record->n_segments;

    if (s->text == NULL)
        return DUMP_OTHER;
    if (s->latent == NULL)
        return n == 1 ? DUMP_TEXT : DUMP_OTHER;
    return n == (s->logvar != NULL ? 3 : 2) ? DUMP_PAIR : DUMP_OTHER;
}

const struct shard_alternative *dump_sample_drawn(const struct dump_sample *s,
                                                  const struct shard_segment *segment)
{
    const uint32_t drawn = segment == s->text ? s->record->caption_drawn : 0;

    if (segment->kind != SHARD_TEXT || drawn >= segment->n_alternatives)
        return NULL;
    return &segment->alternatives[drawn];
}

/* Gives the values of a tensor that was read and is what its shape and dtype say. */
static int read_values(const struct shard_segment *s, double **values, size_t *n)
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

int dump_sample_view(struct dump_sample *s)
{
    const struct shard_record *r = s->record;

    s->text = first_of(r, SHARD_TEXT);
    s->latent = first_of(r, SHARD_LATENT);
    s->logvar = s->latent != NULL ? logvar_of(s) : NULL;
    s->kind = kind_of(s);
    s->caption = s->text != NULL ? dump_sample_drawn(s, s->text) : NULL;
    s->image = NULL;
    s->n_values = s->n_logvar_values = 0;
    s->values = s->logvar_values = NULL;
    if (s->latent == NULL)
        return 0;
    if (s->latent->image < r->n_images)
        s->image = &r->images[s->latent->image];
    int rc = read_values(s->latent, &s->values, &s->n_values);
    if (rc == 0 && s->logvar != NULL)
        rc = read_values(s->logvar, &s->logvar_values, &s->n_logvar_values);
    return rc;
}

void dump_sample_clear(struct dump_sample *s)
{
    free(s->values);
    free(s->logvar_values);
    s->values = s->logvar_values = NULL;
}

const char *dump_kind_name(uint32_t kind, char number[static 16])
{
    static const char *const names[] = {
        [SHARD_TEXT] = "text",
        [SHARD_LATENT] = "latent",
        [SHARD_CODES] = "codes",
        [SHARD_FEATURES] = "features",
        [SHARD_ENCODED_IMAGE] = "encoded_image",
    };

    if (kind < sizeof(names) / sizeof(names[0]))
        return names[kind];
    snprintf(number, 16, "%" PRIu32, kind);
    return number;
}

const char *dump_dtype_name(uint32_t dtype, char number[static 16])
{
    if (tensor_dtype_name(dtype) != NULL)
        return tensor_dtype_name(dtype);
    snprintf(number, 16, "%" PRIu32, dtype);
    return number;
}
