/* SPDX-License-Identifier: Apache-2.0 */
#include "shard/layout.h"

#include <stdbool.h>
#include <stdlib.h>

#include "shard/format.h"
#include "shard/status.h"
#include "shard/table.h"
#include "shard/wire.h"

int shard_layout_encode(struct shard_buffer *out, const struct shard_record *rec)
{
    int rc = SHARD_OK;

    out->len = 0;
    rc |= shard_buffer_add_u32(out, (uint32_t)rec->n_segments);
    for (size_t i = 0; i < rec->n_segments; i++) {
        const struct shard_segment *segment = &rec->segments[i];
        rc |= shard_buffer_add_u32(out, segment->kind);
        rc |= shard_buffer_add_u32(out, segment->flags);
        if (segment->kind == SHARD_TEXT) {
            rc |= shard_buffer_add_u32(out, (uint32_t)segment->n_alternatives);
            continue;
        }
        rc |= shard_buffer_add_u32(out, segment->dtype);
        rc |= shard_buffer_add_u32(out, segment->encoder);
        rc |= shard_buffer_add_u32(out, segment->n_dims);
        rc |= shard_buffer_add_u64(out, segment->n_bytes);
        rc |= shard_buffer_add(out, segment->dims, 4 * segment->n_dims);
    }
    return rc != SHARD_OK ? SHARD_ENOMEM : SHARD_OK;
}

/* A latent has the shape (C,H,W) and an encoder. */
static bool tensor_is_possible(const struct shard_segment *segment, size_t n_encoders)
{
    const uint32_t *dims = segment->dims;

    if (segment->kind == SHARD_LATENT &&
        (segment->n_dims != 3 || dims[0] == 0 || dims[1] == 0 || dims[2] == 0 ||
         segment->encoder == SHARD_NONE))
        return false;
    return segment->encoder == SHARD_NONE || segment->encoder < n_encoders;
}

static void take_segment(struct wire_cursor *c, struct shard_segment *segment,
                         size_t n_encoders)
{
    segment->kind = wire_take_u32(c);
    segment->flags = wire_take_u32(c);
    segment->image = segment->encoder = SHARD_NONE;
    if (segment->kind == SHARD_TEXT) {
        segment->n_alternatives = wire_take_u32(c);
        c->bad |= segment->n_alternatives > SHARD_MAX_ALTERNATIVES;
        return;
    }
    segment->dtype = wire_take_u32(c);
    segment->encoder = wire_take_u32(c);
    segment->n_dims = wire_take_u32(c);
    uint64_t n_bytes = wire_take_u64(c);
    c->bad |= segment->n_dims > SHARD_MAX_DIMS || n_bytes > SHARD_MAX_FRAME;
    segment->n_bytes = (size_t)n_bytes;
    for (uint32_t i = 0; i < segment->n_dims && !c->bad; i++)
        segment->dims[i] = wire_take_u32(c);
    c->bad |= !tensor_is_possible(segment, n_encoders);
}

int shard_layout_decode(struct shard_layout *out, const unsigned char *data, size_t len,
                        size_t n_encoders)
{
    struct wire_cursor c = {.p = data, .left = len};
    uint32_t n = wire_take_u32(&c);

    *out = (struct shard_layout){0};
    if (c.bad || n > SHARD_MAX_SEGMENTS || n > c.left / SHARD_ROW_TEXT)
        return SHARD_EFORMAT;
    out->segments = calloc((size_t)n + 1, sizeof(out->segments[0]));
    if (out->segments == NULL)
        return SHARD_ENOMEM;
    out->n_segments = n;
    for (uint32_t i = 0; i < n && !c.bad; i++) {
        take_segment(&c, &out->segments[i], n_encoders);
        out->n_alternatives += out->segments[i].n_alternatives;
    }
    return c.bad || c.left != 0 ? SHARD_EFORMAT : SHARD_OK;
}

int shard_layouts_check(const unsigned char *table, size_t len, size_t n_encoders)
{
    struct shard_table entries;
    int rc = shard_table_split(&entries, table, len);

    for (uint32_t i = 0; i < entries.n && rc == SHARD_OK; i++) {
        struct shard_layout layout;
        rc = shard_layout_decode(&layout, entries.bytes + entries.start[i],
                                 entries.start[i + 1] - entries.start[i], n_encoders);
        shard_layout_clear(&layout);
    }
    shard_table_clear(&entries);
    return rc;
}

void shard_layout_clear(struct shard_layout *layout)
{
    free(layout->segments);
    *layout = (struct shard_layout){0};
}
