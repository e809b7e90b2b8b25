/* SPDX-License-Identifier: Apache-2.0 */
#include "shard/file/positioned_file.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <xxhash.h>

#include "shard/file/format.h"
#include "shard/status.h"

int shard_positioned_file_fail(struct shard_positioned_file *s, int status,
                               const char *fmt, ...)
{
    va_list ap;

    s->error = status == SHARD_EIO ? errno : 0;
    int n = snprintf(s->why, sizeof(s->why), "%.300s: ", s->path);

    va_start(ap, fmt);
    vsnprintf(s->why + n, sizeof(s->why) - (size_t)n, fmt, ap);
    va_end(ap);
    return status;
}

/* Opens s->path and looks at it. */
static int open_regular(struct shard_positioned_file *s, struct shard_input_entry *entry)
{
    if (s->input->open(&s->file, s->path, entry) != 0)
        return shard_positioned_file_fail(s, errno == ENOMEM ? SHARD_ENOMEM : SHARD_EIO,
                                          "%s", strerror(errno));
    if (!entry->readable)
        return shard_positioned_file_fail(s, SHARD_EFORMAT, "not a regular file");
    return SHARD_OK;
}

int shard_positioned_file_open(struct shard_positioned_file *s,
                               const struct shard_input *input, const char *path)
{
    *s = (struct shard_positioned_file){.input =
                                            input != NULL ? input : &shard_plain_input};
    s->path = strdup(path);
    s->zstd = ZSTD_createDCtx();
    if (s->path == NULL || s->zstd == NULL) {
        snprintf(s->why, sizeof(s->why), "out of memory");
        return SHARD_ENOMEM;
    }
    return open_regular(s, &s->entry);
}

void shard_positioned_file_detach(struct shard_positioned_file *s)
{
    if (s->file != NULL)
        s->input->close(s->file);
    s->file = NULL;
}

int shard_positioned_file_attach(struct shard_positioned_file *s)
{
    struct shard_input_entry now;
    int rc = open_regular(s, &now);

    if (rc == SHARD_OK &&
        (now.bytes != s->entry.bytes || now.version[0] != s->entry.version[0] ||
         now.version[1] != s->entry.version[1]))
        rc = shard_positioned_file_fail(
            s, SHARD_EFORMAT, "the file was replaced or changed since it was opened");
    if (rc < 0)
        shard_positioned_file_detach(s);
    return rc;
}

int shard_positioned_file_share(struct shard_positioned_file *s,
                                const struct shard_positioned_file *from)
{
    char *path = strdup(from->path);

    if (s->zstd == NULL)
        s->zstd = ZSTD_createDCtx();
    if (path == NULL || s->zstd == NULL) {
        free(path);
        snprintf(s->why, sizeof(s->why), "out of memory");
        return SHARD_ENOMEM;
    }
    free(s->path);
    s->path = path;
    s->input = from->input;
    s->entry = from->entry;
    return SHARD_OK;
}

void shard_positioned_file_close(struct shard_positioned_file *s)
{
    shard_positioned_file_detach(s);
    free(s->path);
    ZSTD_freeDCtx(s->zstd);
    shard_buffer_free(&s->packed);
    s->path = NULL;
    s->zstd = NULL;
}

int shard_positioned_file_read(struct shard_positioned_file *s, uint64_t offset,
                               void *data, size_t len)
{
    unsigned char *p = data;

    if (offset > s->entry.bytes || len > s->entry.bytes - offset)
        return shard_positioned_file_fail(
            s, SHARD_EDAMAGED, "byte %" PRIu64 ": the file ends before it should",
            s->entry.bytes);
    while (len > 0) {
        const ssize_t n = s->input->read_at(s->file, offset, p, len);
        if (n < 0)
            return shard_positioned_file_fail(s, SHARD_EIO, "byte %" PRIu64 ": %s",
                                              offset, strerror(errno));
        if (n == 0)
            return shard_positioned_file_fail(
                s, SHARD_EDAMAGED,
                "byte %" PRIu64 ": the file became shorter while it was read", offset);
        p += n;
        len -= (size_t)n;
        offset += (uint64_t)n;
    }
    return SHARD_OK;
}

int shard_positioned_file_unpack(struct shard_positioned_file *s, const char *what,
                                 uint64_t offset, uint64_t bytes, uint64_t raw_bytes,
                                 uint64_t checksum, struct shard_buffer *out)
{
    if (offset > s->entry.bytes || bytes > s->entry.bytes - offset)
        return shard_positioned_file_fail(
            s, SHARD_EDAMAGED, "%s at byte %" PRIu64 " reaches behind the file's end",
            what, offset);
    if (shard_buffer_resize(&s->packed, (size_t)bytes) < 0)
        return shard_positioned_file_fail(s, SHARD_ENOMEM, "out of memory");
    int rc = shard_positioned_file_read(s, offset, s->packed.data, (size_t)bytes);
    if (rc < 0)
        return rc;
    if (!shard_checksum_is(checksum, XXH3_64bits(s->packed.data, (size_t)bytes)))
        return shard_positioned_file_fail(
            s, SHARD_EDAMAGED, "%s at byte %" PRIu64 " does not match its checksum", what,
            offset);
    if (ZSTD_getFrameContentSize(s->packed.data, (size_t)bytes) != raw_bytes ||
        ZSTD_findFrameCompressedSize(s->packed.data, (size_t)bytes) != bytes)
        return shard_positioned_file_fail(
            s, SHARD_EDAMAGED,
            "%s at byte %" PRIu64
            " is not one Zstandard frame of the size it should have",
            what, offset);
    if (shard_buffer_resize(out, (size_t)raw_bytes) < 0)
        return shard_positioned_file_fail(s, SHARD_ENOMEM, "out of memory");
    size_t n = ZSTD_decompressDCtx(s->zstd, out->data, (size_t)raw_bytes, s->packed.data,
                                   (size_t)bytes);
    if (ZSTD_isError(n) || n != raw_bytes)
        return shard_positioned_file_fail(
            s, SHARD_EDAMAGED, "%s at byte %" PRIu64 ": %s", what, offset,
            ZSTD_isError(n) ? ZSTD_getErrorName(n) : "cut short");
    return SHARD_OK;
}
