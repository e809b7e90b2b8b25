/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/export/export_shape.h"

#include <stdlib.h>
#include <string.h>

#include "shard/parts.h"
#include "shard/status.h"

/* ---- shapes ---- */

enum shard_arrangement export_shape_arrangement(const struct export_shape *shape)
{
    return shard_arrange(shape->n_texts, shape->n_images, 0);
}

const struct export_slot *export_shape_single(const struct export_shape *shape,
                                              const struct shard_header *h)
{
    const struct export_slot *single = NULL;

    for (size_t i = 0; i < shape->n_tensors && shape->n_images == 1; i++) {
        const struct export_slot *s = &shape->tensors[i];
        if (s->part_kind != SHARD_PART_IMAGE ||
            (single != NULL && s->encoder == single->encoder &&
             s->slot == shard_slot_logvar_of(single->slot)))
            continue;
        if (single != NULL || s->slot != 0 || h->encoders[s->encoder].n_outputs > 1)
            return NULL;
        single = s;
    }
    return single;
}

static const char *difference_in_tensors(const struct export_shape *want,
                                         const struct export_shape *have)
{
    bool same = have->n_tensors == want->n_tensors, same_types = true;

    for (size_t i = 0; i < want->n_tensors && same; i++) {
        struct export_slot slot = have->tensors[i];
        same_types &= slot.dtype == want->tensors[i].dtype;
        slot.dtype = want->tensors[i].dtype;
        same = memcmp(&slot, &want->tensors[i], sizeof(slot)) == 0;
    }
    if (!same)
        return "it has other tensors (by encoder, output, mirrored or not, with a "
               "log-variance or not) than the shard's first sample";
    return same_types ? NULL
                      : "a tensor of it has another type than the shard's first sample's";
}

const char *export_shape_difference(const struct export_shape *want,
                                    const struct export_shape *have)
{
    const enum shard_arrangement wanted = export_shape_arrangement(want);
    const enum shard_arrangement had = export_shape_arrangement(have);

    if (wanted == SHARD_PAIR && had == SHARD_LONE_TEXT)
        return "it has no latent, unlike the shard's first sample";
    if (wanted == SHARD_LONE_TEXT && had == SHARD_PAIR)
        return "it has a latent, unlike the shard's first sample";
    if (have->n_images != want->n_images)
        return "it has another number of images than the shard's first sample";
    if (have->n_texts != want->n_texts)
        return "it has another number of texts than the shard's first sample";
    if (have->tokens != want->tokens)
        return want->tokens ? "it has no ids, unlike the shard's first sample"
                            : "it has ids, unlike the shard's first sample";
    return difference_in_tensors(want, have);
}

int export_shape_copy(struct export_shape *copy, const struct export_shape *shape)
{
    const size_t bytes = shape->n_tensors * sizeof(*shape->tensors);

    *copy = *shape;
    copy->tensors = malloc(bytes + 1);
    if (copy->tensors == NULL)
        return -1;
    if (bytes > 0)
        memcpy(copy->tensors, shape->tensors, bytes);
    return 0;
}

void export_shape_clear(struct export_shape *shape)
{
    free(shape->tensors);
    *shape = (struct export_shape){0};
}

/* ---- contents ---- */

enum { TEXTS, IMAGES, NUMBERS, TENSORS, SLOTS };

/* Room for n things of that size; NULL: no memory. */
static void *room(struct export_contents *c, int buffer, size_t n, size_t size)
{
    struct shard_buffer *b = &c->buffers[buffer];

    return shard_buffer_resize(b, n * size + 1) == SHARD_OK ? b->data : NULL;
}

static const char *add_text(struct export_contents *c, const struct record_view *view,
                            size_t part)
{
    const uint32_t t = c->shape.n_texts++;
    struct export_text *text = &c->texts[t];

    text->part = &view->record->parts[part];
    text->drawn = record_view_drawn(view, part, t);
    if (text->drawn == NULL)
        return "it has no text";
    if (text->drawn->kind != 0)
        return "its text is of a later version";
    const bool tokens = text->drawn->n_ids != SHARD_NO_IDS;
    if (t > 0 && tokens != c->shape.tokens)
        return "only some of its texts have ids";
    c->shape.tokens = tokens;
    return NULL;
}

/* Sets numbers[i] of part i: which of the images it is. */
static int read_parts(struct export_contents *c, const struct record_view *view,
                      const char **why)
{
    const struct shard_record *r = view->record;
    uint32_t *numbers = room(c, NUMBERS, r->n_parts, sizeof(*numbers));

    c->texts = room(c, TEXTS, r->n_parts, sizeof(*c->texts));
    c->images = room(c, IMAGES, r->n_parts, sizeof(*c->images));
    if (numbers == NULL || c->texts == NULL || c->images == NULL)
        return EXPORT_SAMPLE_NO_MEMORY;
    *why = NULL;
    for (size_t i = 0; i < r->n_parts && *why == NULL; i++) {
        numbers[i] = 0;
        if (r->parts[i].kind == SHARD_PART_TEXT) {
            *why = add_text(c, view, i);
        } else if (r->parts[i].kind == SHARD_PART_IMAGE) {
            numbers[i] = c->shape.n_images;
            c->images[c->shape.n_images++] = &r->parts[i];
        } else if (r->parts[i].kind != SHARD_PART_DATA) {
            *why = "it has a part of a later version";
        }
    }
    if (*why == NULL && c->shape.n_texts == 0)
        *why = "it has no text";
    return *why == NULL ? EXPORT_SAMPLE_OK : EXPORT_SAMPLE_UNFIT;
}

static bool is_exported(const struct shard_record *r, const struct shard_tensor *t)
{
    const uint32_t part = r->parts[t->part].kind;

    return (part == SHARD_PART_IMAGE || part == SHARD_PART_DATA) &&
           shard_kind_name(t->kind) != NULL && shard_dtype_name(t->dtype) != NULL;
}

static bool is_float(uint32_t dtype)
{
    return dtype == SHARD_FP16 || dtype == SHARD_BF16 || dtype == SHARD_FP32;
}

static const char *add_tensor(struct export_contents *c, const struct shard_record *r,
                              const struct shard_tensor *t)
{
    const uint32_t *numbers = (const uint32_t *)(const void *)c->buffers[NUMBERS].data;
    const uint32_t part_kind = r->parts[t->part].kind;

    if (t->kind == SHARD_LATENT && !is_float(t->dtype))
        return "its latent is not of floats";
    if (part_kind == SHARD_PART_IMAGE && r->renditions[t->owner].kind != 0)
        return "how its image was fitted is of a later version";
    c->tensors[c->shape.n_tensors] = t;
    c->shape.tensors[c->shape.n_tensors++] = (struct export_slot){
        .part_kind = part_kind,
        .image = numbers[t->part],
        .kind = t->kind,
        .encoder = t->encoder,
        .slot = t->slot,
        .dtype = t->dtype == SHARD_BF16 ? (uint32_t)SHARD_FP32 : t->dtype};
    return NULL;
}

static int read_tensors(struct export_contents *c, const struct shard_record *r,
                        const char **why)
{
    bool of_image = false;

    c->tensors = room(c, TENSORS, r->n_tensors, sizeof(*c->tensors));
    c->shape.tensors = room(c, SLOTS, r->n_tensors, sizeof(*c->shape.tensors));
    if (c->tensors == NULL || c->shape.tensors == NULL)
        return EXPORT_SAMPLE_NO_MEMORY;
    for (size_t i = 0; i < r->n_tensors && *why == NULL; i++) {
        const struct shard_tensor *t = &r->tensors[i];
        if (!is_exported(r, t))
            continue;
        of_image |= r->parts[t->part].kind == SHARD_PART_IMAGE;
        *why = add_tensor(c, r, t);
    }
    if (*why == NULL && c->shape.n_images > 0 && !of_image)
        *why = c->shape.n_images == 1 ? "its image has no latent"
                                      : "its images have no tensors";
    return *why == NULL ? EXPORT_SAMPLE_OK : EXPORT_SAMPLE_UNFIT;
}

int export_contents_read(struct export_contents *c, const struct record_view *view,
                         const char **why)
{
    c->shape = (struct export_shape){.known = true};
    const int rc = read_parts(c, view, why);
    return rc == EXPORT_SAMPLE_OK ? read_tensors(c, view->record, why) : rc;
}

void export_contents_clear(struct export_contents *c)
{
    for (size_t i = 0; i < sizeof(c->buffers) / sizeof(c->buffers[0]); i++)
        shard_buffer_free(&c->buffers[i]);
    *c = (struct export_contents){0};
}
