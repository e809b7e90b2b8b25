/* SPDX-License-Identifier: Apache-2.0
 * tools/export/export_mds.c - samples as MDS columns: one sample, one row of values. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/store/json_text.h"
#include "tools/cli/memory_file.h"
#include "tools/export/export_format.h"
#include "tools/export/mds_writer.h"
#include "tools/store/sha256.h"

enum { ZSTD_LEVEL = 1 }; /* latents do not get smaller with a higher one */

/* A tensor's encoding and what it holds depend on the tensor. */
static const struct {
    const char *encoding;
    uint32_t size; /* of every value; 0: they vary */
    const char *about;
} kinds[EXPORT_COLUMN_KINDS] = {
    [EXPORT_COLUMN_CAPTIONS] = {"json", 0,
                                "all captions: a list of objects with name, text and "
                                "tokens"},
    [EXPORT_COLUMN_CROP] = {"ndarray:int32:4", 16,
                            "left, top, width, height in the oriented original, pixels"},
    [EXPORT_COLUMN_IMAGE_SHA256] = {"str", 0, "of the encoded source image, hex"},
    [EXPORT_COLUMN_INDEX] = {"int", 8, "place in the input NAME, from 0"},
    [EXPORT_COLUMN_KEY] = {"str", 0, "unique within NAME"},
    [EXPORT_COLUMN_LOSS] = {"json", 0, "of each of the parts: whether it is trained on"},
    [EXPORT_COLUMN_METADATA] = {"bytes", 0,
                                "the input's own JSON, byte for byte; empty: none"},
    [EXPORT_COLUMN_NAME] = {"str", 0, "NAME of the input"},
    [EXPORT_COLUMN_ORDER] = {"int", 8,
                             "drawn for epoch 0: 0 caption first, 1 image first"},
    [EXPORT_COLUMN_ORIGINAL_SIZE] = {"ndarray:int32:2", 8,
                                     "width, height of the oriented original, pixels"},
    [EXPORT_COLUMN_PARTS] = {"json", 0,
                             "kinds of all parts in their order, a role behind a colon"},
    [EXPORT_COLUMN_TEXT] = {"str", 0, "the caption drawn for epoch 0, or the document"},
    [EXPORT_COLUMN_TOKENS] = {"ndarray:int32", 0, "ids of `text`, without markers"},
    [EXPORT_COLUMN_WEIGHT] = {"float64", 8, "how often it occurs in a pass, by the view"},
};

struct mds_export {
    struct export_target target;
    struct mds_writer *writer;
    const struct export_column **sources; /* by name, as MDS wants them */
    struct mds_column *columns;           /* of them; their encodings are owned */
    struct mds_value *values;             /* of the sample in hand */
    char *name;              /* of the last shard begun, below the data set's folder */
    struct memory_file json; /* all JSON of the sample in hand, column after column */
};

/* Gives it, NULL: no memory. */
static char *encoding_of(const struct export_column *c, const struct export_shape *shape)
{
    const uint32_t dtype =
        c->kind == EXPORT_COLUMN_TENSOR ? shape->tensors[c->item].dtype : 0;
    char *encoding;

    if (c->kind != EXPORT_COLUMN_TENSOR)
        return strdup(kinds[c->kind].encoding);
    return asprintf(&encoding, "%s%s",
                    dtype == SHARD_FILE ? "" : "ndarray:", export_dtype_name(dtype)) >= 0
               ? encoding
               : NULL;
}

/* ---- files ---- */

static void plain_part(char suffix[PUBLISH_SUFFIX_CAP], unsigned i)
{
    snprintf(suffix, PUBLISH_SUFFIX_CAP, ".%05u.mds", i);
}

static void zstd_part(char suffix[PUBLISH_SUFFIX_CAP], unsigned i)
{
    snprintf(suffix, PUBLISH_SUFFIX_CAP, ".%05u.mds.zstd", i);
}

/* "base.00000.mds" -> the length of "base"; 0 where it is none. */
static size_t part_base(const char *name, size_t len, const char *extension)
{
    const size_t n = strlen(extension);

    if (len <= n || memcmp(name + len - n, extension, n) != 0)
        return 0;
    len -= n;
    size_t digits = 0;
    while (digits < len && name[len - 1 - digits] >= '0' && name[len - 1 - digits] <= '9')
        digits++;
    return digits >= 5 && len > digits + 1 && name[len - 1 - digits] == '.'
               ? len - digits - 1
               : 0;
}

static size_t plain_base(const char *name, size_t len)
{
    return part_base(name, len, ".mds");
}

static size_t zstd_base(const char *name, size_t len)
{
    return part_base(name, len, ".mds.zstd");
}

static const struct publication_kind plain_kind = {
    .manifest = EXPORT_MANIFEST, .part = plain_part, .part_base = plain_base};
static const struct publication_kind zstd_kind = {
    .manifest = EXPORT_MANIFEST, .part = zstd_part, .part_base = zstd_base};

static const struct publication_kind *kind_of(const struct export_options *o)
{
    return o->compression == EXPORT_ZSTD ? &zstd_kind : &plain_kind;
}

/* Where shard i is written to, and its uncompressed name for the index. */
static char *path_of(void *ctx, unsigned i, const char **name)
{
    struct mds_export *x = ctx;
    char suffix[PUBLISH_SUFFIX_CAP];

    plain_part(suffix, i);
    free(x->name);
    if (asprintf(&x->name, "%s%s", x->target.name, suffix) < 0)
        x->name = NULL;
    *name = x->name;
    x->target.files->kind->part(suffix, i);
    return x->name != NULL ? publication_temporary(x->target.files, suffix) : NULL;
}

/* ---- the writer ---- */

static int by_name(const void *left, const void *right)
{
    const struct export_column *const *a = left, *const *b = right;

    return strcmp((*a)->name, (*b)->name);
}

static int make_columns(struct mds_export *x)
{
    const struct export_columns *all = x->target.columns;

    x->sources = calloc(all->n, sizeof(*x->sources));
    x->columns = calloc(all->n, sizeof(*x->columns));
    x->values = calloc(all->n, sizeof(*x->values));
    if (x->sources == NULL || x->columns == NULL || x->values == NULL)
        return -1;
    for (size_t i = 0; i < all->n; i++)
        x->sources[i] = &all->list[i];
    qsort(x->sources, all->n, sizeof(*x->sources), by_name);
    for (size_t i = 0; i < all->n; i++) {
        const struct export_column *c = x->sources[i];
        x->columns[i] = (struct mds_column){.name = c->name,
                                            .encoding = encoding_of(c, x->target.shape),
                                            .size = kinds[c->kind].size};
        if (x->columns[i].encoding == NULL)
            return -1;
    }
    return 0;
}

static int open_writer(void **writer, const struct export_target *target)
{
    struct mds_export *x = calloc(1, sizeof(*x));

    *writer = x;
    if (x == NULL)
        return -1;
    x->target = *target;
    if (make_columns(x) != 0 || memory_file_open(&x->json) != 0)
        return -1;
    const struct mds_options options = {
        .columns = x->columns,
        .n_columns = target->columns->n,
        .size_limit = (uint64_t)target->options->size_limit,
        .level = target->options->compression == EXPORT_ZSTD ? ZSTD_LEVEL : 0,
        .path = path_of,
        .ctx = x,
        .store = target->files->store};
    return mds_writer_open(&x->writer, &options) == MDS_OK ? 0 : -1;
}

static struct mds_value bytes_value(const void *data, size_t len)
{
    return (struct mds_value){.data = data, .len = len};
}

static struct mds_value text_value(const char *text)
{
    return bytes_value(text, strlen(text));
}

/* Small values stand in the head. */
static struct mds_value head_value(const void *data, size_t len)
{
    struct mds_value v = {.head_len = len};

    memcpy(v.head, data, len);
    return v;
}

static struct mds_value int_value(uint64_t value)
{
    const int64_t v = (int64_t)value;

    return head_value(&v, sizeof(v));
}

/* An array of static type and dynamic shape: u8 (dims << 2 | width of a dim's number as a
 * power of two), the dims, the values. */
static struct mds_value array_value(const struct export_tensor *t)
{
    struct mds_value v = {.data = t->data, .len = t->n_bytes, .head_len = 1};
    uint32_t largest = 0;

    if (t->dtype == SHARD_FILE)
        return bytes_value(t->data, t->n_bytes);
    for (uint32_t i = 0; i < t->n_dims; i++)
        largest = t->dims[i] > largest ? t->dims[i] : largest;
    const unsigned power = largest > UINT16_MAX ? 2 : largest > UINT8_MAX ? 1 : 0;
    v.head[0] = (unsigned char)(t->n_dims << 2 | power);
    for (uint32_t i = 0; i < t->n_dims; i++) {
        memcpy(v.head + v.head_len, &t->dims[i], (size_t)1 << power); /* little-endian */
        v.head_len += (size_t)1 << power;
    }
    return v;
}

static struct mds_value crop_value(const struct shard_box *b)
{
    const uint32_t crop[4] = {b->left, b->top, b->width, b->height};

    return head_value(crop, sizeof(crop));
}

static struct mds_value size_value(const struct shard_part *image)
{
    const uint32_t size[2] = {image->width, image->height};

    return head_value(size, sizeof(size));
}

static struct mds_value sha256_value(const struct shard_part *image)
{
    char hex[SHA256_HEX_CAP];

    sha256_to_hex(image->sha256, hex);
    return head_value(hex, SHA256_HEX_CAP - 1);
}

/* Prints it behind what stands there; place_json() says where that is, and whether memory
 * was short, when all are printed. */
static struct mds_value json_value(struct mds_export *x, const struct export_column *c,
                                   const struct export_sample *s)
{
    FILE *f = x->json.file;
    const size_t start = x->json.len;

    if (c->kind == EXPORT_COLUMN_PARTS)
        export_print_parts(f, s->view.record);
    else if (c->kind == EXPORT_COLUMN_LOSS)
        export_print_loss(f, s->view.record);
    else
        export_print_captions(f, s->contents.texts[c->item].part);
    return bytes_value(NULL, memory_file_flush(&x->json) == 0 ? x->json.len - start : 0);
}

static struct mds_value value_of(struct mds_export *x, const struct export_column *c,
                                 const struct export_sample *s)
{
    const struct shard_record *r = s->view.record;
    struct export_tensor tokens;

    switch (c->kind) {
    case EXPORT_COLUMN_TENSOR:
        return array_value(&s->tensors[c->item]);
    case EXPORT_COLUMN_TOKENS:
        tokens = export_tokens(&s->contents.texts[c->item]);
        return array_value(&tokens);
    case EXPORT_COLUMN_TEXT:
        return bytes_value(s->contents.texts[c->item].drawn->text,
                           s->contents.texts[c->item].drawn->text_len);
    case EXPORT_COLUMN_KEY:
        return text_value(r->key);
    case EXPORT_COLUMN_NAME:
        return text_value(r->name);
    case EXPORT_COLUMN_INDEX:
        return int_value(r->index);
    case EXPORT_COLUMN_ORDER:
        return int_value(r->order);
    case EXPORT_COLUMN_ORIGINAL_SIZE:
        return size_value(s->contents.images[c->item]);
    case EXPORT_COLUMN_CROP:
        return crop_value(export_crop(s, c->item));
    case EXPORT_COLUMN_IMAGE_SHA256:
        return sha256_value(s->contents.images[c->item]);
    case EXPORT_COLUMN_WEIGHT:
        return head_value(&s->weight, sizeof(s->weight));
    case EXPORT_COLUMN_METADATA:
        return bytes_value(r->metadata, r->metadata_len);
    default:
        return json_value(x, c, s);
    }
}

static bool is_json(const struct export_column *c)
{
    return c->kind == EXPORT_COLUMN_CAPTIONS || c->kind == EXPORT_COLUMN_PARTS ||
           c->kind == EXPORT_COLUMN_LOSS;
}

/* Says where the JSON that was printed is. 0, or -1: no memory. */
static int place_json(struct mds_export *x)
{
    const char *at;

    if (memory_file_flush(&x->json) != 0)
        return -1;
    at = x->json.bytes;
    for (size_t i = 0; i < x->target.columns->n; i++) {
        if (!is_json(x->sources[i]))
            continue;
        x->values[i].data = at;
        at += x->values[i].len;
    }
    return 0;
}

static int append(void *writer, const struct export_sample *s, const char **why)
{
    struct mds_export *x = writer;

    memory_file_begin(&x->json);
    for (size_t i = 0; i < x->target.columns->n; i++)
        x->values[i] = value_of(x, x->sources[i], s);
    if (place_json(x) != 0)
        return -1;
    int rc = mds_writer_append(x->writer, x->values);
    if (rc == MDS_TOO_LARGE)
        *why = "it does not fit a file of 4 GiB";
    return rc == MDS_TOO_LARGE ? EXPORT_REFUSED : rc == MDS_OK ? EXPORT_WRITTEN : -1;
}

static int finish(void *writer, json_t *result)
{
    struct mds_export *x = writer;

    if (mds_writer_finish(x->writer) != MDS_OK)
        return -1;
    return json_object_set(result, "shards", mds_writer_shards(x->writer));
}

static unsigned n_files(void *writer)
{
    const struct mds_export *x = writer;

    return x != NULL && x->writer != NULL ? mds_writer_n_files(x->writer) : 0;
}

/* What fails here, not in the writer, is memory for the columns, JSON or the manifest. */
static const char *why(void *writer)
{
    const struct mds_export *x = writer;
    const char *of_writer = mds_writer_why(x != NULL ? x->writer : NULL);

    return of_writer[0] != '\0' ? of_writer : "out of memory";
}

static void close_writer(void *writer)
{
    struct mds_export *x = writer;

    if (x == NULL)
        return;
    mds_writer_close(x->writer);
    memory_file_close(&x->json);
    for (size_t i = 0; x->columns != NULL && i < x->target.columns->n; i++)
        free((void *)x->columns[i].encoding);
    free(x->sources);
    free(x->columns);
    free(x->values);
    free(x->name);
    free(x);
}

/* ---- what is written about it ---- */

static json_t *describe_tensor(const char *encoding, const struct export_slot *slot,
                               bool scaled)
{
    return json_sprintf("%s: %s%s%s", encoding, export_slot_about(slot),
                        export_slot_dims(slot), export_slot_scaling(slot, scaled));
}

static json_t *describe_column(const struct export_column *c,
                               const struct export_shape *shape, bool scaled)
{
    char *encoding = encoding_of(c, shape);
    json_t *about = NULL;

    if (encoding != NULL)
        about = c->kind == EXPORT_COLUMN_TENSOR
                    ? describe_tensor(encoding, &shape->tensors[c->item], scaled)
                    : json_sprintf("%s: %s", encoding, kinds[c->kind].about);
    free(encoding);
    return about;
}

static json_t *describe(const struct export_columns *columns,
                        const struct export_shape *shape, bool scaled)
{
    json_t *all = json_object();

    for (size_t i = 0; i < columns->n; i++)
        json_put_member(&all, columns->list[i].name,
                        describe_column(&columns->list[i], shape, scaled));
    return all;
}

const struct export_format export_mds = {.kind = kind_of,
                                         .open = open_writer,
                                         .append = append,
                                         .finish = finish,
                                         .n_files = n_files,
                                         .why = why,
                                         .close = close_writer,
                                         .columns = describe,
                                         .index = "index.json",
                                         .index_head = "{\"shards\": [",
                                         .index_tail = "], \"version\": 2}"};
