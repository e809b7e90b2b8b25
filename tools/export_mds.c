/* SPDX-License-Identifier: Apache-2.0
 * tools/export_mds.c - samples as MDS columns: one sample, one row of values. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/export.h"
#include "tools/json_text.h"
#include "tools/memory_file.h"
#include "tools/mds_writer.h"
#include "tools/sha256.h"

enum { ZSTD_LEVEL = 1 }; /* latents do not get smaller with a higher one */

/* What a column needs of the unit's shape. */
enum need { ALWAYS, TOKENS, LATENT, LOGVAR, WEIGHT };

enum column {
    COLUMN_CAPTIONS,
    COLUMN_CROP,
    COLUMN_IMAGE_SHA256,
    COLUMN_INDEX,
    COLUMN_KEY,
    COLUMN_LATENT,
    COLUMN_LOGVAR,
    COLUMN_METADATA,
    COLUMN_NAME,
    COLUMN_ORDER,
    COLUMN_ORIGINAL_SIZE,
    COLUMN_TEXT,
    COLUMN_TOKENS,
    COLUMN_WEIGHT,
    N_COLUMNS
};

/* By name. The encoding of latents depends on their type. */
static const struct {
    const char *name, *encoding;
    uint32_t size;
    enum need need;
    const char *about;
} columns[N_COLUMNS] = {
    [COLUMN_CAPTIONS] = {"captions", "json", 0, LATENT,
                         "all captions: a list of objects with name, text and tokens"},
    [COLUMN_CROP] = {"crop", "ndarray:int32:4", 16, LATENT,
                     "left, top, width, height in the oriented original, pixels"},
    [COLUMN_IMAGE_SHA256] = {"image_sha256", "str", 0, LATENT,
                             "of the encoded source image, hex"},
    [COLUMN_INDEX] = {"index", "int", 8, ALWAYS, "place in the input NAME, from 0"},
    [COLUMN_KEY] = {"key", "str", 0, ALWAYS, "unique within NAME"},
    [COLUMN_LATENT] = {"latent", NULL, 0, LATENT, "posterior mean (C,H,W)"},
    [COLUMN_LOGVAR] = {"logvar", NULL, 0, LOGVAR, "posterior log-variance (C,H,W)"},
    [COLUMN_METADATA] = {"metadata", "bytes", 0, ALWAYS,
                         "the input's own JSON, byte for byte; empty: none"},
    [COLUMN_NAME] = {"name", "str", 0, ALWAYS, "NAME of the input"},
    [COLUMN_ORDER] = {"order", "int", 8, LATENT,
                      "drawn for epoch 0: 0 caption first, 1 image first"},
    [COLUMN_ORIGINAL_SIZE] = {"original_size", "ndarray:int32:2", 8, LATENT,
                              "width, height of the oriented original, pixels"},
    [COLUMN_TEXT] = {"text", "str", 0, ALWAYS,
                     "the caption drawn for epoch 0, or the document"},
    [COLUMN_TOKENS] = {"tokens", "ndarray:int32", 0, TOKENS,
                       "ids of `text`, without markers"},
    [COLUMN_WEIGHT] = {"weight", "float64", 8, WEIGHT,
                       "how often it occurs in a pass, by the view"},
};

struct mds_export {
    struct export_target target;
    struct mds_writer *writer;
    struct mds_column columns[N_COLUMNS];
    enum column ids[N_COLUMNS]; /* which of them each is */
    size_t n_columns;
    char *name; /* of the last shard begun, below the data set's folder */
    struct memory_file captions; /* of the sample in hand */
    bool failed;                 /* for want of memory for them */
};

static bool has(const struct export_shape *shape, enum need need)
{
    switch (need) {
    case TOKENS:
        return shape->tokens;
    case LATENT:
        return shape->latent;
    case LOGVAR:
        return shape->logvar;
    case WEIGHT:
        return shape->weight;
    default:
        return true;
    }
}

static const char *encoding_of(size_t column, const struct export_shape *shape)
{
    if (columns[column].encoding != NULL)
        return columns[column].encoding;
    return shape->dtype == SHARD_FP16 ? "ndarray:float16" : "ndarray:float32";
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

static int open_writer(void **writer, const struct export_target *target)
{
    struct mds_export *x = calloc(1, sizeof(*x));

    *writer = x;
    if (x == NULL)
        return -1;
    x->target = *target;
    for (size_t i = 0; i < N_COLUMNS; i++) {
        if (!has(target->shape, columns[i].need))
            continue;
        x->columns[x->n_columns] = (struct mds_column){
            columns[i].name, encoding_of(i, target->shape), columns[i].size};
        x->ids[x->n_columns++] = (enum column)i;
    }
    if (memory_file_open(&x->captions) != 0)
        return -1;
    const struct mds_options options = {
        .columns = x->columns,
        .n_columns = x->n_columns,
        .size_limit = (uint64_t)target->options->size_limit,
        .level = target->options->compression == EXPORT_ZSTD ? ZSTD_LEVEL : 0,
        .path = path_of,
        .ctx = x};
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

static struct mds_value crop_value(const struct shard_image *m)
{
    const uint32_t crop[4] = {m->crop_left, m->crop_top, m->crop_width, m->crop_height};

    return head_value(crop, sizeof(crop));
}

static struct mds_value size_value(const struct shard_image *m)
{
    const uint32_t size[2] = {m->original_width, m->original_height};

    return head_value(size, sizeof(size));
}

static struct mds_value captions_value(struct mds_export *x,
                                       const struct export_sample *s)
{
    memory_file_begin(&x->captions);
    export_print_captions(x->captions.file, s->view.text);
    if (memory_file_flush(&x->captions) != 0)
        x->failed = true;
    return bytes_value(x->captions.bytes, x->captions.len);
}

static struct mds_value value_of(struct mds_export *x, enum column column,
                                 const struct export_sample *s, char hex[SHA256_HEX_CAP])
{
    const struct shard_record *r = s->view.record;

    switch (column) {
    case COLUMN_CAPTIONS:
        return captions_value(x, s);
    case COLUMN_CROP:
        return crop_value(s->view.image);
    case COLUMN_IMAGE_SHA256:
        sha256_to_hex(s->view.image->sha256, hex);
        return text_value(hex);
    case COLUMN_INDEX:
        return int_value(r->index);
    case COLUMN_KEY:
        return text_value(r->key);
    case COLUMN_LATENT:
        return array_value(&s->latent);
    case COLUMN_LOGVAR:
        return array_value(&s->logvar);
    case COLUMN_METADATA:
        return bytes_value(r->metadata, r->metadata_len);
    case COLUMN_NAME:
        return text_value(r->name);
    case COLUMN_ORDER:
        return int_value(r->order);
    case COLUMN_ORIGINAL_SIZE:
        return size_value(s->view.image);
    case COLUMN_TEXT:
        return bytes_value(s->view.caption->text, s->view.caption->text_len);
    case COLUMN_WEIGHT:
        return head_value(&s->weight, sizeof(s->weight));
    default:
        return array_value(&s->tokens);
    }
}

static int append(void *writer, const struct export_sample *s, const char **why)
{
    struct mds_export *x = writer;
    struct mds_value values[N_COLUMNS];
    char hex[SHA256_HEX_CAP];

    for (size_t i = 0; i < x->n_columns; i++)
        values[i] = value_of(x, x->ids[i], s, hex);
    if (x->failed)
        return -1;
    int rc = mds_writer_append(x->writer, values);
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

/* What fails here, not in the writer, is memory for the captions or the manifest. */
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
    memory_file_close(&x->captions);
    free(x->name);
    free(x);
}

/* ---- what is written about it ---- */

static json_t *describe(const struct export_shape *shape, bool scaled)
{
    json_t *all = json_object();

    for (size_t i = 0; i < N_COLUMNS; i++)
        if (has(shape, columns[i].need))
            json_put_member(&all, columns[i].name,
                            json_sprintf("%s: %s%s", encoding_of(i, shape),
                                         columns[i].about,
                                         i != COLUMN_LATENT ? ""
                                         : scaled           ? ", (raw - shift) * scale"
                                                  : ", raw: neither shifted nor scaled"));
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
