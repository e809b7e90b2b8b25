/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/prepare/sample.h"

#include <assert.h>
#include <stdlib.h>

#include "shard/parts.h"

static int grow(struct sample_memory *m, size_t bytes)
{
    unsigned char *grown;

    if (bytes <= m->cap)
        return 0;
    grown = realloc(m->bytes == m->lent ? NULL : m->bytes, bytes);
    if (!grown)
        return -1;
    m->bytes = grown;
    m->cap = bytes;
    return 0;
}

static void *take(struct sample_memory *m, size_t bytes)
{
    void *taken = m->bytes + m->used;

    assert(bytes <= m->cap - m->used);
    m->used += bytes;
    return taken;
}

/* Leaves what is kept. */
static void shrink(struct sample_memory *m)
{
    if (m->cap > m->kept) {
        free(m->bytes); /* as much as is kept comes back when it is needed */
        m->bytes = m->lent;
        m->cap = m->lent ? m->kept : 0;
    }
    m->used = 0;
}

static void free_memory(struct sample_memory *m)
{
    if (m->bytes != m->lent)
        free(m->bytes);
}

struct sample *sample_new(const struct sample_room *room, unsigned char *pixels)
{
    struct sample *s = calloc(1, sizeof(*s));

    if (s && pixels)
        s->pixel_memory = (struct sample_memory){
            .bytes = pixels, .lent = pixels, .cap = room->pixel_bytes};
    if (s && (grow(&s->tensor_memory, room->tensor_bytes) != 0 ||
              grow(&s->pixel_memory, room->pixel_bytes) != 0)) {
        sample_free(s);
        return NULL;
    }
    if (s) {
        s->tensor_memory.kept = s->tensor_memory.cap;
        s->pixel_memory.kept = s->pixel_memory.cap;
    }
    return s;
}

static size_t count_images(const struct ingest_sample *in)
{
    size_t n = 0;

    for (size_t i = 0; i < in->n_parts; i++)
        n += in->parts[i].kind == INGEST_IMAGE;
    return n;
}

int sample_make_room(struct sample *s, const struct sample_room *room)
{
    size_t n = count_images(&s->in);

    s->parts = calloc(s->in.n_parts + 1, sizeof(*s->parts));
    s->renditions = calloc(n * room->n_renditions + 1, sizeof(*s->renditions));
    s->tensors = calloc(n * room->n_tensors + 1, sizeof(*s->tensors));
    return s->parts && s->renditions && s->tensors &&
                   grow(&s->tensor_memory, n * room->tensor_bytes) == 0 &&
                   grow(&s->pixel_memory, n * room->pixel_bytes) == 0
               ? 0
               : -1;
}

/* At its place in a row. Returns it. */
static struct shard_tensor *insert(struct sample *s, const struct shard_tensor *t)
{
    struct shard_tensor *at = &s->tensors[s->n_tensors++];

    for (; at > s->tensors && shard_tensor_compare(at - 1, t) > 0; at--)
        *at = at[-1];
    *at = *t;
    return at;
}

void *sample_add_tensor(struct sample *s, const struct shard_tensor *t)
{
    void *data = take(&s->tensor_memory, t->n_bytes);

    insert(s, t)->data = data;
    return data;
}

void sample_take_file(struct sample *s, const struct shard_tensor *t)
{
    assert(t->dtype == SHARD_FILE);
    insert(s, t);
}

uint8_t *sample_add_pixels(struct sample *s, size_t n_bytes)
{
    return take(&s->pixel_memory, n_bytes);
}

void sample_reject(struct sample *s, uint32_t part, const struct reject *why)
{
    if (s->in.reject.reason != REJECT_NONE && s->rejected_part <= part)
        return;
    s->in.reject = *why;
    s->rejected_part = part;
}

static void free_files(struct sample *s)
{
    for (size_t i = 0; i < s->n_tensors; i++)
        if (s->tensors[i].dtype == SHARD_FILE)
            free((void *)s->tensors[i].data);
}

static void free_ids(struct sample_part *part, size_t n)
{
    for (size_t i = 0; part->ids && i < n; i++)
        free(part->ids[i]);
    free(part->ids);
    free(part->n_ids);
}

void sample_clear(struct sample *s)
{
    for (size_t i = 0; s->parts && i < s->in.n_parts; i++)
        free_ids(&s->parts[i], s->in.parts[i].n_alternatives);
    free(s->parts);
    free(s->renditions);
    free_files(s);
    free(s->tensors);
    ingest_sample_clear(&s->in);
    shrink(&s->tensor_memory);
    shrink(&s->pixel_memory);
    *s = (struct sample){.tensor_memory = s->tensor_memory,
                         .pixel_memory = s->pixel_memory};
}

void sample_free(struct sample *s)
{
    if (!s)
        return;
    sample_clear(s);
    free_memory(&s->tensor_memory);
    free_memory(&s->pixel_memory);
    free(s);
}
