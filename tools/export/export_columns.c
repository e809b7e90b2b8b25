/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/export/export_columns.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "shard/parts.h"
#include "tools/cli/print.h"

/* What is being made. */
struct columns_under_way {
    struct export_columns *columns;
    const struct export_shape *shape;
    const struct shard_header *header;
    bool single; /* tensors of images need neither number nor encoder */
    bool failed; /* for want of memory */
};

/* ---- names ---- */

/* What may stand in a column's and in a file's name. */
static bool is_plain(const char *name)
{
    return name[0] != '\0' &&
           strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_.-") == strlen(name);
}

char *export_output_name(const struct shard_encoder *e, uint32_t slot)
{
    const uint32_t output = shard_slot_output(slot);
    char *name;
    int len;

    if (e->n_outputs <= 1 && output == 0)
        return strdup(e->name);
    if (output < e->n_outputs && is_plain(e->outputs[output]))
        len = asprintf(&name, "%s.%s", e->name, e->outputs[output]);
    else
        len = asprintf(&name, "%s.%" PRIu32, e->name, output);
    return len >= 0 ? name : NULL;
}

__attribute__((format(printf, 4, 5))) static void add(struct columns_under_way *w,
                                                      enum export_column_kind kind,
                                                      size_t item, const char *fmt, ...)
{
    struct export_column *c = &w->columns->list[w->columns->n];
    va_list ap;

    va_start(ap, fmt);
    if (vasprintf(&c->name, fmt, ap) < 0)
        c->name = NULL;
    va_end(ap);
    if (c->name == NULL) {
        w->failed = true;
        return;
    }
    c->kind = kind;
    c->item = (uint32_t)item;
    w->columns->n++;
}

/* `base`, behind the number where there are several. */
static void add_numbered(struct columns_under_way *w, enum export_column_kind kind,
                         uint32_t number, bool several, const char *base)
{
    if (several)
        add(w, kind, number, "%" PRIu32 ".%s", number, base);
    else
        add(w, kind, number, "%s", base);
}

/* ---- columns ---- */

static const char *extension_of(const struct export_slot *s,
                                const struct shard_encoder *e)
{
    static const char *const codecs[][2] = {
        {"jpeg", "jpg"}, {"png", "png"}, {"webp", "webp"}};

    if (s->dtype != SHARD_FILE)
        return "npy";
    for (size_t i = 0; i < sizeof(codecs) / sizeof(codecs[0]) && e->codec != NULL; i++)
        if (strcmp(e->codec, codecs[i][0]) == 0)
            return codecs[i][1];
    return "bin";
}

/* IMAGE.ENCODER[.mirrored] and `tail`. */
static void add_of_tensor(struct columns_under_way *w, enum export_column_kind kind,
                          size_t i, const char *encoder, const char *tail)
{
    const struct export_slot *s = &w->shape->tensors[i];
    const char *mirrored = shard_slot_is_mirrored(s->slot) ? ".mirrored" : "";

    if (s->part_kind == SHARD_PART_IMAGE)
        add(w, kind, i, "%" PRIu32 ".%s%s%s", s->image, encoder, mirrored, tail);
    else
        add(w, kind, i, "data.%s%s%s", encoder, mirrored, tail);
}

static void add_tensor(struct columns_under_way *w, size_t i)
{
    const struct export_slot *s = &w->shape->tensors[i];
    const struct shard_encoder *e = &w->header->encoders[s->encoder];
    const bool logvar = shard_slot_is_logvar(s->slot);

    if (w->single && s->part_kind == SHARD_PART_IMAGE) {
        add(w, EXPORT_COLUMN_TENSOR, i, "%s",
            logvar ? "logvar" : shard_kind_name(s->kind));
    } else {
        char *output = export_output_name(e, s->slot);
        if (output != NULL)
            add_of_tensor(w, EXPORT_COLUMN_TENSOR, i, output, logvar ? ".logvar" : "");
        else
            w->failed = true;
        free(output);
    }
    if (!w->failed)
        w->columns->list[w->columns->n - 1].extension = extension_of(s, e);
}

/* Outputs of one encoder see the same picture; another one where it is mirrored. */
static bool is_cut_like_the_one_before(const struct export_shape *shape, size_t i)
{
    const struct export_slot *s = &shape->tensors[i], *before = s - 1;

    return i > 0 && before->part_kind == s->part_kind && before->image == s->image &&
           before->encoder == s->encoder &&
           shard_slot_is_mirrored(before->slot) == shard_slot_is_mirrored(s->slot);
}

static void add_crops(struct columns_under_way *w)
{
    for (size_t i = 0; i < w->shape->n_tensors && !w->failed; i++) {
        const struct export_slot *s = &w->shape->tensors[i];
        if (s->part_kind != SHARD_PART_IMAGE || is_cut_like_the_one_before(w->shape, i))
            continue;
        if (w->single)
            add(w, EXPORT_COLUMN_CROP, i, "crop");
        else
            add_of_tensor(w, EXPORT_COLUMN_CROP, i, w->header->encoders[s->encoder].name,
                          ".crop");
    }
}

static void add_of_texts(struct columns_under_way *w, enum export_column_kind kind,
                         const char *base)
{
    for (uint32_t t = 0; t < w->shape->n_texts && !w->failed; t++)
        add_numbered(w, kind, t, w->shape->n_texts > 1, base);
}

static void add_of_images(struct columns_under_way *w, enum export_column_kind kind,
                          const char *base)
{
    for (uint32_t i = 0; i < w->shape->n_images && !w->failed; i++)
        add_numbered(w, kind, i, w->shape->n_images > 1, base);
}

static void add_of_sample(struct columns_under_way *w, enum export_column_kind kind,
                          const char *name)
{
    if (!w->failed)
        add(w, kind, 0, "%s", name);
}

static void add_arrangement(struct columns_under_way *w)
{
    const enum shard_arrangement arrangement = export_shape_arrangement(w->shape);

    if (arrangement == SHARD_PAIR) {
        add_of_sample(w, EXPORT_COLUMN_ORDER, "order");
    } else if (arrangement == SHARD_OTHER) {
        add_of_sample(w, EXPORT_COLUMN_PARTS, "parts");
        add_of_sample(w, EXPORT_COLUMN_LOSS, "loss");
    }
}

static void add_all(struct columns_under_way *w)
{
    for (size_t i = 0; i < w->shape->n_tensors && !w->failed; i++)
        add_tensor(w, i);
    if (w->shape->tokens)
        add_of_texts(w, EXPORT_COLUMN_TOKENS, "tokens");
    add_of_texts(w, EXPORT_COLUMN_TEXT, "text");
    add_of_sample(w, EXPORT_COLUMN_KEY, "key");
    add_of_sample(w, EXPORT_COLUMN_NAME, "name");
    add_of_sample(w, EXPORT_COLUMN_INDEX, "index");
    add_arrangement(w);
    add_of_images(w, EXPORT_COLUMN_ORIGINAL_SIZE, "original_size");
    add_crops(w);
    add_of_images(w, EXPORT_COLUMN_IMAGE_SHA256, "image_sha256");
    if (export_shape_arrangement(w->shape) != SHARD_LONE_TEXT)
        add_of_texts(w, EXPORT_COLUMN_CAPTIONS, "captions");
    if (w->shape->weight)
        add_of_sample(w, EXPORT_COLUMN_WEIGHT, "weight");
    add_of_sample(w, EXPORT_COLUMN_METADATA, "metadata");
}

int export_columns_make(struct export_columns *c, const struct export_shape *shape,
                        const struct shard_header *h)
{
    struct columns_under_way w = {.columns = c,
                                  .shape = shape,
                                  .header = h,
                                  .single = export_shape_single(shape, h) != NULL};
    const size_t of_sample = EXPORT_COLUMN_KINDS;

    *c = (struct export_columns){0};
    c->list = calloc(of_sample + 2 * shape->n_tensors + 3 * (size_t)shape->n_texts +
                         2 * (size_t)shape->n_images,
                     sizeof(*c->list));
    if (c->list == NULL)
        return -1;
    add_all(&w);
    return w.failed ? -1 : 0;
}

void export_columns_clear(struct export_columns *c)
{
    for (size_t i = 0; i < c->n; i++)
        free(c->list[i].name);
    free(c->list);
    *c = (struct export_columns){0};
}

static int by_text(const void *left, const void *right)
{
    const char *const *a = left, *const *b = right;

    return strcmp(*a, *b);
}

int export_columns_check(const struct export_columns *c, const char **name)
{
    const char **names = calloc(c->n + 1, sizeof(*names));

    *name = NULL;
    if (names == NULL)
        return -1;
    for (size_t i = 0; i < c->n; i++)
        names[i] = c->list[i].name;
    qsort(names, c->n, sizeof(*names), by_text);
    for (size_t i = 1; i < c->n && *name == NULL; i++)
        if (strcmp(names[i - 1], names[i]) == 0)
            *name = names[i];
    free(names);
    return 0;
}

/* ---- for people ---- */

const char *export_slot_about(const struct export_slot *slot)
{
    switch (slot->kind) {
    case SHARD_LATENT:
        return shard_slot_is_logvar(slot->slot) ? "posterior log-variance"
                                                : "posterior mean";
    case SHARD_CODES:
        return "codes, without the offset or map that makes them tokens";
    case SHARD_FEATURES:
        return "features";
    case SHARD_PIXELS:
        return "an encoded image";
    default:
        return "ids";
    }
}

const char *export_slot_dims(const struct export_slot *slot)
{
    return slot->kind == SHARD_LATENT ? " (C,H,W)" : "";
}

const char *export_slot_scaling(const struct export_slot *slot, bool scaled)
{
    if (slot->kind != SHARD_LATENT || shard_slot_is_logvar(slot->slot))
        return "";
    return scaled ? ", (raw - shift) * scale" : ", raw: neither shifted nor scaled";
}

/* ---- JSON ---- */

static void print_ids(FILE *out, const struct shard_alternative *a)
{
    if (a->n_ids == SHARD_NO_IDS) {
        fputs("null", out);
        return;
    }
    putc('[', out);
    for (uint32_t i = 0; i < a->n_ids; i++)
        fprintf(out, "%s%" PRIu32, i > 0 ? ", " : "", a->ids[i]);
    putc(']', out);
}

void export_print_captions(FILE *out, const struct shard_part *text)
{
    putc('[', out);
    for (size_t i = 0; i < text->n_alternatives; i++) {
        const struct shard_alternative *a = &text->alternatives[i];
        fputs(i > 0 ? ", {\"name\": " : "{\"name\": ", out);
        print_json_string(out, a->name, strlen(a->name));
        fputs(", \"text\": ", out);
        if (a->kind == 0)
            print_json_string(out, a->text, a->text_len);
        else
            fputs("null", out); /* of a later version */
        fputs(", \"tokens\": ", out);
        print_ids(out, a);
        putc('}', out);
    }
    putc(']', out);
}

void export_print_parts(FILE *out, const struct shard_record *record)
{
    putc('[', out);
    for (size_t i = 0; i < record->n_parts; i++) {
        const struct shard_part *p = &record->parts[i];
        fprintf(out, "%s\"%s%s%s\"", i > 0 ? ", " : "",
                p->kind == SHARD_PART_TEXT    ? "text"
                : p->kind == SHARD_PART_IMAGE ? "image"
                                              : "data",
                p->role[0] != '\0' ? ":" : "", p->role);
    }
    putc(']', out);
}

void export_print_loss(FILE *out, const struct shard_record *record)
{
    putc('[', out);
    for (size_t i = 0; i < record->n_parts; i++)
        fprintf(out, "%s%s", i > 0 ? ", " : "",
                record->parts[i].flags == SHARD_FLAG_LOSS ? "true" : "false");
    putc(']', out);
}
