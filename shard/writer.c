/* SPDX-License-Identifier: Apache-2.0
 * shard/writer.c - blocks become frames in memory; only then it is known whether they fit
 * into the file in hand or open the next one. The index is made from the content of the
 * text frame as a reader would decode it, so nothing is in the index that the text frames
 * cannot give again.
 *
 * After an error other than a refused record the writer is dead: every later call fails
 * with the same status. */
#include "shard/writer.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <xxhash.h>
#include <zstd.h>

#include "shard/file/block.h"
#include "shard/file/format.h"
#include "shard/index/index.h"
#include "shard/record_check.h"
#include "shard/file/sink.h"
#include "shard/status.h"
#include "shard/file/wire.h"

enum { ZSTD_LEVEL = 3, PATH_CAP = 4096, WHY_CAP = 4096 + 512 };

struct shard_writer {
    struct shard_writer_options options;
    struct shard_header *owned_header; /* a copy of the caller's */
    struct shard_header header;        /* the same, with the part in hand */
    ZSTD_CCtx *zstd;

    struct shard_block block;
    struct shard_buffer text;   /* raw content of the text frame */
    struct shard_buffer raw;    /* raw content of a tensor frame */
    struct shard_buffer frames; /* the block's compressed frames, back to back */
    struct shard_buffer frame;  /* struct shard_frame of each */
    const struct shard_kept_frame
        *kept; /* of the block in hand; lent to append_block() */

    struct shard_sink *sink; /* NULL: no file is open */
    struct shard_index index;
    struct shard_buffer seek_table; /* entries of the file in hand */

    struct shard_file *files;
    size_t n_files;
    int failed; /* the status that ended this writer, or SHARD_OK */
    char why[WHY_CAP];
};

static int fail(struct shard_writer *w, int status, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

static int fail(struct shard_writer *w, int status, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(w->why, sizeof(w->why), fmt, ap);
    va_end(ap);
    w->failed = status;
    return status;
}

static int out_of_memory(struct shard_writer *w)
{
    return fail(w, SHARD_ENOMEM, "out of memory");
}

static const char *current_path(const struct shard_writer *w)
{
    return w->files[w->n_files - 1].path;
}

static int put(struct shard_writer *w, const void *data, size_t len)
{
    if (shard_sink_write(w->sink, data, len) < 0)
        return fail(w, SHARD_EIO, "%s: byte %llu: %s", current_path(w),
                    (unsigned long long)shard_sink_offset(w->sink), strerror(errno));
    return SHARD_OK;
}

static int put_skippable(struct shard_writer *w, uint32_t magic, const void *data,
                         size_t len)
{
    unsigned char head[SHARD_SKIPPABLE_HEAD];

    wire_put_u32(wire_put_u32(head, magic), (uint32_t)len);
    int rc = put(w, head, sizeof(head));
    return rc < 0 ? rc : put(w, data, len);
}

static int add_seek_entry(struct shard_writer *w, uint64_t bytes, uint32_t raw_bytes)
{
    if (shard_buffer_add_u32(&w->seek_table, (uint32_t)bytes) < 0 ||
        shard_buffer_add_u32(&w->seek_table, raw_bytes) < 0)
        return out_of_memory(w);
    return SHARD_OK;
}

/* Magic, version, reserved, length, JSON, checksum. */
static int put_header(struct shard_writer *w)
{
    struct shard_buffer payload = {0};
    char *json = NULL;
    int rc;

    w->header.part = (uint32_t)(w->n_files - 1);
    rc = shard_header_to_json(&w->header, &json);
    if (rc < 0) {
        rc = fail(w, rc, "the header: %s", shard_strerror(rc));
        goto out;
    }
    size_t len = strlen(json);
    if (len > SHARD_MAX_HEADER) {
        rc = fail(w, SHARD_EINVAL, "the header has %zu bytes, at most %d are possible",
                  len, SHARD_MAX_HEADER);
        goto out;
    }
    if (shard_buffer_add(&payload, SHARD_MAGIC_HEADER_TEXT, 8) < 0 ||
        shard_buffer_add_u32(&payload, SHARD_VERSION) < 0 ||
        shard_buffer_add_u32(&payload, 0) < 0 ||
        shard_buffer_add_u64(&payload, len) < 0 ||
        shard_buffer_add(&payload, json, len) < 0 ||
        shard_buffer_add_u64(&payload, XXH3_64bits(payload.data, payload.len)) < 0) {
        rc = out_of_memory(w);
        goto out;
    }
    rc = put_skippable(w, SHARD_MAGIC_HEADER, payload.data, payload.len);
    if (rc == SHARD_OK)
        rc = add_seek_entry(w, SHARD_SKIPPABLE_HEAD + payload.len, 0);
out:
    free(json);
    shard_buffer_free(&payload);
    return rc;
}

static int open_file(struct shard_writer *w)
{
    char path[PATH_CAP];
    struct shard_file *files = realloc(w->files, (w->n_files + 1) * sizeof(files[0]));

    if (files == NULL)
        return out_of_memory(w);
    w->files = files;
    if (w->options.path(w->options.ctx, (uint32_t)w->n_files, path, sizeof(path)) != 0)
        return fail(w, SHARD_EINVAL,
                    "the path of file %zu cannot be made: too long, or no memory for it",
                    w->n_files);
    char *copy = strdup(path);
    if (copy == NULL)
        return out_of_memory(w);
    files[w->n_files++] = (struct shard_file){.path = copy};

    int rc = shard_sink_open(&w->sink, w->options.output, path);
    if (rc == SHARD_EIO)
        return fail(w, rc, "%s: %s", path, strerror(errno));
    if (rc < 0)
        return out_of_memory(w);
    shard_index_empty(&w->index);
    w->seek_table.len = 0;
    return put_header(w);
}

static int put_index(struct shard_writer *w)
{
    unsigned char fingerprint[16];

    shard_sink_fingerprint(w->sink, fingerprint);
    int rc = shard_index_encode(&w->index, shard_sink_offset(w->sink), fingerprint,
                                w->zstd, &w->raw);
    if (rc < 0)
        return fail(w, rc, "%s: the index: %s", current_path(w), shard_strerror(rc));
    rc = put_skippable(w, SHARD_MAGIC_INDEX, w->raw.data, w->raw.len);
    if (rc < 0)
        return rc;
    return add_seek_entry(w, SHARD_SKIPPABLE_HEAD + w->raw.len, 0);
}

static int put_seek_table(struct shard_writer *w)
{
    uint32_t n = (uint32_t)(w->seek_table.len / SHARD_SEEK_ENTRY);
    const unsigned char descriptor = 0;

    if (shard_buffer_add_u32(&w->seek_table, n) < 0 ||
        shard_buffer_add(&w->seek_table, &descriptor, 1) < 0 ||
        shard_buffer_add_u32(&w->seek_table, SHARD_MAGIC_SEEKABLE) < 0)
        return out_of_memory(w);
    return put_skippable(w, SHARD_MAGIC_SEEK_TABLE, w->seek_table.data,
                         w->seek_table.len);
}

static int close_file(struct shard_writer *w)
{
    struct shard_file *file = &w->files[w->n_files - 1];
    int rc = put_index(w);

    if (rc == SHARD_OK)
        rc = put_seek_table(w);
    if (rc < 0)
        return rc;
    file->bytes = shard_sink_offset(w->sink);
    file->n_records = w->index.n_records;
    if (shard_sink_finish(w->sink, file->sha256) < 0)
        return fail(w, SHARD_EIO, "%s: %s", file->path, strerror(errno));
    shard_sink_close(w->sink);
    w->sink = NULL;
    return SHARD_OK;
}

/* Room for one compressed frame of at most `bound` bytes behind w->frames; NULL: no
 * memory. */
static unsigned char *begin_frame(struct shard_writer *w, size_t bound)
{
    const size_t start = w->frames.len;

    return shard_buffer_extend(&w->frames, bound) != NULL ? w->frames.data + start : NULL;
}

static int end_frame(struct shard_writer *w, const unsigned char *bytes, size_t len,
                     size_t raw_bytes)
{
    const size_t start = (size_t)(bytes - w->frames.data);
    const struct shard_frame frame = {.offset = start, /* until the file is known */
                                      .bytes = (uint32_t)len,
                                      .raw_bytes = (uint32_t)raw_bytes,
                                      .checksum = XXH3_64bits(bytes, len)};

    w->frames.len = start + len;
    return shard_buffer_add(&w->frame, &frame, sizeof(frame)) < 0 ? out_of_memory(w)
                                                                  : SHARD_OK;
}

static int compress_frame(struct shard_writer *w, const struct shard_buffer *raw)
{
    const size_t bound = ZSTD_compressBound(raw->len);
    unsigned char *to = begin_frame(w, bound);

    if (to == NULL)
        return out_of_memory(w);
    const size_t bytes = ZSTD_compress2(w->zstd, to, bound, raw->data, raw->len);
    if (ZSTD_isError(bytes))
        return fail(w, SHARD_ENOMEM, "compression: %s", ZSTD_getErrorName(bytes));
    return end_frame(w, to, bytes, raw->len);
}

static int copy_frame(struct shard_writer *w, const struct shard_kept_frame *kept)
{
    unsigned char *to = begin_frame(w, kept->len);

    if (to == NULL)
        return out_of_memory(w);
    memcpy(to, kept->bytes, kept->len);
    return end_frame(w, to, kept->len, (size_t)kept->raw_bytes);
}

static int compress_column(struct shard_writer *w, const struct shard_block_column *c)
{
    const size_t n = shard_block_n_frames(c);
    int rc = SHARD_OK;

    for (size_t i = 0; i < n && rc == SHARD_OK; i++) {
        if (c->kept)
            rc = copy_frame(w, w->kept++);
        else if (shard_block_tensors(c, i, &w->raw) < 0)
            rc = out_of_memory(w);
        else
            rc = compress_frame(w, &w->raw);
    }
    return rc;
}

static int compress_block(struct shard_writer *w)
{
    w->frames.len = w->frame.len = 0;
    int rc = shard_block_text(&w->block, &w->text);
    if (rc == SHARD_EINVAL)
        return fail(w, rc,
                    "a block's text frame has more than %d bytes: give fewer records",
                    SHARD_MAX_FRAME);
    rc = rc < 0 ? out_of_memory(w) : compress_frame(w, &w->text);
    for (uint32_t i = 0; i < w->block.n_columns && rc == SHARD_OK; i++)
        rc = compress_column(w, &w->block.columns[i]);
    return rc;
}

static int index_block(struct shard_writer *w, uint64_t offset)
{
    struct shard_frame *frames = (struct shard_frame *)w->frame.data; /* from malloc */
    struct shard_text_frame text;
    char reason[256] = "";
    int rc = SHARD_OK;

    for (size_t i = 0; i < 1 + w->block.n_frames && rc == SHARD_OK; i++) {
        frames[i].offset += offset;
        rc = add_seek_entry(w, frames[i].bytes, frames[i].raw_bytes);
    }
    if (rc < 0)
        return rc;
    rc = shard_text_frame_decode(&text, w->text.data, w->text.len, &w->header, reason,
                                 sizeof(reason));
    if (rc == SHARD_OK)
        rc = shard_index_add_block(&w->index, &text, frames);
    shard_text_frame_clear(&text);
    return rc < 0 ? fail(w, rc, "%s: own text frame: %s %s", current_path(w),
                         shard_strerror(rc), reason)
                  : rc;
}

/* Whether the block's frames would take the file in hand above its limits. */
static bool file_is_full(const struct shard_writer *w)
{
    return shard_sink_offset(w->sink) + w->frames.len > w->options.max_bytes ||
           w->index.n_blocks == SHARD_MAX_BLOCKS ||
           w->index.n_frames + w->block.n_frames > SHARD_MAX_FRAMES - 4;
}

static int flush_block(struct shard_writer *w)
{
    int rc = compress_block(w);

    if (rc == SHARD_OK && w->sink != NULL && w->index.n_blocks > 0 && file_is_full(w))
        rc = close_file(w);
    if (rc == SHARD_OK && w->sink == NULL)
        rc = open_file(w);
    if (rc < 0)
        return rc;
    rc = index_block(w, shard_sink_offset(w->sink));
    if (rc == SHARD_OK)
        rc = put(w, w->frames.data, w->frames.len);
    shard_block_empty(&w->block);
    return rc;
}

int shard_writer_open(struct shard_writer **out,
                      const struct shard_writer_options *options)
{
    struct shard_writer *w = calloc(1, sizeof(*w));
    char *json = NULL;

    *out = w;
    if (w == NULL)
        return SHARD_ENOMEM;
    w->options = *options;
    if (w->options.output == NULL)
        w->options.output = &shard_plain_output;
    if (w->options.max_bytes == 0)
        w->options.max_bytes = UINT64_C(1) << 30;
    if (w->options.max_block_bytes == 0)
        w->options.max_block_bytes = 512 << 10;
    if (w->options.max_bytes > UINT64_C(1) << 30 ||
        w->options.max_block_bytes > SHARD_MAX_FRAME / 2)
        return fail(w, SHARD_EINVAL, "files above 2^30 bytes or blocks above %d",
                    SHARD_MAX_FRAME / 2);

    /* The caller's header may die after this call, and must be one that can be read:
     * what is written is what a reader would make of it. */
    w->header = *options->header;
    int rc = shard_header_to_json(&w->header, &json);
    if (rc == SHARD_OK)
        rc = shard_header_from_json(json, strlen(json), &w->owned_header, w->why,
                                    sizeof(w->why));
    free(json);
    if (rc < 0) {
        char reason[256];
        snprintf(reason, sizeof(reason), "%.250s", w->why);
        return fail(w, rc, "the header cannot be written: %s %s", shard_strerror(rc),
                    reason);
    }
    w->header = *w->owned_header;

    w->zstd = ZSTD_createCCtx();
    if (w->zstd == NULL)
        return out_of_memory(w);
    ZSTD_CCtx_setParameter(w->zstd, ZSTD_c_compressionLevel, ZSTD_LEVEL);
    ZSTD_CCtx_setParameter(w->zstd, ZSTD_c_contentSizeFlag, 1);
    ZSTD_CCtx_setParameter(w->zstd, ZSTD_c_checksumFlag, 1);
    return SHARD_OK;
}

/* A record that breaks a rule: said, but the writer lives on. */
static int refuse(struct shard_writer *w, const struct shard_record *rec,
                  const char *reason)
{
    snprintf(w->why, sizeof(w->why), "record %.*s of %.*s: %s", SHARD_MAX_KEY, rec->key,
             SHARD_MAX_KEY, rec->name, reason);
    return SHARD_EINVAL;
}

static int check(struct shard_writer *w, const struct shard_record *rec, bool kept,
                 struct shard_row_size *size)
{
    char reason[256];

    if (shard_record_check(rec, &w->header, size, reason, sizeof(reason)) < 0 ||
        shard_record_check_values(rec, &w->header, kept, reason, sizeof(reason)) < 0)
        return refuse(w, rec, reason);
    return SHARD_OK;
}

static int add_to_block(struct shard_writer *w, const struct shard_record *rec,
                        const struct shard_row_size *size)
{
    return shard_block_add(&w->block, &w->header, rec, size, w->options.max_block_bytes);
}

static int after_add(struct shard_writer *w, const struct shard_record *rec, int rc)
{
    if (rc == SHARD_EINVAL)
        return refuse(w, rec, "its tensors stand in too many columns, or frames");
    return rc == SHARD_ENOMEM ? out_of_memory(w) : rc;
}

int shard_writer_append(struct shard_writer *w, const struct shard_record *rec)
{
    struct shard_row_size size;

    if (w->failed != SHARD_OK)
        return w->failed;
    int rc = check(w, rec, false, &size);
    if (rc < 0)
        return rc;
    if (w->block.n_records > 0 &&
        !shard_block_fits(&w->block, &size, w->options.max_block_bytes))
        rc = flush_block(w);
    if (rc == SHARD_OK)
        rc = add_to_block(w, rec, &size);
    if (rc == SHARD_EINVAL && w->block.n_records > 0) { /* too many columns together */
        rc = flush_block(w);
        if (rc == SHARD_OK)
            rc = add_to_block(w, rec, &size);
    }
    return after_add(w, rec, rc);
}

static int keep_frames(struct shard_writer *w, const struct shard_kept_frame *kept,
                       size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const struct shard_tensor_frame frame = {
            .column = {kept[i].kind, kept[i].encoder, kept[i].dtype, kept[i].slot},
            .first_row = kept[i].first_row,
            .bytes = kept[i].raw_bytes};
        int rc = kept[i].len <= UINT32_MAX && kept[i].raw_bytes <= SHARD_MAX_FRAME
                     ? shard_block_keep(&w->block, &frame)
                     : SHARD_EINVAL;
        if (rc == SHARD_ENOMEM)
            return out_of_memory(w);
        if (rc < 0)
            return fail(w, rc, "kept frame %zu cannot be copied", i);
    }
    return SHARD_OK;
}

/* What comes without its bytes is in a frame that is copied. */
static int check_kept(struct shard_writer *w, const struct shard_record *rec)
{
    for (size_t i = 0; i < rec->n_tensors; i++)
        if (rec->tensors[i].data == NULL && rec->tensors[i].n_bytes > 0 &&
            !shard_block_keeps(&w->block, &rec->tensors[i]))
            return refuse(w, rec, "a tensor has neither data nor a frame to be copied");
    return SHARD_OK;
}

int shard_writer_append_block(struct shard_writer *w, const struct shard_record *records,
                              size_t n, const struct shard_kept_frame *kept,
                              size_t n_kept)
{
    int rc = w->failed;

    if (rc == SHARD_OK && w->block.n_records > 0)
        rc = flush_block(w);
    if (rc < 0 || n == 0)
        return rc;
    w->kept = kept;
    rc = keep_frames(w, kept, n_kept);
    for (size_t i = 0; i < n && rc == SHARD_OK; i++) {
        struct shard_row_size size;
        rc = check(w, &records[i], true, &size);
        if (rc == SHARD_OK)
            rc = check_kept(w, &records[i]);
        if (rc == SHARD_OK)
            rc = after_add(w, &records[i], add_to_block(w, &records[i], &size));
    }
    if (rc == SHARD_OK)
        rc = flush_block(w);
    w->kept = NULL;
    w->failed = rc;
    return rc;
}

int shard_writer_finish(struct shard_writer *w)
{
    int rc = w->failed;

    if (rc == SHARD_OK && w->block.n_records > 0)
        rc = flush_block(w);
    if (rc == SHARD_OK && w->sink != NULL)
        rc = close_file(w);
    return rc;
}

const struct shard_file *shard_writer_files(const struct shard_writer *w, size_t *n)
{
    *n = w->n_files;
    return w->files;
}

const char *shard_writer_why(const struct shard_writer *w)
{
    return w == NULL ? shard_strerror(SHARD_ENOMEM) : w->why;
}

void shard_writer_close(struct shard_writer *w)
{
    if (w == NULL)
        return;
    shard_sink_close(w->sink);
    ZSTD_freeCCtx(w->zstd);
    shard_block_clear(&w->block);
    shard_buffer_free(&w->text);
    shard_buffer_free(&w->raw);
    shard_buffer_free(&w->frames);
    shard_buffer_free(&w->frame);
    shard_index_clear(&w->index);
    shard_buffer_free(&w->seek_table);
    for (size_t i = 0; i < w->n_files; i++)
        free(w->files[i].path);
    free(w->files);
    shard_header_free(w->owned_header);
    free(w);
}
