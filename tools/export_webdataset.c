/* SPDX-License-Identifier: Apache-2.0
 * tools/export_webdataset.c - samples as members of a tar, KEY.latent.npy and so on.
 *
 * Beside the tar, two indexes of it: .tar.idx as Megatron Energon reads it (u64 offsets
 * of each sample and of the end), and .idx as DALI does (text, made by its wds2idx). Both
 * are small and are gathered in memory. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/export.h"
#include "tools/json_text.h"
#include "tools/memory_file.h"
#include "tools/metadata_json.h"
#include "tools/npy.h"
#include "tools/print.h"
#include "tools/sha256.h"
#include "tools/tar_writer.h"
#include "tools/wds_key.h"

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
    int rc = tar_writer_open(&x->tar, path);
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
    const size_t len = npy_head(head, export_dtype_descr(t->dtype), t->dims, t->n_dims);

    return add_member(x, key, field, head, len, t->data, t->n_bytes);
}

static void print_image(FILE *f, const struct record_view *v)
{
    const struct shard_image *m = v->image;
    char hex[SHA256_HEX_CAP];

    sha256_to_hex(m->sha256, hex);
    fprintf(f,
            ", \"order\": \"%s\", \"original_size\": [%" PRIu32 ", %" PRIu32
            "], \"crop\": [%" PRIu32 ", %" PRIu32 ", %" PRIu32 ", %" PRIu32
            "], \"image_sha256\": \"%s\", \"caption\": %" PRIu32 ", \"captions\": ",
            v->record->order == SHARD_CAPTION_FIRST ? "caption_first" : "image_first",
            m->original_width, m->original_height, m->crop_left, m->crop_top,
            m->crop_width, m->crop_height, hex, v->record->caption_drawn);
    export_print_captions(f, v->text);
}

static int add_json(struct wds_export *x, const char *key, const struct export_sample *s)
{
    const struct record_view *v = &s->view;
    const struct shard_record *r = v->record;
    FILE *f = x->json.file;

    memory_file_begin(&x->json);
    fputs("{\"key\": ", f);
    print_json_string(f, r->key, strlen(r->key));
    fputs(", \"name\": ", f);
    print_json_string(f, r->name, strlen(r->name));
    fprintf(f, ", \"index\": %" PRIu64, r->index);
    if (v->image != NULL)
        print_image(f, v);
    if (x->target.shape->weight)
        fprintf(f, ", \"weight\": %.17g", s->weight);
    fputs(", \"metadata\": ", f);
    const int rc = metadata_print_json(f, r->metadata, r->metadata_len);
    fputs("}\n", f);
    if (rc != 0 || memory_file_flush(&x->json) != 0)
        return fail(x, "out of memory");
    return add_member(x, key, "json", NULL, 0, x->json.bytes, x->json.len);
}

static int add_members(struct wds_export *x, const char *key,
                       const struct export_sample *s)
{
    const struct export_shape *shape = x->target.shape;
    int rc = 0;

    if (shape->latent)
        rc = add_array(x, key, "latent.npy", &s->latent);
    if (shape->logvar && rc == 0)
        rc = add_array(x, key, "logvar.npy", &s->logvar);
    if (shape->tokens && rc == 0)
        rc = add_array(x, key, "tokens.npy", &s->tokens);
    if (rc == 0)
        rc = add_member(x, key, "txt", NULL, 0, s->view.caption->text,
                        s->view.caption->text_len);
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
    FILE *f = path != NULL ? fopen(path, "wxe") : NULL;
    int rc = 0;

    if (f == NULL || fputs(head, f) < 0 || fwrite(data, 1, len, f) != len)
        rc = -1;
    if (f != NULL && fclose(f) != 0)
        rc = -1;
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

static json_t *describe(const struct export_shape *shape, bool scaled)
{
    json_t *all = json_object();

    if (shape->latent)
        json_put_member(&all, "latent.npy",
                        json_sprintf("%s (C,H,W): posterior mean, %s",
                                     export_dtype_name(shape->dtype),
                                     scaled ? "(raw - shift) * scale"
                                            : "raw: neither shifted nor scaled"));
    if (shape->logvar)
        json_put_member(&all, "logvar.npy",
                        json_sprintf("%s (C,H,W): posterior log-variance",
                                     export_dtype_name(shape->dtype)));
    if (shape->tokens)
        json_put_member(&all, "tokens.npy",
                        json_string("int32: ids of txt, without markers"));
    json_put_member(&all, "txt",
                    json_string("the caption drawn for epoch 0, or the document"));
    json_put_member(
        &all, "json",
        json_sprintf("key, name, index, %s%smetadata (the input's own)",
                     shape->latent
                         ? "order (drawn for epoch 0), original_size [width, height], "
                           "crop [left, top, width, height], image_sha256, caption (the "
                           "drawn one's place in captions), captions (all, with their "
                           "tokens), "
                         : "",
                     shape->weight ? "weight (how often it occurs in a pass, by the "
                                     "view), "
                                   : ""));
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
