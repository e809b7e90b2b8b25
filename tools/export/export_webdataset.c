/* SPDX-License-Identifier: Apache-2.0
 * tools/export/export_webdataset.c - samples as members of a tar, KEY.latent.npy and so
 * on.
 *
 * Beside the tar, two indexes of it: .tar.idx as Megatron Energon reads it (u64 offsets
 * of each sample and of the end), and .idx as DALI does (text, made by its wds2idx). Both
 * are small and are gathered in memory. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/store/json_text.h"
#include "tools/cli/memory_file.h"
#include "tools/view/metadata_json.h"
#include "tools/export/export_format.h"
#include "tools/export/npy.h"
#include "tools/cli/print.h"
#include "tools/store/sha256.h"
#include "tools/store/store_stream.h"
#include "tools/export/tar_writer.h"
#include "tools/export/wds_key.h"

static const char *const suffixes[] = {".tar", ".tar.idx", ".idx"};
enum { TAR, ENERGON, DALI, N_FILES };

struct wds_export {
    struct export_target target;
    struct tar_writer *tar;
    uint64_t n_samples;
    struct shard_buffer starts; /* u64 of each sample */
    char *last_key;             /* as it stands in the tar */
    struct memory_file json;    /* of the sample in hand */
    struct memory_file dali;    /* its index */
    bool line_begun;            /* of that */
    char why[600];
};

static int fail(struct wds_export *x, const char *why)
{
    snprintf(x->why, sizeof(x->why), "%s", why);
    return -1;
}

/* ---- files ---- */

static void part(char suffix[PUBLISH_SUFFIX_CAP], unsigned i)
{
    snprintf(suffix, PUBLISH_SUFFIX_CAP, "%s",
             i < N_FILES ? suffixes[i] : ".no-such-part");
}

static size_t part_base(const char *name, size_t len)
{
    /* .tar.idx before .idx, which is its end. */
    for (int i = ENERGON; i >= 0; i--) {
        const size_t n = strlen(suffixes[i]);
        if (len > n && memcmp(name + len - n, suffixes[i], n) == 0)
            return len - n;
    }
    const size_t n = strlen(suffixes[DALI]);
    return len > n && memcmp(name + len - n, suffixes[DALI], n) == 0 ? len - n : 0;
}

static const struct publication_kind kind = {
    .manifest = EXPORT_MANIFEST, .part = part, .part_base = part_base};

static const struct publication_kind *kind_of(const struct export_options *o)
{
    (void)o;
    return &kind;
}

/* ---- the writer ---- */

static int open_writer(void **writer, const struct export_target *target)
{
    struct wds_export *x = calloc(1, sizeof(*x));

    *writer = x;
    if (x == NULL)
        return -1;
    x->target = *target;
    if (memory_file_open(&x->dali) != 0 || memory_file_open(&x->json) != 0)
        return fail(x, "out of memory");
    char *path = publication_temporary(target->files, suffixes[TAR]);
    if (path == NULL)
        return fail(x, "out of memory");
    int rc = tar_writer_open(&x->tar, target->files->store, path);
    free(path);
    return rc == 0 ? 0 : fail(x, tar_writer_why(x->tar));
}

/* DALI separates its words by blanks, so a name must not have one. */
static void put_dali_name(FILE *f, const char *name)
{
    for (; *name != '\0'; name++) {
        if (*name == ' ')
            fputs("%20", f);
        else
            putc(*name, f);
    }
}

/* One member, and its words in DALI's line. */
static int add_member(struct wds_export *x, const char *key, const char *field,
                      const void *head, size_t head_len, const void *body,
                      size_t body_len)
{
    uint64_t data;
    char *name;

    if (asprintf(&name, "%s.%s", key, field) < 0)
        return fail(x, "out of memory");
    int rc = tar_writer_add(x->tar, name, head, head_len, body, body_len, &data);
    if (rc == 0) {
        fprintf(x->dali.file, "%s%s %" PRIu64 " %zu ", x->line_begun ? " " : "", field,
                data, head_len + body_len);
        x->line_begun = true;
        put_dali_name(x->dali.file, name);
    }
    free(name);
    return rc == 0 ? 0 : fail(x, tar_writer_why(x->tar));
}

static int add_array(struct wds_export *x, const char *key, const char *field,
                     const struct export_tensor *t)
{
    char head[NPY_HEAD_CAP];
    const char *descr = export_dtype_descr(t->dtype);
    const size_t len = descr != NULL ? npy_head(head, descr, t->dims, t->n_dims) : 0;

    return add_member(x, key, field, head, len, t->data, t->n_bytes);
}

static void print_numbers(FILE *f, const uint32_t *numbers, size_t n)
{
    for (size_t i = 0; i < n; i++)
        fprintf(f, "%s%" PRIu32, i > 0 ? ", " : "[", numbers[i]);
    putc(']', f);
}

static void print_crop(FILE *f, const struct shard_box *crop)
{
    const uint32_t box[4] = {crop->left, crop->top, crop->width, crop->height};

    print_numbers(f, box, 4);
}

static void print_size(FILE *f, const struct shard_part *image)
{
    const uint32_t size[2] = {image->width, image->height};

    print_numbers(f, size, 2);
}

static void print_sha256(FILE *f, const struct shard_part *image)
{
    char hex[SHA256_HEX_CAP];

    sha256_to_hex(image->sha256, hex);
    fprintf(f, "\"%s\"", hex);
}

/* Returns 0, or -1: no memory. */
static int print_value(FILE *f, const struct export_column *c,
                       const struct export_sample *s)
{
    const struct shard_record *r = s->view.record;

    switch (c->kind) {
    case EXPORT_COLUMN_KEY:
        print_json_string(f, r->key, strlen(r->key));
        break;
    case EXPORT_COLUMN_NAME:
        print_json_string(f, r->name, strlen(r->name));
        break;
    case EXPORT_COLUMN_INDEX:
        fprintf(f, "%" PRIu64, r->index);
        break;
    case EXPORT_COLUMN_ORDER:
        fputs(r->order == SHARD_CAPTION_FIRST ? "\"caption_first\"" : "\"image_first\"",
              f);
        break;
    case EXPORT_COLUMN_PARTS:
        export_print_parts(f, r);
        break;
    case EXPORT_COLUMN_LOSS:
        export_print_loss(f, r);
        break;
    case EXPORT_COLUMN_ORIGINAL_SIZE:
        print_size(f, s->contents.images[c->item]);
        break;
    case EXPORT_COLUMN_CROP:
        print_crop(f, export_crop(s, c->item));
        break;
    case EXPORT_COLUMN_IMAGE_SHA256:
        print_sha256(f, s->contents.images[c->item]);
        break;
    case EXPORT_COLUMN_CAPTIONS:
        export_print_captions(f, s->contents.texts[c->item].part);
        break;
    case EXPORT_COLUMN_WEIGHT:
        fprintf(f, "%.17g", s->weight);
        break;
    default:
        return metadata_print_json(f, r->metadata, r->metadata_len);
    }
    return 0;
}

/* What is no file of its own. */
static bool is_in_json(const struct export_column *c)
{
    return c->kind != EXPORT_COLUMN_TENSOR && c->kind != EXPORT_COLUMN_TOKENS &&
           c->kind != EXPORT_COLUMN_TEXT;
}

/* `caption`, the drawn one's place in `captions`, is called like that less its s. */
static int caption_len(const struct export_column *captions)
{
    return (int)strlen(captions->name) - 1;
}

static int print_column(FILE *f, const struct export_column *c,
                        const struct export_sample *s, const char *separator)
{
    if (c->kind == EXPORT_COLUMN_CAPTIONS) {
        const struct export_text *text = &s->contents.texts[c->item];
        fprintf(f, "%s\"%.*s\": %td", separator, caption_len(c), c->name,
                text->drawn - text->part->alternatives);
        separator = ", ";
    }
    fprintf(f, "%s\"%s\": ", separator, c->name);
    return print_value(f, c, s);
}

static int add_json(struct wds_export *x, const char *key, const struct export_sample *s)
{
    const struct export_columns *columns = x->target.columns;
    FILE *f = x->json.file;
    const char *separator = "{";
    int rc = 0;

    memory_file_begin(&x->json);
    for (size_t i = 0; i < columns->n; i++) {
        if (!is_in_json(&columns->list[i]))
            continue;
        rc |= print_column(f, &columns->list[i], s, separator);
        separator = ", ";
    }
    fputs("}\n", f);
    if (rc != 0 || memory_file_flush(&x->json) != 0)
        return fail(x, "out of memory");
    return add_member(x, key, "json", NULL, 0, x->json.bytes, x->json.len);
}

/* What a column's file is called behind the key. Gives it; NULL: no memory. */
static char *field_of(const struct export_column *c)
{
    const int len = (int)strlen(c->name);
    char *field;
    int rc;

    if (c->kind == EXPORT_COLUMN_TEXT) /* "txt" for "text" */
        rc = asprintf(&field, "%.*stxt", len - 4, c->name);
    else
        rc = asprintf(&field, "%s.%s", c->name,
                      c->kind == EXPORT_COLUMN_TENSOR ? c->extension : "npy");
    return rc >= 0 ? field : NULL;
}

static int add_column(struct wds_export *x, const char *key,
                      const struct export_column *c, const char *field,
                      const struct export_sample *s)
{
    struct export_tensor tokens;

    switch (c->kind) {
    case EXPORT_COLUMN_TENSOR:
        return add_array(x, key, field, &s->tensors[c->item]);
    case EXPORT_COLUMN_TOKENS:
        tokens = export_tokens(&s->contents.texts[c->item]);
        return add_array(x, key, field, &tokens);
    default:
        return add_member(x, key, field, NULL, 0, s->contents.texts[c->item].drawn->text,
                          s->contents.texts[c->item].drawn->text_len);
    }
}

static int add_members(struct wds_export *x, const char *key,
                       const struct export_sample *s)
{
    const struct export_columns *columns = x->target.columns;
    int rc = 0;

    for (size_t i = 0; i < columns->n && rc == 0; i++) {
        if (is_in_json(&columns->list[i]))
            continue;
        char *field = field_of(&columns->list[i]);
        rc = field != NULL ? add_column(x, key, &columns->list[i], field, s)
                           : fail(x, "out of memory");
        free(field);
    }
    return rc == 0 ? add_json(x, key, s) : rc;
}

static int append(void *writer, const struct export_sample *s, const char **why)
{
    struct wds_export *x = writer;
    const char *key = s->view.record->key;
    char *encoded = malloc(WDS_KEY_CAP(strlen(key)));

    if (encoded == NULL)
        return fail(x, "out of memory");
    wds_key_encode(encoded, key);
    /* A reader would take both for one sample. */
    if (x->last_key != NULL && strcmp(x->last_key, encoded) == 0) {
        free(encoded);
        *why = "it has the key of the sample before it";
        return EXPORT_REFUSED;
    }
    free(x->last_key);
    x->last_key = encoded;
    if (shard_buffer_add_u64(&x->starts, tar_writer_at(x->tar)) < 0)
        return fail(x, "out of memory");
    int rc = add_members(x, encoded, s);
    putc('\n', x->dali.file);
    x->line_begun = false;
    x->n_samples++;
    return rc == 0 ? EXPORT_WRITTEN : -1;
}

/* Writes one index; DALI's has its count in a line of its own. */
static int write_index(struct wds_export *x, int which, const char *head,
                       const void *data, size_t len)
{
    char *path = publication_temporary(x->target.files, suffixes[which]);
    struct store_stream s;
    int rc = path != NULL ? store_stream_open(&s, x->target.files->store, path) : -1;

    if (rc == 0) {
        fputs(head, s.file);
        if (len > 0) /* else data may be NULL */
            fwrite(data, 1, len, s.file);
        rc = store_stream_finish(&s);
    }
    if (rc != 0)
        snprintf(x->why, sizeof(x->why), "%s: %s", path != NULL ? path : "an index",
                 strerror(errno));
    free(path);
    return rc;
}

/* What wids' index says of the tar; its path is below the index's folder. */
static json_t *describe_tar(const struct wds_export *x)
{
    return json_pack("[{s:s+, s:I, s:I}]", "url", x->target.name, suffixes[TAR],
                     "nsamples", (json_int_t)x->n_samples, "filesize",
                     (json_int_t)tar_writer_at(x->tar));
}

static int finish(void *writer, json_t *result)
{
    struct wds_export *x = writer;
    char head[40];

    const uint64_t end = tar_writer_at(x->tar);
    if (tar_writer_finish(x->tar) != 0)
        return fail(x, tar_writer_why(x->tar));
    if (shard_buffer_add_u64(&x->starts, end) < 0 || memory_file_flush(&x->dali) != 0)
        return fail(x, "out of memory");
    snprintf(head, sizeof(head), "v1.2 %" PRIu64 "\n", x->n_samples);
    if (write_index(x, ENERGON, "", x->starts.data, x->starts.len) != 0 ||
        write_index(x, DALI, head, x->dali.bytes, x->dali.len) != 0)
        return -1;
    json_t *entry = x->n_samples > 0 ? describe_tar(x) : json_array();
    return json_object_set_new(result, "shards", entry) == 0 ? 0
                                                             : fail(x, "out of memory");
}

static unsigned n_files(void *writer)
{
    return writer != NULL ? N_FILES : 0;
}

static const char *why(void *writer)
{
    const struct wds_export *x = writer;

    return x != NULL ? x->why : "out of memory";
}

static void close_writer(void *writer)
{
    struct wds_export *x = writer;

    if (x == NULL)
        return;
    tar_writer_close(x->tar);
    memory_file_close(&x->dali);
    memory_file_close(&x->json);
    free(x->last_key);
    shard_buffer_free(&x->starts);
    free(x);
}

/* ---- what is written about it ---- */

/* What stands behind a column's name in the description of the JSON. */
static const char *const notes[EXPORT_COLUMN_KINDS] = {
    [EXPORT_COLUMN_ORDER] = " (drawn for epoch 0)",
    [EXPORT_COLUMN_PARTS] = " (kinds of all parts in their order, a role behind a colon)",
    [EXPORT_COLUMN_LOSS] = " (of each of the parts: whether it is trained on)",
    [EXPORT_COLUMN_ORIGINAL_SIZE] = " [width, height]",
    [EXPORT_COLUMN_CROP] = " [left, top, width, height]",
    [EXPORT_COLUMN_CAPTIONS] = " (all, with their tokens)",
    [EXPORT_COLUMN_WEIGHT] = " (how often it occurs in a pass, by the view)",
    [EXPORT_COLUMN_METADATA] = " (the input's own)"};

static void print_note(FILE *f, const struct export_column *c, const char *separator)
{
    if (c->kind == EXPORT_COLUMN_CAPTIONS) {
        fprintf(f, "%s%.*s (the drawn one's place in %s)", separator, caption_len(c),
                c->name, c->name);
        separator = ", ";
    }
    fprintf(f, "%s%s%s", separator, c->name,
            notes[c->kind] != NULL ? notes[c->kind] : "");
}

static json_t *describe_json(const struct export_columns *columns)
{
    struct memory_file text;
    const char *separator = "";
    json_t *about = NULL;

    if (memory_file_open(&text) == 0) {
        for (size_t i = 0; i < columns->n; i++) {
            if (!is_in_json(&columns->list[i]))
                continue;
            print_note(text.file, &columns->list[i], separator);
            separator = ", ";
        }
        if (memory_file_flush(&text) == 0)
            about = json_stringn(text.bytes, text.len);
    }
    memory_file_close(&text);
    return about;
}

static json_t *describe_column(const struct export_column *c,
                               const struct export_shape *shape, bool scaled)
{
    const struct export_slot *slot = shape->tensors;

    if (c->kind == EXPORT_COLUMN_TEXT)
        return json_string("the caption drawn for epoch 0, or the document");
    if (c->kind == EXPORT_COLUMN_TOKENS)
        return json_string("int32: ids of txt, without markers");
    slot += c->item;
    return json_sprintf("%s%s: %s%s", export_dtype_name(slot->dtype),
                        export_slot_dims(slot), export_slot_about(slot),
                        export_slot_scaling(slot, scaled));
}

static json_t *describe(const struct export_columns *columns,
                        const struct export_shape *shape, bool scaled)
{
    json_t *all = json_object();

    for (size_t i = 0; i < columns->n && all != NULL; i++) {
        const struct export_column *c = &columns->list[i];
        if (is_in_json(c))
            continue;
        char *field = field_of(c);
        json_put_member(&all, field != NULL ? field : "",
                        field != NULL ? describe_column(c, shape, scaled) : NULL);
        free(field);
    }
    json_put_member(&all, "json", describe_json(columns));
    return all;
}

const struct export_format export_webdataset = {
    .kind = kind_of,
    .open = open_writer,
    .append = append,
    .finish = finish,
    .n_files = n_files,
    .why = why,
    .close = close_writer,
    .columns = describe,
    .index = "wids-meta.json",
    .index_head = "{\"wids_version\": 1, \"__kind__\": \"wids-shard-index\", "
                  "\"name\": \"latentmill\", \"shardlist\": [",
    .index_tail = "\n]}\n"};
