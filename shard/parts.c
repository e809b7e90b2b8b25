/* SPDX-License-Identifier: Apache-2.0 */
#include "shard/parts.h"

#include <stdlib.h>
#include <string.h>

#include "shard/status.h"

static size_t first_of(const struct shard_record *rec, uint32_t kind)
{
    size_t i = 0;

    while (i < rec->n_parts && rec->parts[i].kind != kind)
        i++;
    return i;
}

size_t shard_first_text(const struct shard_record *rec)
{
    return first_of(rec, SHARD_PART_TEXT);
}

size_t shard_count_parts(const struct shard_record *rec, uint32_t kind)
{
    size_t n = 0;

    for (size_t i = 0; i < rec->n_parts; i++)
        n += rec->parts[i].kind == kind;
    return n;
}

enum shard_arrangement shard_arrangement_of(const struct shard_record *rec)
{
    const size_t n_texts = shard_count_parts(rec, SHARD_PART_TEXT);
    const size_t n_images = shard_count_parts(rec, SHARD_PART_IMAGE);
    const size_t n_data = shard_count_parts(rec, SHARD_PART_DATA);

    return shard_arrange(n_texts, n_images, rec->n_parts - n_texts - n_images - n_data);
}

const char *shard_arrangement_name(enum shard_arrangement arrangement)
{
    static const char *const names[] = {
        [SHARD_OTHER] = "other", [SHARD_PAIR] = "pair", [SHARD_LONE_TEXT] = "text"};

    return names[arrangement];
}

bool shard_is_pair(const struct shard_record *rec, size_t *text, size_t *image)
{
    *text = shard_first_text(rec);
    *image = first_of(rec, SHARD_PART_IMAGE);
    return shard_arrangement_of(rec) == SHARD_PAIR;
}

uint32_t shard_default_encoder(const struct shard_header *h)
{
    for (size_t i = 0; i < h->n_encoders; i++) {
        const uint32_t kind = shard_kind_number(h->encoders[i].kind);
        if ((kind == SHARD_LATENT || kind == SHARD_CODES) &&
            strcmp(h->encoders[i].of, "image") == 0)
            return (uint32_t)i;
    }
    return SHARD_NONE;
}

size_t shard_first_tensor(const struct shard_record *rec, uint32_t encoder, size_t part)
{
    size_t low = 0, high = rec->n_tensors;

    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        const struct shard_tensor *t = &rec->tensors[middle];
        if (t->encoder < encoder || (t->encoder == encoder && t->part < part))
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

size_t shard_first_rendition(const struct shard_record *rec, size_t part)
{
    size_t low = 0, high = rec->n_renditions;

    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        if (rec->renditions[middle].part < part)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

const struct shard_tensor *shard_tensor_of(const struct shard_record *rec, size_t part,
                                           uint32_t owner, uint32_t encoder,
                                           uint32_t output, bool mirrored)
{
    const bool text = rec->parts[part].kind == SHARD_PART_TEXT;
    const struct shard_tensor *found = NULL;

    for (size_t i = shard_first_tensor(rec, encoder, part); i < rec->n_tensors; i++) {
        const struct shard_tensor *t = &rec->tensors[i];
        if (t->encoder != encoder || t->part != part)
            break;
        if (shard_is_logvar(t) || shard_output_of(t) != output ||
            (text && t->owner != owner))
            continue;
        if (shard_is_mirrored(t) == mirrored)
            return t;
        found = t;
    }
    return found;
}

const struct shard_tensor *shard_logvar_of(const struct shard_record *rec,
                                           const struct shard_tensor *mean)
{
    const struct shard_tensor *next = mean + 1;

    if (next == rec->tensors + rec->n_tensors || next->encoder != mean->encoder ||
        next->part != mean->part || next->owner != mean->owner ||
        next->slot != shard_slot_logvar_of(mean->slot))
        return NULL;
    return next;
}

int shard_tensor_compare(const void *left, const void *right)
{
    const struct shard_tensor *a = left, *b = right;
    const uint32_t x[] = {a->encoder, a->part, a->owner, a->slot};
    const uint32_t y[] = {b->encoder, b->part, b->owner, b->slot};

    for (int i = 0; i < 4; i++)
        if (x[i] != y[i])
            return x[i] < y[i] ? -1 : 1;
    return 0;
}

size_t shard_shown_image(const struct shard_record *rec, uint32_t encoder,
                         const struct shard_tensor **tensor)
{
    size_t first = rec->n_parts;

    *tensor = NULL;
    for (size_t i = 0; i < rec->n_parts; i++) {
        if (rec->parts[i].kind != SHARD_PART_IMAGE)
            continue;
        if (encoder != SHARD_NONE)
            *tensor = shard_tensor_of(rec, i, SHARD_NONE, encoder, 0, false);
        if (*tensor != NULL)
            return i;
        if (first == rec->n_parts)
            first = i;
    }
    return first;
}

int shard_parts_tensors_make(struct shard_parts_tensors *of,
                             const struct shard_record *rec)
{
    of->start = calloc(rec->n_parts + 2, sizeof(of->start[0]));
    of->tensor = calloc(rec->n_tensors + 1, sizeof(of->tensor[0]));
    of->rendition = calloc(rec->n_parts + 1, sizeof(of->rendition[0]));
    if (of->start == NULL || of->tensor == NULL || of->rendition == NULL)
        return SHARD_ENOMEM;
    /* Counted one further on, so that filling moves each start to its place. */
    for (size_t i = 0; i < rec->n_tensors; i++)
        of->start[rec->tensors[i].part + 2]++;
    for (size_t i = 2; i <= rec->n_parts; i++)
        of->start[i] += of->start[i - 1];
    for (size_t i = 0; i < rec->n_tensors; i++)
        of->tensor[of->start[rec->tensors[i].part + 1]++] = i;
    for (size_t i = rec->n_renditions; i-- > 0;)
        of->rendition[rec->renditions[i].part] = i;
    return SHARD_OK;
}

void shard_parts_tensors_clear(struct shard_parts_tensors *of)
{
    free(of->start);
    free(of->tensor);
    free(of->rendition);
}

static uint64_t product(const uint32_t *dims, uint32_t n)
{
    uint64_t p = 1;

    for (uint32_t i = 0; i < n; i++)
        p *= dims[i]; /* of a checked tensor at most 2^54: shard_tensor_shape_fits() */
    return p;
}

uint64_t shard_tensor_cells(const struct shard_tensor *t)
{
    switch (t->kind) {
    case SHARD_LATENT:
        return product(t->dims + 1, 2);
    case SHARD_CODES:
        return product(t->dims, t->n_dims);
    case SHARD_FEATURES:
        return product(t->dims, t->n_dims - 1);
    case SHARD_PIXELS:
        return product(t->dims, 2);
    default:
        return 0;
    }
}

uint64_t shard_tensor_ids(const struct shard_tensor *t)
{
    return t->kind == SHARD_CODES || t->kind == SHARD_IDS ? product(t->dims, t->n_dims)
                                                          : 0;
}
