/* SPDX-License-Identifier: Apache-2.0 */
#include "shard/index/part_type.h"

#include <stdlib.h>
#include <string.h>

#include "shard/file/format.h"
#include "shard/record_check.h"
#include "shard/status.h"
#include "shard/file/wire.h"

enum { TYPE_TENSOR = 20 }; /* bytes of each tensor's five numbers */

static int add_tensor(struct shard_buffer *out, const struct shard_tensor *t,
                      uint32_t owner)
{
    int rc = shard_buffer_add_u32(out, t->kind);

    rc |= shard_buffer_add_u32(out, t->encoder);
    rc |= shard_buffer_add_u32(out, t->slot);
    rc |= shard_buffer_add_u32(out, t->dtype);
    rc |= shard_buffer_add_u32(out, owner);
    return rc;
}

int shard_part_type_encode(struct shard_buffer *out, const struct shard_record *rec,
                           const struct shard_parts_tensors *of, size_t i)
{
    const struct shard_part *part = &rec->parts[i];
    const size_t role_len = strlen(part->role);
    const bool image = part->kind == SHARD_PART_IMAGE;
    const size_t n_alternatives =
        part->kind == SHARD_PART_TEXT ? part->n_alternatives : 0;
    int rc = SHARD_OK;

    out->len = 0;
    rc |= shard_buffer_add_u32(out, part->kind);
    rc |= shard_buffer_add_u32(out, part->flags);
    rc |= shard_buffer_add_u32(out, (uint32_t)n_alternatives);
    rc |= shard_buffer_add_u32(out, (uint32_t)role_len);
    rc |= shard_buffer_add_u32(out, (uint32_t)(of->start[i + 1] - of->start[i]));
    rc |= shard_buffer_add(out, part->role, role_len);
    for (size_t j = of->start[i]; j < of->start[i + 1]; j++) {
        const struct shard_tensor *t = &rec->tensors[of->tensor[j]];
        rc |=
            add_tensor(out, t, image ? t->owner - (uint32_t)of->rendition[i] : t->owner);
    }
    return rc != SHARD_OK ? SHARD_ENOMEM : SHARD_OK;
}

/* Position i of them: its owner is one that the part may have, and it stands behind the
 * one before it. Each rendition has a tensor, so there are no more of them than tensors.
 */
static bool tensor_fits(const struct shard_part_type *type, uint32_t i,
                        const struct shard_header *h)
{
    const struct shard_tensor *t = &type->tensors[i];

    if (t->encoder >= h->n_encoders ||
        !shard_tensor_is_of(t, &h->encoders[t->encoder], type->kind))
        return false;
    if ((type->kind == SHARD_PART_TEXT && t->owner >= type->n_alternatives) ||
        (type->kind == SHARD_PART_IMAGE && t->owner >= type->n_tensors) ||
        (type->kind == SHARD_PART_DATA && t->owner != SHARD_NONE))
        return false;
    if (i == 0 || t->encoder != t[-1].encoder)
        return i == 0 || t->encoder > t[-1].encoder;
    return t->owner != t[-1].owner ? t->owner > t[-1].owner : t->slot > t[-1].slot;
}

static void take_tensor(struct wire_cursor *c, struct shard_tensor *t)
{
    t->kind = wire_take_u32(c);
    t->encoder = wire_take_u32(c);
    t->slot = wire_take_u32(c);
    t->dtype = wire_take_u32(c);
    t->owner = wire_take_u32(c);
}

bool shard_part_type_is_later(const struct shard_part_type *type)
{
    if (shard_flags_are_later(type->flags))
        return true;
    for (uint32_t i = 0; i < type->n_tensors; i++)
        if (shard_slot_is_later(type->tensors[i].slot))
            return true;
    return false;
}

int shard_part_type_decode(struct shard_part_type *out, const unsigned char *data,
                           size_t len, const struct shard_header *h)
{
    struct wire_cursor c = {.p = data, .left = len};

    *out = (struct shard_part_type){0};
    out->kind = wire_take_u32(&c);
    out->flags = wire_take_u32(&c);
    out->n_alternatives = wire_take_u32(&c);
    const uint32_t role_len = wire_take_u32(&c);
    const uint32_t n_tensors = wire_take_u32(&c);
    const unsigned char *role = wire_take(&c, role_len);
    const bool text = out->kind == SHARD_PART_TEXT;
    if (role == NULL || role_len > SHARD_MAX_ROLE || n_tensors > SHARD_MAX_TENSORS ||
        c.left != (size_t)n_tensors * TYPE_TENSOR || (out->n_alternatives > 0) != text ||
        out->n_alternatives > SHARD_MAX_ALTERNATIVES ||
        (out->flags != SHARD_FLAG_LOSS && out->flags != SHARD_FLAG_CONTEXT))
        return SHARD_EFORMAT;
    out->role = strndup((const char *)role, role_len);
    out->tensors = calloc(n_tensors + 1u, sizeof(out->tensors[0]));
    if (out->role == NULL || out->tensors == NULL)
        return SHARD_ENOMEM;
    out->n_tensors = n_tensors;
    if (strlen(out->role) != role_len || !shard_role_fits(out->role))
        return SHARD_EFORMAT;
    for (uint32_t i = 0; i < n_tensors; i++) {
        take_tensor(&c, &out->tensors[i]);
        if (!tensor_fits(out, i, h))
            return SHARD_EFORMAT;
    }
    return SHARD_OK;
}

void shard_part_type_clear(struct shard_part_type *type)
{
    free(type->role);
    free(type->tensors);
    *type = (struct shard_part_type){0};
}
