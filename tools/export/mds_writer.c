/* SPDX-License-Identifier: Apache-2.0
 * tools/export/mds_writer.c - MDS shards.
 *
 *     u32 N, u32 offset[N + 1], configuration as JSON, N samples
 *     sample: u32 size of each column whose size varies, then all columns' bytes
 *
 * The samples are gathered in `body`, their ends in `ends`; head and body are hashed and
 * written when the next sample would make the shard larger than the limit. */
#include "tools/export/mds_writer.h"

#include <errno.h>
#include <inttypes.h>
#include <openssl/evp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>
#include <zstd.h>

#include "shard/buffer.h"
#include "shard/status.h"
#include "tools/store/json_text.h"
#include "tools/store/store_stream.h"

struct mds_writer {
    struct mds_options options;
    char *config; /* what stands between offsets and samples */
    size_t config_len;
    struct shard_buffer ends; /* u32 each, from the body's start */
    struct shard_buffer body;
    size_t n_samples; /* of the shard in hand */
    json_t *shards;
    unsigned n_files;
    ZSTD_CCtx *zstd;
    struct shard_buffer zstd_out;
    char why[600];
};

/* The hashes of a file and its length, updated as it is written. */
struct digest {
    EVP_MD_CTX *sha1;
    XXH64_state_t *xxh64;
    uint64_t bytes;
    bool failed; /* libcrypto did, for want of memory */
};

struct piece {
    const void *data;
    size_t len;
};

static const int json_style = JSON_SORT_KEYS | JSON_ENSURE_ASCII;

__attribute__((format(printf, 2, 3))) static int fail(struct mds_writer *w,
                                                      const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(w->why, sizeof(w->why), fmt, ap);
    va_end(ap);
    return MDS_FAILED;
}

static int out_of_memory(struct mds_writer *w)
{
    return fail(w, "out of memory");
}

static int zstd_result(struct mds_writer *w, size_t code)
{
    return ZSTD_isError(code) ? fail(w, "zstd: %s", ZSTD_getErrorName(code)) : MDS_OK;
}

/* ---- configuration and index ---- */

static json_t *compression_name(const struct mds_options *o)
{
    return o->level > 0 ? json_sprintf("zstd:%d", o->level) : json_null();
}

/* What a shard's own head and index.json both say. */
static json_t *describe_columns(const struct mds_options *o)
{
    json_t *names = json_array(), *encodings = json_array(), *sizes = json_array();

    for (size_t i = 0; i < o->n_columns; i++) {
        const struct mds_column *c = &o->columns[i];
        json_put_element(&names, json_string(c->name));
        json_put_element(&encodings, json_string(c->encoding));
        json_put_element(&sizes, c->size > 0 ? json_integer(c->size) : json_null());
    }
    return json_pack("{s:o, s:o, s:o, s:o, s:s, s:[ss], s:I, s:i}", "column_names", names,
                     "column_encodings", encodings, "column_sizes", sizes, "compression",
                     compression_name(o), "format", "mds", "hashes", "sha1", "xxh64",
                     "size_limit", (json_int_t)o->size_limit, "version", 2);
}

int mds_writer_open(struct mds_writer **out, const struct mds_options *options)
{
    struct mds_writer *w = calloc(1, sizeof(*w));

    *out = w;
    if (w == NULL)
        return MDS_FAILED;
    w->options = *options;
    w->shards = json_array();
    json_t *config = describe_columns(options);
    w->config = config != NULL ? json_dumps(config, json_style) : NULL;
    json_decref(config);
    if (w->config == NULL || w->shards == NULL)
        return out_of_memory(w);
    w->config_len = strlen(w->config);
    if (options->level == 0)
        return MDS_OK;
    w->zstd = ZSTD_createCCtx();
    if (w->zstd == NULL || shard_buffer_resize(&w->zstd_out, ZSTD_CStreamOutSize()) < 0)
        return out_of_memory(w);
    return zstd_result(
        w, ZSTD_CCtx_setParameter(w->zstd, ZSTD_c_compressionLevel, options->level));
}

/* ---- hashes ---- */

static void digest_end(struct digest *d)
{
    EVP_MD_CTX_free(d->sha1);
    XXH64_freeState(d->xxh64);
}

static int digest_begin(struct digest *d)
{
    d->sha1 = EVP_MD_CTX_new();
    d->xxh64 = XXH64_createState();
    if (d->sha1 == NULL || d->xxh64 == NULL ||
        EVP_DigestInit_ex(d->sha1, EVP_sha1(), NULL) != 1)
        return MDS_FAILED;
    XXH64_reset(d->xxh64, 0);
    return MDS_OK;
}

static void digest_add(struct digest *d, const void *data, size_t len)
{
    d->failed |= EVP_DigestUpdate(d->sha1, data, len) != 1;
    XXH64_update(d->xxh64, data, len);
    d->bytes += len;
}

/* {"basename": ..., "bytes": ..., "hashes": {...}}; NULL: no memory. */
static json_t *digest_describe(struct digest *d, const char *name, const char *extension)
{
    unsigned char sha1[EVP_MAX_MD_SIZE];
    char hex[2 * EVP_MAX_MD_SIZE + 1] = "", xxh64[17];
    unsigned len = 0;

    if (EVP_DigestFinal_ex(d->sha1, sha1, &len) != 1 || d->failed)
        return NULL;
    for (unsigned i = 0; i < len; i++)
        snprintf(hex + 2 * i, 3, "%02x", sha1[i]);
    snprintf(xxh64, sizeof(xxh64), "%016" PRIx64, (uint64_t)XXH64_digest(d->xxh64));
    return json_pack("{s:s+, s:I, s:{s:s, s:s}}", "basename", name, extension, "bytes",
                     (json_int_t)d->bytes, "hashes", "sha1", hex, "xxh64", xxh64);
}

/* ---- one shard ---- */

static int write_bytes(struct mds_writer *w, FILE *f, const char *path, const void *data,
                       size_t len)
{
    if (len > 0 && fwrite(data, 1, len, f) != len)
        return fail(w, "%s: %s", path, strerror(errno));
    return MDS_OK;
}

/* One piece through Zstandard into the file and its digest. */
static int write_compressed(struct mds_writer *w, FILE *f, const char *path,
                            const struct piece *piece, bool last, struct digest *zip)
{
    ZSTD_inBuffer in = {piece->data, piece->len, 0};
    size_t left;

    do {
        ZSTD_outBuffer out = {w->zstd_out.data, w->zstd_out.len, 0};
        left =
            ZSTD_compressStream2(w->zstd, &out, &in, last ? ZSTD_e_end : ZSTD_e_continue);
        if (ZSTD_isError(left))
            return zstd_result(w, left);
        digest_add(zip, out.dst, out.pos);
        int rc = write_bytes(w, f, path, out.dst, out.pos);
        if (rc != MDS_OK)
            return rc;
    } while (in.pos < in.size || (last && left > 0));
    return MDS_OK;
}

static int write_pieces(struct mds_writer *w, FILE *f, const char *path,
                        const struct piece *pieces, size_t n, struct digest *raw,
                        struct digest *zip)
{
    unsigned long long total = 0;
    int rc = MDS_OK;

    for (size_t i = 0; i < n; i++) {
        digest_add(raw, pieces[i].data, pieces[i].len);
        total += pieces[i].len;
    }
    if (w->zstd != NULL) {
        rc = zstd_result(w, ZSTD_CCtx_reset(w->zstd, ZSTD_reset_session_only));
        if (rc == MDS_OK)
            rc = zstd_result(w, ZSTD_CCtx_setPledgedSrcSize(w->zstd, total));
    }
    for (size_t i = 0; i < n && rc == MDS_OK; i++)
        rc = w->zstd != NULL ? write_compressed(w, f, path, &pieces[i], i + 1 == n, zip)
                             : write_bytes(w, f, path, pieces[i].data, pieces[i].len);
    return rc;
}

/* N and the offsets, which become absolute. Gives memory, or NULL. */
static uint32_t *make_head(const struct mds_writer *w, size_t *len)
{
    const uint32_t *ends = (const uint32_t *)(const void *)w->ends.data;
    const uint32_t start = (uint32_t)(4 + 4 * (w->n_samples + 1) + w->config_len);

    *len = 4 + 4 * (w->n_samples + 1);
    uint32_t *head = malloc(*len);
    if (head == NULL)
        return NULL;
    head[0] = (uint32_t)w->n_samples;
    head[1] = start;
    for (size_t i = 0; i < w->n_samples; i++)
        head[2 + i] = start + ends[i];
    return head;
}

static int add_to_index(struct mds_writer *w, const char *name, struct digest *raw,
                        struct digest *zip)
{
    json_t *entry = describe_columns(&w->options);
    json_t *more = json_pack(
        "{s:o, s:o, s:I}", "raw_data", digest_describe(raw, name, ""), "zip_data",
        w->zstd != NULL ? digest_describe(zip, name, ".zstd") : json_null(), "samples",
        (json_int_t)w->n_samples);
    int rc = MDS_OK;

    if (entry == NULL || more == NULL || json_object_update(entry, more) != 0 ||
        json_array_append(w->shards, entry) != 0)
        rc = out_of_memory(w);
    json_decref(more);
    json_decref(entry);
    return rc;
}

static int write_data(struct mds_writer *w, const char *path, const struct piece *pieces,
                      size_t n, struct digest *raw, struct digest *zip)
{
    struct store_stream s;

    if (store_stream_open(&s, w->options.store, path) != 0)
        return fail(w, "%s: %s", path, strerror(errno));
    int rc = write_pieces(w, s.file, path, pieces, n, raw, zip);
    if (rc == MDS_OK && store_stream_finish(&s) != 0)
        rc = fail(w, "%s: %s", path, strerror(errno));
    store_stream_close(&s);
    return rc;
}

static int write_file(struct mds_writer *w, const char *path, const char *name)
{
    struct digest raw = {0}, zip = {0};
    size_t head_len;
    uint32_t *head = make_head(w, &head_len);
    const struct piece pieces[] = {
        {head, head_len}, {w->config, w->config_len}, {w->body.data, w->body.len}};
    int rc = MDS_OK;

    if (head == NULL || digest_begin(&raw) != MDS_OK || digest_begin(&zip) != MDS_OK)
        rc = out_of_memory(w);
    if (rc == MDS_OK)
        rc = write_data(w, path, pieces, 3, &raw, &zip);
    if (rc == MDS_OK)
        rc = add_to_index(w, name, &raw, &zip);
    digest_end(&raw);
    digest_end(&zip);
    free(head);
    return rc;
}

static int write_shard(struct mds_writer *w)
{
    const char *name;
    char *path = w->options.path(w->options.ctx, w->n_files, &name);

    if (path == NULL)
        return out_of_memory(w);
    w->n_files++;
    int rc = write_file(w, path, name);
    free(path);
    w->n_samples = 0;
    w->ends.len = 0;
    w->body.len = 0;
    return rc;
}

/* ---- samples ---- */

/* What a shard of n samples with so many bytes takes; MDSWriter counts alike. */
static uint64_t shard_bytes(const struct mds_writer *w, uint64_t n, uint64_t body)
{
    return 4 + 4 * (n + 1) + w->config_len + body;
}

static uint64_t sample_bytes(const struct mds_writer *w, const struct mds_value *values)
{
    uint64_t bytes = 0;

    for (size_t i = 0; i < w->options.n_columns; i++)
        bytes += (w->options.columns[i].size > 0 ? 0u : 4u) +
                 (uint64_t)values[i].head_len + values[i].len;
    return bytes;
}

static int put_sample(struct mds_writer *w, const struct mds_value *values)
{
    int rc = SHARD_OK;

    for (size_t i = 0; i < w->options.n_columns && rc == SHARD_OK; i++)
        if (w->options.columns[i].size == 0)
            rc = shard_buffer_add_u32(&w->body,
                                      (uint32_t)(values[i].head_len + values[i].len));
    for (size_t i = 0; i < w->options.n_columns && rc == SHARD_OK; i++) {
        rc = shard_buffer_add(&w->body, values[i].head, values[i].head_len);
        if (rc == SHARD_OK)
            rc = shard_buffer_add(&w->body, values[i].data, values[i].len);
    }
    if (rc == SHARD_OK)
        rc = shard_buffer_add_u32(&w->ends, (uint32_t)w->body.len);
    if (rc != SHARD_OK)
        return out_of_memory(w);
    w->n_samples++;
    return MDS_OK;
}

int mds_writer_append(struct mds_writer *w, const struct mds_value *values)
{
    const uint64_t bytes = sample_bytes(w, values);

    if (shard_bytes(w, 1, bytes) > UINT32_MAX)
        return MDS_TOO_LARGE;
    if (w->n_samples > 0 &&
        shard_bytes(w, w->n_samples + 1, w->body.len + bytes) > w->options.size_limit) {
        int rc = write_shard(w);
        if (rc != MDS_OK)
            return rc;
    }
    return put_sample(w, values);
}

int mds_writer_finish(struct mds_writer *w)
{
    return w->n_samples > 0 ? write_shard(w) : MDS_OK;
}

json_t *mds_writer_shards(const struct mds_writer *w)
{
    return w->shards;
}

unsigned mds_writer_n_files(const struct mds_writer *w)
{
    return w->n_files;
}

const char *mds_writer_why(const struct mds_writer *w)
{
    return w != NULL ? w->why : "out of memory";
}

void mds_writer_close(struct mds_writer *w)
{
    if (w == NULL)
        return;
    free(w->config);
    json_decref(w->shards);
    ZSTD_freeCCtx(w->zstd);
    shard_buffer_free(&w->zstd_out);
    shard_buffer_free(&w->ends);
    shard_buffer_free(&w->body);
    free(w);
}
